// A stretch of a file in memory, read front to back, each access checked. Positions in errors are absolute byte offsets of the file.
import { DataError } from '../../errors.js'

/** The address of something that was never allocated: all bits set in the file. */
export const undefinedAddress = -1

/** A file that is sound as far as it was read, in a layout that this reader does not know. */
export class UnsupportedLayoutError extends DataError {}

/** How wide the file's addresses and lengths are; both are part of the superblock. */
export interface FieldWidths {
  readonly offsetBytes: number
  readonly lengthBytes: number
}

/** Bytes of a span which do not take part in what was parsed from it, such as time stamps; relative to the span. */
export interface Range {
  readonly begin: number
  readonly end: number
}

export class Span {
  /** Where the next field is read, relative to the span. */
  position = 0
  readonly view: DataView
  readonly ignored: Range[] = []

  constructor(
    readonly uri: string,
    readonly bytes: Uint8Array,
    /** Absolute position of the first byte in the file. */
    readonly byteOffset: number,
    readonly widths: FieldWidths,
    /** What it is, for messages: `object header`, … */
    readonly what: string,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get length(): number {
    return this.bytes.byteLength
  }

  get remaining(): number {
    return this.bytes.byteLength - this.position
  }

  /** A DataError at the current position (or `position`). */
  error(detail: string, position = this.position): DataError {
    return new DataError(this.uri, `HDF5 ${this.what}: ${detail}`, this.byteOffset + position)
  }

  unsupported(detail: string, position = this.position): UnsupportedLayoutError {
    return new UnsupportedLayoutError(this.uri, `HDF5 ${this.what}: ${detail}`, this.byteOffset + position)
  }

  /** Steps over `byteLength` bytes and returns where they began. */
  skip(byteLength: number): number {
    const begin = this.position
    if (byteLength < 0 || byteLength > this.remaining) throw this.error(`needs ${byteLength} more bytes, has ${this.remaining}`)
    this.position = begin + byteLength
    return begin
  }

  u8(): number {
    return this.view.getUint8(this.skip(1))
  }

  u16(): number {
    return this.view.getUint16(this.skip(2), true)
  }

  u32(): number {
    return this.view.getUint32(this.skip(4), true)
  }

  /** A little-endian unsigned number of `byteLength` bytes (1 to 8); above 2^53 − 1 it is refused. */
  uint(byteLength: number): number {
    const begin = this.skip(byteLength)
    let value = 0
    for (let i = byteLength - 1; i >= 0; i--) value = value * 256 + this.view.getUint8(begin + i)
    if (value > Number.MAX_SAFE_INTEGER) throw this.error(`a number above 2^53 (${byteLength} bytes)`, begin)
    return value
  }

  u64(): number {
    return this.uint(8)
  }

  /** A length (`size of lengths` bytes). */
  size(): number {
    return this.uint(this.widths.lengthBytes)
  }

  /** An address relative to the base address, or {@link undefinedAddress}. */
  address(): number {
    const width = this.widths.offsetBytes
    const begin = this.position
    for (let i = 0; i < width; i++) if (this.view.getUint8(this.skip(1)) !== 0xff) return this.rewind(begin).uint(width)
    return undefinedAddress
  }

  /** A length in which all bits set mean "unlimited". */
  sizeOrUnlimited(): number {
    const width = this.widths.lengthBytes
    const begin = this.position
    for (let i = 0; i < width; i++) if (this.view.getUint8(this.skip(1)) !== 0xff) return this.rewind(begin).uint(width)
    return Number.POSITIVE_INFINITY
  }

  rewind(position: number): this {
    this.position = position
    return this
  }

  /** Checks four letters such as `OHDR`. */
  signature(letters: string): void {
    const begin = this.skip(letters.length)
    for (let i = 0; i < letters.length; i++)
      if (this.view.getUint8(begin + i) !== letters.charCodeAt(i)) throw this.error(`signature ${letters} is missing`, begin)
  }

  /** Checks a version byte against the versions that are known. */
  version(highest: number, lowest = 0): number {
    const version = this.u8()
    if (version < lowest || version > highest)
      throw this.unsupported(`version ${version} is not known (${lowest} to ${highest} are)`, this.position - 1)
    return version
  }

  /** The next `byteLength` bytes as a span of their own. */
  take(byteLength: number, what = this.what): Span {
    const begin = this.skip(byteLength)
    return new Span(this.uri, this.bytes.subarray(begin, begin + byteLength), this.byteOffset + begin, this.widths, what)
  }

  /** The next bytes up to (not including) a zero byte, as text; the zero byte is stepped over. */
  text(): string {
    const begin = this.position
    const end = this.bytes.indexOf(0, begin)
    if (end < 0) throw this.error('a name without end', begin)
    this.position = end + 1
    return decodeText(this.bytes.subarray(begin, end))
  }

  /** Notes that bytes [begin, end) do not influence what was parsed. */
  ignore(begin: number, end: number): void {
    this.ignored.push({ begin, end })
  }
}

const decoder = new TextDecoder()

/** UTF-8 text; invalid sequences become replacement characters (names are compared, not trusted). */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}
