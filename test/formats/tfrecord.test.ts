import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ConfigError, DataError } from '#src/errors.js'
import { crc32c, crc32cOfU64, maskCrc } from '#src/formats/checksums.js'
import { elementTypeByName } from '#src/formats/dtype.js'
import { tfrecord } from '#src/formats/tfrecord/index.js'
import { encodeFrameHeader } from '#src/formats/tfrecord/layout.js'
import type { FileSpec, ReaderOptions } from '#src/formats/types.js'
import { recordedFiles } from './golden.js'
import { contentOf, type Harness, harness, MemoryOutput, noise } from './memory-storage.js'

const writer = tfrecord.writer!
const rest = { compression: 'none', compressionLevel: 4, hdf5: { chunkDims: [], maxShape: [], numDsetPerRecord: 1 } }

function write(
  spec: Pick<FileSpec, 'dims' | 'samples' | 'elementType'>,
  images: Uint8Array,
  pieceBytes?: number,
): { file: Uint8Array; index: string } {
  const out = new MemoryOutput()
  let index = ''
  writer.write({ ...rest, ...spec }, contentOf(images, pieceBytes), out, (kind, bytes) => {
    assert.equal(kind, 'index')
    index += Buffer.from(bytes).toString('latin1')
  })
  assert.equal(writer.sizeBytes({ ...rest, ...spec }), out.byteLength)
  return { file: out.bytes, index }
}

function optionsOf(over: Partial<ReaderOptions> = {}): ReaderOptions {
  return { extent: 'file', requestBytes: 262_144, verify: false, samplesPerFile: 1, elementType: 'uint8', keepOpen: false, ...over }
}

/** Streams a file to its end; returns what every `advance` said. */
function stream(file: Uint8Array, over: Partial<ReaderOptions> = {}): Harness & { counts: number[] } {
  const options = optionsOf(over)
  const h = harness({ f: file }, options.requestBytes, 5)
  const reader = tfrecord.streamReader!(h.port, options)
  const counts: number[] = []
  try {
    h.run(reader.open('f'))
    do counts.push(h.run(reader.advance()))
    while (counts.at(-1) !== -1)
  } finally {
    assert.equal(h.storage.openFiles, 0, 'the file is closed at its end and after an error')
  }
  return { ...h, counts }
}

/** One framed record. */
function frame(payload: Uint8Array): Uint8Array {
  const crc = Buffer.alloc(4)
  crc.writeUInt32LE(maskCrc(crc32c(payload)))
  return Buffer.concat([encodeFrameHeader(payload.length), payload, crc])
}

const field = (number: number, content: Uint8Array) => Buffer.concat([Buffer.from([(number << 3) | 2, ...varint(content.length)]), content])
const varint = (value: number): number[] => (value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))])
const bytesFeature = (value: Uint8Array) => field(1, field(1, value))
const sizeFeature = (value: number) => field(3, field(1, Buffer.from(varint(value))))
const entry = (name: string, feature: Uint8Array) => field(1, Buffer.concat([field(1, Buffer.from(name)), field(2, feature)]))
const example = (...entries: Uint8Array[]) => field(1, Buffer.concat(entries))

/** The end of the length-delimited field at `at`, and where its content begins. */
function fieldAt(bytes: Uint8Array, at: number): { begin: number; end: number } {
  let length = 0
  let begin = at + 1
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[begin++]!
    length += (byte & 127) * 2 ** shift
    if (byte < 128) return { begin, end: begin + length }
  }
}

/**
 * A recorded file with the two features of every record in the order size, image. Protobuf does not define the order of a map, and
 * TensorFlow's differs from process to process: both are in the recordings.
 */
function sizeFirst(recorded: Uint8Array): Uint8Array {
  const frames: Uint8Array[] = []
  for (let at = 0; at < recorded.length; ) {
    const length = Buffer.from(recorded).readUInt32LE(at)
    const payload = recorded.subarray(at + 12, at + 12 + length)
    const features = fieldAt(payload, 0)
    const first = payload.subarray(features.begin, fieldAt(payload, features.begin).end)
    const second = payload.subarray(features.begin + first.length)
    const isSize = Buffer.from(first.subarray(0, 12)).includes('size')
    frames.push(frame(isSize ? payload : example(second, first)))
    at += length + 16
  }
  return Buffer.concat(frames)
}

