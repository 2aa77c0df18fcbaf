import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { RandomContent, seedBytes } from '#src/dataset/content/source.js'
import { crc32, crc32c } from '#src/formats/checksums.js'
import type { ContentSource } from '#src/formats/types.js'

const seed = Uint8Array.from({ length: seedBytes }, (_, i) => (i * 37 + 11) & 0xff)

function take(source: ContentSource, byteLength: number): Uint8Array {
  const bytes = new Uint8Array(byteLength)
  for (let n = 0; n < byteLength; ) {
    const piece = source.next(byteLength - n)
    assert.ok(piece.length > 0 && piece.length <= Math.min(byteLength - n, source.preferredBytes))
    bytes.set(piece, n)
    n += piece.length
  }
  return bytes
}

/** The same generator written down plainly: eight xoroshiro128+, two to a vector of state words (a, a, b, b). */
function plainWords(count: number): BigUint64Array {
  const state = new BigUint64Array(seed.slice().buffer)
  const lanes = [0, 1, 2, 3].flatMap((v) => [0, 1].map((lane) => ({ a: state[v * 4 + lane]!, b: state[v * 4 + 2 + lane]! })))
  const rotateLeft = (x: bigint, k: bigint): bigint => BigInt.asUintN(64, (x << k) | (x >> (64n - k)))
  return BigUint64Array.from({ length: count }, (_, i) => {
    const lane = lanes[i % lanes.length]!
    const word = BigInt.asUintN(64, lane.a + lane.b)
    lane.b ^= lane.a
    lane.a = rotateLeft(lane.a, 24n) ^ lane.b ^ BigInt.asUintN(64, lane.b << 16n)
    lane.b = rotateLeft(lane.b, 37n)
    return word
  })
}

const words = plainWords(40_000)

/** The mixing written down plainly: `pages` pages of content that begin with a page of their own each, as masked words of 16 bits. */
function plainPages(pages: number, mask: number): Uint16Array[] {
  const generated = new Uint16Array(plainWords((63 + 2 * Math.ceil(pages / 64)) * 512).buffer).map((word) => word & mask)
  let taken = 0
  const fresh = (): Uint16Array => generated.subarray(2048 * taken, 2048 * ++taken)
  const pool: Uint16Array[] = Array.from({ length: 64 }, (_, i) => (i === 0 ? new Uint16Array(0) : fresh()))
  let row: Uint16Array = new Uint16Array(0)
  return Array.from({ length: pages }, (_, i) => {
    if (i % 64 === 0) {
      pool[(i / 64) % 64] = fresh()
      row = fresh()
    }
    return pool[i % 64]!.map((word, at) => word ^ row[at]!)
  })
}

test('integers and float16 are pages of a pool XOR the page of a row, one of the pool new with each row, across pieces of all sizes', () => {
  for (const [elementType, mask] of [
    ['uint8', 0xffff],
    ['int16', 0xffff],
    ['uint32', 0xffff],
    ['int64', 0xffff],
    ['float16', 0xbfff],
  ] as const) {
    const pages = plainPages(64 * 70, mask)
    const source = new RandomContent(elementType, seed)
    let page = 0
    for (const byteLength of [262_144, 4096, 600, 115_000, 16, 8192, 200_000, ...new Array<number>(66).fill(262_144)]) {
      const piece = source.next(byteLength)
      const bytes = Buffer.concat(pages.slice(page, page + Math.ceil(byteLength / 4096)).map((words) => Buffer.from(words.slice().buffer)))
      assert.deepEqual(Buffer.compare(piece, bytes.subarray(0, byteLength)), 0, `${elementType}, page ${page}`)
      page += Math.ceil(byteLength / 4096)
    }
    assert.ok(page > 64 * 65)
  }
})

