// Hashes of single samples of an array whose last axis they are, for `inspect`.
import { createHash, type Hash } from 'node:crypto'
import { DataError } from '../errors.js'
import type { NpyHeader } from './npy/layout.js'
import { sampleCount } from './sample-array.js'
import type { ArrayInfo } from './types.js'

/** Most samples that are listed: samples on the last axis interleave, so every one needs a hash of its own at the same time. */
export const maxListedSamples = 65_536
/** Longest sample that is turned from Fortran to C order, which needs it in memory. */
const maxTurnedSampleBytes = 2 ** 28

/** Hashes of the samples of an array that passes by front to back, x[..., i], each of its bytes in C order. */
export class SampleHashes {
  readonly #count: number
  readonly #itemBytes: number
  readonly #sampleBytes: number
  readonly #hashes: Hash[]
  readonly #digests: string[] = []
  /** Bytes of array data seen so far. */
  #seen = 0
  /** Bytes of one piece that belong to one sample. */
  #gathered = new Uint8Array(0)
  /** Of a Fortran-ordered array: the sample at hand. */
  readonly #sample: Uint8Array | undefined

  constructor(
    path: string,
    private readonly header: NpyHeader,
    what: string,
  ) {
    this.#count = sampleCount(path, header, what)
    if (this.#count > maxListedSamples)
      throw new DataError(path, `holds ${this.#count} samples; inspect lists at most ${maxListedSamples} of an array`)
    this.#itemBytes = header.type.itemBytes
    this.#sampleBytes = this.#count === 0 ? 0 : header.dataBytes / this.#count
    this.#hashes = Array.from({ length: this.#count }, () => createHash('sha256'))
    if (header.fortranOrder && header.shape.slice(0, -1).filter((n) => n > 1).length > 1) {
      if (this.#sampleBytes > maxTurnedSampleBytes)
        throw new DataError(
          path,
          `has samples of ${this.#sampleBytes} bytes in Fortran order; inspect turns at most ${maxTurnedSampleBytes} of them`,
        )
      this.#sample = new Uint8Array(this.#sampleBytes)
    }
  }

  push(bytes: Uint8Array, begin: number, end: number): void {
    if (this.header.fortranOrder || this.#count === 1) this.#pushConsecutive(bytes, begin, end)
    else this.#pushInterleaved(bytes, begin, end)
  }

  #pushConsecutive(bytes: Uint8Array, begin: number, end: number): void {
    for (let at = begin; at < end; ) {
      const index = Math.floor(this.#seen / this.#sampleBytes)
      const inSample = this.#seen - index * this.#sampleBytes
      const n = Math.min(end - at, this.#sampleBytes - inSample)
      const part = bytes.subarray(at, at + n)
      if (this.#sample === undefined) this.#hashes[index]!.update(part)
      else {
        this.#sample.set(part, inSample)
        if (inSample + n === this.#sampleBytes)
          this.#hashes[index]!.update(toCOrder(this.#sample, this.header.shape.slice(0, -1), this.#itemBytes))
      }
      this.#seen += n
      at += n
    }
  }

  /** C order with samples on the last axis: element k belongs to sample k mod count. */
  #pushInterleaved(bytes: Uint8Array, begin: number, end: number): void {
    const itemBytes = this.#itemBytes
    const count = this.#count
    const perSample = (Math.ceil((end - begin) / itemBytes / count) + 2) * itemBytes
    if (this.#gathered.length < perSample) this.#gathered = new Uint8Array(perSample)
    const gathered = this.#gathered
    const stride = itemBytes * count
    // Pieces may begin and end within an element, so single bytes are attributed by their place in the array.
    const first = this.#seen
    const last = first + (end - begin)
    for (let i = 0; i < count; i++) {
      let filled = 0
      for (let row = Math.floor(first / stride) * stride + i * itemBytes; row < last; row += stride)
        for (let at = Math.max(row, first); at < Math.min(row + itemBytes, last); at++) gathered[filled++] = bytes[begin + at - first]!
      if (filled > 0) this.#hashes[i]!.update(gathered.subarray(0, filled))
    }
    this.#seen = last
  }

  finish(): ArrayInfo[] {
    for (const hash of this.#hashes) this.#digests.push(hash.digest('hex'))
    const shape = this.header.shape.slice(0, -1)
    return this.#digests.map((sha256) => ({ shape, dtype: this.header.type.descr, nbytes: this.#sampleBytes, sha256 }))
  }
}

/** The bytes of a Fortran-ordered array in C order. */
function toCOrder(bytes: Uint8Array, shape: readonly number[], itemBytes: number): Uint8Array {
  const result = new Uint8Array(bytes.length)
  const strides: number[] = []
  let stride = itemBytes
  for (const n of shape) {
    strides.push(stride)
    stride *= n
  }
  const index = shape.map(() => 0)
  for (let to = 0, from = 0; to < result.length; to += itemBytes) {
    for (let b = 0; b < itemBytes; b++) result[to + b] = bytes[from + b]!
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!
      if (++index[axis]! < shape[axis]!) break
      from -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return result
}
