// Files of the writer: DLIO's own bytes where they are fixed, read back by the reader, and by h5py where a Python with it is given.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigError } from '#src/errors.js'
import { guessChunk } from '#src/formats/hdf5/dataset-plan.js'
import { hdf5 } from '#src/formats/hdf5/index.js'
import { inspectFile } from '#src/formats/hdf5/inspect.js'
import { compressLzf, expandLzf } from '#src/formats/hdf5/lzf.js'
import type { ArrayInfo, FileSpec } from '#src/formats/types.js'
import { createWindow, IoPort, runBlocking } from '#src/storage/io.js'
import { referencePython } from '../interop/python.js'
import { CountingContent, goldenFiles, MemoryOutput, MemoryStorage, options, spec, writeFile } from './hdf5-storage.js'

const writer = hdf5.writer!

/** What the generator is told, by the workload of a recorded file. */
function specOf(workload: { dataset: Record<string, unknown> }, shape: readonly number[]): FileSpec {
  const { dataset } = workload
  const settings = (dataset.hdf5 ?? {}) as Record<string, never>
  const dims = dataset.record_dims as number[] | undefined
  return spec({
    dims: dims ?? shape.slice(1),
    dimsDrawn: dims === undefined,
    samples: dataset.num_samples_per_file as number,
    elementType: (dataset.record_element_type as string | undefined) ?? 'uint8',
    compression: (dataset.compression as string | undefined) ?? '',
    compressionLevel: (dataset.compression_level as number | undefined) ?? 4,
    hdf5: { chunkDims: settings.chunk_dims ?? [], maxShape: settings.max_shape ?? [], numDsetPerRecord: settings.num_dset_per_record ?? 1 },
  })
}

const byDlio = goldenFiles().filter(({ name }) => /^\d/.test(name))
for (const file of byDlio)
  test(`a file written like ${file.name} has its size, and its metadata where the layout allows one way only`, () => {
    const expected = JSON.parse(readFileSync(join(file.path.split('/data/')[0] as string, 'expected.json'), 'utf8'))
    const shape = expected.files[file.name.slice(file.name.indexOf('/') + 1)].datasets.records_0.shape as number[]
    const wanted = specOf(expected.workload, shape)
    const original = readFileSync(file.path)
    const bytes = writeFile(writer, wanted)
    assert.equal(bytes.byteLength, original.byteLength)
    if (wanted.compression === '') assert.equal(writer.sizeBytes(wanted), original.byteLength)
    // Contiguous data and single chunks of one dataset: all addresses are h5py's, so only time stamps and checksums over them differ.
    if (wanted.hdf5.numDsetPerRecord > 1 || wanted.hdf5.chunkDims.length > 0) return
    const metadata = (file: Uint8Array) => Buffer.concat([file.subarray(0, 54), file.subarray(70, 191), file.subarray(195, 2048)])
    assert.deepEqual(metadata(bytes), metadata(original))
  })

const specs: Record<string, FileSpec> = {
  contiguous: spec(),
  'one sample': spec({ samples: 1 }),
  'drawn dims that begin with 1': spec({ dims: [1, 6], dimsDrawn: true }),
  'record_dims that begin with 1': spec({ dims: [1, 6] }),
  'a scalar sample': spec({ dims: [1] }),
  'five axes': spec({ dims: [2, 3, 4, 2, 3], elementType: 'float64' }),
  'several datasets': spec({ dims: [6, 5], elementType: 'float32', hdf5: { numDsetPerRecord: 3 } }),
  'a dataset per row': spec({ dims: [6, 5], hdf5: { numDsetPerRecord: 6 } }),
  'forty datasets': spec({ dims: [40, 5], hdf5: { numDsetPerRecord: 40 } }),
  'chunks that do not divide the shape': spec({ dims: [9, 7], elementType: 'int16', hdf5: { chunkDims: [2, 4, 3] } }),
  'max shape': spec({ hdf5: { maxShape: [16, 12] } }),
  'chunks and max shape': spec({ elementType: 'int32', hdf5: { chunkDims: [1, 4, 3], maxShape: [16, 13] } }),
  'chunks larger than the shape': spec({ hdf5: { chunkDims: [2, 10, 7], maxShape: [16, 13] } }),
  'one chunk': spec({ elementType: 'uint64', hdf5: { chunkDims: [3, 8, 6] } }),
  'a paged index': spec({ dims: [50, 60], hdf5: { chunkDims: [1, 2, 3] } }),
  gzip: spec({ dims: [9, 7], compression: 'gzip', compressionLevel: 9 }),
  'gzip in chunks': spec({ dims: [9, 7], elementType: 'float16', compression: 'gzip', hdf5: { chunkDims: [1, 4, 3] } }),
  'gzip, paged, several datasets': spec({ dims: [100, 60], compression: 'gzip', hdf5: { numDsetPerRecord: 2, chunkDims: [1, 2, 3] } }),
  'guessed chunks': spec({ dims: [500, 500], samples: 4, compression: 'gzip', compressionLevel: 1 }),
  lzf: spec({ dims: [9, 7], compression: 'lzf', hdf5: { chunkDims: [1, 9, 7] } }),
  'lzf that shrinks': spec({
    dims: [30, 40],
    samples: 1,
    elementType: 'int8',
    compression: 'lzf',
    hdf5: { chunkDims: [1, 200, 200], maxShape: [200, 200] },
  }),
}

