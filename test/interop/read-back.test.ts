// Generated data sets, read with NumPy, h5py and TensorFlow: they find what `dl-driver inspect` says, in the shapes that DLIO's
// configuration asks for, and content that no storage can compress away.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { driver, scratchFolder, workloadFile } from '../cli/driver.js'
import { referencePython } from './python.js'

interface DatasetLayout {
  readonly shape: number[]
  readonly chunks: number[] | null
  readonly maxshape: number[]
  readonly compression: string | null
  readonly compressionLevel: number | null
}

interface Statistics {
  readonly min: number
  readonly max: number
  readonly mean: number
  readonly std: number
  readonly deflated: number
  readonly distinctBytes: number
}

interface ReadBack {
  readonly file: string
  readonly format: string
  readonly samples: Record<string, unknown>[]
  readonly labels: number[] | null
  readonly content: Statistics[]
  readonly layout: {
    readonly members?: string[]
    readonly labelType?: string
    readonly fortranOrder?: boolean
    readonly datasets?: Record<string, DatasetLayout>
    readonly index?: string
    readonly fileBytes?: number
  }
}

interface Case {
  readonly name: string
  readonly dataset: Record<string, unknown> & { readonly format: 'npz' | 'hdf5' | 'tfrecord' }
  readonly ranks?: number
  /** More that must hold for each file of the training set. */
  readonly check?: (file: ReadBack) => void
}

const subfolders = {
  num_files_train: 5,
  num_files_eval: 4,
  num_subfolders_train: 3,
  num_subfolders_eval: 2,
  record_length_bytes: 9000,
  record_length_bytes_stdev: 3000,
}
const chunked = (want: Partial<DatasetLayout>) => (file: ReadBack) => {
  for (const [name, dataset] of Object.entries(file.layout.datasets!))
    for (const [key, value] of Object.entries(want)) assert.deepEqual(dataset[key as keyof DatasetLayout], value, `${key} of ${name}`)
}

const cases: Case[] = [
  { name: 'npz, uint8', dataset: { format: 'npz', num_files_train: 3, record_length_bytes: 70_000 } },
  {
    name: 'npz, float32, several samples, record_dims',
    dataset: { format: 'npz', num_files_train: 2, num_samples_per_file: 3, record_dims: [16, 24, 5], record_element_type: 'float32' },
  },
  {
    name: 'npz, int16, several samples, spread, subfolders, evaluation',
    dataset: { format: 'npz', num_samples_per_file: 2, record_element_type: 'int16', ...subfolders },
  },
  { name: 'npz, uint8, spread as three ranks draw it', ranks: 3, dataset: { format: 'npz', ...subfolders } },
  {
    name: 'hdf5, uint8, contiguous',
    dataset: { format: 'hdf5', num_files_train: 2, record_length_bytes: 70_000 },
    check: chunked({ shape: [1, 264, 264], chunks: null, compression: null }),
  },
  {
    name: 'hdf5, float32, several samples',
    dataset: { format: 'hdf5', num_files_train: 2, num_samples_per_file: 3, record_dims: [16, 24, 5], record_element_type: 'float32' },
    check: chunked({ shape: [3, 16, 24, 5], chunks: null }),
  },
  {
    name: 'hdf5, float64, chunk_dims',
    dataset: {
      format: 'hdf5',
      num_files_train: 2,
      num_samples_per_file: 2,
      record_dims: [30, 50],
      record_element_type: 'float64',
      'hdf5.chunk_dims': [1, 8, 16],
    },
    check: chunked({ chunks: [1, 8, 16], compression: null }),
  },
  {
    name: 'hdf5, gzip',
    dataset: {
      format: 'hdf5',
      num_files_train: 2,
      num_samples_per_file: 2,
      record_length_bytes: 40_000,
      compression: 'gzip',
      compression_level: 6,
    },
    check: chunked({ compression: 'gzip', compressionLevel: 6 }),
  },
  {
    name: 'hdf5, int32, num_dset_per_record',
    dataset: {
      format: 'hdf5',
      num_files_train: 2,
      num_samples_per_file: 2,
      record_dims: [6, 20, 30],
      record_element_type: 'int32',
      'hdf5.num_dset_per_record': 3,
    },
    check: (file) => {
      assert.deepEqual(Object.keys(file.layout.datasets!), ['records_0', 'records_1', 'records_2'])
      chunked({ shape: [2, 2, 20, 30], chunks: null })(file)
    },
  },
  {
    name: 'hdf5, max_shape',
    dataset: { format: 'hdf5', num_files_train: 2, num_samples_per_file: 2, record_dims: [40, 32], 'hdf5.max_shape': [64, 48] },
    check: chunked({ shape: [2, 40, 32], maxshape: [2, 64, 48] }),
  },
  { name: 'hdf5, spread, subfolders, evaluation', dataset: { format: 'hdf5', num_samples_per_file: 2, ...subfolders } },
  { name: 'tfrecord, uint8', dataset: { format: 'tfrecord', num_files_train: 2, record_length_bytes: 70_000 } },
  {
    name: 'tfrecord, several records, record_dims',
    dataset: { format: 'tfrecord', num_files_train: 2, num_samples_per_file: 7, record_dims: [40, 30], record_element_type: 'int32' },
  },
  {
    name: 'tfrecord, several records, spread, subfolders, evaluation',
    dataset: { format: 'tfrecord', num_samples_per_file: 3, ...subfolders },
  },
]

