// The order of TFRecord files under tf.data as DLIO builds the pipeline (tf_reader.next): files interleaved record by record, shuffle,
// shard of records, batch, repeat, take. Who reads what is arithmetic; only the samples behind a shuffle need a simulation.
import type { EpochCounts } from './batch-orders.js'
import type { FileMap } from './file-map.js'
import { ShuffleBuffer, type ShufflePasses } from './tf-random.js'
import type { BatchSink, StreamOrder } from './types.js'

/** Only records whose position behind the shuffle is `index` modulo `count` belong to the rank. */
export interface RecordShard {
  readonly count: number
  readonly index: number
}

/** What one rank's pipeline is made of, the same in every epoch. */
export interface RecordPipeline {
  /** The rank's files in reading order. */
  readonly files: FileMap
  readonly recordsPerFile: number
  /** Slots of the interleave: `num_parallel_reads`, or `cycle_length`. */
  readonly cycle: number
  /** Records that a slot gives in its turn. */
  readonly blockLength: number
  readonly batchSize: number
  /** Whether the short batch at the end of a pass is delivered (`drop_remainder=False`). */
  readonly keepsRemainder: boolean
  readonly recordShard: RecordShard
  readonly shuffle: { readonly bufferSize: number; readonly passes: ShufflePasses } | undefined
}

/** What the number of batches of a pass depends on. */
export interface PassSize {
  readonly numFiles: number
  readonly recordsPerFile: number
  readonly batchSize: number
  readonly keepsRemainder: boolean
  readonly recordShard: RecordShard
}

/** Records of one pass over all files that belong to the rank. */
export function recordsOfPass({ numFiles, recordsPerFile, recordShard }: Omit<PassSize, 'batchSize' | 'keepsRemainder'>): number {
  return Math.max(0, Math.ceil((numFiles * recordsPerFile - recordShard.index) / recordShard.count))
}

/** Batches of one pass; a short one at its end is dropped (`drop_remainder`) or kept before the next pass begins. */
export function batchesOfPass(size: PassSize): number {
  const batches = recordsOfPass(size) / size.batchSize
  return size.keepsRemainder ? Math.ceil(batches) : Math.floor(batches)
}

/** One epoch: an iterator over the pipeline, from its first pass on. */
export class RecordOrder implements StreamOrder {
  readonly kind = 'stream'
  readonly inProcess = false
  readonly steps: number
  readonly batches: number
  readonly readers: number
  readonly recordsPerFile: number
  private readonly inputsPerPass: number
  private readonly recordsPerPass: number
  private readonly batchesPerPass: number
  private readonly passes: number
  private cursor: ShuffleCursor | undefined

  constructor(
    counts: EpochCounts,
    private readonly pipeline: RecordPipeline,
    /** Number of the shuffle pass that this iterator opens first, counted over all iterators of the data set. */
    private readonly firstPass: number,
  ) {
    this.steps = counts.steps
    this.batches = counts.batches
    this.readers = pipeline.cycle
    this.recordsPerFile = pipeline.recordsPerFile
    this.inputsPerPass = pipeline.files.count * pipeline.recordsPerFile
    const size = { ...pipeline, numFiles: pipeline.files.count }
    this.recordsPerPass = recordsOfPass(size)
    this.batchesPerPass = batchesOfPass(size)
    this.passes = this.batches === 0 ? 0 : Math.ceil(this.batches / this.batchesPerPass)
  }

  /** Undefined: a batch mixes the records of all readers. */
  readerOf(): number | undefined {
    return this.readers === 1 ? 0 : undefined
  }

  batch(k: number, into: BatchSink): number {
    const { batchSize, recordShard, shuffle } = this.pipeline
    const pass = Math.floor(k / this.batchesPerPass)
    const first = (k - pass * this.batchesPerPass) * batchSize
    const count = Math.min(batchSize, this.recordsPerPass - first)
    if (shuffle === undefined) {
      for (let i = 0; i < count; i++) this.record((first + i) * recordShard.count + recordShard.index, into, i)
      return count
    }
    const cursor = this.cursorAt(pass, first)
    for (let i = 0; i < count; i++) this.record(cursor.next(), into, i)
    return count
  }

