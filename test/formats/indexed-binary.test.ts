import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { DataError, StorageError } from '#src/errors.js'
import { indexedBinary, mmapIndexedBinary } from '#src/formats/indexed-binary/index.js'
import type { FileSpec } from '#src/formats/types.js'
import { assertSurvives, damaged, optionsOf, readSamples } from './damage.js'
import { recordedFiles } from './golden.js'
import { contentOf, harness, MemoryOutput, noise } from './memory-storage.js'

const writer = indexedBinary.writer!
const rest = { compression: 'none', compressionLevel: 4, hdf5: { chunkDims: [], maxShape: [], numDsetPerRecord: 1 } }
const numbers = (...values: number[]) => new Uint8Array(new BigUint64Array(values.map(BigInt)).buffer)

/** A file and its indexes under the names that readers ask for. */
function dataset(data: Uint8Array, offsets: number[], sizes: number[]): Record<string, Uint8Array> {
  return { f: data, 'f.off.idx': numbers(...offsets), 'f.sz.idx': numbers(...sizes) }
}

for (const format of [indexedBinary, mmapIndexedBinary])
  describe(`${format.name} files of DLIO`, () => {
    for (const { title, path, want } of recordedFiles(format.name)) {
      const recorded = readFileSync(path)
      const beside = { 'f.off.idx': readFileSync(`${path}.off.idx`), 'f.sz.idx': readFileSync(`${path}.sz.idx`) }
      const samplesPerFile = want.samples.length
      const sampleBytes = want.samples[0]!.nbytes as number
      it(`${title}: inspect says what NumPy reads`, async () => {
        const { samples, labels } = await format.inspect(path)
        assert.deepEqual(samples, want.samples)
        assert.equal(labels, null)
      })
      it(`${title}: the same data give the same three files as DLIO wrote, byte for byte`, () => {
        const spec: FileSpec = { ...rest, dims: [sampleBytes], samples: samplesPerFile, elementType: 'uint8' }
        const out = new MemoryOutput()
        const sides = { offsets: new MemoryOutput(), sizes: new MemoryOutput(), index: new MemoryOutput() }
        writer.write(spec, contentOf(recorded, 100), out, (kind, bytes) => sides[kind].append(bytes))
        assert.equal(Buffer.compare(out.bytes, recorded), 0)
        assert.equal(Buffer.compare(sides.offsets.bytes, beside['f.off.idx']), 0)
        assert.equal(Buffer.compare(sides.sizes.bytes, beside['f.sz.idx']), 0)
        assert.equal(writer.sizeBytes(spec), recorded.length)
      })
      it(`${title}: is read in every extent, verified or not`, () => {
        for (const extent of ['file', 'upstream', 'sample'] as const)
          for (const verify of [false, true]) {
            const { bytes } = readSamples(format, { f: recorded, ...beside }, { extent, verify, samplesPerFile, sampleBytes }, [
              0,
              samplesPerFile - 1,
            ])
            const wanted = format === mmapIndexedBinary && extent !== 'sample' ? 0 : sampleBytes
            assert.deepEqual(bytes, [wanted, wanted])
          }
      })
    }
  })