/** `'hdf5.chunk_dims': …` into `hdf5: {chunk_dims: …}`. */
function nested(flat: Record<string, unknown>): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(flat)) {
    const [head, tail] = key.split('.') as [string, string?]
    result[head] = tail === undefined ? value : { ...(result[head] as object), [tail]: value }
  }
  return result
}

const jsonLines = <T>(text: string) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T)

/** What statistics of random content of a NumPy type must be near to, with the spread that `count` elements leave. */
function checkRandom({ min, max, mean, std, deflated, distinctBytes }: Statistics, type: string, count: number, bytes: number): void {
  const integer = /^(u?)int(\d+)$/.exec(type)
  const width = integer ? 2 ** Number(integer[2]) : 1
  const lowest = integer && integer[1] === '' ? -width / 2 : 0
  const sigma = width / Math.sqrt(12)
  // Seven standard errors: a right generator fails once in 1e11 runs.
  assert.ok(Math.abs(mean - (lowest + width / 2)) < (7 * sigma) / Math.sqrt(count) + 1, `mean ${mean} of ${type}`)
  assert.ok(Math.abs(std - sigma) < (7 * sigma) / Math.sqrt(count), `standard deviation ${std} of ${type}`)
  assert.ok(min >= lowest && max <= lowest + width, `${min} to ${max}`)
  // Integers are all noise. Floats of [0, 1) hold 24 or 53 random bits and a nearly constant exponent.
  const noise = { float32: 0.75, float64: 0.85 }[type] ?? 1
  assert.ok(deflated >= noise, `deflates to ${deflated}`)
  assert.ok(distinctBytes >= Math.min(250, bytes / 16), `${distinctBytes} different bytes in ${bytes}`)
}

