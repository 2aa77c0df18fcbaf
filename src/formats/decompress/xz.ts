// The container of .xz files ("The .xz File Format", version 1.2): streams of blocks of LZMA2 chunks, as Python's lzma writes them.
import { DataError } from '../../errors.js'
import { crc32 } from '../checksums.js'
import { u32 } from '../little-endian.js'
import { BytePieces } from './byte-pieces.js'
import { LzmaDecoder } from './lzma.js'

const headerMagic = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]
const streamHeaderBytes = 12
const lzma2Filter = 0x21
/** Sizes of the checks by their number (section 2.1.1.2). */
const checkBytes = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64]
const crc32Check = 1
const crc64Check = 4

/** @throws DataError for damaged data, and where more than `maxBytes` come out */
export function unxz(uri: string, bytes: Uint8Array, maxBytes: number): Uint8Array {
  const out = new BytePieces(uri, maxBytes)
  const reader = new XzReader(uri, bytes, out)
  while (reader.at < bytes.length) reader.stream()
  return out.join()
}

class XzReader {
  at = 0

  constructor(
    private readonly uri: string,
    private readonly bytes: Uint8Array,
    private readonly out: BytePieces,
  ) {}

  stream(): void {
    const begin = this.at
    this.#need(streamHeaderBytes)
    if (!headerMagic.every((byte, i) => this.bytes[begin + i] === byte)) this.#fail('stream does not begin as one')
    this.#checkCrc(begin + 6, begin + 8)
    const check = this.bytes[begin + 7]! & 15
    this.at += streamHeaderBytes
    const sizes: number[] = []
    for (;;) {
      this.#need(1)
      if (this.bytes[this.at] === 0) break
      sizes.push(this.#block(check))
    }
    this.#index(sizes)
    this.#need(streamHeaderBytes)
    if (this.bytes[this.at + 10] !== 0x59 || this.bytes[this.at + 11] !== 0x5a) this.#fail('stream does not end as one')
    if (crc32(this.bytes.subarray(this.at + 4, this.at + 10)) !== u32(this.bytes, this.at))
      this.#fail('checksum of a stream’s end does not fit')
    this.at += streamHeaderBytes
    // Streams may be padded to a multiple of four.
    while (this.at < this.bytes.length && this.bytes[this.at] === 0) this.at++
  }

  /** Returns the block's decompressed size. */
  #block(check: number): number {
    const begin = this.at
    const headerEnd = begin + 4 * (this.bytes[begin]! + 1)
    this.#need(headerEnd - begin)
    this.#checkCrc(begin, headerEnd - 4)
    const flags = this.bytes[begin + 1]!
    this.at = begin + 2
    if ((flags & 3) !== 0 || (flags & 0x3c) !== 0) this.#fail('block uses filters that Python’s lzma does not write')
    if (flags & 0x40) this.#number()
    const saysSize = (flags & 0x80) !== 0 ? this.#number() : undefined
    if (this.#number() !== lzma2Filter || this.#number() !== 1) this.#fail('block is not compressed with LZMA2')
    this.at = headerEnd
    const outBegin = this.out.length
    this.at = new LzmaDecoder(this.uri, this.bytes, this.out).chunks(this.at)
    const size = this.out.length - outBegin
    if (saysSize !== undefined && saysSize !== size) this.#fail(`block says ${saysSize} bytes where ${size} come out`)
    while ((this.at - begin) % 4 !== 0) this.at++
    this.#need(checkBytes[check]!)
    const data = this.out.join().subarray(outBegin)
    if (check === crc32Check && crc32(data) !== u32(this.bytes, this.at)) this.#fail('checksum of a block does not fit')
    if (check === crc64Check && !crc64Fits(data, this.bytes, this.at)) this.#fail('checksum of a block does not fit')
    this.at += checkBytes[check]!
    return size
  }

  #index(sizes: readonly number[]): void {
    const begin = this.at++
    if (this.#number() !== sizes.length) this.#fail('index counts other blocks than there are')
    for (const size of sizes) {
      this.#number()
      if (this.#number() !== size) this.#fail('index tells other sizes than there are')
    }
    while ((this.at - begin) % 4 !== 0) this.at++
    this.#checkCrc(begin, this.at)
    this.at += 4
  }

  /** Section 1.2: seven bits a byte, lowest first. */
  #number(): number {
    let value = 0
    for (let i = 0; i < 8; i++) {
      this.#need(1)
      const byte = this.bytes[this.at++]!
      value += (byte & 127) * 2 ** (7 * i)
      if (byte < 128) return value
    }
    return this.#fail('number is too large')
  }

  /** The CRC-32 at `end` is that of [begin, end). */
  #checkCrc(begin: number, end: number): void {
    if (end + 4 > this.bytes.length) this.#need(end + 4 - this.at)
    if (crc32(this.bytes.subarray(begin, end)) !== u32(this.bytes, end)) this.#fail('checksum of a header does not fit')
  }

  #need(byteLength: number): void {
    if (this.at + byteLength > this.bytes.length) throw new DataError(this.uri, 'is truncated: its xz data do not end', this.bytes.length)
  }

  #fail(why: string): never {
    throw new DataError(this.uri, `cannot be decompressed: xz ${why}`, this.at)
  }
}

/** CRC-64 of ECMA-182, reflected, in two halves of 32 bits. */
const crc64Low = new Uint32Array(256)
const crc64High = new Uint32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let low = byte
  let high = 0
  for (let bit = 0; bit < 8; bit++) {
    const odd = low & 1
    low = ((low >>> 1) | (high << 31)) >>> 0
    high = high >>> 1
    if (odd) {
      low = (low ^ 0xd7870f42) >>> 0
      high = (high ^ 0xc96c5795) >>> 0
    }
  }
  crc64Low[byte] = low
  crc64High[byte] = high
}

function crc64Fits(data: Uint8Array, bytes: Uint8Array, at: number): boolean {
  let low = 0xffffffff
  let high = 0xffffffff
  for (let i = 0; i < data.length; i++) {
    const index = (low ^ data[i]!) & 255
    low = (((low >>> 8) | (high << 24)) ^ crc64Low[index]!) >>> 0
    high = ((high >>> 8) ^ crc64High[index]!) >>> 0
  }
  return ~low >>> 0 === u32(bytes, at) && ~high >>> 0 === u32(bytes, at + 4)
}