describe('indexed_binary reader', () => {
  const large = dataset(noise(30_000), [0, 10_000, 20_000], [10_000, 10_000, 10_000])
  const small = dataset(noise(3000), [0, 1000, 2000], [1000, 1000, 1000])
  const upstream = { extent: 'upstream', samplesPerFile: 3 } as const

  it('reads both indexes once, then opens the file for each sample and reads exactly the sample', () => {
    const { storage, bytes } = readSamples(indexedBinary, large, upstream, [1, 2])
    assert.deepEqual(storage.log, [
      [0, 4096, 24], // offsets
      [0, 4096, 24], // sizes
      [10_000, 10_000, 10_000],
      [20_000, 10_000, 10_000],
    ])
    assert.deepEqual([storage.opens, bytes], [4, [10_000, 10_000]])
  })

  it('fills a buffer of 4096 bytes for a short sample', () => {
    const { storage, bytes } = readSamples(indexedBinary, small, upstream, [0, 2])
    assert.deepEqual(storage.log.slice(2), [
      [0, 4096, 3000],
      [2000, 4096, 1000],
    ])
    assert.deepEqual(bytes, [1000, 1000])
  })

  it('where files stay open, what the buffer holds costs nothing, and what it holds in part is read on', () => {
    const long = dataset(noise(10_000), [0, 3000, 6000], [3000, 3000, 4000])
    const { storage, bytes } = readSamples(indexedBinary, long, { ...upstream, keepOpen: true }, [0, 0, 1, 2, 0])
    assert.deepEqual(storage.log.slice(2), [
      [0, 4096, 4096],
      [4096, 4096, 4096], // the rest of sample 1
      [8192, 4096, 1808], // the rest of sample 2
      [0, 4096, 4096],
    ])
    assert.deepEqual([storage.opens, bytes], [3, [3000, 0, 1904, 1808, 3000]])
  })

  it('with random access reads only the page of the index and the sample', () => {
    const count = 2000
    const many = dataset(
      noise(count),
      Array.from({ length: count }, (_, i) => i),
      new Array(count).fill(1),
    )
    const { storage } = readSamples(indexedBinary, many, { extent: 'sample', samplesPerFile: count }, [1999, 1998])
    assert.deepEqual(storage.log, [
      [12_288, 4096, 3712],
      [12_288, 4096, 3712],
      [1999, 1, 1],
      [1998, 1, 1],
    ])
  })

  it('goes by the index, however it lies', () => {
    const odd = dataset(noise(9000), [5000, 0, 7000, 0], [2000, 5000, 2000, 9000])
    const { storage } = readSamples(indexedBinary, odd, { ...upstream, samplesPerFile: 4 }, [0, 1, 2, 3])
    assert.deepEqual(
      storage.log.slice(2).map(([offset, asked]) => [offset, asked]),
      [
        [5000, 4096],
        [0, 5000],
        [7000, 4096],
        [0, 9000],
      ],
    )
  })

  it('says what is wrong, with the numbers', () => {
    const fails = (files: Record<string, Uint8Array>, message: RegExp, over = {}) =>
      assert.throws(
        () => readSamples(indexedBinary, files, { ...upstream, ...over }, [2]),
        (error) => error instanceof DataError && message.test(error.message),
      )
    fails({ ...large, f: large.f!.subarray(0, 25_000) }, /f: ends at byte 25000, its index says that sample 2 ends at 30000/)
    fails({ ...large, 'f.off.idx': numbers(0, 10_000) }, /f\.off\.idx: is truncated: it has 16 bytes; num_samples_per_file 3 take 24/)
    fails({ ...large, 'f.sz.idx': new Uint8Array(0) }, /f\.sz\.idx: is truncated: it has 0 bytes/)
    fails({ ...large, 'f.off.idx': numbers(0, 10_000, 2 ** 60) }, /ends at byte/)
    fails({ ...large, f: large.f!.subarray(0, 9000) }, /has 9000 bytes, its index says that sample 0 is bytes \[0, 10000\)/, {
      verify: true,
    })
    fails(large, /has a sample 0 of 10000 bytes by its index; the configuration makes samples of 9999 bytes/, {
      verify: true,
      sampleBytes: 9999,
    })
    fails({ ...large, 'f.off.idx': numbers(0, 10_000) }, /f\.off\.idx: is truncated/, { extent: 'sample' })
    assert.throws(() => readSamples(indexedBinary, { f: large.f! }, upstream), StorageError)
    assert.throws(() => readSamples(indexedBinary, large, upstream, [3]), /has no sample 3: it holds 3/)
  })

  it('survives damage of data and of indexes', () => {
    for (const format of [indexedBinary, mmapIndexedBinary]) {
      assertSurvives(format, large.f!, { samplesPerFile: 3 }, () => large)
      for (const name of ['f.off.idx', 'f.sz.idx'])
        for (const { bytes } of damaged(large[name]!))
          for (const extent of ['upstream', 'sample'] as const)
            for (const verify of [false, true])
              try {
                readSamples(format, { ...large, [name]: bytes }, { samplesPerFile: 3, extent, verify }, [0, 2])
              } catch (error) {
                assert.ok(error instanceof DataError, String(error))
              }
    }
  })
})

describe('mmap_indexed_binary reader', () => {
  const files = dataset(noise(30_000), [0, 10_000, 20_000], [10_000, 10_000, 10_000])

  it('opens the file for each sample and reads nothing of it, as DLIO’s view of a mapping does', () => {
    const { storage, bytes } = readSamples(mmapIndexedBinary, files, { extent: 'upstream', samplesPerFile: 3 }, [0, 1, 2])
    assert.deepEqual([bytes, storage.opens, storage.sizes, storage.bytesRead], [[0, 0, 0], 5, 3, 48])
  })

  it('with random access reads the sample', () => {
    const { bytes } = readSamples(mmapIndexedBinary, files, { extent: 'sample', samplesPerFile: 3 }, [0, 2])
    assert.deepEqual(bytes, [10_000, 10_000])
  })

  it('finds a truncated file by its size', () => {
    assert.throws(
      () => readSamples(mmapIndexedBinary, { ...files, f: files.f!.subarray(0, 29_999) }, { extent: 'upstream', samplesPerFile: 3 }, [2]),
      /f: has 29999 bytes, its index says that sample 2 is bytes \[20000, 30000\)/,
    )
  })

  it('keeps a file open until it is released', () => {
    const h = harness(files, 262_144)
    const reader = mmapIndexedBinary.sampleReader!(h.port, optionsOf({ extent: 'upstream', samplesPerFile: 3, keepOpen: true }))
    h.run(reader.read('f', 0))
    h.run(reader.read('f', 1))
    assert.deepEqual([h.storage.opens, h.storage.openFiles], [3, 1])
    h.run(reader.release('f'))
    assert.equal(h.storage.openFiles, 0)
  })
})

describe('indexed binary writer', () => {
  it('writes a long index in pieces', () => {
    const out = new MemoryOutput()
    const offsets = new MemoryOutput()
    let pieces = 0
    writer.write({ ...rest, dims: [2], samples: 10_000, elementType: 'int16' }, contentOf(noise(40_000)), out, (kind, bytes) => {
      if (kind === 'offsets') offsets.append(bytes)
      pieces++
    })
    assert.ok(pieces > 2)
    assert.deepEqual(offsets.bytes, numbers(...Array.from({ length: 10_000 }, (_, i) => 4 * i)))
  })
})
