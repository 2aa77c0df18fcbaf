// Writing fields of metadata into memory, the counterpart of Span.
import { lookup3 } from './checksum.js'

export class Encoder {
  readonly bytes: Uint8Array
  private readonly view: DataView
  position = 0

  constructor(byteLength: number) {
    this.bytes = new Uint8Array(byteLength)
    this.view = new DataView(this.bytes.buffer)
  }

  at(position: number): this {
    this.position = position
    return this
  }

  text(letters: string): this {
    for (const letter of letters) this.u8(letter.charCodeAt(0))
    return this
  }

  u8(...values: number[]): this {
    for (const value of values) this.view.setUint8(this.position++, value)
    return this
  }

  u16(value: number): this {
    this.view.setUint16(this.position, value, true)
    this.position += 2
    return this
  }

  u32(value: number): this {
    this.view.setUint32(this.position, value, true)
    this.position += 4
    return this
  }

  u64(value: number): this {
    return this.uint(value, 8)
  }

  /** Little-endian, `byteLength` bytes (1 to 8). */
  uint(value: number, byteLength: number): this {
    let rest = value
    for (let i = 0; i < byteLength; i++) {
      this.view.setUint8(this.position++, rest % 256)
      rest = Math.floor(rest / 256)
    }
    return this
  }

  /** The address of nothing. */
  undefinedAddress(): this {
    return this.u8(...new Array<number>(8).fill(0xff))
  }

  put(bytes: Uint8Array): this {
    this.bytes.set(bytes, this.position)
    this.position += bytes.byteLength
    return this
  }

  /** Ends a structure that began at `begin` with the checksum of its bytes. */
  checksum(begin: number): this {
    return this.u32(lookup3(this.bytes, begin, this.position))
  }
}
