// LZMA2 chunks. The algorithm: I. Pavlov, "LZMA specification" (2015); LZMA2's framing: "The .xz File Format" 5.3.1 and xz's lzma2_decoder.c.
import { DataError } from '../../errors.js'
import type { BytePieces } from './byte-pieces.js'

const stateCount = 12
const posStatesMax = 16
const half = 1024 // of 11 bits: a probability of one half
const matchMinBytes = 2
const lengthStates = 4
const alignBits = 4
const endPosModelIndex = 14
const fullDistances = 128

const probabilities = (count: number) => new Uint16Array(count).fill(half)

/** How long a match is: 2 to 273. */
class LengthProbabilities {
  readonly choice = probabilities(2)
  readonly low = Array.from({ length: posStatesMax }, () => probabilities(8))
  readonly middle = Array.from({ length: posStatesMax }, () => probabilities(8))
  readonly high = probabilities(256)
}

export class LzmaDecoder {
  #at = 0
  #range = 0
  #code = 0
  #chunkEnd = 0
  #lc = 0
  #lp = 0
  #pb = 0
  #state = 0
  #reps: [number, number, number, number] = [0, 0, 0, 0]
  /** Output of this block that matches may reach back to. */
  #dictionaryBegin = 0
  #hasProperties = false
  #literals = probabilities(0)
  #isMatch = probabilities(0)
  #isRep = probabilities(0)
  #isRepG0 = probabilities(0)
  #isRepG1 = probabilities(0)
  #isRepG2 = probabilities(0)
  #isRep0Long = probabilities(0)
  #posSlot: Uint16Array[] = []
  #posSpecial = probabilities(0)
  #align = probabilities(0)
  #length = new LengthProbabilities()
  #repLength = new LengthProbabilities()

  constructor(
    private readonly uri: string,
    private readonly bytes: Uint8Array,
    private readonly out: BytePieces,
  ) {}

  /** Decodes chunks from `begin` to their end mark; returns where that ends. @throws DataError */
  chunks(begin: number): number {
    this.#at = begin
    for (let isFirst = true; ; isFirst = false) {
      const control = this.#byte()
      if (control === 0) return this.#at
      const resetsDictionary = control === 1 || control >= 0xe0
      if (isFirst && !resetsDictionary) this.#fail('begins without a dictionary')
      if (resetsDictionary) this.#dictionaryBegin = this.out.length
      if (control < 0x80) {
        if (control > 2) this.#fail(`has a chunk of kind ${control}`)
        this.#copyStored((this.#byte() << 8) + this.#byte() + 1)
      } else this.#compressedChunk(control)
    }
  }

