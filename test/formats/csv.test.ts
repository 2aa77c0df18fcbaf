import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { ConfigError, DataError } from '#src/errors.js'
import { csv } from '#src/formats/csv/index.js'
import { elementText } from '#src/formats/csv/numbers.js'
import { elementTypeByName } from '#src/formats/dtype.js'
import type { ArrayInfo, FileSpec } from '#src/formats/types.js'
import { assertInspectSurvives, assertSurvives, optionsOf, readSamples } from './damage.js'
import { recordedFiles } from './golden.js'
import { contentOf, harness, MemoryOutput, noise } from './memory-storage.js'

const folder = mkdtempSync(join(tmpdir(), 'dl-driver-csv-'))
after(() => rmSync(folder, { recursive: true }))
const spec: FileSpec = {
  dims: [4, 5],
  samples: 3,
  elementType: 'uint8',
  compression: 'none',
  compressionLevel: 4,
  hdf5: { chunkDims: [], maxShape: [], numDsetPerRecord: 1 },
}
const bytesOf = (text: string) => ({ f: Buffer.from(text) })

function written(over: Partial<FileSpec>, bytes: Uint8Array, pieceBytes?: number): string {
  const out = new MemoryOutput()
  csv.writer!.write({ ...spec, ...over }, contentOf(bytes, pieceBytes), out, () => assert.fail('csv has no file beside it'))
  return Buffer.from(out.bytes).toString('latin1')
}

async function inspected(text: string): Promise<ArrayInfo[]> {
  const path = join(folder, 'a.csv')
  writeFileSync(path, text)
  return (await csv.inspect(path)).samples as ArrayInfo[]
}

describe('csv files of DLIO', () => {
  for (const { title, path, want, workload } of recordedFiles('csv')) {
    const recorded = readFileSync(path)
    const { compression, record_element_type: elementType = 'uint8' } = workload!.dataset as Record<string, string>
    it(`${title}: inspect says what pandas reads`, async () => {
      const { samples, labels } = await csv.inspect(path)
      assert.deepEqual(samples, want.samples)
      assert.equal(labels, null)
    })
    it(`${title}: ${compression === undefined ? 'is read whole in every extent, verified or not' : 'is refused, as DLIO’s own reader fails'}`, () => {
      for (const extent of ['file', 'upstream', 'sample'] as const)
        for (const verify of [false, true])
          for (const requestBytes of [4096, 262_144]) {
            const options = { extent, verify, requestBytes, samplesPerFile: want.samples.length, elementType }
            const read = () => readSamples(csv, { f: recorded }, options, [0, want.samples.length - 1])
            if (compression === undefined) assert.deepEqual(read().bytes, [recorded.length, recorded.length])
            else assert.throws(read, new RegExp(`f: is compressed with ${compression} under a plain name: DLIO's own reader`))
          }
    })
    if (compression === undefined)
      it(`${title}: the same numbers give the same text as pandas wrote, byte for byte`, () => {
        const lines = recorded.toString('latin1').trimEnd().split('\n')
        const arrays = { uint8: Uint8Array, float32: Float32Array, float64: Float64Array } as const
        const numbers = (line: string) =>
          new Uint8Array(arrays[elementType as keyof typeof arrays].from(line.split(',').map(Number)).buffer)
        const repeatsRecord = lines.every((line) => line === lines[0])
        const bytes = repeatsRecord ? numbers(lines[0]!) : Buffer.concat(lines.map(numbers))
        const dims = [lines[0]!.split(',').length]
        for (const pieceBytes of [8, 1 << 16])
          assert.equal(written({ dims, samples: lines.length, elementType, repeatsRecord }, bytes, pieceBytes), recorded.toString('latin1'))
      })
  }
})

