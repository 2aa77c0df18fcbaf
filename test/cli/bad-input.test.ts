// Bad input gets one clear error that names the file or key, with the right exit code, and nothing half-written.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { driver, scratchFolder, workloadFile } from './driver.js'

const folder = scratchFolder('bad')
const pristine = join(folder, 'pristine')
const workload = (data: string, over: Record<string, object> = {}) => ({
  framework: 'pytorch',
  workflow: { train: true },
  dataset: { format: 'npz', data_folder: data, num_files_train: 4, record_length_bytes: 4096, ...over.dataset },
  reader: { data_loader: 'pytorch', batch_size: 2, read_threads: 1, ...over.reader },
  train: { epochs: 1, computation_time: 0.001, ...over.train },
})

before(async () => {
  const { code, stderr } = await driver(['generate', workloadFile(folder, workload(pristine)), '-q'])
  assert.equal(code, 0, stderr)
})

/** A copy of the pristine data with something done to it. */
function spoiled(name: string, spoil: (train: string) => void): string {
  const data = join(folder, name)
  fs.cpSync(pristine, data, { recursive: true })
  spoil(join(data, 'train'))
  return data
}

/** Runs a workload that must fail; checks exit code, that one line of words names what is wrong, and that no summary was left. */
async function fails(name: string, config: object, code: number, words: RegExp, args: string[] = []): Promise<void> {
  const out = join(folder, `out-${name}`)
  const run = await driver(['run', workloadFile(join(folder, `cfg-${name}`), config), '--output', out, ...args])
  assert.equal(run.code, code, run.stderr)
  assert.match(run.stderr, words)
  assert.doesNotMatch(run.stderr, /\n\s+at /, 'no stack trace')
  assert.ok(!fs.existsSync(join(out, 'summary.json')))
  assert.ok(!fs.existsSync(join(out, 'result.json')))
}

const second = 'img_1_of_4.npz'

test('a missing data folder is named, with the way to generate it', () =>
  fails('missing', workload(join(folder, 'nowhere')), 2, /Not enough training dataset.*nowhere.*--generate/))
test('too few files are counted', () =>
  fails('few', workload(spoiled('few', (train) => fs.rmSync(join(train, second)))), 2, /holds 3 files.*4 are needed/))
test('a truncated file is named', () =>
  fails('cut', workload(spoiled('cut', (train) => fs.truncateSync(join(train, second), 2000))), 1, /error: .*img_1_of_4\.npz: /))
test('a file of zero bytes is named', () =>
  fails('zero', workload(spoiled('zero', (train) => fs.truncateSync(join(train, second), 0))), 1, /error: .*img_1_of_4\.npz: /))
test('a foreign file is named', () =>
  fails(
    'foreign',
    workload(spoiled('foreign', (train) => fs.writeFileSync(join(train, second), 'this is no archive'.repeat(300)))),
    1,
    /error: .*img_1_of_4\.npz: /,
  ))
test('a folder in the place of a file is named', () =>
  fails(
    'folder',
    workload(
      spoiled('folder', (train) => {
        fs.rmSync(join(train, second))
        fs.mkdirSync(join(train, second))
      }),
    ),
    2,
    /holds 3 files/,
  ))
test('what was measured before a file could not be read stays in result.partial.json, which says why it is only a part', async () => {
  const data = spoiled('late', (train) => fs.truncateSync(join(train, 'img_3_of_4.npz'), 2000))
  await fails('late', workload(data), 1, /warning: the run failed; what was measured until then is in .*out-late\/result\.partial\.json/)
  const partial = JSON.parse(fs.readFileSync(join(folder, 'out-late', 'result.partial.json'), 'utf8')) as Result
  assert.equal(partial.complete, false)
  assert.match(partial.interruption!, /^the run failed: .*img_3_of_4\.npz: is truncated/)
  assert.ok(partial.io.samplesRead < 4)
})
test('a wrong element type is found with --verify', () =>
  fails('dtype', workload(pristine, { dataset: { record_element_type: 'float32' } }), 1, /error: .*img_\d_of_4\.npz: .*(float32|<f4)/, [
    '--verify',
  ]))
test('flipped content is found with --verify', () =>
  fails(
    'flip',
    workload(
      spoiled('flip', (train) => {
        const path = join(train, second)
        const bytes = fs.readFileSync(path)
        bytes[1000]! ^= 1
        fs.writeFileSync(path, bytes)
      }),
    ),
    1,
    /error: .*img_1_of_4\.npz: .*CRC/i,
    ['--verify'],
  ))
test('a file with fewer samples than configured is named', () =>
  fails('samples', workload(pristine, { dataset: { num_samples_per_file: 3 } }), 1, /error: .*\.npz: .*3/))
test('more steps than there are is an error before the run', () =>
  fails(
    'steps',
    workload(pristine, { train: { total_training_steps: 50 } }),
    2,
    /total_training_steps.*50|50.*total_training_steps|have data for 2 steps but 50/,
  ))
test('a batch larger than the data set is an error before the run, not a run of no steps', () =>
  fails('batch', workload(pristine, { reader: { batch_size: 64 } }), 2, /batch_size|no step/i))
test('impossible numbers are reported all at once', async () => {
  const path = workloadFile(
    join(folder, 'impossible'),
    workload(pristine, { reader: { batch_size: 0, read_threads: -1 }, train: { computation_time: -1 } }),
  )
  const run = await driver(['run', path])
  assert.equal(run.code, 2)
  for (const key of ['reader.batch_size', 'reader.read_threads', 'train.computation_time']) assert.ok(run.stderr.includes(key), run.stderr)
})
test('invalid YAML is an error with its line', async () => {
  const path = join(folder, 'invalid.yaml')
  fs.writeFileSync(path, 'framework: pytorch\ndataset:\n  format: [npz\n')
  const run = await driver(['run', path])
  assert.equal(run.code, 2)
  assert.match(run.stderr, /invalid\.yaml:[34]/)
})
test('an output folder that cannot be made fails before the run', async () => {
  const path = workloadFile(join(folder, 'nowrite'), workload(pristine))
  fs.writeFileSync(join(folder, 'a-file'), '')
  const run = await driver(['run', path, '--output', join(folder, 'a-file', 'out')])
  assert.equal(run.code, 2, run.stderr)
  assert.match(run.stderr, /a-file/)
})
test('a data folder of two schemes is refused with its place', () =>
  fails('s3', workload('s3://gs://bucket/prefix'), 2, /dataset\.data_folder.*s3:\/\/gs:\/\/bucket\/prefix[\s\S]*has two schemes/))
test('an unknown command or option ends with 2', async () => {
  assert.equal((await driver(['rnu', 'x'])).code, 2)
  assert.equal((await driver(['run', 'quickstart', '--rank', '2'])).code, 2)
})
