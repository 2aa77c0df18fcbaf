// The two checksums of HDF5 files: Jenkins' lookup3 over metadata, Fletcher's over chunks.
import type { Span } from './span.js'

const rotate = (value: number, bits: number) => (value << bits) | (value >>> (32 - bits))

/**
 * Jenkins' lookup3 hash `hashlittle` with initial value 0 over bytes [begin, end), as an unsigned number: HDF5's metadata checksum
 * (H5_checksum_metadata) and its hash of link names. Source: Bob Jenkins, lookup3.c, public domain algorithm.
 */
export function lookup3(bytes: Uint8Array, begin = 0, end = bytes.byteLength): number {
  let remaining = end - begin
  let at = begin
  let a = (0xdeadbeef + remaining) | 0
  let b = a
  let c = a
  const word = (position: number) => {
    // A word beyond the end counts as zero bytes, which is what the algorithm's tail does.
    let value = 0
    for (let i = Math.min(4, end - position) - 1; i >= 0; i--) value = (value << 8) | (bytes[position + i] as number)
    return value
  }
  if (remaining === 0) return c >>> 0
  while (remaining > 12) {
    a = (a + word(at)) | 0
    b = (b + word(at + 4)) | 0
    c = (c + word(at + 8)) | 0
    a = (a - c) ^ rotate(c, 4)
    c = (c + b) | 0
    b = (b - a) ^ rotate(a, 6)
    a = (a + c) | 0
    c = (c - b) ^ rotate(b, 8)
    b = (b + a) | 0
    a = (a - c) ^ rotate(c, 16)
    c = (c + b) | 0
    b = (b - a) ^ rotate(a, 19)
    a = (a + c) | 0
    c = (c - b) ^ rotate(b, 4)
    b = (b + a) | 0
    at += 12
    remaining -= 12
  }
  a = (a + word(at)) | 0
  b = (b + word(at + 4)) | 0
  c = (c + word(at + 8)) | 0
  c = ((c ^ b) - rotate(b, 14)) | 0
  a = ((a ^ c) - rotate(c, 11)) | 0
  b = ((b ^ a) - rotate(a, 25)) | 0
  c = ((c ^ b) - rotate(b, 16)) | 0
  a = ((a ^ c) - rotate(c, 4)) | 0
  b = ((b ^ a) - rotate(a, 14)) | 0
  c = ((c ^ b) - rotate(b, 24)) | 0
  return c >>> 0
}

/** HDF5's Fletcher-32 (H5_checksum_fletcher32): big-endian 16-bit words, an odd last byte is the upper half of a word. */
export function fletcher32(bytes: Uint8Array): number {
  const words = bytes.byteLength >>> 1
  let sum1 = 0
  let sum2 = 0
  let at = 0
  for (let left = words; left > 0; ) {
    // 360 words are the most that cannot overflow 32 bits before the sums are folded.
    const block = Math.min(left, 360)
    left -= block
    for (let i = 0; i < block; i++, at += 2) {
      sum1 += ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
      sum2 += sum1
    }
    sum1 = (sum1 & 0xffff) + (sum1 >>> 16)
    sum2 = (sum2 & 0xffff) + (sum2 >>> 16)
  }
  if (bytes.byteLength % 2 === 1) {
    sum1 += (bytes[at] as number) << 8
    sum2 += sum1
    sum1 = (sum1 & 0xffff) + (sum1 >>> 16)
    sum2 = (sum2 & 0xffff) + (sum2 >>> 16)
  }
  sum1 = (sum1 & 0xffff) + (sum1 >>> 16)
  sum2 = (sum2 & 0xffff) + (sum2 >>> 16)
  return ((sum2 << 16) | sum1) >>> 0
}

/** Reads the checksum that ends a metadata structure at the span's position and, with `verify`, compares it with the bytes before it. */
export function readChecksum(span: Span, verify: boolean, begin = 0): void {
  const end = span.position
  const stored = span.u32()
  if (!verify) return
  const computed = lookup3(span.bytes, begin, end)
  if (stored !== computed)
    throw span.error(`checksum is ${hex(stored)}, the bytes give ${hex(computed)}: the file is damaged; generate or copy it again`, end)
}

const hex = (value: number) => `0x${value.toString(16).padStart(8, '0')}`
