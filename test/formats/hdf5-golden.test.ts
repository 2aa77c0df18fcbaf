// Recorded files of DLIO and h5py: inspected as h5py reads them, and read as a run reads them.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { DataError } from '#src/errors.js'
import { hdf5 } from '#src/formats/hdf5/index.js'
import { createWindow, IoPort, runBlocking } from '#src/storage/io.js'
import { type GoldenFile, goldenFiles, layoutFiles, MemoryStorage, options } from './hdf5-storage.js'

const files = [...goldenFiles(), ...layoutFiles()]
/** Layouts that only the HDF5 library reads. */
const isForLibrary = ({ name }: GoldenFile) => name.startsWith('library-')

test('there are recorded files', () => assert.ok(files.length >= 25, `${files.length} files`))

for (const file of files)
  test(`inspecting ${file.name} gives what h5py reads`, async () => {
    const inspection = await hdf5.inspect(file.path)
    assert.deepEqual(JSON.parse(JSON.stringify(inspection.samples)), file.samples)
    assert.deepEqual(inspection.labels, file.labels)
    assert.equal(inspection.file, file.path)
  })

const elementTypes: Record<string, string> = { u: 'uint', i: 'int', f: 'float' }
function optionsFor(file: GoldenFile) {
  const { dtype } = Object.values(file.samples[0] as GoldenFile['samples'][number])[0] as { dtype: string }
  return options({
    samplesPerFile: file.samples.length,
    elementType: `${elementTypes[dtype[1] as string]}${Number(dtype[2]) * 8}`,
    verify: true,
  })
}

for (const file of files.filter((f) => !isForLibrary(f)))
  test(`reading each sample of ${file.name} with verification closes what it opened and finds no fault`, () => {
    for (const extent of ['upstream', 'sample', 'file'] as const)
      for (const keepOpen of [false, true]) {
        const bytes = readFileSync(file.path)
        const storage = new MemoryStorage({ f: bytes })
        const reader = hdf5.sampleReader!(new IoPort(createWindow(16_384)), { ...optionsFor(file), extent, keepOpen })
        for (let i = 0; i < file.samples.length; i++) {
          const read = runBlocking(reader.read('f', i), storage)
          const payload = Object.values(file.samples[i] as object).reduce((sum: number, { nbytes }: { nbytes: number }) => sum + nbytes, 0)
          if (extent === 'file') assert.equal(read, bytes.byteLength)
          else if (file.isContiguous) assert.equal(read, payload)
          else assert.equal(read === 0, file.name === 'fixed-array-sparse.hdf5' && i < 2, 'only chunks never written are not read')
        }
        runBlocking(reader.close(), storage)
        assert.equal(storage.open.size, 0)
      }
  })

for (const file of files.filter(isForLibrary))
  test(`a run over ${file.name} says which layout it cannot replay and what can be done`, () => {
    const storage = new MemoryStorage({ f: readFileSync(file.path) })
    const reader = hdf5.sampleReader!(new IoPort(createWindow(16_384)), options({ verify: file.name !== 'library-soft-link.hdf5' }))
    assert.throws(
      () => runBlocking(reader.read('f', 0), storage),
      (error: Error) => error instanceof DataError && error.uri === 'f',
    )
    assert.equal(storage.open.size, 0)
  })

test('reading whole files needs no layout that is known', () => {
  const bytes = readFileSync('test/golden/hdf5-layouts/library-soft-link.hdf5')
  const storage = new MemoryStorage({ f: bytes })
  const reader = hdf5.sampleReader!(new IoPort(createWindow(16_384)), options({ extent: 'file' }))
  assert.equal(runBlocking(reader.read('f', 0), storage), bytes.byteLength)
})
