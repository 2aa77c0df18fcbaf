// The checkpoints of one rank: what it saves and loads, one file after the other, and how long each takes.
import type { Workload } from '../config/workload.js'
import { DataError } from '../errors.js'
import { crc32 } from '../formats/checksums.js'
import { createWindow, IoPort, runAsync } from '../storage/io.js'
import { extensionOf, stateFormat } from './formats.js'
import { rankFiles } from './layout.js'
import { PieceWriter, Stopped } from './piece-writer.js'
import type { CheckpointPlace } from './place.js'
import { rawParts, rawRanges, readBundle, readRawPart, readTorch } from './read.js'
import { checkpointFolder } from './schedule.js'
import type { StateFile, StatePart } from './types.js'
import { stateBytes } from './types.js'
import { writeState } from './write.js'

export interface RankOptions {
  readonly workload: Workload
  readonly ranks: number
  readonly rank: number
  /** The checkpoint folder as a local path or URI. */
  readonly folder: string
  readonly place: CheckpointPlace
  readonly verify: boolean
  /** Largest requests of writing and reading, multiples of 4096. */
  readonly pieceBytes: number
  readonly requestBytes: number
  readonly stopped: () => boolean
  /** Called with the bytes of each piece that is written. */
  readonly onWritten: (bytes: number) => void
  /** Milliseconds of a clock that all ranks share. */
  readonly nowMs: () => number
}

/** Milliseconds that each part of a rank's checkpoint took; absent for parts that it does not have. */
export type PartTimes = Readonly<Partial<Record<StatePart, number>>>

export class RankCheckpoints {
  private readonly files: readonly StateFile[]
  private writer: PieceWriter | undefined
  private ports: IoPort[] = []
  /** CRC-32 of the parts of raw files of this run, which nothing else could be held against. */
  private readonly sums = new Map<string, readonly number[]>()

  constructor(private readonly options: RankOptions) {
    this.files = rankFiles(options.workload, options.ranks, options.rank)
  }

  /** Allocates and touches what the first checkpoint would otherwise spend its time on. */
  prepare(): void {
    const { workload } = this.options
    if (this.files.length === 0) return
    this.writer = this.createWriter()
    const format = stateFormat(workload)
    const { modelDatatype, optimizerDatatype } = workload.model
    this.writer.prepare(
      format === 'torch' ? ['int8', modelDatatype, optimizerDatatype] : ['int8'],
      format === 'tensorflow' ? 'crc32c' : 'crc32',
    )
    if (workload.checkpoint.numCheckpointsRead > 0) this.port(format === 'raw' ? rawParts - 1 : 0)
  }

  /** Saves the rank's files of a checkpoint. Errors: StorageError, Stopped. */
  async save(epoch: number, step: number): Promise<PartTimes> {
    const { place, workload, verify, stopped } = this.options
    const path = this.pathOf(epoch, step)
    place.prepare(path, stopped)
    const { direct, fsync } = workload.checkpoint
    const format = stateFormat(workload)
    this.writer ??= this.createWriter()
    return this.timed(async ({ name, state }) => {
      const file = `${path}/${name}${extensionOf(format, place.inObjects)}`
      const sums = format === 'raw' && verify ? new PartSums(stateBytes(state)) : undefined
      await writeState(file, state, this.writer!, {
        place,
        format,
        direct,
        fsync,
        writesList: this.options.rank === 0,
        look: sums && ((part) => sums.add(part)),
      })
      if (sums) this.sums.set(file, sums.values)
    })
  }

  /** Loads the rank's files of a checkpoint. Errors: DataError, StorageError, Stopped. */
  load(epoch: number, step: number): Promise<PartTimes> {
    const { workload, verify, stopped, place } = this.options
    const path = this.pathOf(epoch, step)
    const format = stateFormat(workload)
    const check = () => {
      if (stopped()) throw new Stopped()
    }
    return this.timed(async ({ name, state }) => {
      const file = `${path}/${name}${extensionOf(format, place.inObjects)}`
      check()
      if (format !== 'raw') {
        const read = format === 'torch' ? readTorch : readBundle
        await runAsync(read(this.port(0), file, state, verify, check), place.storage)
        return
      }
      const ranges = rawRanges(stateBytes(state))
      // The first part fails alone where the file is missing or of another size, before the others begin.
      const sums = await settled(
        ranges.map((range, i) => runAsync(readRawPart(this.port(i), file, state, range, verify, check), place.storage)),
      )
      const written = this.sums.get(file)
      if (!verify || written === undefined) return
      const bad = sums.findIndex((sum, i) => sum !== written[i])
      if (bad >= 0) throw new DataError(file, 'does not hold what was written to it', ranges[bad]!.begin)
    })
  }

  /** The folder of a checkpoint, joined as a URI is: node:path would take its second slash away. */
  private pathOf(epoch: number, step: number): string {
    const { folder } = this.options
    return `${folder.endsWith('/') ? folder : `${folder}/`}${checkpointFolder(epoch, step)}`
  }

  private async timed(handle: (file: StateFile) => Promise<void>): Promise<PartTimes> {
    const times: Partial<Record<StatePart, number>> = {}
    for (const file of this.files) {
      const beginMs = this.options.nowMs()
      await handle(file)
      times[file.part] = (times[file.part] ?? 0) + this.options.nowMs() - beginMs
    }
    return times
  }

  private createWriter(): PieceWriter {
    const { pieceBytes, workload, stopped, onWritten } = this.options
    // MLCommons' DLIO writes random bytes whatever randomize_tensor says.
    const random = workload.checkpoint.randomizeTensor || stateFormat(workload) === 'raw'
    return new PieceWriter({ pieceBytes, random, stopped, onWritten })
  }

  private port(index: number): IoPort {
    while (this.ports.length <= index && this.ports.length < rawParts) this.ports.push(new IoPort(createWindow(this.options.requestBytes)))
    return this.ports[index]!
  }
}

/** Waits for all, then throws the first error: nothing may go on in the background. */
async function settled<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(promises)
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}

/** The CRC-32 of each part that a raw file will be read in, while it is written. */
class PartSums {
  readonly values: number[]
  private readonly ranges
  private part = 0
  private position = 0

  constructor(byteLength: number) {
    this.ranges = rawRanges(byteLength)
    this.values = this.ranges.map(() => 0)
  }

  add(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const { end } = this.ranges[this.part]!
      const count = Math.min(bytes.length - done, end - this.position)
      this.values[this.part] = crc32(bytes.subarray(done, done + count), this.values[this.part])
      done += count
      this.position += count
      if (this.position === end) this.part++
    }
  }
}
