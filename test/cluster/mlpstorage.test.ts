// mlpstorage, MLCommons' harness, is in no package registry: this plays it. It starts the drop-in as mlpstorage does (training
// datagen|run, real mpirun, relative paths, a pseudo-terminal) and applies its rules for the files that reportgen reads.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { scratchFolder } from '../cli/driver.js'
import { hasProgram } from '../requirements.js'
import { eventually, openMpi, patientOpenMpi, processesIn, training } from './mpirun.js'

/** Tiny settings of the models that are trained, as `--params`. */
const models = [
  {
    model: 'unet3d',
    accelerator: 'h100',
    params: ['dataset.num_files_train=16', 'dataset.record_length_bytes=65536', 'dataset.record_length_bytes_stdev=0'],
    run: ['reader.batch_size=2', 'checkpoint.checkpoint_after_epoch=2'],
  },
  {
    model: 'resnet50',
    accelerator: 'h100',
    params: ['dataset.num_files_train=16', 'dataset.num_samples_per_file=2', 'dataset.record_length_bytes=4096'],
    run: ['reader.batch_size=2'],
  },
  {
    model: 'cosmoflow',
    accelerator: 'a100',
    params: ['dataset.num_files_train=8', 'dataset.record_length_bytes=4096', 'dataset.record_length_bytes_stdev=0'],
    run: ['reader.batch_size=1'],
  },
] as const

const prefixed = (params: readonly string[]) => params.map((param) => `++workload.${param}`)
const short = ['train.epochs=2', 'train.computation_time=0.01', 'reader.read_threads=1']

interface Harness {
  readonly cwd: string
  /** The folder of workload files that mlpstorage brings. */
  readonly configs: string
}

/** The working directory of a user who calls mlpstorage, with its workload files beside. */
function harness(name: string): Harness {
  const cwd = scratchFolder(name, true)
  const configs = join(cwd, 'storage', 'configs', 'dlio')
  mkdirSync(join(configs, 'workload'), { recursive: true })
  for (const { model } of models) {
    const [bundled] = ['h100', 'a100'].map((accelerator) => join('configs', `${model}_${accelerator}.yaml`)).filter(existsSync)
    const workload = parse(readFileSync(bundled!, 'utf8')) as Record<string, Record<string, unknown>>
    const { framework, dataset } = workload
    const datagen = { model: { name: model }, framework, workflow: { generate_data: true, train: false, checkpoint: false }, dataset }
    writeFileSync(join(configs, 'workload', `${model}_datagen.yaml`), JSON.stringify(datagen))
  }
  return { cwd, configs }
}

/** The argument vector that mlpstorage makes: always in this order, one bare override, `--config-dir` last. */
function argv({ cwd, configs }: Harness, ranks: number, workload: string, run: string, params: readonly string[], model: string): string[] {
  const bin = relative(cwd, resolve('bin', 'dlio_benchmark'))
  const overrides = prefixed([...params, `dataset.data_folder=data/${model}`])
  const job = [
    `workload=${workload}`,
    `++hydra.run.dir=${run}`,
    '++hydra.output_subdir=dlio_config',
    ...overrides,
    `--config-dir=${configs}`,
  ]
  return ['-n', String(ranks), '-host', `127.0.0.1:${ranks}`, '--oversubscribe', '--allow-run-as-root', bin, ...job]
}

