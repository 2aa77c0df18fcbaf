// Files written in large pieces: while the system writes one, the next is being filled.
import type { StateType } from '../config/workload.js'
import { createKernelMemory } from '../dataset/content/kernel.js'
import type { CrcKind } from '../formats/checksums.js'
import { directAlignment } from '../storage/local.js'
import { contentOverrun, contentPartBytes, contentStateBytes, StateContent } from './content.js'

/** Thrown where the run was asked to stop. */
export class Stopped extends Error {}

/** Where one file goes: a local file here, an upload where the storage is another. */
export interface PieceTarget {
  /** Resolves when all of `bytes` are written at `byteOffset`; until then they must stay as they are. */
  write(bytes: Uint8Array, byteOffset: number): Promise<void>
  /** The file is complete with `byteLength` bytes: makes it visible. */
  commit(byteLength: number): Promise<void>
  /** Removes what there is of an unfinished file. */
  discard(): void | Promise<void>
}

export interface PieceOptions {
  /** A multiple of 4096. */
  readonly pieceBytes: number
  /** Random contents; else ones. */
  readonly random: boolean
  readonly stopped: () => boolean
  /** Called with the bytes of each piece that is written. */
  readonly onWritten: (bytes: number) => void
}

/** The two buffers of one rank, used for all its files. */
export class PieceWriter {
  private readonly content: StateContent
  private readonly bytes: Uint8Array
  private readonly begins: readonly [number, number]
  private target: PieceTarget | undefined
  private current: 0 | 1 = 0
  /** Bytes in the current buffer. */
  private gathered = 0
  /** Bytes of the file before it. */
  private handedOver = 0
  private pending: Promise<unknown> = Promise.resolve()

  constructor(private readonly options: PieceOptions) {
    const own = Math.ceil(contentStateBytes / directAlignment) * directAlignment
    const buffer = options.pieceBytes + Math.ceil(contentOverrun / directAlignment) * directAlignment
    const memory = createKernelMemory(own + 2 * buffer)
    this.bytes = new Uint8Array(memory.buffer)
    this.begins = [own, own + buffer]
    this.content = new StateContent(memory, options.random)
  }

  /** Length of the file so far. */
  get byteLength(): number {
    return this.handedOver + this.gathered
  }

  /** Makes the generators of these types and their checksums, and touches all of the memory. */
  prepare(types: readonly StateType[], sum: CrcKind): void {
    const end = this.begins[1] + this.options.pieceBytes
    for (const type of types)
      for (let at = this.begins[0]; at < end; at += contentPartBytes) {
        this.content.fill(type, at, Math.min(at + contentPartBytes, end))
        this.content.checksum(sum, 0)
      }
  }

  begin(target: PieceTarget): void {
    this.target = target
    this.gathered = 0
    this.handedOver = 0
    this.pending = Promise.resolve()
  }

  /** Appends bytes, which are copied. */
  async append(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const count = Math.min(bytes.length - done, this.options.pieceBytes - this.gathered)
      this.bytes.set(bytes.subarray(done, done + count), this.begins[this.current] + this.gathered)
      await this.advance(count)
      done += count
    }
  }

  /**
   * Appends `byteLength` bytes of content. Returns their CRC of the kind that `sum` says, 0 without; `look` sees each part of them before it is
   * written.
   */
  async fill(type: StateType, byteLength: number, sum?: CrcKind, look?: (part: Uint8Array) => void): Promise<number> {
    let crc = 0
    for (let left = byteLength; left > 0; ) {
      const count = Math.min(left, this.options.pieceBytes - this.gathered, contentPartBytes)
      const begin = this.begins[this.current] + this.gathered
      const part = this.content.fill(type, begin, begin + count)
      if (sum) crc = this.content.checksum(sum, crc)
      look?.(part)
      await this.advance(count)
      left -= count
    }
    return crc
  }

  /** Writes the rest and gives the file its name. */
  async end(): Promise<void> {
    const { byteLength } = this
    await this.flush()
    await this.pending
    await this.target!.commit(byteLength)
    this.target = undefined
  }

  /** Gives an unfinished file up. What is being written is waited for, for its memory is used again. */
  async discard(): Promise<void> {
    const target = this.target
    this.target = undefined
    await this.pending.catch(() => {})
    await target?.discard()
  }

  private async advance(count: number): Promise<void> {
    this.gathered += count
    if (this.gathered === this.options.pieceBytes) await this.flush()
  }

  private async flush(): Promise<void> {
    if (this.options.stopped()) throw new Stopped()
    const count = this.gathered
    const begin = this.begins[this.current]
    const byteOffset = this.handedOver
    await this.pending
    if (count === 0) return
    this.pending = this.target!.write(this.bytes.subarray(begin, begin + count), byteOffset).then(() => this.options.onWritten(count))
    // Told by whoever awaits it next; unheard until then is not unhandled.
    this.pending.catch(() => {})
    this.current = this.current === 0 ? 1 : 0
    this.handedOver += count
    this.gathered = 0
  }
}
