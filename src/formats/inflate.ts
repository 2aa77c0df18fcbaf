// Streaming inflate (RFC 1951) inside an I/O computation. node:zlib inflates either all at once, which needs memory for the whole
// member, or asynchronously, which a blocking reader cannot wait for; here memory is 128 KiB whatever the file claims.
import { DataError } from '../errors.js'
import type { Io } from '../storage/types.js'
import type { ByteSink, SequentialSource } from './sequential.js'

const historyBytes = 32_768
const outputBytes = 3 * historyBytes
const maxMatchBytes = 258
const maxCodeBits = 15

// RFC 1951 section 3.2.5: length codes 257..285 and distance codes 0..29.
const lengthBase = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258]
const lengthExtra = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
const distanceBase = Array.from({ length: 30 }, (_, code) => (code < 4 ? code + 1 : (2 + (code & 1)) * 2 ** ((code >> 1) - 1) + 1))
const distanceExtra = Array.from({ length: 30 }, (_, code) => (code < 4 ? 0 : (code >> 1) - 1))
// Section 3.2.7: the order in which code length code lengths are stored.
const codeLengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

/** A Huffman code as one table: index is the next `bits` bits of input, value is symbol << 4 | length, 0 where no code begins so. */
class HuffmanTable {
  readonly table = new Uint16Array(1 << maxCodeBits)
  bits = 0

  /** Fills the table from code lengths; false where they claim more codes than there are. */
  set(lengths: Uint8Array, begin: number, end: number): boolean {
    const counts = new Uint16Array(maxCodeBits + 1)
    for (let i = begin; i < end; i++) counts[lengths[i]!]!++
    counts[0] = 0
    this.bits = maxCodeBits
    while (this.bits > 1 && counts[this.bits] === 0) this.bits--
    const next = new Uint16Array(maxCodeBits + 2)
    let code = 0
    for (let length = 1; length <= maxCodeBits; length++) {
      code = (code + counts[length - 1]!) << 1
      if (code + counts[length]! > 1 << length) return false
      next[length] = code
    }
    const size = 1 << this.bits
    this.table.fill(0, 0, size)
    for (let i = begin; i < end; i++) {
      const length = lengths[i]!
      if (length === 0) continue
      let reversed = 0
      for (let bit = 0, forward = next[length]!++; bit < length; bit++, forward >>= 1) reversed = (reversed << 1) | (forward & 1)
      for (let index = reversed; index < size; index += 1 << length) this.table[index] = ((i - begin) << 4) | length
    }
    return true
  }
}

/** An inflater whose memory is reused from member to member. */
export class Inflater {
  readonly #out = new Uint8Array(outputBytes)
  readonly #literals = new HuffmanTable()
  readonly #distances = new HuffmanTable()
  readonly #lengths = new Uint8Array(320)
  #source!: SequentialSource
  #what = ''
  #inputEnd = 0
  #hold = 0
  #held = 0
  #outBegin = 0
  #outEnd = 0;

  /**
   * Inflates one deflate stream that begins at the source's position and ends at file offset `inputEnd` at the latest (infinity: not known),
   * showing the output to `sink` in pieces; stops early once `enough` says so. Afterwards the source stands behind the last byte used.
   * @throws DataError where the data are no deflate stream or are cut off; what `sink` throws, which is how output is bounded
   */
  *run(source: SequentialSource, inputEnd: number, what: string, sink: ByteSink, enough?: () => boolean): Io<void> {
    this.#source = source
    this.#what = what
    this.#inputEnd = inputEnd
    this.#hold = 0
    this.#held = 0
    this.#outBegin = 0
    this.#outEnd = 0
    for (let last = 0; last === 0; ) {
      last = yield* this.#bits(1)
      const type = yield* this.#bits(2)
      if (type === 0) yield* this.#stored(sink)
      else {
        if (type === 1) this.#setFixedCodes()
        else if (type === 2) yield* this.#readCodes()
        else this.#fail('has a block of unknown type 3')
        yield* this.#compressed(sink, enough)
      }
      if (enough?.()) return
    }
    this.#show(sink)
  }

  #fail(why: string): never {
    throw new DataError(this.#source.uri, `${this.#what}: the deflated data ${why}`, this.#source.position)
  }

