import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { constants, deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { DataError } from '#src/errors.js'
import { Inflater } from '#src/formats/inflate.js'
import { SequentialSource } from '#src/formats/sequential.js'
import { harness, noise } from './memory-storage.js'

/** Inflates through requests of `requestBytes`; returns the output and how many bytes of input were taken. */
function inflate(
  input: Uint8Array,
  requestBytes: number,
  inflater = new Inflater(),
  inputEnd = input.length,
): { output: Uint8Array; taken: number } {
  const { port, run, storage } = harness({ f: input }, requestBytes)
  const source = new SequentialSource(port, requestBytes)
  source.start('f', storage.perform(port.open('f')))
  const pieces: Uint8Array[] = []
  run(inflater.run(source, inputEnd, 'member', (bytes, begin, end) => pieces.push(bytes.slice(begin, end))))
  return { output: Buffer.concat(pieces), taken: source.position }
}

const strategies = [constants.Z_DEFAULT_STRATEGY, constants.Z_FILTERED, constants.Z_HUFFMAN_ONLY, constants.Z_RLE, constants.Z_FIXED]

/** Data of several kinds: noise, few symbols, runs, repetitions near and far. */
function dataOf(kind: 'noise' | 'few' | 'runs' | 'repeat', byteLength: number, seed: number): Uint8Array {
  if (kind === 'noise') return noise(byteLength, seed)
  if (kind === 'few') return noise(byteLength, seed).map((byte) => byte & 7)
  if (kind === 'runs') return noise(byteLength, seed).map((_, i, all) => all[i - (i % 100)]!)
  const block = noise(1 + (seed % 32_768), seed)
  return Uint8Array.from({ length: byteLength }, (_, i) => block[i % block.length]!)
}

describe('inflate', () => {
  it('gives back what zlib deflated, at any level and strategy, through requests of any size, and takes not one byte more', () => {
    const inflater = new Inflater()
    fc.assert(
      fc.property(
        fc.constantFrom('noise', 'few', 'runs', 'repeat'),
        // Small data through requests down to one byte, large data (more than the output buffer) through larger ones.
        fc.oneof(
          fc.tuple(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 1, max: 40 })),
          fc.tuple(fc.integer({ min: 60_000, max: 140_000 }), fc.integer({ min: 500, max: 100_000 })),
        ),
        fc.integer({ min: 1, max: 1 << 30 }),
        fc.integer({ min: 0, max: 9 }),
        fc.constantFrom(...strategies),
        fc.boolean(),
        (kind, [byteLength, requestBytes], seed, level, strategy, endKnown) => {
          const original = dataOf(kind, byteLength, seed)
          const deflated = deflateRawSync(original, { level, strategy })
          const input = Buffer.concat([deflated, noise(50)])
          const { output, taken } = inflate(input, requestBytes, inflater, endKnown ? deflated.length : Number.POSITIVE_INFINITY)
          assert.equal(Buffer.compare(output, original), 0)
          assert.equal(taken, deflated.length)
        },
      ),
      { numRuns: 150 },
    )
  })

  it('refuses input that is cut off at any byte', () => {
    const deflated = deflateRawSync(noise(3000).map((byte) => byte & 15))
    for (const requestBytes of [7, 100_000])
      for (let length = 0; length < deflated.length; length += 3)
        assert.throws(() => inflate(deflated.subarray(0, length), requestBytes), /f: member: the deflated data are cut off/)
    assert.throws(() => inflate(deflated, 100, new Inflater(), deflated.length - 1), /cut off/)
  })

  it('never does worse than a DataError on noise', () => {
    const inflater = new Inflater()
    let errors = 0
    for (let seed = 1; seed <= 3000; seed++)
      try {
        inflate(noise(200, seed), 1000, inflater)
      } catch (error) {
        if (!(error instanceof DataError)) throw error
        assert.match(error.message, /^f: member: the deflated data (are|have|has|use|refer|declare|repeat) /)
        errors++
      }
    assert.ok(errors > 2500, `${errors} of 3000 refused`)
  })

  it('refuses each impossible structure by name', () => {
    const refused = (bits: number[][], message: RegExp) => {
      // [value, count] pairs, least significant bit first, as deflate packs them.
      const bytes = new Uint8Array(64)
      let at = 0
      for (const [value, count] of bits) for (let bit = 0; bit < count!; bit++, at++) bytes[at >> 3]! |= ((value! >> bit) & 1) << (at & 7)
      assert.throws(() => inflate(bytes, 1000), message)
    }
    refused(
      [
        [1, 1],
        [3, 2],
      ],
      /unknown type 3/,
    )
    refused(
      [
        [1, 1],
        [0, 2],
        [0, 5],
        [5, 16],
        [5, 16],
      ],
      /length is not confirmed/,
    )
    refused(
      [
        [1, 1],
        [2, 2],
        [30, 5],
        [0, 5],
        [0, 4],
      ],
      /declare 287 literal codes/,
    )
    refused(
      [
        [1, 1],
        [2, 2],
        [0, 5],
        [0, 5],
        [0, 4],
        [1, 3],
        [1, 3],
        [1, 3],
        [1, 3],
      ],
      /impossible code length codes/,
    )
    // Fixed codes: length symbol 257 is 0000001, first bit first; distances have five bits.
    refused(
      [
        [1, 1],
        [1, 2],
        [0b1000000, 7],
        [0, 5],
      ],
      /refer to output before its beginning/,
    )
    refused(
      [
        [1, 1],
        [1, 2],
        [0b1000000, 7],
        [0b01111, 5],
      ],
      /use a distance code that is not defined/,
    )
    // Symbol 286 is 11000110.
    refused(
      [
        [1, 1],
        [1, 2],
        [0b01100011, 8],
      ],
      /use a length code that is not defined/,
    )
  })
})
