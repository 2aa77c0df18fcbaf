import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { RandomContent, seedBytes } from '#src/dataset/content/source.js'
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

test('integers are the bits of the plain generator, one for one, across pieces of all sizes', () => {
  for (const elementType of ['uint8', 'int16', 'uint32', 'int64']) {
    const source = new RandomContent(elementType, seed)
    assert.deepEqual(take(source, 1 << 17), new Uint8Array(words.buffer, 0, 1 << 17))
  }
  // Each call takes whole strides of 64 bytes from the stream.
  const small = new RandomContent('uint8', seed)
  for (let n = 0; n < 64_000; n += 640) assert.deepEqual(take(small, 600), new Uint8Array(words.buffer, n, 600))
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
  const bits = new Uint16Array(words.buffer)
  for (let i = 0; i < got.length; i++) {
    assert.notEqual((got[i]! >>> 10) & 31, 31)
    assert.equal(got[i], bits[i]! & 0xbfff)
  }
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
