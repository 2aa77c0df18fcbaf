import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { ConfigError, DataError } from '#src/errors.js'
import { elementTypeByDescr } from '#src/formats/dtype.js'
import { npy } from '#src/formats/npy/index.js'
import type { FileSpec } from '#src/formats/types.js'
import { assertInspectSurvives, assertSurvives, optionsOf, readSamples } from './damage.js'
import { recordedFiles } from './golden.js'
import { contentOf, harness, MemoryOutput, noise } from './memory-storage.js'
import { npyFile, npyFileOf } from './zip-builder.js'

const writer = npy.writer!
const rest = { compression: 'none', compressionLevel: 4, hdf5: { chunkDims: [], maxShape: [], numDsetPerRecord: 1 } }
const noSide = () => assert.fail('npy has no file beside it')

describe('npy files of DLIO', () => {
  for (const { title, path, want, byDlio } of recordedFiles('npy')) {
    const recorded = readFileSync(path)
    const { shape, dtype } = want.samples[0] as { shape: number[]; dtype: string }
    const elementType = elementTypeByDescr(dtype)!.name
    const samplesPerFile = want.samples.length
    it(`${title}: inspect says what NumPy reads`, async () => {
      const { samples, labels } = await npy.inspect(path)
      assert.deepEqual(samples, want.samples)
      assert.equal(labels, null)
    })
    if (byDlio)
      it(`${title}: the same data give the same file as DLIO wrote, byte for byte`, () => {
        const spec: FileSpec = { ...rest, dims: shape, samples: samplesPerFile, elementType }
        for (const pieceBytes of [8, 1 << 16]) {
          const out = new MemoryOutput()
          writer.write(spec, contentOf(recorded.subarray(128), pieceBytes), out, noSide)
          assert.equal(Buffer.compare(out.bytes, recorded), 0)
        }
        assert.equal(writer.sizeBytes(spec), recorded.length)
      })
    it(`${title}: is read in every extent, verified or not`, () => {
      for (const extent of ['file', 'upstream', 'sample'] as const)
        for (const verify of [false, true])
          for (const requestBytes of [4096, 262_144]) {
            const options = { extent, verify, requestBytes, samplesPerFile, elementType }
            const { bytes } = readSamples(npy, { f: recorded }, options, [0, samplesPerFile - 1])
            if (extent !== 'sample') assert.deepEqual(bytes, [recorded.length, recorded.length])
          }
    })
  }
})

describe('npy reader', () => {
  const big = npyFile('uint8', [1000, 1000, 1], noise(1_000_000))
  const three = npyFile('uint8', [40, 50, 3], noise(6000))

  it('reads the whole file for each sample, as MLCommons’ DLIO does', () => {
    const { storage, bytes } = readSamples(npy, { f: three }, { samplesPerFile: 3 }, [0, 1, 2])
    assert.deepEqual(bytes, [6128, 6128, 6128])
    assert.deepEqual([storage.opens, storage.bytesRead], [3, 3 * 6128])
    assert.deepEqual(readSamples(npy, { f: big }).storage.log.length, 4)
  })

  it('asks for what np.load asks: a page, the header, the file', () => {
    // As traced: 4096 at 0, then by a second descriptor 128, 4096, 995,328 and 704 bytes from 0 on.
    const { storage, bytes } = readSamples(npy, { f: big }, { extent: 'upstream', requestBytes: 1 << 20 })
    assert.deepEqual(storage.log, [
      [0, 4096, 4096],
      [0, 128, 128],
      [0, 1_000_128, 1_000_128],
    ])
    assert.deepEqual(bytes, [1_000_128])
    assert.equal(storage.sizes, 0)
  })

  it('upstream keeps the array where files stay open, until it is released', () => {
    const options = optionsOf({ extent: 'upstream', keepOpen: true, samplesPerFile: 3 })
    const h = harness({ f: three }, 262_144)
    const reader = npy.sampleReader!(h.port, options)
    assert.deepEqual([h.run(reader.read('f', 0)), h.run(reader.read('f', 1)), h.storage.opens], [6128, 0, 1])
    h.run(reader.release('f'))
    assert.deepEqual([h.run(reader.read('f', 1)), h.storage.opens], [6128, 2])
  })

  it('a single sample takes its own bytes where they lie side by side, otherwise the array', () => {
    const fortran = npyFileOf("{'descr': '|u1', 'fortran_order': True, 'shape': (40, 50, 3), }", noise(6000))
    const own = readSamples(npy, { f: fortran }, { extent: 'sample', samplesPerFile: 3 }, [2])
    assert.deepEqual(own.bytes, [2000])
    const begin = fortran.length - 2000
    assert.ok(begin < 4096, 'part of it came with the header')
    assert.deepEqual(own.storage.log, [
      [0, 4096, 4096],
      [4096, begin + 2000 - 4096, begin + 2000 - 4096],
    ])
    assert.deepEqual(readSamples(npy, { f: three }, { extent: 'sample', samplesPerFile: 3 }, [2]).bytes, [6000])
  })

  it('says what is wrong, with the numbers', () => {
    const fails = (file: Uint8Array, message: RegExp, over = {}) => {
      for (const extent of ['file', 'upstream', 'sample'] as const)
        assert.throws(
          () => readSamples(npy, { f: file }, { extent, ...over }),
          (error) => error instanceof DataError && message.test(error.message),
        )
    }
    fails(three.subarray(0, 6000), /f: is truncated: it ends at byte 6000, its header and array take 6128/)
    fails(new Uint8Array(0), /f: is empty/)
    fails(Buffer.from('PK\x03\x04 and more'), /holds no \.npy array: its first bytes are 50 4b 03 04/)
    fails(three.subarray(0, 40), /is truncated: it ends within its header/)
    fails(three, /holds 3 samples \(shape \(40, 50, 3\), samples on the last axis\); .*num_samples_per_file 4/, { samplesPerFile: 4 })
    fails(three, /the array has element type uint8 .*record_element_type int16/, { elementType: 'int16', verify: true })
    fails(Buffer.concat([three, Buffer.from('x')]), /goes on behind its header and array, which take 6128 bytes/, { verify: true })
    fails(npyFileOf("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"), /Python objects are never loaded/)
  })

  it('takes another header than that of the file before', () => {
    const h = harness({ a: three, b: npyFile('uint8', [2, 2, 3], noise(12)) }, 262_144)
    const reader = npy.sampleReader!(h.port, optionsOf({ samplesPerFile: 3 }))
    assert.deepEqual([h.run(reader.read('a', 0)), h.run(reader.read('b', 0)), h.run(reader.read('a', 2))], [6128, 140, 6128])
    assert.throws(() => h.run(reader.read('b', 3)), /b: has no sample 3: it holds 3/)
  })

  it('survives damage of every kind', async () => {
    assertSurvives(npy, three.slice(0, 900), { requestBytes: 300 })
    assertSurvives(npy, three, { samplesPerFile: 3 })
    await assertInspectSurvives(npy, three, 'a.npy')
  })
})

describe('npy writer', () => {
  it('refuses element types and numbers that an array cannot have', () => {
    const spec: FileSpec = { ...rest, dims: [2, 2], samples: 1, elementType: 'uint8' }
    const refused = (over: Partial<FileSpec>, message: RegExp) =>
      assert.throws(
        () => writer.sizeBytes({ ...spec, ...over }),
        (error) => error instanceof ConfigError && message.test(error.message),
      )
    refused({ elementType: 'object' }, /record_element_type object .*uint8/)
    refused({ dims: [2 ** 30, 2 ** 30] }, /impossible numbers/)
  })
})