describe('csv writer', () => {
  it('writes every number so that it reads back as the same one', () => {
    const roundTrip = (elementType: string, size: number, back: (text: string) => number | bigint) =>
      fc.assert(
        fc.property(fc.uint8Array({ minLength: size, maxLength: size }), (bytes) => {
          const type = elementTypeByName(elementType)!
          const view = new DataView(bytes.slice().buffer)
          const text = elementText(type)(view, 0)
          const value = {
            int8: () => view.getInt8(0),
            uint16: () => view.getUint16(0, true),
            int16: () => view.getInt16(0, true),
            uint32: () => view.getUint32(0, true),
            int32: () => view.getInt32(0, true),
            uint64: () => view.getBigUint64(0, true),
            int64: () => view.getBigInt64(0, true),
            float32: () => view.getFloat32(0, true),
            float64: () => view.getFloat64(0, true),
          }[elementType]!()
          if (typeof value === 'number' && !Number.isFinite(value)) return
          assert.equal(back(text), value, text)
        }),
        { numRuns: 500 },
      )
    for (const [type, size] of [
      ['int8', 1],
      ['uint16', 2],
      ['int16', 2],
      ['uint32', 4],
      ['int32', 4],
      ['float64', 8],
    ] as const)
      roundTrip(type, size, Number)
    for (const type of ['uint64', 'int64']) roundTrip(type, 8, BigInt)
    roundTrip('float32', 4, (text) => Math.fround(Number(text)))
  })

  it('writes floats with as few digits as tell them, as NumPy does', () => {
    const texts = (elementType: string, numbers: Uint8Array, size: number) => {
      const view = new DataView(numbers.buffer, numbers.byteOffset)
      return Array.from({ length: numbers.length / size }, (_, i) => elementText(elementTypeByName(elementType)!)(view, i * size))
    }
    // As pandas 3.1 wrote these.
    const values = [1e-3, 9.99e-5, 1.5e-5, 1e-6, 1e-7, 0, 1, 0.1, 123_456.7, 65_504, 1 / 3, 2.5, -0.25]
    const expected = [
      '0.001',
      '9.99e-05',
      '1.5e-05',
      '1e-06',
      '1e-07',
      '0.0',
      '1.0',
      '0.1',
      '123456.7',
      '65504.0',
      '0.33333334',
      '2.5',
      '-0.25',
    ]
    assert.deepEqual(texts('float32', new Uint8Array(Float32Array.from(values).buffer), 4), expected)
    expected[10] = '0.3333333333333333'
    assert.deepEqual(texts('float64', new Uint8Array(Float64Array.from(values).buffer), 8), expected)
    // 0.1, 1/3, 1, 2 ** -24 (the smallest there is), 1.5 as halves.
    assert.deepEqual(texts('float16', new Uint8Array(Uint16Array.of(0x2e66, 0x3555, 0x3c00, 1, 0x3e00).buffer), 2), [
      '0.1',
      '0.3333',
      '1.0',
      '6e-08',
      '1.5',
    ])
  })

  it('upstream writes one record on all lines, MLCommons’ DLIO one of its own on each', () => {
    const lines = (text: string) => text.split('\n')
    const own = lines(written({}, noise(60)))
    assert.equal(own.length, 4)
    assert.equal(own[3], '')
    assert.equal(own[0], noise(60).subarray(0, 20).join(','))
    assert.equal(own[2], noise(60).subarray(40).join(','))
    const same = lines(written({ repeatsRecord: true }, noise(20)))
    assert.deepEqual(same, [same[0], same[0], same[0], ''])
  })

  it('writes long lines in pieces', () => {
    const bytes = noise(300_000)
    for (const pieceBytes of [1000, 1 << 16])
      assert.equal(written({ dims: [300_000], samples: 1 }, bytes, pieceBytes), `${bytes.join(',')}\n`)
  })

  it('compresses with gzip where asked, and refuses what it has no encoder for', () => {
    const out = new MemoryOutput()
    const bytes = noise(900_000)
    csv.writer!.write({ ...spec, dims: [300_000], compression: 'gzip' }, contentOf(bytes), out, () => {})
    assert.equal(gunzipSync(out.bytes).toString('latin1').split('\n')[1], bytes.subarray(300_000, 600_000).join(','))
    for (const compression of ['zip', 'bz2', 'xz', 'lzf'])
      assert.throws(
        () => csv.writer!.sizeBytes({ ...spec, compression }),
        (error) => error instanceof ConfigError && error.message.includes(`${compression} cannot be generated for csv`),
      )
    assert.throws(() => csv.writer!.sizeBytes({ ...spec, elementType: 'complex64' }), /complex64 cannot be written to a CSV file/)
    assert.equal(csv.writer!.sizeBytes(spec), undefined)
  })
})

