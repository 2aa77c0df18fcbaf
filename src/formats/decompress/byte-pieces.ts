// Bytes that come one by one, up to a bound.
import { DataError } from '../../errors.js'

export class BytePieces {
  #bytes: Uint8Array
  length = 0

  constructor(
    private readonly uri: string,
    private readonly maxBytes: number,
  ) {
    this.#bytes = new Uint8Array(Math.min(65_536, maxBytes))
  }

  push(byte: number): void {
    if (this.length === this.#bytes.length) this.#grow()
    this.#bytes[this.length++] = byte
  }

  /** The byte `distance` before the next one. */
  back(distance: number): number {
    return this.#bytes[this.length - distance]!
  }

  join(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }

  #grow(): void {
    if (this.length >= this.maxBytes) throw new DataError(this.uri, `cannot be decompressed: more than ${this.maxBytes} bytes come out`)
    const longer = new Uint8Array(Math.min(this.maxBytes, 2 * this.length))
    longer.set(this.#bytes)
    this.#bytes = longer
  }
}
