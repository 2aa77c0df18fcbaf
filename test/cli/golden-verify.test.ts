// `run --verify` reads every recorded data set of the formats that runs know: whole files, single samples, through the page cache and past it.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { goldenFolder, goldenJson } from '../golden.js'
import { driver, scratchFolder, workloadFile } from './driver.js'

interface Recorded {
  readonly workload?: { readonly dataset: Record<string, unknown> & { readonly format: string } }
  readonly files: Record<string, { readonly samples: unknown[] | null }>
}

const folder = goldenFolder('datasets')

/** The workload that was generated from, or one that fits files made by a library. */
function datasetOf(recorded: Recorded, format: string): Record<string, unknown> {
  if (recorded.workload?.dataset !== undefined) return recorded.workload.dataset
  const train = Object.entries(recorded.files).filter(([name]) => name.startsWith('train/'))
  const samples = train[0]?.[1].samples ?? []
  return {
    format,
    num_files_train: train.length,
    num_samples_per_file: samples.length,
    record_element_type: elementType(JSON.stringify(samples[0])),
  }
}

/** NumPy's name of the first dtype string in a recorded sample: `"dtype":"<f4"` is float32. */
function elementType(sample: string): string {
  const [, kind = '', bytes = ''] = /"dtype":"[<>|]([iuf])(\d)"/.exec(sample) ?? []
  return `${{ i: 'int', u: 'uint', f: 'float' }[kind]}${8 * Number(bytes)}`
}

for (const id of fs.readdirSync(folder).sort()) {
  if (!fs.existsSync(join(folder, id, 'expected.json'))) continue
  const recorded = goldenJson<Recorded>('datasets', id, 'expected.json')
  const names = Object.keys(recorded.files).filter((name) => fs.existsSync(join(folder, id, 'data', name)))
  const format = ['npz', 'hdf5', 'tfrecord'].find((known) => names.some((name) => name.endsWith(`.${known}`)))
  // The small copy holds some files of a set only; made by libraries are single files outside of `train`.
  if (format === undefined || names.length < Object.keys(recorded.files).length || !names.every((name) => /^(train|valid)\//.test(name)))
    continue
  const dataset = datasetOf(recorded, format)
  const framework = format === 'tfrecord' ? 'tensorflow' : 'pytorch'
  // Upstream's trimming must leave a file: it keeps a multiple of samples per file.
  const upstream = format !== 'tfrecord' && Number(dataset.num_files_train) >= Number(dataset.num_samples_per_file)
  for (const semantics of upstream ? ['mlcommons', 'upstream'] : ['mlcommons'])
    test(`${id}: every sample passes --verify (${semantics})`, async () => {
      const scratch = scratchFolder('verify')
      const config = workloadFile(scratch, {
        framework,
        workflow: { train: true },
        dataset: { ...dataset, data_folder: join(process.cwd(), folder, id, 'data') },
        reader: { data_loader: framework, batch_size: 1, read_threads: 1 },
        train: { epochs: 1, computation_time: 0 },
      })
      const out = join(scratch, 'out')
      const run = await driver(['run', config, '--verify', '--output', out, '--semantics', semantics, '-q'])
      assert.equal(run.code, 0, run.stderr)
      const result = JSON.parse(fs.readFileSync(join(out, 'result.json'), 'utf8')) as Result
      assert.ok(result.io.samplesRead > 0)
    })
}
