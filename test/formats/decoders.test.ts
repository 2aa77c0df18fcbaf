// The values that loaders of real tensors get are those that the reference libraries return, however the samples lie in their file.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { DataError } from '#src/errors.js'
import { type ArrayLayout, type DecoderOptions, slackBytes } from '#src/formats/decoder.js'
import { getFormat } from '#src/formats/index.js'
import { damaged } from './damage.js'
import { type RecordedFile, recordedFiles } from './golden.js'
import { harness, noise } from './memory-storage.js'
import { npyFile } from './zip-builder.js'

interface Decoded {
  readonly layout: ArrayLayout
  readonly bytes: Uint8Array
}

/** Decodes samples of `file` with one decoder, which opens it `opens` times; it is closed afterwards, whatever happens. */
function decodeSamples(
  format: string,
  file: Uint8Array,
  samples: readonly number[],
  over: Partial<DecoderOptions> = {},
  opens?: number,
): Decoded[] {
  const options = { requestBytes: 4096, throughWindow: false, verify: false, samplesPerFile: 1, elementType: 'uint8', ...over }
  const h = harness({ f: file }, options.requestBytes, options.throughWindow ? 5 : 0)
  const decoder = getFormat(format).decoder!(h.port, options)
  try {
    return samples.map((sample) => {
      let placed: { at: number; layout: ArrayLayout } | undefined
      const target = {
        bytes: new Uint8Array(2 ** 22),
        place(layout: ArrayLayout): number {
          assert.equal(placed, undefined, 'a sample has one array')
          assert.ok(layout.sizeBytes + slackBytes < target.bytes.length, `${layout.sizeBytes} bytes, of a file of ${file.length}`)
          placed = { at: 64 * 3 + 7, layout }
          return placed.at
        },
      }
      h.run(decoder.decode('f', sample, target))
      const { at, layout } = placed!
      return { layout, bytes: target.bytes.slice(at, at + layout.sizeBytes) }
    })
  } finally {
    h.run(decoder.close())
    assert.equal(h.storage.openFiles, 0, 'every file is closed, after an error too')
    if (opens !== undefined) assert.equal(h.storage.opens, opens, 'how often the file was opened')
  }
}

/** The elements in C order, which recorded hashes are of. */
function inCOrder({ layout: { shape, fortranOrder, sizeBytes }, bytes }: Decoded): Uint8Array {
  if (!fortranOrder) return bytes
  const elements = shape.reduce((product, n) => product * n, 1)
  const itemBytes = sizeBytes / elements
  const result = new Uint8Array(sizeBytes)
  for (let i = 0; i < elements; i++) {
    let [rest, from, stride] = [i, 0, elements]
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      stride /= shape[axis]!
      from += (rest % shape[axis]!) * stride
      rest = Math.floor(rest / shape[axis]!)
    }
    result.set(bytes.subarray(from * itemBytes, (from + 1) * itemBytes), i * itemBytes)
  }
  return result
}

const described = (decoded: Decoded) => ({
  shape: decoded.layout.shape,
  dtype: decoded.layout.dtype,
  nbytes: decoded.layout.sizeBytes,
  sha256: createHash('sha256').update(inCOrder(decoded)).digest('hex'),
})

function checkRecorded(format: string, { path, want }: RecordedFile): void {
  const file = readFileSync(path)
  const all = want.samples.map((_, i) => i)
  const samplesPerFile = all.length
  for (const throughWindow of [false, true]) {
    const decoded = decodeSamples(format, file, [...all, 0], { throughWindow, samplesPerFile })
    assert.deepEqual(decoded.map(described), [...want.samples, want.samples[0]])
  }
}

describe('npy decoder', () => {
  for (const recorded of recordedFiles('npy')) it(`${recorded.title}: gives what NumPy reads`, () => checkRecorded('npy', recorded))

  const file = npyFile('int16', [30, 20, 3], noise(3600))

  it('picks interleaved samples out of the array, and reads the file once for all of them', () => {
    const [second] = decodeSamples('npy', file, [1, 0, 2], { samplesPerFile: 3 }, 1)
    assert.deepEqual(second!.layout.shape, [30, 20])
    const data = file.subarray(file.length - 3600)
    const wanted = Uint8Array.from({ length: 1200 }, (_, i) => data[6 * Math.floor(i / 2) + 2 + (i % 2)]!)
    assert.deepEqual(second!.bytes, wanted)
  })

  it('says what is wrong, before it takes memory for what a header claims', () => {
    const claims = npyFile('float64', [1_000_000, 1_000_000], noise(100))
    assert.throws(() => decodeSamples('npy', claims, [0]), /is truncated: it ends at byte \d+, its header and array take 8000000000/)
    assert.throws(() => decodeSamples('npy', file, [3], { samplesPerFile: 3 }), /has no sample 3: it holds 3/)
    assert.throws(() => decodeSamples('npy', file, [0], { samplesPerFile: 4 }), /holds 3 samples .* num_samples_per_file 4/)
    assert.throws(() => decodeSamples('npy', file, [0], { verify: true }), /element type int16 .* record_element_type uint8/)
    assert.throws(() => decodeSamples('npy', new Uint8Array(0), [0]), /is empty/)
  })
})

for (const format of ['jpeg', 'png'])
  describe(`${format} decoder`, () => {
    for (const recorded of recordedFiles(format)) {
      const isRaw = (recorded.want.samples[0]!.shape as number[]).length === 1
      if (isRaw)
        it(`${recorded.title}: has no pixels, as it is raw bytes, and the error says how to get some`, () => {
          const file = readFileSync(recorded.path)
          assert.throws(() => decodeSamples(format, file, [0]), /is no (jpeg|png) image.*generate with --semantics upstream/)
        })
      else
        it(`${recorded.title}: gives what Pillow decodes, whichever sample is asked for`, () => {
          checkRecorded(format, recorded)
          const [first, last] = decodeSamples(format, readFileSync(recorded.path), [0, 2], { samplesPerFile: 3, verify: true }, 1)
          assert.deepEqual(first, last)
        })
    }
  })

describe('decoders', () => {
  for (const format of ['npy', 'jpeg', 'png'])
    it(`of ${format} survive damage of every kind`, { timeout: 600_000 }, () => {
      const recorded = recordedFiles(format).find(({ want }) => (want.samples[0]!.shape as number[]).length > 1)!
      const file = readFileSync(recorded.path)
      // Fewer changes than elsewhere, as each image is decoded by a thread of its own.
      for (const { what, bytes } of damaged(file, format === 'jpeg' ? 12 : 120))
        try {
          decodeSamples(format, bytes, [0])
        } catch (error) {
          assert.ok(error instanceof DataError && error.message.startsWith('f'), `${what}: ${String((error as Error).stack)}`)
        }
    })
})