describe('csv reader', () => {
  const text = '1,2,3\n4,5,6\n'

  it('reads the whole file for each sample in whole requests', () => {
    const long = Buffer.from(`${'7,'.repeat(100_000)}7\n`.repeat(2))
    const { storage, bytes } = readSamples(csv, { f: long }, { extent: 'upstream', samplesPerFile: 2, requestBytes: 65_536 }, [0, 1])
    assert.deepEqual(bytes, [long.length, long.length])
    assert.deepEqual([storage.opens, storage.bytesRead, storage.emptyReads], [2, 2 * long.length, 0])
    assert.equal(storage.reads, 2 * Math.ceil(long.length / 65_536))
  })

  it('keeps the numbers where files stay open, until the file is released', () => {
    const h = harness(bytesOf(text), 262_144)
    const reader = csv.sampleReader!(h.port, optionsOf({ extent: 'upstream', keepOpen: true, samplesPerFile: 2 }))
    assert.deepEqual([h.run(reader.read('f', 0)), h.run(reader.read('f', 1)), h.storage.opens], [12, 0, 1])
    assert.throws(() => h.run(reader.read('f', 2)), /f: has no sample 2: it holds 2/)
    h.run(reader.release('f'))
    assert.equal(h.run(reader.read('f', 1)), 12)
  })

  it('says what is wrong, with line and column', () => {
    const fails = (content: string | Uint8Array, message: RegExp, over = {}) =>
      assert.throws(
        () => readSamples(csv, { f: Buffer.from(content) }, { samplesPerFile: 2, ...over }),
        (error) => error instanceof DataError && message.test(error.message),
      )
    const verify = { verify: true }
    fails('', /f: is empty/)
    fails('1,2,3\n', /holds 1 lines; the configuration says num_samples_per_file 2/)
    fails('1,2,3\n4,5', /is truncated: its line 2 does not end/)
    fails('name,value\n1,2\n', /is no CSV file of numbers: it begins with "name,value/)
    fails(Buffer.from('1f8b0800', 'hex'), /is compressed with gzip/)
    fails('1,2,3\n4,x,6\n', /number 2 of line 2 is "x", which is no number/, verify)
    fails('1,2,3\n4,,6\n', /number 2 of line 2 is "", which is no number/, verify)
    fails('1,2,3\n4,5\n', /line 2 has 2 numbers, the first has 3/, verify)
    fails('1,2,3\n4,5,256\n', /number 3 of line 2 is 256; record_element_type is uint8/, verify)
    fails('1,2,3\n4,5,6.5\n', /number 3 of line 2 is 6.5; record_element_type is uint8/, verify)
    fails(text, /line 1 has 3 numbers; the configuration makes samples of 4/, { ...verify, sampleBytes: 4 })
    fails(`1,${'9'.repeat(100)}\n`, /number 2 of line 1 is longer than 64 bytes/, verify)
    fails('1,2,3\n4,5', /is truncated: line 2 does not end/, verify)
    for (const good of ['1,2,3\r\n4,5,6\r\n', '+1,-2.5e-3,nan\n.5,inf,1.\n'])
      assert.ok(readSamples(csv, bytesOf(good), { samplesPerFile: 2, verify: true, elementType: 'float32' }).bytes[0]! > 0)
  })

  it('survives damage of every kind', async () => {
    const file = Buffer.from(written({}, noise(60)))
    assertSurvives(csv, file, { samplesPerFile: 3, requestBytes: 50 })
    await assertInspectSurvives(csv, file, 'a.csv')
  })
})

describe('csv inspect', () => {
  const hash = async (text: string) => (await inspected(text)).map(({ dtype, shape }) => [dtype, shape])

  it('takes numbers for 64-bit integers where all are, otherwise for doubles', async () => {
    assert.deepEqual(await hash('1,2\n3,-9223372036854775808\n'), [
      ['<i8', [2]],
      ['<i8', [2]],
    ])
    assert.deepEqual(await hash('1,2\n3,4.5\n'), [
      ['<f8', [2]],
      ['<f8', [2]],
    ])
    assert.deepEqual(await hash('1,2\n3,18446744073709551615\n'), [
      ['<f8', [2]],
      ['<f8', [2]],
    ])
    const [line] = await inspected('1.0,2\n')
    assert.deepEqual(line, (await inspected('1,2\n1.5,0\n')).map((l) => l)[0])
  })
})