describe('checksums', () => {
  it('CRC-32C of eight bytes in plain code equals the library, and both a published vector', () => {
    // RFC 3720 appendix B.4: 32 bytes of zeros give 0x8a9136aa.
    assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa)
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.nat(0xffffffff), (low, high) => {
        const bytes = Buffer.alloc(8)
        bytes.writeUInt32LE(low, 0)
        bytes.writeUInt32LE(high, 4)
        assert.equal(crc32cOfU64(low, high), crc32c(bytes))
      }),
    )
  })

  it('the frame header of a 48-byte record is the recorded one', () => {
    assert.equal(Buffer.from(encodeFrameHeader(48)).toString('hex'), '300000000000000095f5d05f')
  })
})

describe('tfrecord files of DLIO', () => {
  for (const { title, path, want, indexPath, workload } of recordedFiles('tfrecord')) {
    const recorded = readFileSync(path)
    const elementType = (workload!.dataset.record_element_type as string | undefined) ?? 'uint8'
    it(`${title}: the same images give the same file (features in one order) and the same index as DLIO wrote, byte for byte`, () => {
      const ordered = sizeFirst(recorded)
      const images = want.samples.map(({ offset, framed_length, nbytes }) => {
        const end = (offset as number) + (framed_length as number) - 4
        return ordered.subarray(end - (nbytes as number), end)
      })
      const nbytes = want.samples[0]!.nbytes as number
      for (const pieceBytes of [8, 1 << 16]) {
        const spec = { dims: [nbytes / elementTypeByName(elementType)!.itemBytes], samples: want.samples.length, elementType }
        const { file, index } = write(spec, Buffer.concat(images), pieceBytes)
        assert.equal(Buffer.compare(file, ordered), 0)
        assert.equal(index, readFileSync(indexPath, 'latin1'))
      }
    })
    it(`${title}: all records stream through requests of any size, verified or not`, () => {
      const records = want.samples.length
      for (const verify of [false, true])
        for (const requestBytes of [1000, 4096, 262_144]) {
          const { storage, counts } = stream(recorded, { verify, requestBytes, samplesPerFile: records, elementType })
          assert.deepEqual([counts.at(-2), counts.at(-1)], [records, -1])
          assert.equal(storage.bytesRead, recorded.length)
          assert.equal(storage.reads, Math.ceil(recorded.length / requestBytes))
          assert.deepEqual([storage.opens, storage.closes, storage.sizes], [1, 1, 0])
        }
    })
  }
})