test('the checksum of a piece is that of its bytes behind the ones before, for every element type, length and kind, in any change of kinds', () => {
  const library = { crc32, crc32c }
  for (const elementType of ['uint8', 'float16', 'float32', 'float64']) {
    const source = new RandomContent(elementType)
    const step = fc.record({
      length: fc.oneof(
        fc.integer({ min: 0, max: 300 }).map((n) => 8 * n),
        fc.integer({ min: 0, max: 20_000 }).map((n) => 16 * n),
        fc.constant(4096),
      ),
      kind: fc.constantFrom('crc32', 'crc32c', undefined),
      initial: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    })
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
        for (const { length, kind, initial } of steps) {
          const piece = source.next(length)
          if (kind !== undefined) assert.equal(source.checksum(kind, initial), library[kind](piece, initial))
        }
      }),
      { numRuns: 40 },
    )
  }
})

test('float32 is the upper 24 bits of each half word over 2^24, as NumPy makes it', () => {
  const got = new Float32Array(take(new RandomContent('float32', seed), 1 << 17).buffer)
  const bits = new Uint32Array(words.buffer)
  for (let i = 0; i < got.length; i++) assert.equal(got[i], (bits[i]! >>> 8) / 2 ** 24)
})

test('float64 is the upper 52 bits of each word over 2^52', () => {
  const got = new Float64Array(take(new RandomContent('float64', seed), 1 << 17).buffer)
  for (let i = 0; i < got.length; i++) assert.equal(got[i], Number(words[i]! >> 12n) / 2 ** 52)
})

test('float16 is always finite', () => {
  const got = new Uint16Array(take(new RandomContent('float16', seed), 1 << 17).buffer)
  for (const bits of got) assert.notEqual((bits >>> 10) & 31, 31)
})

test('an element type that cannot be filled is refused with the ones that can', () => {
  assert.throws(
    () => new RandomContent('complex64'),
    /dataset\.record_element_type: cannot generate elements of type 'complex64'; use one of uint8, .*float64/,
  )
})

test('content does not compress, and every byte value is equally frequent', () => {
  const bytes = take(new RandomContent('uint8', seed), 1 << 22)
  assert.ok(gzipSync(bytes).length >= 0.99 * bytes.length)
  const counts = new Array<number>(256).fill(0)
  for (const byte of bytes) counts[byte]!++
  const expected = bytes.length / 256
  const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  // 255 degrees of freedom: mean 255, standard deviation 22.6. Both too uneven and too even would be wrong.
  assert.ok(chiSquare > 255 - 5 * 22.6 && chiSquare < 255 + 5 * 22.6, `chi-square ${chiSquare}`)
})

test('nothing of it is found again elsewhere: a compressor that looks back over 16 MiB gains nothing', () => {
  const bytes = take(new RandomContent('uint8', seed), 1 << 24)
  const params = { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS }
  assert.ok(brotliCompressSync(bytes, { params }).length >= bytes.length)
  // What comes again would be seen: here 256 KiB, two MiB later.
  bytes.copyWithin(5 << 20, 3 << 20, (3 << 20) + (1 << 18))
  assert.ok(brotliCompressSync(bytes, { params }).length <= bytes.length - 0.99 * (1 << 18))
})

test('no block of 4 KiB occurs twice in one GiB, so nothing can be deduplicated', () => {
  const source = new RandomContent('uint8', seed)
  const firstWords = new Set<bigint>()
  for (let blocks = 0; blocks < 1 << 18; ) {
    const piece = source.next(source.preferredBytes)
    const view = new DataView(piece.buffer, piece.byteOffset, piece.byteLength)
    for (let at = 0; at + 4096 <= piece.length; at += 4096, blocks++) firstWords.add(view.getBigUint64(at))
    blocks = Math.min(blocks, 1 << 18)
  }
  assert.equal(firstWords.size, 1 << 18)
})

test('two sources never make the same content, nor does one source from file to file', () => {
  const one = new RandomContent('uint8')
  const samples = [take(one, 4096), take(one, 4096), take(new RandomContent('uint8'), 4096)]
  assert.equal(new Set(samples.map((bytes) => createHash('sha256').update(bytes).digest('hex'))).size, 3)
})
