// Sorting the elements of an array, as they come, into samples: they lie on the last axis, so that in C order they interleave.
import type { NpyHeader } from './npy/layout.js'

export class SampleGather {
  /** `count` samples, one behind the other, each in the array's own order. */
  readonly bytes: Uint8Array
  readonly #samples: number
  readonly #sampleBytes: number
  #seen = 0

  /** Gathers samples [first, first + count) of the array. */
  constructor(
    readonly header: NpyHeader,
    private readonly first: number,
    private readonly count: number,
  ) {
    this.#samples = header.shape.at(-1)!
    this.#sampleBytes = this.#samples === 0 ? 0 : header.dataBytes / this.#samples
    this.bytes = new Uint8Array(count * this.#sampleBytes)
  }

  /** The next bytes of the array's data. Pieces may begin and end within an element. */
  push(bytes: Uint8Array, begin: number, end: number): void {
    if (this.header.fortranOrder || this.#samples === 1) this.#pushConsecutive(bytes, begin, end)
    else this.#pushInterleaved(bytes, begin, end)
    this.#seen += end - begin
  }

  #pushConsecutive(bytes: Uint8Array, begin: number, end: number): void {
    const wantedBegin = this.first * this.#sampleBytes
    const wantedEnd = wantedBegin + this.bytes.length
    const from = Math.max(this.#seen, wantedBegin)
    const to = Math.min(this.#seen + end - begin, wantedEnd)
    if (to > from) this.bytes.set(bytes.subarray(begin + from - this.#seen, begin + to - this.#seen), from - wantedBegin)
  }

  /** Byte b of the array belongs to element e = ⌊b / item⌋, which is element ⌊e / samples⌋ of sample e mod samples. */
  #pushInterleaved(bytes: Uint8Array, begin: number, end: number): void {
    const { itemBytes } = this.header.type
    const rowBytes = itemBytes * this.#samples
    const seen = this.#seen
    const stop = seen + end - begin
    const out = this.bytes
    for (let i = 0; i < this.count; i++) {
      const column = (this.first + i) * itemBytes
      const base = i * this.#sampleBytes
      let row = Math.max(0, Math.floor((seen - column - itemBytes) / rowBytes) + 1)
      for (let at = row * rowBytes + column; at < stop; at += rowBytes, row++) {
        const to = base + row * itemBytes
        for (let b = 0; b < itemBytes; b++) {
          const position = at + b
          if (position >= seen && position < stop) out[to + b] = bytes[begin + position - seen]!
        }
      }
    }
  }
}