  #copyStored(byteLength: number): void {
    if (this.#at + byteLength > this.bytes.length) this.#failEnd()
    for (let i = 0; i < byteLength; i++) this.out.push(this.bytes[this.#at++]!)
  }

  #compressedChunk(control: number): void {
    const size = ((control & 31) << 16) + (this.#byte() << 8) + this.#byte() + 1
    const packed = (this.#byte() << 8) + this.#byte() + 1
    const reset = (control >> 5) & 3
    if (reset >= 2) this.#setProperties(this.#byte())
    if (!this.#hasProperties) this.#fail('has a chunk without properties')
    if (reset >= 1) this.#resetState()
    this.#chunkEnd = this.#at + packed
    if (this.#chunkEnd > this.bytes.length) this.#failEnd()
    if (this.#byte() !== 0) this.#fail('has a chunk that does not begin with 0')
    this.#range = 0xffffffff
    this.#code = 0
    for (let i = 0; i < 4; i++) this.#code = ((this.#code << 8) | this.#byte()) >>> 0
    const end = this.out.length + size
    while (this.out.length < end) this.#symbol(end)
    if (this.#at !== this.#chunkEnd) this.#fail('has a chunk that is longer than its data')
  }

  #setProperties(byte: number): void {
    if (byte >= 225) this.#fail(`has properties ${byte}`)
    this.#lc = byte % 9
    this.#lp = Math.floor(byte / 9) % 5
    this.#pb = Math.floor(byte / 45)
    if (this.#lc + this.#lp > 4) this.#fail(`has properties ${byte}`)
    this.#hasProperties = true
  }

  #resetState(): void {
    this.#state = 0
    this.#reps = [0, 0, 0, 0]
    this.#literals = probabilities(0x300 << (this.#lc + this.#lp))
    this.#isMatch = probabilities(stateCount * posStatesMax)
    this.#isRep0Long = probabilities(stateCount * posStatesMax)
    this.#isRep = probabilities(stateCount)
    this.#isRepG0 = probabilities(stateCount)
    this.#isRepG1 = probabilities(stateCount)
    this.#isRepG2 = probabilities(stateCount)
    this.#posSlot = Array.from({ length: lengthStates }, () => probabilities(64))
    this.#posSpecial = probabilities(fullDistances)
    this.#align = probabilities(1 << alignBits)
    this.#length = new LengthProbabilities()
    this.#repLength = new LengthProbabilities()
  }

  /** One literal or one match. */
  #symbol(end: number): void {
    const posState = (this.out.length - this.#dictionaryBegin) & ((1 << this.#pb) - 1)
    const at = this.#state * posStatesMax + posState
    if (this.#bit(this.#isMatch, at) === 0) {
      this.#literal()
      return
    }
    let length: number
    if (this.#bit(this.#isRep, this.#state) === 0) {
      const [a, b, c] = this.#reps
      length = this.#lengthOf(this.#length, posState)
      this.#state = this.#state < 7 ? 7 : 10
      this.#reps = [this.#distance(length), a, b, c]
    } else {
      const isShort = this.#repeatedDistance(at)
      length = isShort ? 1 : this.#lengthOf(this.#repLength, posState)
      this.#state = isShort ? (this.#state < 7 ? 9 : 11) : this.#state < 7 ? 8 : 11
    }
    this.#copy(this.#reps[0] + 1, length, end)
  }

  /** Brings the distance that repeats to the front; true for a match of a single byte. */
  #repeatedDistance(at: number): boolean {
    const [a, b, c, d] = this.#reps
    if (this.#bit(this.#isRepG0, this.#state) === 0) return this.#bit(this.#isRep0Long, at) === 0
    if (this.#bit(this.#isRepG1, this.#state) === 0) this.#reps = [b, a, c, d]
    else if (this.#bit(this.#isRepG2, this.#state) === 0) this.#reps = [c, a, b, d]
    else this.#reps = [d, a, b, c]
    return false
  }

  #literal(): void {
    const position = this.out.length - this.#dictionaryBegin
    const previous = position > 0 ? this.out.back(1) : 0
    const context = ((position & ((1 << this.#lp) - 1)) << this.#lc) + (previous >> (8 - this.#lc))
    const base = 0x300 * context
    let symbol = 1
    if (this.#state >= 7) {
      // Behind a match the byte that would have continued it predicts.
      this.#checkDistance(this.#reps[0] + 1)
      let match = this.out.back(this.#reps[0] + 1)
      while (symbol < 0x100) {
        const matchBit = (match >> 7) & 1
        match <<= 1
        const bit = this.#bit(this.#literals, base + ((1 + matchBit) << 8) + symbol)
        symbol = (symbol << 1) | bit
        if (matchBit !== bit) break
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(this.#literals, base + symbol)
    this.out.push(symbol & 255)
    this.#state = this.#state < 4 ? 0 : this.#state < 10 ? this.#state - 3 : this.#state - 6
  }

  #lengthOf(from: LengthProbabilities, posState: number): number {
    if (this.#bit(from.choice, 0) === 0) return matchMinBytes + this.#tree(from.low[posState]!, 3)
    if (this.#bit(from.choice, 1) === 0) return matchMinBytes + 8 + this.#tree(from.middle[posState]!, 3)
    return matchMinBytes + 16 + this.#tree(from.high, 8)
  }

  #distance(length: number): number {
    const slot = this.#tree(this.#posSlot[Math.min(length - matchMinBytes, lengthStates - 1)]!, 6)
    if (slot < 4) return slot
    const directBits = (slot >> 1) - 1
    const base = ((2 | (slot & 1)) << directBits) >>> 0
    if (slot < endPosModelIndex) return base + this.#reverseTree(this.#posSpecial, base - slot, directBits)
    return base + this.#direct(directBits - alignBits) * (1 << alignBits) + this.#reverseTree(this.#align, 0, alignBits)
  }

  #copy(distance: number, length: number, end: number): void {
    this.#checkDistance(distance)
    if (this.out.length + length > end) this.#fail('has a match beyond the end of its chunk')
    for (let i = 0; i < length; i++) this.out.push(this.out.back(distance))
  }

  #checkDistance(distance: number): void {
    if (distance > this.out.length - this.#dictionaryBegin) this.#fail(`reaches ${distance} bytes back, before its beginning`)
  }

  #tree(from: Uint16Array, bits: number): number {
    let symbol = 1
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.#bit(from, symbol)
    return symbol - (1 << bits)
  }

  #reverseTree(from: Uint16Array, offset: number, bits: number): number {
    let symbol = 1
    let value = 0
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit(from, offset + symbol)
      symbol = (symbol << 1) | bit
      value |= bit << i
    }
    return value
  }

  #direct(bits: number): number {
    let value = 0
    for (let i = 0; i < bits; i++) {
      this.#range = this.#range >>> 1
      const bit = this.#code >= this.#range ? 1 : 0
      if (bit === 1) this.#code = (this.#code - this.#range) >>> 0
      this.#normalise()
      value = value * 2 + bit
    }
    return value
  }

  #bit(from: Uint16Array, at: number): number {
    const probability = from[at]!
    const bound = (this.#range >>> 11) * probability
    let bit = 0
    if (this.#code < bound) {
      this.#range = bound
      from[at] = probability + ((2048 - probability) >> 5)
    } else {
      this.#range = (this.#range - bound) >>> 0
      this.#code = (this.#code - bound) >>> 0
      from[at] = probability - (probability >> 5)
      bit = 1
    }
    this.#normalise()
    return bit
  }

  #normalise(): void {
    if (this.#range >= 0x1000000) return
    if (this.#at >= this.#chunkEnd) this.#fail('needs more data than its chunk has')
    this.#range = (this.#range << 8) >>> 0
    this.#code = ((this.#code << 8) | this.bytes[this.#at++]!) >>> 0
  }

  #byte(): number {
    const byte = this.bytes[this.#at++]
    return byte ?? this.#failEnd()
  }

  #failEnd(): never {
    throw new DataError(this.uri, 'is truncated: its xz data do not end', this.bytes.length)
  }

  #fail(why: string): never {
    throw new DataError(this.uri, `cannot be decompressed: its LZMA data ${why}`, this.#at)
  }
}