  #show(sink: ByteSink): void {
    if (this.#outEnd > this.#outBegin) sink(this.#out, this.#outBegin, this.#outEnd)
    this.#outBegin = this.#outEnd
  }

  /** Makes room for one match, keeping the history that distances may reach. */
  #makeRoom(sink: ByteSink): void {
    this.#show(sink)
    this.#out.copyWithin(0, this.#outEnd - historyBytes, this.#outEnd)
    this.#outBegin = historyBytes
    this.#outEnd = historyBytes
  }

  /** One more byte into the bit buffer, only when its bits are needed, so that none behind the stream is taken; false where there is none. */
  *#pull(): Io<boolean> {
    const source = this.#source
    if (source.position >= this.#inputEnd) return false
    if (source.begin === source.end && !(yield* source.fill())) return false
    this.#hold |= source.bytes[source.begin++]! << this.#held
    this.#held += 8
    return true
  }

  *#bits(count: number): Io<number> {
    while (this.#held < count) if (!(yield* this.#pull())) this.#fail('are cut off')
    const value = this.#hold & ((1 << count) - 1)
    this.#hold >>>= count
    this.#held -= count
    return value
  }

  *#symbol(code: HuffmanTable): Io<number> {
    for (;;) {
      const entry = code.table[this.#hold & ((1 << code.bits) - 1)]!
      const length = entry & 15
      if (length !== 0 && length <= this.#held) {
        this.#hold >>>= length
        this.#held -= length
        return entry >> 4
      }
      if (this.#held >= code.bits) this.#fail('use a code that is not defined')
      if (!(yield* this.#pull())) this.#fail('are cut off')
    }
  }

  *#stored(sink: ByteSink): Io<void> {
    this.#hold >>>= this.#held & 7
    this.#held -= this.#held & 7
    const length = yield* this.#bits(16)
    const complement = yield* this.#bits(16)
    if ((length ^ complement) !== 0xffff) this.#fail('have a stored block whose length is not confirmed')
    for (let left = length; left > 0; ) {
      if (this.#outEnd + maxMatchBytes > outputBytes) this.#makeRoom(sink)
      const source = this.#source
      if (source.begin === source.end && !(yield* source.fill())) this.#fail('are cut off')
      const n = Math.min(left, source.end - source.begin, outputBytes - this.#outEnd, this.#inputEnd - source.position)
      if (n <= 0) this.#fail('are cut off')
      this.#out.set(source.bytes.subarray(source.begin, source.begin + n), this.#outEnd)
      source.begin += n
      this.#outEnd += n
      left -= n
    }
  }

  #setFixedCodes(): void {
    const lengths = this.#lengths
    lengths.fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280, 288).fill(5, 288, 320)
    this.#literals.set(lengths, 0, 288)
    this.#distances.set(lengths, 288, 320)
  }

  *#readCodes(): Io<void> {
    const lengths = this.#lengths
    const literals = (yield* this.#bits(5)) + 257
    const distances = (yield* this.#bits(5)) + 1
    const stored = (yield* this.#bits(4)) + 4
    if (literals > 286) this.#fail(`declare ${literals} literal codes`)
    lengths.fill(0)
    for (let i = 0; i < stored; i++) lengths[codeLengthOrder[i]!] = yield* this.#bits(3)
    if (!this.#literals.set(lengths, 0, 19)) this.#fail('have impossible code length codes')
    lengths.fill(0)
    for (let i = 0; i < literals + distances; ) {
      const symbol = yield* this.#symbol(this.#literals)
      if (symbol < 16) {
        lengths[i++] = symbol
        continue
      }
      if (symbol === 16 && i === 0) this.#fail('repeat a code length that does not exist')
      const value = symbol === 16 ? lengths[i - 1]! : 0
      const count = symbol === 16 ? 3 + (yield* this.#bits(2)) : symbol === 17 ? 3 + (yield* this.#bits(3)) : 11 + (yield* this.#bits(7))
      if (i + count > literals + distances) this.#fail('have too many code lengths')
      lengths.fill(value, i, i + count)
      i += count
    }
    if (lengths[256] === 0) this.#fail('have no code for the end of a block')
    if (!this.#literals.set(lengths, 0, literals) || !this.#distances.set(lengths, literals, literals + distances))
      this.#fail('have impossible code lengths')
  }

  *#compressed(sink: ByteSink, enough?: () => boolean): Io<void> {
    for (;;) {
      if (this.#outEnd + maxMatchBytes > outputBytes) {
        this.#makeRoom(sink)
        if (enough?.()) return
      }
      this.#decodeInside()
      if (this.#outEnd + maxMatchBytes > outputBytes) continue
      const symbol = yield* this.#symbol(this.#literals)
      if (symbol < 256) this.#out[this.#outEnd++] = symbol
      else if (symbol === 256) return
      else {
        if (symbol > 285) this.#fail('use a length code that is not defined')
        const length = lengthBase[symbol - 257]! + (yield* this.#bits(lengthExtra[symbol - 257]!))
        const code = yield* this.#symbol(this.#distances)
        if (code > 29) this.#fail('use a distance code that is not defined')
        const distance = distanceBase[code]! + (yield* this.#bits(distanceExtra[code]!))
        this.#copy(length, distance)
      }
    }
  }

  #copy(length: number, distance: number): void {
    const out = this.#out
    if (distance > this.#outEnd) this.#fail('refer to output before its beginning')
    for (let i = 0; i < length; i++) out[this.#outEnd + i] = out[this.#outEnd + i - distance]!
    this.#outEnd += length
  }

  /** The same decoding without a suspension point, for as long as input and output are far from their ends; stops before anything unusual. */
  #decodeInside(): void {
    const source = this.#source
    const { bytes } = source
    const literals = this.#literals.table
    const distances = this.#distances.table
    const literalMask = (1 << this.#literals.bits) - 1
    const distanceMask = (1 << this.#distances.bits) - 1
    const out = this.#out
    // One round takes at most 8 bytes; 8 more stay behind for the way with care.
    const safeEnd = Math.min(source.end, source.begin + (this.#inputEnd - source.position)) - 16
    let at = source.begin
    let hold = this.#hold
    let held = this.#held
    let end = this.#outEnd
    const limit = outputBytes - maxMatchBytes
    while (at < safeEnd && end <= limit) {
      while (held < maxCodeBits) {
        hold |= bytes[at++]! << held
        held += 8
      }
      const entry = literals[hold & literalMask]!
      const symbol = entry >> 4
      if (entry === 0 || symbol === 256 || symbol > 285) break
      hold >>>= entry & 15
      held -= entry & 15
      if (symbol < 256) {
        out[end++] = symbol
        continue
      }
      while (held < 20) {
        hold |= bytes[at++]! << held
        held += 8
      }
      const lengthBits = lengthExtra[symbol - 257]!
      const length = lengthBase[symbol - 257]! + (hold & ((1 << lengthBits) - 1))
      hold >>>= lengthBits
      held -= lengthBits
      const distanceEntry = distances[hold & distanceMask]!
      const code = distanceEntry >> 4
      if (distanceEntry === 0 || code > 29) this.#fail('use a distance code that is not defined')
      hold >>>= distanceEntry & 15
      held -= distanceEntry & 15
      while (held < maxCodeBits) {
        hold |= bytes[at++]! << held
        held += 8
      }
      const distanceBits = distanceExtra[code]!
      const distance = distanceBase[code]! + (hold & ((1 << distanceBits) - 1))
      hold >>>= distanceBits
      held -= distanceBits
      if (distance > end) this.#fail('refer to output before its beginning')
      for (let i = 0; i < length; i++) out[end + i] = out[end + i - distance]!
      end += length
    }
    // Whole bytes go back: the way with care takes none before it needs it.
    at -= held >> 3
    held &= 7
    this.#hold = hold & ((1 << held) - 1)
    this.#held = held
    source.begin = at
    this.#outEnd = end
  }
}

/** Gives the same {@link Inflater} at each call, made at the first one: most files are stored, and never need its memory. */
export function inflaterOnDemand(): () => Inflater {
  let inflater: Inflater | undefined
  return () => {
    inflater ??= new Inflater()
    return inflater
  }
}
