// Checksums of the formats: CRC-32 (zip) and CRC-32C (TFRecord), both by SIMD code that is loaded at first use.
import { dependency } from '../package.js'
import type { ContentSource } from './types.js'

type Crc = (bytes: Uint8Array, initial?: number) => number
interface CrcModule {
  crc32: Crc
  crc32c: Crc
}

/** Names of the checksums. */
export type CrcKind = keyof CrcModule

let loaded: CrcModule | undefined
function library(): CrcModule {
  loaded ??= dependency<CrcModule>('@node-rs/crc32')
  return loaded
}

/** CRC-32 of zip and gzip; `initial` is the CRC of the bytes before. */
export function crc32(bytes: Uint8Array, initial = 0): number {
  return crcOf('crc32', bytes, initial)
}

/** CRC-32C (Castagnoli); `initial` is the CRC of the bytes before. */
export function crc32c(bytes: Uint8Array, initial = 0): number {
  return crcOf('crc32c', bytes, initial)
}

/** The checksum of kind `kind`; `initial` is that of the bytes before. */
export function crcOf(kind: CrcKind, bytes: Uint8Array, initial: number): number {
  return library()[kind](bytes, initial) >>> 0
}

/** The checksum of `piece`, which `content` has just given; `initial` is that of the bytes before. */
export function contentCrc(content: ContentSource, kind: CrcKind, piece: Uint8Array, initial: number): number {
  return content.checksum?.(kind, initial) ?? crcOf(kind, piece, initial)
}

/** TFRecord's masking of a CRC-32C (TensorFlow `core/lib/hash/crc32c.h`, `Mask`). */
export function maskCrc(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

// CRC-32C of eight bytes in plain code: a call into the library costs 260 ns, this about 10, and every record needs one.
const castagnoli = 0x82f63b78
const tables = new Int32Array(8 * 256)
for (let n = 0; n < 256; n++) {
  let crc = n
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ castagnoli : crc >>> 1
  tables[n] = crc
}
for (let k = 1; k < 8; k++)
  for (let n = 0; n < 256; n++) {
    const previous = tables[(k - 1) * 256 + n]!
    tables[k * 256 + n] = (previous >>> 8) ^ tables[previous & 255]!
  }

/** CRC-32C of the eight bytes of a little-endian u64, given as its two halves. */
export function crc32cOfU64(low: number, high: number): number {
  const a = low ^ -1
  const crc =
    tables[1792 + (a & 255)]! ^
    tables[1536 + ((a >>> 8) & 255)]! ^
    tables[1280 + ((a >>> 16) & 255)]! ^
    tables[1024 + (a >>> 24)]! ^
    tables[768 + (high & 255)]! ^
    tables[512 + ((high >>> 8) & 255)]! ^
    tables[256 + ((high >>> 16) & 255)]! ^
    tables[high >>> 24]!
  return (crc ^ -1) >>> 0
}