function inspect(bytes: Uint8Array) {
  return runBlocking(inspectFile(new IoPort(createWindow(65_536)), 'f'), new MemoryStorage({ f: bytes }, 1_000_000))
}

for (const [name, wanted] of Object.entries(specs))
  test(`${name}: what was written is read back, size and verification included`, () => {
    const bytes = writeFile(writer, wanted)
    if (wanted.compression === '') assert.equal(writer.sizeBytes(wanted), bytes.byteLength)
    else assert.equal(writer.sizeBytes(wanted), undefined)
    const { samples, labels } = inspect(bytes)
    assert.equal(samples.length, wanted.samples)
    assert.deepEqual(labels, new Array(wanted.samples).fill(0))
    for (const sample of samples as Record<string, ArrayInfo>[]) {
      assert.equal(Object.keys(sample).length, wanted.hdf5.numDsetPerRecord)
      const hashes = Object.values(sample).map(({ sha256 }) => sha256)
      assert.equal(new Set(hashes).size, 1, 'all datasets hold the same data')
    }
    const storage = new MemoryStorage({ f: bytes })
    const reader = hdf5.sampleReader!(
      new IoPort(createWindow(65_536)),
      options({ verify: true, samplesPerFile: wanted.samples, elementType: wanted.elementType }),
    )
    for (let i = 0; i < wanted.samples; i++) runBlocking(reader.read('f', i), storage)
  })

test('a leading 1 is dropped from record_dims and kept where the dimensions were drawn', () => {
  const shapeOf = (wanted: FileSpec) =>
    Object.values(inspect(writeFile(writer, wanted)).samples[0] as Record<string, ArrayInfo>).map(({ shape }) => shape)
  assert.deepEqual(shapeOf(spec({ dims: [1, 6] })), [[6]])
  assert.deepEqual(shapeOf(spec({ dims: [1, 6], dimsDrawn: true })), [[1, 6]])
  assert.deepEqual(shapeOf(spec({ dims: [2, 6], hdf5: { numDsetPerRecord: 2 } })), [[6], [6]])
  assert.deepEqual(shapeOf(spec({ dims: [4, 6], hdf5: { numDsetPerRecord: 2 } })), [
    [2, 6],
    [2, 6],
  ])
})

test('the part of an edge chunk that lies outside the dataset is zeros', () => {
  // 1 × 3 × 3 in chunks of 1 × 2 × 2: data begins at 2048, the last chunk has one element inside.
  const data = writeFile(writer, spec({ dims: [3, 3], samples: 1, hdf5: { chunkDims: [1, 2, 2] } })).subarray(2048, 2064)
  const isZero = Array.from(data, (byte) => byte === 0)
  assert.deepEqual(isZero, [false, false, false, false, false, true, false, true, false, false, true, true, false, true, true, true])
})

test('contiguous data is the content itself, in order, from byte 2048', () => {
  const content = new CountingContent()
  const expected = Buffer.concat([content.next(104), content.next(40)].map((bytes) => Buffer.from(bytes)))
  // Two calls reuse one memory, so the first has to be kept: compare the last 40 bytes only.
  assert.deepEqual(Buffer.from(writeFile(writer, spec())).subarray(2048 + 104, 2048 + 144), expected.subarray(104))
})

