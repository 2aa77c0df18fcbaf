// `dl-driver run` in several processes: what is read is what the plan says and what one process reads; one result for all.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { bin, driver, scratchFolder, workloadFile } from '../cli/driver.js'
import { hasProgram } from '../requirements.js'
import { type Launcher, launchers, mpich, openMpi, runUnder } from './mpirun.js'

const data = { format: 'npz', record_length_bytes: 4096, num_samples_per_file: 2 }
const shuffled = { file_shuffle: 'seed', sample_shuffle: 'seed' }

interface Event {
  readonly name: string
  readonly args: { readonly rank: number; readonly epoch: number; readonly split: string; readonly file: string; readonly sample: number }
}

/** What each rank read in each epoch of training, in no order. */
function readsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^trace.*\.json$/.test(name))
    .flatMap((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Event[])
    .filter(({ name, args }) => name === 'read' && args.split === 'train')
    .map(({ args }) => `${args.rank} ${args.epoch} ${args.file} ${args.sample}`)
    .sort()
}

/** Processes, ranks of each, and DL_DRIVER_BARRIER. */
const jobs: readonly (readonly [Launcher, number, number, string?])[] = [
  [openMpi, 2, 1],
  [openMpi, 4, 1],
  [mpich, 2, 1],
  [mpich, 4, 1],
  [openMpi, 2, 2],
  [openMpi, 3, 1, 'mpi'],
  [mpich, 3, 1, 'mpi'],
]

for (const [launcher, ranks, perProcess, barrier = ''] of jobs) {
  const title = perProcess === 1 ? `${ranks} processes` : `${ranks} processes of ${perProcess} ranks`
  const meeting = barrier === '' ? '' : ', which meet through MPI'
  test(`${launcher.name}, ${title}${meeting}: same order, same reads and same result as one process of as many ranks`, async (t) => {
    if (!hasProgram(t, launcher.program, '--version')) return
    const folder = scratchFolder('mpi-run', true)
    const total = ranks * perProcess
    const config = workloadFile(folder, {
      framework: 'pytorch',
      workflow: { generate_data: true, train: true, evaluation: true },
      dataset: { ...data, data_folder: join(folder, 'data'), num_files_train: 24, num_files_eval: 8 },
      reader: { data_loader: 'pytorch', batch_size: 2, read_threads: 2, ...shuffled },
      train: { epochs: 3, computation_time: 0.002 },
    })
    const alone = await driver([
      'run',
      config,
      '--ranks',
      String(total),
      '-o',
      join(folder, 'alone'),
      '--trace',
      join(folder, 'alone', 'trace.json'),
    ])
    assert.equal(alone.code, 0, alone.stderr)
    const out = join(folder, 'out')
    const args = ['run', config, '-o', out, '--trace', join(out, 'trace.json'), '--json']
    const program = [process.execPath, bin, ...args, ...(perProcess === 1 ? [] : ['--ranks', String(perProcess)])]
    const { code, stdout, stderr } = await runUnder(launcher, ranks, program, { env: { DL_DRIVER_BARRIER: barrier } })
    assert.equal(code, 0, stderr)
    // A launcher that ends a job names the process that died by its number only.
    const carried = perProcess === 1 ? 'rank 1 is' : 'ranks 2 to 3 are'
    assert.match(stderr, new RegExp(`^dl-driver \\S+: rank.* process \\d+ on \\S+, ${carried} process \\d+ on \\S+`, 'm'))
    assert.equal(stderr.match(/ process \d+ on /g)?.length, ranks)
    const result = JSON.parse(stdout) as Result
    const single = JSON.parse(readFileSync(join(folder, 'alone', 'result.json'), 'utf8')) as Result
    assert.deepEqual(result, JSON.parse(readFileSync(join(out, 'result.json'), 'utf8')))
    assert.equal(result.orderDigest, single.orderDigest)
    assert.deepEqual(result.world, { ranks: total, hosts: 1 })
    assert.deepEqual(readsIn(out), readsIn(join(folder, 'alone')))
    for (const key of ['bytesAsked', 'filesOpened', 'readCalls'] as const) assert.equal(result.io[key], single.io[key], key)
    assert.equal(result.train?.samples, single.train?.samples)
    assert.equal(result.train?.steps, single.train?.steps)
    assert.equal(result.histograms.sampleReadUs?.count, single.histograms.sampleReadUs?.count)
    assert.deepEqual(result.work, single.work)
    const jsonFiles = (path: string) => readdirSync(path).filter((name) => name.endsWith('.json') && !name.startsWith('trace'))
    assert.deepEqual(jsonFiles(out), jsonFiles(join(folder, 'alone')))
  })
}

test('processes share the generation of a data set, whose files are those of one process', async (t) => {
  if (!hasProgram(t, openMpi.program, '--version')) return
  const folder = scratchFolder('mpi-generate', true)
  const config = (name: string) =>
    workloadFile(
      folder,
      { dataset: { ...data, data_folder: join(folder, name), num_files_train: 5, num_files_eval: 2, record_length_bytes_stdev: 900 } },
      `${name}.yaml`,
    )
  const files = (name: string) =>
    readdirSync(join(folder, name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => [entry.name, statSync(join(entry.parentPath, entry.name)).size])
      .sort()
  assert.equal((await driver(['generate', config('alone'), '--ranks', '3', '-q'])).code, 0)
  const { code, stdout, stderr } = await runUnder(openMpi, 3, [process.execPath, bin, 'generate', config('shared'), '--json'])
  assert.equal(code, 0, stderr)
  assert.deepEqual(files('shared'), files('alone'))
  const report = JSON.parse(stdout) as { filesWritten: number; bytesWritten: number; ranks: number }
  assert.equal(report.filesWritten, 7)
  assert.equal(report.ranks, 3)
  assert.equal(stderr.match(/generated 7 npz files/g)?.length, 1)
})

for (const launcher of launchers)
  test(`${launcher.name}: work that does not divide among ranks (3 ranks, 145 files, batches of 16) ends, with as many steps for each`, async (t) => {
    if (!hasProgram(t, launcher.program, '--version')) return
    const folder = scratchFolder('mpi-uneven', true)
    const config = workloadFile(folder, {
      framework: 'pytorch',
      workflow: { generate_data: true, train: true },
      dataset: { ...data, num_samples_per_file: 1, data_folder: join(folder, 'data'), num_files_train: 145 },
      reader: { data_loader: 'pytorch', batch_size: 16, read_threads: 1 },
      train: { epochs: 2, computation_time: 0 },
    })
    const out = join(folder, 'out')
    const { code, stderr } = await runUnder(launcher, 3, [process.execPath, bin, 'run', config, '-o', out])
    assert.equal(code, 0, stderr)
    const result = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8')) as Result
    assert.equal(result.train?.steps, 6)
    assert.equal(result.train?.samples, 288)
    assert.ok(existsSync(join(out, '2_output.json')))
  })
