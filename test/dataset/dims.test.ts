import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createDimensionSource, fileDimensions } from '#src/dataset/dims.js'
import { testWorkload } from './workload.js'

interface Recording {
  tree: 'upstream' | 'fork'
  ranks: number
  format: never
  num_files_train: number
  num_files_eval: number
  num_samples_per_file: number
  record_length_bytes?: number
  record_length_bytes_stdev?: number
  record_dims?: number[]
  record_element_type?: string
  dimensions: number[][]
}

const golden = existsSync('../shared/golden/dims') ? '../shared/golden/dims' : 'test/golden/dims'
const readJson = (file: string): { cases: never[] } => JSON.parse(readFileSync(join(golden, file), 'utf8')) as { cases: never[] }

const workloadOf = (recording: Recording) =>
  testWorkload(
    {
      format: recording.format,
      numFilesTrain: recording.num_files_train,
      numFilesEval: recording.num_files_eval,
      numSamplesPerFile: recording.num_samples_per_file,
      recordLengthBytes: recording.record_length_bytes ?? 65536,
      recordLengthBytesStdev: recording.record_length_bytes_stdev ?? 0,
      recordDims: recording.record_dims ?? [],
      recordElementType: recording.record_element_type ?? 'uint8',
    },
    { semantics: recording.tree === 'upstream' ? 'upstream' : 'mlcommons' },
  )

for (const { file } of readJson('index.json').cases as { file: string }[])
  test(`each file has the dimensions that DLIO drew for it, recorded in ${file}`, () => {
    const { cases } = readJson(file) as { cases: Recording[] }
    assert.ok(cases.length > 0)
    for (const recording of cases) {
      const { dimensions, ...given } = recording
      const drawn = [...fileDimensions(workloadOf(recording), { ranks: recording.ranks }, { sizeBytes: () => undefined })]
      assert.deepEqual(
        drawn.map(({ dims }) => dims),
        dimensions,
        JSON.stringify(given),
      )
    }
  })

test('a thread that asks for some files only gets the dimensions that asking for all gives them', () => {
  for (const semantics of ['mlcommons', 'upstream'] as const) {
    const workload = testWorkload({ numFilesTrain: 300, recordLengthBytes: 4096, recordLengthBytesStdev: 512 }, { semantics })
    const all = createDimensionSource(workload, { ranks: 3 })
    const every = Array.from({ length: 300 }, (_, i) => all.dims(i))
    const some = createDimensionSource(workload, { ranks: 3 })
    for (const index of [0, 1, 7, 8, 100, 255, 299]) assert.deepEqual(some.dims(index), every[index])
    assert.equal(new Set(every.map(String)).size > 100, true)
  }
})

test('asking for an earlier file than the last one is refused, since draws cannot be taken back', () => {
  const source = createDimensionSource(testWorkload({ numFilesTrain: 9, recordLengthBytesStdev: 100 }), { ranks: 1 })
  source.dims(4)
  assert.throws(() => source.dims(4), /dimensions of file 4 were asked for after those of file 4/)
})

test('dimensions of a hundred million files are ready at once, with names and the sizes that the writer tells', () => {
  const workload = testWorkload({ numFilesTrain: 50_000_000, numFilesEval: 50_000_000, recordLengthBytesStdev: 10_000 })
  const lines = fileDimensions(workload, { ranks: 2 }, { sizeBytes: ({ dims }) => 128 + dims[0]! * dims[1]! })
  const [first] = lines
  assert.deepEqual(first, { file: 'train/img_00000000_of_50000000.npz', dims: [282, 269], sizeBytes: 128 + 282 * 269 })
})

test('evaluation files follow the training files, and a size that depends on the content is null', () => {
  const workload = testWorkload({ numFilesTrain: 1, numFilesEval: 1, recordDims: [3, 5, 2] })
  assert.deepEqual(
    [...fileDimensions(workload, { ranks: 1 }, { sizeBytes: () => undefined })],
    [
      { file: 'train/img_0_of_1.npz', dims: [3, 5, 2], sizeBytes: null },
      { file: 'valid/img_0_of_1.npz', dims: [3, 5, 2], sizeBytes: null },
    ],
  )
})