test('chunked files are patched once, contiguous ones are only appended to', () => {
  const patchesOf = (wanted: FileSpec) => {
    const out = new MemoryOutput()
    writer.write(wanted, new CountingContent(), out, () => {})
    return out.patches
  }
  assert.deepEqual(patchesOf(spec()), [])
  assert.deepEqual(patchesOf(spec({ hdf5: { chunkDims: [1, 4, 3] } })), [0])
})

test('chunks are guessed as h5py does', () => {
  // Recorded from h5py 3.14.
  const guesses: [number[], number, number[]][] = [
    [[4, 500, 500], 1, [1, 125, 125]],
    [[3, 32, 32], 1, [3, 32, 32]],
    [[1, 2048, 2048], 4, [1, 64, 128]],
    [[16, 12107, 12107], 1, [1, 379, 379]],
    [[8, 60, 51], 8, [2, 30, 26]],
    [[1000, 3], 4, [1000, 3]],
  ]
  for (const [shape, elementBytes, chunk] of guesses) assert.deepEqual(guessChunk(shape, elementBytes), chunk, shape.join())
})

test('what h5py or HDF5 would refuse is a configuration error that names the key', () => {
  const refusals: [string, FileSpec][] = [
    ['dataset.compression', spec({ compression: 'zip' })],
    ['dataset.compression_level', spec({ compression: 'gzip', compressionLevel: 10 })],
    ['dataset.record_element_type', spec({ elementType: 'complex64' })],
    ['dataset.hdf5.num_dset_per_record', spec({ hdf5: { numDsetPerRecord: 3 } })],
    ['dataset.hdf5.num_dset_per_record', spec({ dimsDrawn: true, hdf5: { numDsetPerRecord: 2 } })],
    ['dataset.hdf5.num_dset_per_record', spec({ hdf5: { numDsetPerRecord: 0 } })],
    ['dataset.hdf5.chunk_dims', spec({ hdf5: { chunkDims: [4, 3] } })],
    ['dataset.hdf5.chunk_dims', spec({ hdf5: { chunkDims: [1, 9, 3] } })],
    ['dataset.hdf5.chunk_dims', spec({ hdf5: { chunkDims: [1, 0, 3] } })],
    ['dataset.hdf5.chunk_dims', spec({ dims: [3000, 3000], samples: 1, hdf5: { chunkDims: [1, 1, 1] } })],
    ['dataset.hdf5.max_shape', spec({ hdf5: { maxShape: [16] } })],
    ['dataset.hdf5.max_shape', spec({ hdf5: { maxShape: [7, 12] } })],
    ['dataset.hdf5.max_shape', spec({ hdf5: { maxShape: [-1, 12] } })],
  ]
  for (const [key, wanted] of refusals) {
    const refused = (error: Error) =>
      error instanceof ConfigError && error.problems[0]?.path === key && error.problems[0].remedy !== undefined
    assert.throws(() => writeFile(writer, wanted), refused, key)
    assert.throws(() => writer.sizeBytes(wanted), refused, key)
  }
})

test('LZF expands to what was compressed, and data that does not shrink is left as it is', () => {
  const inputs = [
    Buffer.alloc(1000),
    Buffer.from('abcabcabcabc'.repeat(700)),
    Buffer.from(Array.from({ length: 9000 }, (_, i) => (i * i) >>> 9)),
  ]
  for (const input of inputs) {
    const compressed = compressLzf(input)
    assert.ok(compressed !== undefined && compressed.byteLength < input.byteLength)
    assert.deepEqual(Buffer.from(expandLzf(compressed, input.byteLength) as Uint8Array), input)
    assert.equal(expandLzf(compressed, input.byteLength - 1), undefined)
  }
  assert.equal(compressLzf(createHash('sha512').update('x').digest()), undefined)
})

test('h5py reads what was written, with the structure that h5py itself would have made', async (t) => {
  const python = await referencePython(t)
  if (python === undefined) return
  const folder = mkdtempSync(join(tmpdir(), 'dl-driver-hdf5-'))
  try {
    const list = Object.values(specs).map((wanted, i) => {
      const bytes = writeFile(writer, wanted)
      writeFileSync(join(folder, `${i}.hdf5`), bytes)
      return { ...wanted, samplesInfo: inspect(bytes).samples }
    })
    writeFileSync(join(folder, 'specs.json'), JSON.stringify(list))
    const output = execFileSync(python, ['test/formats/hdf5-check.py', folder], { encoding: 'utf8' })
    assert.equal(output.trim(), `${list.length} files equal`)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