  /**
   * Input record `input` of a pass: the interleave takes a block of each open file in turn. Files are equally long, so that all slots
   * end in the same round (with a shorter block where the length is no multiple) and file groups follow one after the other.
   */
  private record(input: number, into: BatchSink, i: number): void {
    const { files, cycle, recordsPerFile, blockLength } = this.pipeline
    const group = Math.floor(input / (cycle * recordsPerFile))
    const within = input - group * cycle * recordsPerFile
    const open = Math.min(cycle, files.count - group * cycle)
    const begin = Math.floor(within / (open * blockLength)) * blockLength
    const block = Math.min(blockLength, recordsPerFile - begin)
    const inRound = within - begin * open
    const slot = Math.floor(inRound / block)
    into.files[i] = files.at(group * cycle + slot)
    into.samples[i] = begin + inRound - slot * block
  }

  /** The simulation, brought to output `first` of the given pass; goes on where it stands when batches are asked in order. */
  private cursorAt(pass: number, first: number): ShuffleCursor {
    const { shuffle, recordShard } = this.pipeline
    let { cursor } = this
    if (cursor === undefined || cursor.pass !== pass || cursor.given > first) {
      const seeds = shuffle!.passes.of(this.firstPass + pass)
      cursor = new ShuffleCursor(pass, new ShuffleBuffer(this.inputsPerPass, shuffle!.bufferSize, seeds), recordShard)
      this.cursor = cursor
    }
    while (cursor.given < first) cursor.next()
    return cursor
  }

  filesOf(reader: number): number {
    return this.passes * this.filesOfPass(reader)
  }

  fileOf(reader: number, i: number): number {
    const { files, cycle } = this.pipeline
    return files.at((i % this.filesOfPass(reader)) * cycle + reader)
  }

  private filesOfPass(reader: number): number {
    const { files, cycle } = this.pipeline
    return Math.max(0, Math.ceil((files.count - reader) / cycle))
  }

  inputsNeeded(k: number): number {
    const { batchSize, recordShard, shuffle } = this.pipeline
    const pass = Math.floor(k / this.batchesPerPass)
    const lastOutput = ((k - pass * this.batchesPerPass + 1) * batchSize - 1) * recordShard.count + recordShard.index
    // The shuffle fills its buffer before the first record leaves it and tops it up by one before each further one.
    const needed = lastOutput + (shuffle?.bufferSize ?? 1)
    // A further pass begins only when the one before has been read to its end.
    return pass * this.inputsPerPass + Math.min(needed, this.inputsPerPass)
  }

  recordsOf(reader: number, inputs: number): number {
    const { files, cycle, recordsPerFile, blockLength } = this.pipeline
    if (this.inputsPerPass === 0) return 0
    const pass = Math.floor(inputs / this.inputsPerPass)
    const rest = inputs - pass * this.inputsPerPass
    const group = Math.floor(rest / (cycle * recordsPerFile))
    const within = rest - group * cycle * recordsPerFile
    const open = Math.min(cycle, files.count - group * cycle)
    const begin = Math.floor(within / (open * blockLength)) * blockLength
    const block = Math.min(blockLength, recordsPerFile - begin)
    const inBlock = Math.min(block, Math.max(0, within - begin * open - reader * block))
    const inGroup = reader < open ? begin + inBlock : 0
    return (pass * this.filesOfPass(reader) + group) * recordsPerFile + inGroup
  }
}

/** Outputs of one shuffle pass that belong to the rank, one after the other. */
class ShuffleCursor {
  given = 0
  private output = 0
  constructor(
    readonly pass: number,
    private readonly buffer: ShuffleBuffer,
    private readonly shard: RecordShard,
  ) {}

  /** Input position of the next output of this rank's shard. */
  next(): number {
    const wanted = this.given++ * this.shard.count + this.shard.index
    let input = this.buffer.next()
    for (this.output++; this.output <= wanted; this.output++) input = this.buffer.next()
    return input
  }
}
