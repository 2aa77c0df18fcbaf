// Decompressing bzip2. The format has no specification but its program; described by J. Tsai, "BZIP2 format specification" (2016).
import { DataError } from '../../errors.js'
import { BytePieces } from './byte-pieces.js'

const blockMagic = [0x314159, 0x265359] as const
const endMagic = [0x177245, 0x385090] as const
const maxCodeBits = 20
/** Symbols that one table serves. */
const groupSymbols = 50

/** CRC-32 with the highest bit first, as bzip2 has it. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1
  return crc >>> 0
})

/** Bits of a file, highest first. */
class Bits {
  #at = 0
  #hold = 0
  #held = 0

  constructor(
    private readonly uri: string,
    private readonly bytes: Uint8Array,
  ) {}

  /** The next `count` ≤ 24 bits. */
  take(count: number): number {
    while (this.#held < count) {
      const byte = this.bytes[this.#at++]
      if (byte === undefined) throw new DataError(this.uri, 'is truncated: its bzip2 data do not end', this.bytes.length)
      this.#hold = ((this.#hold << 8) | byte) >>> 0
      this.#held += 8
    }
    this.#held -= count
    const value = (this.#hold >>> this.#held) & ((1 << count) - 1)
    this.#hold &= (1 << this.#held) - 1
    return value
  }

  take32(): number {
    return ((this.take(16) << 16) | this.take(16)) >>> 0
  }

  /** Skips to the next byte; false at the end of the file. */
  align(): boolean {
    this.#held -= this.#held % 8
    this.#hold &= (1 << this.#held) - 1
    return this.#at - this.#held / 8 < this.bytes.length
  }
}

/** @throws DataError for damaged data, and where more than `maxBytes` come out */
export function bunzip2(uri: string, bytes: Uint8Array, maxBytes: number): Uint8Array {
  const bits = new Bits(uri, bytes)
  const out = new BytePieces(uri, maxBytes)
  do readStream(uri, bits, out)
  while (bits.align())
  return out.join()
}

function readStream(uri: string, bits: Bits, out: BytePieces): void {
  const fail = (why: string): never => {
    throw new DataError(uri, `cannot be decompressed: bzip2 ${why}`)
  }
  if (bits.take(24) !== 0x425a68) fail('data do not begin with BZh') // "BZh"
  const level = bits.take(8) - 0x30
  if (level < 1 || level > 9) fail(`block size ${level}`)
  let streamCrc = 0
  for (;;) {
    const magic = [bits.take(24), bits.take(24)]
    const crc = bits.take32()
    if (magic[0] === endMagic[0] && magic[1] === endMagic[1]) {
      if (crc !== streamCrc) fail('checksum of the whole data does not fit')
      return
    }
    if (magic[0] !== blockMagic[0] || magic[1] !== blockMagic[1]) fail('block does not begin as one')
    const blockCrc = readBlock(bits, level * 100_000, out, fail)
    if (blockCrc !== crc) fail('checksum of a block does not fit')
    streamCrc = ((((streamCrc << 1) | (streamCrc >>> 31)) >>> 0) ^ crc) >>> 0
  }
}

type Fail = (why: string) => never

function readBlock(bits: Bits, mostSymbols: number, out: BytePieces, fail: Fail): number {
  if (bits.take(1) === 1) fail('data are randomised, which no program since 1997 writes')
  const origin = bits.take(24)
  const used = readUsedBytes(bits)
  if (used.length === 0) fail('block uses no byte')
  const { block, counts } = readSymbols(bits, used, mostSymbols, fail)
  if (origin >= block.length) fail('block begins outside of itself')
  // Undoing the Burrows-Wheeler transform: from each byte to the one that follows it.
  let sum = 0
  for (let byte = 0; byte < 256; byte++) {
    const count = counts[byte]!
    counts[byte] = sum
    sum += count
  }
  const next = new Uint32Array(block.length)
  for (let i = 0; i < block.length; i++) next[counts[block[i]!]!++] = i
  return writeRuns(block, next, origin, out)
}

function readUsedBytes(bits: Bits): number[] {
  const ranges = bits.take(16)
  const used: number[] = []
  for (let range = 0; range < 16; range++) {
    if ((ranges & (0x8000 >> range)) === 0) continue
    const flags = bits.take(16)
    for (let i = 0; i < 16; i++) if (flags & (0x8000 >> i)) used.push(16 * range + i)
  }
  return used
}

/** Huffman codes, runs of the first symbol, move to front: to the bytes of the transformed block, and how often each occurs. */
function readSymbols(bits: Bits, used: number[], most: number, fail: Fail): { block: Uint8Array; counts: Uint32Array } {
  const symbols = used.length + 2
  const tableCount = bits.take(3)
  const selectorCount = bits.take(15)
  if (tableCount < 2 || tableCount > 6 || selectorCount === 0) fail(`block has ${tableCount} tables and ${selectorCount} selectors`)
  const order = Array.from({ length: tableCount }, (_, i) => i)
  const selectors = new Uint8Array(selectorCount)
  for (let i = 0; i < selectorCount; i++) {
    let place = 0
    while (bits.take(1) === 1) if (++place >= tableCount) fail('selector names no table')
    const [table] = order.splice(place, 1) as [number]
    order.unshift(table)
    selectors[i] = table
  }
  const tables = Array.from({ length: tableCount }, () => readTable(bits, symbols, fail))

  const block = new Uint8Array(most)
  const counts = new Uint32Array(256)
  const front = [...used]
  const end = symbols - 1
  let filled = 0
  let run = 0
  let runDigit = 1
  const endRun = () => {
    if (run === 0) return
    if (filled + run > most) fail('block is longer than it may be')
    block.fill(front[0]!, filled, filled + run)
    counts[front[0]!]! += run
    filled += run
    run = 0
    runDigit = 1
  }
  for (let group = 0; ; group++) {
    if (group >= selectorCount) fail('block has more symbols than selectors')
    const table = tables[selectors[group]!]!
    for (let i = 0; i < groupSymbols; i++) {
      const symbol = table.next(bits, fail)
      if (symbol <= 1) {
        // Runs are numbers in base 2 with digits 1 and 2.
        run += runDigit << symbol
        runDigit *= 2
        if (run > most) fail('run is longer than its block')
        continue
      }
      endRun()
      if (symbol === end) return { block: block.subarray(0, filled), counts }
      if (filled === most) fail('block is longer than it may be')
      const [byte] = front.splice(symbol - 1, 1) as [number]
      front.unshift(byte)
      block[filled++] = byte
      counts[byte]!++
    }
  }
}

interface CodeTable {
  next(bits: Bits, fail: Fail): number
}

/** Lengths of codes, told by differences; codes are given out in order of length, then of symbol. */
function readTable(bits: Bits, symbols: number, fail: Fail): CodeTable {
  const lengths = new Uint8Array(symbols)
  let length = bits.take(5)
  for (let symbol = 0; symbol < symbols; symbol++) {
    for (;;) {
      if (length < 1 || length > maxCodeBits) fail(`code of ${length} bits`)
      if (bits.take(1) === 0) break
      length += bits.take(1) === 0 ? 1 : -1
    }
    lengths[symbol] = length
  }
  const bySymbol: number[] = []
  const counts = new Uint32Array(maxCodeBits + 1)
  for (let bitCount = 1; bitCount <= maxCodeBits; bitCount++)
    for (let symbol = 0; symbol < symbols; symbol++)
      if (lengths[symbol] === bitCount) {
        bySymbol.push(symbol)
        counts[bitCount]!++
      }
  return {
    next(from, failed) {
      let code = 0
      let first = 0
      let index = 0
      for (let bitCount = 1; bitCount <= maxCodeBits; bitCount++) {
        code = (code << 1) | from.take(1)
        const count = counts[bitCount]!
        if (code - first < count) return bySymbol[index + code - first]!
        index += count
        first = (first + count) << 1
      }
      return failed('code stands for nothing')
    },
  }
}

/** Follows the block from its origin; four equal bytes are followed by a count of more. Returns the checksum. */
function writeRuns(block: Uint8Array, next: Uint32Array, origin: number, out: BytePieces): number {
  let crc = 0xffffffff
  let position = next[origin]!
  let same = 0
  let last = -1
  for (let i = 0; i < block.length; i++) {
    const byte = block[position]!
    position = next[position]!
    const times = same === 4 ? byte : 1
    const value = same === 4 ? last : byte
    same = same === 4 ? 0 : byte === last ? same + 1 : 1
    last = same > 0 ? byte : -1
    for (let k = 0; k < times; k++) {
      out.push(value)
      crc = ((crc << 8) ^ crcTable[((crc >>> 24) ^ value) & 255]!) >>> 0
    }
  }
  return ~crc >>> 0
}