/** Starts mpirun without a shell, its folder made as mlpstorage makes it. */
function start(
  { cwd }: Harness,
  run: string,
  model: string,
  args: readonly string[],
  more: NodeJS.ProcessEnv = {},
): { child: ChildProcess; output: () => string } {
  for (const folder of [run, ...['train', 'valid', 'test'].map((part) => `data/${model}/${part}`)])
    mkdirSync(join(cwd, folder), { recursive: true })
  const env = { ...process.env, ...more, DL_DRIVER_TEST_JOB: cwd }
  const child = spawn(openMpi.program, ['--mca', 'btl_vader_single_copy_mechanism', 'none', ...args], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  return { child, output: () => output }
}

async function call(home: Harness, run: string, model: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  const { child, output } = start(home, run, model, args)
  const [code] = (await once(child, 'close')) as [number]
  return { code, output: output() }
}

const json = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
const filesIn = (folder: string) => readdirSync(folder).sort()
const isNumbers = (value: unknown): value is number[] => Array.isArray(value) && value.every((item) => Number.isFinite(item))
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

/** What mlpstorage v2.0's report and v3's validation want of the run's configuration files. */
function checkConfiguration(run: string, args: readonly string[], kind: 'datagen' | 'run', model: string): void {
  const folder = join(run, 'dlio_config')
  assert.deepEqual(filesIn(folder), ['config.yaml', 'hydra.yaml', 'overrides.yaml'])
  const overrides = parse(readFileSync(join(folder, 'overrides.yaml'), 'utf8')) as string[]
  assert.deepEqual(
    overrides,
    args.filter((argument) => argument.startsWith('workload=') || argument.startsWith('++workload.')),
  )
  for (const override of overrides) assert.equal(override.split('=').length, 2, override)
  const { workload } = parse(readFileSync(join(folder, 'config.yaml'), 'utf8')) as { workload: Record<string, Record<string, unknown>> }
  assert.equal(workload.model!.name, model)
  assert.equal(workload.workflow![kind === 'run' ? 'train' : 'generate_data'], true)
  for (const key of ['num_files_train', 'record_length_bytes'] as const) assert.equal(typeof workload.dataset![key], 'number', key)
  if (kind === 'run') assert.equal(typeof workload.reader!.batch_size, 'number')
  assert.deepEqual(Object.keys(parse(readFileSync(join(folder, 'hydra.yaml'), 'utf8')) as object), ['hydra'])
}

/** The fields of summary.json that reportgen reads, and their types. */
function checkSummary(path: string, ranks: number): void {
  const summary = json(path)
  assert.equal(summary.num_accelerators, ranks)
  assert.equal(summary.num_hosts, 1)
  for (const key of ['host_memory_GB', 'host_cpu_count', 'potential_caching'] as const) {
    const list = summary[key]
    assert.ok(isNumbers(list) && list.length === 1, key)
  }
  for (const key of ['start', 'end'] as const) assert.match(String(summary[key]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/)
  assert.equal(summary.epochs, 2)
  const metric = summary.metric as Record<string, unknown>
  for (const [key, value] of Object.entries(metric))
    assert.ok(isNumbers(value) || typeof value === 'string' || Number.isFinite(value), `metric.${key}: ${String(value)}`)
  for (const [list, average] of [
    ['train_au_percentage', 'train_au_mean_percentage'],
    ['train_throughput_samples_per_second', 'train_throughput_mean_samples_per_second'],
  ] as const) {
    const values = metric[list]
    assert.ok(isNumbers(values) && values.length === 2, list)
    assert.ok(Math.abs(mean(values) - (metric[average] as number)) < 1e-9 * Math.abs(mean(values)), average)
  }
  assert.match(String(metric.train_au_meet_expectation), /^(success|fail)$/)
  assert.ok((metric.train_io_mean_MB_per_second as number) > 0)
}

for (const ranks of [1, 2])
  for (const { model, accelerator, params, run: runParams } of models)
    test(`mlpstorage training datagen and run of ${model} with ${ranks} accelerator(s): the files and fields that reports read`, async (t) => {
      if (!hasProgram(t, openMpi.program, '--version')) return
      const home = harness(`mlps-${model}`)
      const datagenRun = `res/training/${model}/datagen/20250701_120000`
      const datagenArgs = argv(home, ranks, `${model}_datagen`, datagenRun, params, model)
      const datagen = await call(home, datagenRun, model, datagenArgs)
      assert.equal(datagen.code, 0, datagen.output)
      checkConfiguration(join(home.cwd, datagenRun), datagenArgs, 'datagen', model)
      assert.deepEqual(filesIn(join(home.cwd, datagenRun)), ['dlio.log', 'dlio_config'])

      const run = `res/training/${model}/run/20250701_120010`
      const args = argv(home, ranks, `${model}_${accelerator}`, run, [...params, ...runParams, ...short], model)
      const { code, output } = await call(home, run, model, args)
      assert.equal(code, 0, output)
      const folder = join(home.cwd, run)
      checkConfiguration(folder, args, 'run', model)
      const ofRanks = Array.from({ length: ranks }, (_, rank) => [`${rank}_output.json`, `${rank}_per_epoch_stats.json`]).flat()
      assert.deepEqual(filesIn(folder), [...ofRanks, 'dlio.log', 'dlio_config', 'summary.json'].sort())
      checkSummary(join(folder, 'summary.json'), ranks)
      assert.match(output, /^\[OUTPUT\] dl-driver \S+ in place of DLIO/m)
      assert.ok(!output.includes('\u001b['), 'no colours and no progress bar on a terminal that nobody watches')
    })

test('mlpstorage without data: the run says why, and leaves nothing that a report would publish', async (t) => {
  if (!hasProgram(t, openMpi.program, '--version')) return
  const { model, accelerator, params } = models[0]
  const home = harness('mlps-no-data')
  const run = `res/training/${model}/run/20250701_120010`
  const { code, output } = await call(home, run, model, argv(home, 2, `${model}_${accelerator}`, run, [...params, ...short], model))
  assert.notEqual(code, 0)
  assert.equal(output.match(/Not enough training dataset is found/g)?.length, 1, output)
  assert.ok(!existsSync(join(home.cwd, run, 'summary.json')))
})

for (const signals of [1, 2])
  test(`mlpstorage's Ctrl-C (${signals} time(s) to mpirun): no process lives on, no summary appears`, async (t) => {
    if (!hasProgram(t, openMpi.program, '--version')) return
    const { model, accelerator, params } = models[0]
    const home = harness('mlps-interrupt')
    const datagen = await call(home, 'gen', model, argv(home, 2, `${model}_datagen`, 'gen', params, model))
    assert.equal(datagen.code, 0, datagen.output)
    const endless = ['reader.batch_size=2', 'train.epochs=2000', 'train.computation_time=0.01', 'checkpoint.checkpoint_after_epoch=9999']
    const run = 'res/run'
    const args = argv(home, 2, `${model}_${accelerator}`, run, [...params, ...endless], model)
    const { child } = start(home, run, model, args, patientOpenMpi)
    const closed = once(child, 'close')
    await training(join(home.cwd, run))
    child.kill('SIGINT')
    // The second one makes mpirun quit at once, and orphans its ranks.
    if (signals > 1) {
      await new Promise((resolve) => setTimeout(resolve, 300))
      child.kill('SIGINT')
    }
    await closed
    await eventually('all processes end', () => processesIn(home.cwd).length === 0)
    const left = filesIn(join(home.cwd, run)).filter((name) => name.endsWith('.json'))
    // Of orphans MPI's own library may be the end before they have written anything.
    if (signals === 1 || left.length > 0) assert.deepEqual(left, ['result.partial.json'])
  })
