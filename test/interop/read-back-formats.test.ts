// Generated files of the plainer formats, read with NumPy, pandas, Pillow and pyarrow: they find what `dl-driver inspect` says, and random content.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { driver, scratchFolder, workloadFile } from '../cli/driver.js'
import { referencePython } from './python.js'

interface ReadBack {
  readonly file: string
  readonly format: string
  readonly samples: readonly unknown[]
  readonly content: readonly { readonly mean: number; readonly deflated: number }[]
}

const several = { num_files_train: 2, num_files_eval: 1, num_samples_per_file: 3 }
/** Least size after deflating, as a part of the size before; 0 where numbers are wider than their content. */
const cases: readonly { readonly semantics?: string; readonly deflated: number; readonly dataset: Record<string, unknown> }[] = [
  { deflated: 1, dataset: { format: 'npy', record_length_bytes: 9000, ...several } },
  { deflated: 0.75, dataset: { format: 'npy', record_dims: [12, 20, 9], record_element_type: 'float32', ...several } },
  { deflated: 0, dataset: { format: 'csv', record_length_bytes: 4000, ...several } },
  { deflated: 0, semantics: 'upstream', dataset: { format: 'csv', record_dims: [30, 8], record_element_type: 'int64', ...several } },
  { deflated: 0, dataset: { format: 'csv', record_dims: [30, 8], record_element_type: 'float64', ...several } },
  // Pixels come back from JPEG's quantisation smoother than they were.
  { deflated: 0.8, semantics: 'upstream', dataset: { format: 'jpeg', record_dims: [70, 131], num_files_train: 2 } },
  { deflated: 1, semantics: 'upstream', dataset: { format: 'png', record_dims: [300, 411], num_files_train: 2 } },
  { deflated: 1, dataset: { format: 'jpeg', record_length_bytes: 9000, num_files_train: 2 } },
  { deflated: 1, dataset: { format: 'png', record_length_bytes: 9000, num_files_train: 2 } },
  { deflated: 1, dataset: { format: 'indexed_binary', record_length_bytes: 5000, record_element_type: 'int32', ...several } },
  { deflated: 1, dataset: { format: 'mmap_indexed_binary', record_length_bytes: 9000, record_length_bytes_stdev: 3000, ...several } },
  { deflated: 1, dataset: { format: 'parquet', record_length_bytes: 9000, ...several } },
  { deflated: 1, dataset: { format: 'parquet', record_length_bytes: 9000, parquet: { row_group_size: 2 }, ...several } },
]

const jsonLines = <T>(text: string): T[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T)

test('NumPy, pandas, Pillow and pyarrow read every generated file as inspect does, and find random content', async (t) => {
  const python = await referencePython(t)
  if (python === undefined) return
  const root = scratchFolder('interop-formats')
  const paths: string[] = []
  const least: number[] = []
  for (const [i, { semantics = 'mlcommons', dataset, deflated }] of cases.entries()) {
    const folder = join(root, String(i))
    const config = workloadFile(folder, {
      framework: 'pytorch',
      dataset: { data_folder: join(folder, 'data'), ...dataset },
      reader: { data_loader: 'pytorch', batch_size: 1 },
    })
    const { code, stderr } = await driver(['generate', config, '-q', '--semantics', semantics])
    assert.equal(code, 0, `${JSON.stringify(dataset)}: ${stderr}`)
    const made = (readdirSync(join(folder, 'data'), { recursive: true }) as string[]).filter((name) => name.endsWith(`.${dataset.format}`))
    assert.equal(made.length, Number(dataset.num_files_train) + Number(dataset.num_files_eval ?? 0))
    for (const name of made.sort()) {
      paths.push(join(folder, 'data', name))
      least.push(deflated)
    }
  }
  const { code, stdout, stderr } = await driver(['inspect', '--json', ...paths])
  assert.equal(code, 0, stderr)
  const inspections = jsonLines<Record<string, unknown>>(stdout)
  const read = await promisify(execFile)(python, [join('test', 'interop', 'read_back.py'), ...paths], { maxBuffer: 1 << 28 })
  const readings = jsonLines<ReadBack & { layout: unknown }>(read.stdout)
  assert.equal(readings.length, paths.length)
  for (const [i, { content, layout: _, ...reading }] of readings.entries()) {
    assert.deepEqual(reading, inspections[i])
    for (const { deflated } of content) assert.ok(deflated >= least[i]!, `${paths[i]} deflates to ${deflated}`)
  }
  const hashes = readings.filter(({ format }) => format !== 'csv').flatMap(({ samples }) => samples.map((sample) => JSON.stringify(sample)))
  assert.equal(new Set(hashes).size, hashes.length, 'every sample has content of its own')
})
