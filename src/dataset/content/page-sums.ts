// CRCs of pages that are told without reading them. A CRC is affine over GF(2): crc(a ^ b) = crc(a) ^ crc(b) ^ crc(zeros) for strings of one
// length, and crc(a + b) = shift(crc(a)) ^ crc(b), where shift is linear and depends on the length of b alone (zlib's crc32_combine).
import { type CrcKind, crcOf } from '../../formats/checksums.js'

/** Bytes of a page. */
export const pageBytes = 4096
const zeroPage = new Uint8Array(pageBytes)

/** What is known of one kind of CRC over pages. */
export class PageSums {
  /** The CRC of a page of zeros. */
  readonly zeros: number
  /** Four tables of the shift by a page, one for each byte of the CRC. */
  readonly #shift = new Int32Array(4 * 256)

  constructor(readonly kind: CrcKind) {
    this.zeros = crcOf(kind, zeroPage, 0)
    const column = Array.from({ length: 32 }, (_, bit) => crcOf(kind, zeroPage, 2 ** bit) ^ this.zeros)
    for (let byte = 0; byte < 4; byte++)
      for (let value = 0; value < 256; value++)
        for (let bit = 0; bit < 8; bit++) if ((value >>> bit) & 1) this.#shift[byte * 256 + value]! ^= column[byte * 8 + bit]!
  }

  /** The CRC of what has the CRC `before` and a page with the CRC `page` behind it. */
  join(before: number, page: number): number {
    const shift = this.#shift
    return (
      shift[before & 255]! ^
      shift[256 + ((before >>> 8) & 255)]! ^
      shift[512 + ((before >>> 16) & 255)]! ^
      shift[768 + (before >>> 24)]! ^
      page
    )
  }
}
