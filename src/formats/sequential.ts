// Pulling bytes of a file front to back through a reader's window: for parsers that need whole fields whatever piece they lie in.
import { DataError } from '../errors.js'
import type { IoPort } from '../storage/io.js'
import type { Io } from '../storage/types.js'

/** Receives bytes [begin, end) of `bytes`, which are valid only during the call. */
export type ByteSink = (bytes: Uint8Array, begin: number, end: number) => void

/** A cursor over a file that asks for pieces of `requestBytes`, each byte once, in order. */
export class SequentialSource {
  /** The unread bytes of the present piece are bytes[begin, end). Consumers may move `begin` forward. */
  readonly bytes: Uint8Array
  begin = 0
  end = 0
  /** Reading stops here at the latest; the file's end may come before. */
  stop = Number.POSITIVE_INFINITY
  uri = ''
  #handle = -1
  /** File offset of index 0 of the window, were the present piece extended to there. */
  #base = 0
  #nextOffset = 0
  #short = false
  #tap: ((bytes: Uint8Array) => void) | undefined
  #tapped = 0
  #scratch = new Uint8Array(256)

  constructor(
    private readonly port: IoPort,
    private readonly requestBytes: number,
  ) {
    this.bytes = port.window.bytes
  }

  /** Takes up an open file at `byteOffset`; nothing is read yet. */
  start(uri: string, handle: number, byteOffset = 0, stop = Number.POSITIVE_INFINITY): void {
    this.uri = uri
    this.#handle = handle
    this.begin = 0
    this.end = 0
    this.stop = stop
    this.#base = byteOffset
    this.#nextOffset = byteOffset
    this.#short = false
    this.#tap = undefined
  }

  /** Takes up an open file whose first piece is in the window already, as the answer to a request of `askedBytes` at offset 0. */
  resume(uri: string, handle: number, askedBytes: number): void {
    this.start(uri, handle)
    const { window } = this.port
    this.begin = window.begin
    this.end = window.end
    this.#base = -window.begin
    this.#nextOffset = window.end - window.begin
    this.#short = this.#nextOffset < askedBytes
  }

  /** File offset of the next unread byte. */
  get position(): number {
    return this.#base + this.begin
  }

  /** True where the present piece was shorter than asked, which storage answers only at the end of the file. */
  get lastPieceWasShort(): boolean {
    return this.#short
  }

  /** All bytes consumed from now on are also given to `tap`, until {@link untap}. */
  tap(tap: (bytes: Uint8Array) => void): void {
    this.#tap = tap
    this.#tapped = this.begin
  }

  /** Ends {@link tap}, after giving it what was consumed so far. */
  untap(): void {
    this.#flushTap()
    this.#tap = undefined
  }

  #flushTap(): void {
    if (this.#tap !== undefined && this.begin > this.#tapped) this.#tap(this.bytes.subarray(this.#tapped, this.begin))
    this.#tapped = this.begin
  }

  /** Fetches the next piece, once the present one is consumed; false at the end of the file or at `stop`. */
  *fill(): Io<boolean> {
    this.#flushTap()
    const askedBytes = Math.min(this.requestBytes, this.stop - this.#nextOffset)
    if (askedBytes <= 0) return false
    const got = yield this.port.read(this.#handle, this.#nextOffset, askedBytes)
    if (got === 0) {
      this.#short = true
      return false
    }
    const { window } = this.port
    this.begin = window.begin
    this.end = window.end
    this.#tapped = window.begin
    this.#base = this.#nextOffset - window.begin
    this.#nextOffset += got
    this.#short = got < askedBytes
    return true
  }

  /** The next byte. @throws DataError where the file ends before it */
  *byte(what: string): Io<number> {
    if (this.begin === this.end && !(yield* this.fill())) return this.failEnd(what, 1)
    return this.bytes[this.begin++]!
  }

  /** The next `byteLength` bytes side by side; valid until the next call. For small fields: longer ones are copied together where they straddle pieces. */
  *take(byteLength: number, what: string): Io<Uint8Array> {
    if (this.end - this.begin >= byteLength) {
      this.begin += byteLength
      return this.bytes.subarray(this.begin - byteLength, this.begin)
    }
    if (this.#scratch.length < byteLength) this.#scratch = new Uint8Array(byteLength)
    let filled = 0
    for (;;) {
      const n = Math.min(byteLength - filled, this.end - this.begin)
      this.#scratch.set(this.bytes.subarray(this.begin, this.begin + n), filled)
      this.begin += n
      filled += n
      if (filled === byteLength) return this.#scratch.subarray(0, byteLength)
      if (!(yield* this.fill())) this.failEnd(what, byteLength - filled)
    }
  }

  /** Passes over the next `byteLength` bytes piece by piece, showing them to `sink`. */
  *pass(byteLength: number, what: string, sink?: ByteSink): Io<void> {
    let left = byteLength
    while (left > 0) {
      if (this.begin === this.end && !(yield* this.fill())) this.failEnd(what, left)
      const n = Math.min(left, this.end - this.begin)
      this.begin += n
      left -= n
      sink?.(this.bytes, this.begin - n, this.begin)
    }
  }

  /** Passes over all bytes to the end of the file, piece by piece; asks no further where the last piece was short already. */
  *passRest(sink?: ByteSink): Io<void> {
    for (;;) {
      if (this.begin < this.end) sink?.(this.bytes, this.begin, this.end)
      this.begin = this.end
      if (this.#short || !(yield* this.fill())) return
    }
  }

  failEnd(what: string, missingBytes: number): never {
    if (this.position === 0) throw new DataError(this.uri, 'is empty: it has 0 bytes')
    throw new DataError(this.uri, `is truncated: it ends within ${what}, ${missingBytes} bytes early`, this.position)
  }
}