test('NumPy, h5py and TensorFlow read every generated file as inspect does, and find random content', async (t) => {
  const python = await referencePython(t)
  if (python === undefined) return
  const root = scratchFolder('interop')
  const files: { path: string; of: Case; train: boolean }[] = []
  const planned = new Map<string, { dims: number[]; sizeBytes: number | null }>()
  for (const [i, of] of cases.entries()) {
    const folder = join(root, String(i))
    const data = join(folder, 'data')
    const loader = of.dataset.format === 'tfrecord' ? 'tensorflow' : 'pytorch'
    const config = workloadFile(folder, {
      framework: loader,
      dataset: { data_folder: data, ...nested(of.dataset) },
      reader: { data_loader: loader, batch_size: 1 },
    })
    const ranks = ['--ranks', String(of.ranks ?? 1)]
    const generated = await driver(['generate', config, '-q', ...ranks])
    assert.equal(generated.code, 0, `${of.name}: ${generated.stderr}`)
    const plan = await driver(['plan', config, '--dims', ...ranks])
    for (const { file, ...rest } of jsonLines<{ file: string; dims: number[]; sizeBytes: number | null }>(plan.stdout))
      planned.set(join(data, file), rest)
    const made = (readdirSync(data, { recursive: true }) as string[]).filter((name) => name.endsWith(`.${of.dataset.format}`))
    for (const name of made.sort()) files.push({ path: join(data, name), of, train: name.startsWith('train/') })
  }
  const paths = files.map(({ path }) => path)
  assert.deepEqual([...paths].sort(), [...planned.keys()].sort(), 'the files are those of the plan')

  const inspected = await driver(['inspect', '--json', ...paths])
  assert.equal(inspected.code, 0, inspected.stderr)
  const inspections = jsonLines<Record<string, unknown>>(inspected.stdout)
  const { stdout } = await promisify(execFile)(python, [join('test', 'interop', 'read_back.py'), ...paths], { maxBuffer: 1 << 28 })
  const readings = jsonLines<ReadBack>(stdout)
  assert.deepEqual(
    readings.map(({ file }) => file),
    paths,
  )

  for (const [i, reading] of readings.entries())
    await t.test(`${files[i]!.of.name}: ${paths[i]!.split('/data/')[1]}`, () => {
      const { path, of, train } = files[i]!
      const { content, layout, ...rest } = reading
      assert.deepEqual(rest, inspections[i])

      // What the configuration asks for.
      const { dims, sizeBytes } = planned.get(path)!
      const type = (of.dataset.record_element_type as string | undefined) ?? 'uint8'
      const elementBytes = Number(/\d+/.exec(type)![0]) / 8
      assert.equal(reading.samples.length, (of.dataset.num_samples_per_file as number | undefined) ?? 1)
      if (sizeBytes !== null) assert.equal(statSync(path).size, sizeBytes)
      const datasets = (of.dataset['hdf5.num_dset_per_record'] as number | undefined) ?? 1
      const sampleBytes = dims.reduce((product, dim) => product * dim, elementBytes)
      const hashes = new Set<unknown>()
      for (const sample of reading.samples) {
        const arrays = of.dataset.format === 'hdf5' && !('sha256' in sample) ? Object.values(sample) : [sample]
        assert.equal(arrays.length, datasets)
        for (const array of arrays as { shape?: number[]; dtype?: string; nbytes: number; sha256: string }[]) {
          assert.equal(array.nbytes, sampleBytes / datasets)
          if (array.shape !== undefined) assert.deepEqual(array.shape, [dims[0]! / datasets, ...dims.slice(1)])
          hashes.add(array.sha256)
        }
      }
      assert.equal(hashes.size, reading.samples.length, 'every sample has content of its own')
      for (const statistics of content) {
        // TensorFlow gives bytes, whatever they stand for.
        const bytes = of.dataset.format === 'tfrecord'
        checkRandom(statistics, bytes ? 'uint8' : type, bytes ? sampleBytes : sampleBytes / datasets / elementBytes, sampleBytes / datasets)
      }

      // What is particular to the format.
      if (reading.labels !== null) {
        assert.deepEqual(reading.labels, new Array(reading.samples.length).fill(0))
        assert.equal(layout.labelType, '<i8')
      }
      if (of.dataset.format === 'npz') assert.deepEqual([layout.members, layout.fortranOrder], [['x', 'y'], false])
      if (of.dataset.format === 'tfrecord') {
        const lines = reading.samples.map(({ offset, framed_length }) => `${offset} ${framed_length}\n`)
        assert.equal(layout.index, lines.join(''))
      }
      if (train) of.check?.(reading)
    })
})