describe('tfrecord reader', () => {
  const { file } = write({ dims: [10_000], samples: 60, elementType: 'uint8' }, noise(600_000))

  it('asks for whole requests one behind the other and one empty read at the end, as TensorFlow does', () => {
    assert.equal(file.length, 60 * 10_054)
    for (const verify of [false, true]) {
      const { storage, counts } = stream(file, { verify })
      assert.deepEqual(storage.log, [
        [0, 262_144, 262_144],
        [262_144, 262_144, 262_144],
        [524_288, 262_144, file.length - 524_288],
        [file.length, 262_144, 0],
      ])
      // Without verify a request's records are reported together: 262,144 / 10,054 = 26.07, 52.1, 60.
      if (!verify) assert.deepEqual(counts, [26, 52, 60, -1])
      else assert.deepEqual(counts, [...Array.from({ length: 60 }, (_, i) => i + 1), -1])
    }
  })

  it('counts each record once, whatever the request size, for records of any length', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 700 }),
        (lengths, requestBytes) => {
          const bytes = Buffer.concat(lengths.map((length) => frame(noise(length, length + 1))))
          const { counts, storage } = stream(bytes, { requestBytes, samplesPerFile: lengths.length })
          assert.equal(counts.at(-2), lengths.length)
          assert.ok(counts.slice(0, -1).every((count, i) => count > (counts[i - 1] ?? 0)))
          assert.equal(storage.bytesRead, bytes.length)
        },
      ),
      { numRuns: 200 },
    )
  })

  it('can stop in the middle of a file, and begin another without closing', () => {
    const h = harness({ f: file }, 4096)
    const reader = tfrecord.streamReader!(h.port, optionsOf({ requestBytes: 4096 }))
    h.run(reader.open('f'))
    assert.equal(h.run(reader.advance()), 1)
    h.run(reader.open('f'))
    assert.equal(h.run(reader.advance()), 1)
    assert.deepEqual([h.storage.opens, h.storage.closes], [2, 1])
    h.run(reader.close())
    h.run(reader.close())
    assert.deepEqual([h.storage.opens, h.storage.closes], [2, 2])
  })

  it('says both numbers where a file holds fewer records than configured, and accepts more', () => {
    for (const verify of [false, true]) {
      assert.throws(
        () => stream(file, { verify, samplesPerFile: 61 }),
        /f: holds 60 records; the configuration says num_samples_per_file 61/,
      )
      assert.throws(() => stream(new Uint8Array(0), { verify }), /f: holds 0 records; .* 1/)
      assert.equal(stream(file, { verify, samplesPerFile: 59 }).counts.at(-2), 60)
    }
  })

  it('accepts the fields of an Example in any order, and other features beside', () => {
    const image = noise(300)
    const float = field(2, field(1, new Uint8Array(8)))
    const payloads = [
      example(entry('size', sizeFeature(300)), entry('image', bytesFeature(image))),
      example(entry('image', bytesFeature(image)), entry('label', float), entry('size', sizeFeature(300))),
      // The value before the key; an int64 that is not packed; a field that nobody knows.
      Buffer.concat([
        field(9, noise(20)),
        example(
          field(1, Buffer.concat([field(2, bytesFeature(image)), field(1, Buffer.from('image'))])),
          entry('size', field(3, Buffer.from([0x08, ...varint(300)]))),
        ),
      ]),
    ]
    for (const payload of payloads)
      for (const requestBytes of [3, 100_000]) assert.deepEqual(stream(frame(payload), { verify: true, requestBytes }).counts, [1, -1])
  })

  it('finds with verify what an Example lacks', () => {
    const image = noise(30)
    const wrong = (payload: Uint8Array, message: RegExp, over: Partial<ReaderOptions> = {}) => {
      assert.throws(() => stream(frame(payload), { verify: true, ...over }), message)
      assert.deepEqual(stream(frame(payload), over).counts, [1, -1]) // framing alone is fine
    }
    wrong(example(entry('size', sizeFeature(30))), /record 0 has no feature image of one bytes value; its features are size/)
    wrong(example(entry('image', bytesFeature(image))), /record 0 has no feature size/)
    wrong(example(entry('image', sizeFeature(3)), entry('size', sizeFeature(30))), /no feature image/)
    wrong(
      example(entry('image', field(1, Buffer.concat([field(1, image), field(1, image)]))), entry('size', sizeFeature(30))),
      /no feature image of one/,
    )
    wrong(example(entry('size', sizeFeature(31)), entry('image', bytesFeature(image))), /image of 30 bytes where its feature size says 31/)
    wrong(example(entry('size', sizeFeature(30)), entry('image', bytesFeature(image))), /no whole elements of .* float32/, {
      elementType: 'float32',
    })
    wrong(noise(64), /record 0 is no tf.train.Example: it has/)
    wrong(new Uint8Array(0), /no feature image .*none/)
  })
})

