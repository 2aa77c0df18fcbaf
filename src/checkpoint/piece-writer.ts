// Files written in large pieces: while the system writes one, the next is being filled.
import { createKernelMemory } from '../dataset/content/kernel.js'
import { directAlignment } from '../storage/local.js'
import { contentOverrun, contentStateBytes, StateContent } from './content.js'

/** Thrown where the run was asked to stop. */
export class Stopped extends Error {}

/** Where one file goes: a local file here, an upload where the storage is another. */
export interface PieceTarget {
  /** Resolves when all of `bytes` are written at `byteOffset`; until then they must stay as they are. */
  write(bytes: Uint8Array, byteOffset: number): Promise<void>
  /** The file is complete with `byteLength` bytes: makes it visible. */
  commit(byteLength: number): Promise<void>
  /** Removes what there is of an unfinished file. */
  discard(): void
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

  /** Makes the generators of these types, and touches all of the memory. */
  prepare(types: readonly Parameters<StateContent['fill']>[0][]): void {
    for (const type of types) for (const begin of this.begins) this.content.fill(type, begin, begin + this.options.pieceBytes)
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

  /** Appends `byteLength` bytes of content; `look` sees each part of it before it is written. */
  async fill(type: Parameters<StateContent['fill']>[0], byteLength: number, look?: (part: Uint8Array) => void): Promise<void> {
    for (let left = byteLength; left > 0; ) {
      const count = Math.min(left, this.options.pieceBytes - this.gathered, cacheBytes)
      const begin = this.begins[this.current] + this.gathered
      this.content.fill(type, begin, begin + count)
      look?.(this.bytes.subarray(begin, begin + count))
      await this.advance(count)
      left -= count
    }
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
    target?.discard()
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

/** Content is made in parts that stay in the processor's cache for whoever looks at them. */
const cacheBytes = 256 * 1024