describe('tfrecord reader and damaged files', () => {
  const { file } = write({ dims: [40], samples: 3, elementType: 'uint8' }, noise(120))
  const errorOf = (bytes: Uint8Array, over: Partial<ReaderOptions>): DataError | undefined => {
    try {
      stream(bytes, { samplesPerFile: 3, ...over })
      return undefined
    } catch (error) {
      if (!(error instanceof DataError)) throw error
      assert.match(error.message, /^f: /)
      assert.doesNotMatch(error.message, /undefined|NaN|\$\{/)
      return error
    }
  }

  it('a file cut off at any byte is one DataError, verified or not', () => {
    for (let length = 0; length < file.length; length++)
      for (const verify of [false, true])
        for (const requestBytes of [7, 50, 4096]) {
          const error = errorOf(file.subarray(0, length), { verify, requestBytes })
          const whole = length % (file.length / 3) === 0
          assert.match(
            error!.message,
            whole ? /holds [012] records/ : /truncated: it ends within (the header of |the checksum of )?record [012]/,
          )
        }
  })

  it('any changed bit is found by verifying', () => {
    for (let at = 0; at < file.length; at++)
      for (let bit = 0; bit < 8; bit++) {
        const changed = file.slice()
        changed[at]! ^= 1 << bit
        for (const requestBytes of [50, 4096])
          assert.notEqual(errorOf(changed, { verify: true, requestBytes }), undefined, `bit ${bit} of byte ${at}`)
        errorOf(changed, {})
      }
  })

  it('a changed length is found without verifying, and says where it is', () => {
    for (let record = 0; record < 3; record++)
      for (let i = 0; i < 12; i++) {
        const changed = file.slice()
        const begin = (record * file.length) / 3
        changed[begin + i]! ^= 0x10
        for (const requestBytes of [5, 4096]) {
          const error = errorOf(changed, { requestBytes })
          assert.match(error!.message, new RegExp(`the length of record ${record} does not fit its checksum .*at byte ${begin}\\)`))
        }
      }
  })

  it('a length beyond all bounds allocates nothing and ends with the file', () => {
    for (const length of [2 ** 32 - 1, 2 ** 40, 2 ** 53 - 1, 2 ** 60]) {
      const bytes = Buffer.concat([encodeFrameHeader(length), noise(100)])
      for (const verify of [false, true]) {
        const before = process.memoryUsage().arrayBuffers
        assert.match(
          errorOf(bytes, { verify })!.message,
          length > 2 ** 53 ? /claims/ : /truncated: it ends within record 0|no tf.train.Example/,
        )
        assert.ok(process.memoryUsage().arrayBuffers - before < 1_000_000)
      }
    }
  })

  it('names, features and lists longer than anybody keeps are refused rather than kept', () => {
    const refused = (payload: Uint8Array, message: RegExp) => assert.match(errorOf(frame(payload), { verify: true })!.message, message)
    refused(example(entry('n'.repeat(1025), bytesFeature(noise(1)))), /a feature name of 1025 bytes/)
    refused(example(entry('size', field(3, field(1, new Uint8Array(65_537))))), /a list of more than 65536 integers/)
    refused(example(...Array.from({ length: 4097 }, (_, i) => entry(String(i), bytesFeature(noise(1))))), /more than 4096 features/)
  })

  it('a negative size is read as the negative number it is', () => {
    const minusOne = field(3, field(1, Uint8Array.from([255, 255, 255, 255, 255, 255, 255, 255, 255, 1])))
    const payload = example(entry('size', minusOne), entry('image', bytesFeature(noise(5))))
    assert.match(errorOf(frame(payload), { verify: true })!.message, /image of 5 bytes where its feature size says -1/)
  })

  it('lengths inside an Example that reach beyond it are found', () => {
    for (const length of [200, 2 ** 31, 2 ** 45]) {
      const payload = Buffer.concat([Buffer.from([0x0a, ...varint(length)]), noise(100)])
      assert.match(errorOf(frame(payload), { verify: true })!.message, /reaches beyond its message/)
    }
    const endless = frame(new Uint8Array(50).fill(0xff))
    assert.match(errorOf(endless, { verify: true })!.message, /more than ten bytes/)
  })

  it('foreign files are named as such', () => {
    assert.match(errorOf(noise(4096), {})!.message, /no TFRecord file here: the length of record 0 does not fit its checksum .*at byte 0/)
    const gzip = Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0]), noise(100)])
    assert.match(errorOf(gzip, {})!.message, /compressed with gzip/)
    assert.notEqual(errorOf(Buffer.from('12 34'), {}), undefined)
  })
})

describe('tfrecord writer', () => {
  it('gives sizes of which the wrapping is the recorded one: 48 bytes for 16-byte images, 60 for 250,000', () => {
    assert.equal(writer.sizeBytes({ ...rest, dims: [4, 4], samples: 1, elementType: 'uint8' }), 16 + 48)
    assert.equal(writer.sizeBytes({ ...rest, dims: [500, 500], samples: 1, elementType: 'uint8' }), 250_000 + 60)
  })

  it('what it writes can be read, for any length, and the size is known beforehand', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40_000 }), fc.integer({ min: 1, max: 4 }), (length, samples) => {
        const { file, index } = write({ dims: [length], samples, elementType: 'uint8' }, noise(length * samples))
        assert.equal(stream(file, { verify: true, samplesPerFile: samples }).counts.at(-2), samples)
        const framed = file.length / samples
        assert.equal(index, Array.from({ length: samples }, (_, i) => `${i * framed} ${framed}\n`).join(''))
      }),
      { numRuns: 60 },
    )
  })

  it('refuses what a record cannot hold', () => {
    const refused = (over: Partial<FileSpec>, message: RegExp) =>
      assert.throws(
        () => writer.sizeBytes({ ...rest, dims: [4], samples: 1, elementType: 'uint8', ...over }),
        (error) => error instanceof ConfigError && message.test(error.message),
      )
    refused({ elementType: 'text' }, /record_element_type text .*uint8/)
    refused({ dims: [2 ** 31] }, /2147483648 bytes does not fit a TFRecord: .* at most 2147483647 bytes/)
    refused({ dims: [2 ** 31 - 20] }, /does not fit/) // the wrapping counts, too
    refused({ dims: [0.5] }, /impossible numbers/)
  })
})
