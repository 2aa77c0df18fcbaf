// The front door: how long `dlio_benchmark` takes from its start to the first byte of data read, and `aggregate` over 740 folders of results.
// With DLIO=COMMAND in the environment (`COMMAND NP HYDRA-ARGS...` runs DLIO 2.0.0 from PyPI on NP ranks) the same command line of DLIO is measured beside it.
import { cpSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { dlioArguments, driver, median, node, root, scratch, sideBySide, timed } from './lib.mjs'

const files = 8
const recordBytes = 100_000
const resultFolders = 740

/** The first read of a data file tells itself by the file's access time, which the kernel keeps for both programs alike (relatime: once after a change). */
function resetAccessTimes(paths) {
  const now = Date.now() / 1000
  for (const path of paths) utimesSync(path, now - 1000, now - 500)
}

function firstRead(paths) {
  const times = paths.map((path) => statSync(path).atimeMs).filter((time, i) => time > statSync(paths[i]).mtimeMs)
  if (times.length === 0) throw new Error(`no data file was read, or ${paths[0]} lies on a file system without access times`)
  return Math.min(...times)
}

/** Runs a command; seconds from its start to the first read. */
function untilFirstRead(paths, command) {
  resetAccessTimes(paths)
  const begin = Date.now()
  const { cpuSeconds } = command()
  return { firstReadSeconds: (firstRead(paths) - begin) / 1000, cpuSeconds }
}

function dropInStart(rounds) {
  const dir = scratch('front-door')
  const dataset = { format: 'npz', num_files_train: files, record_length_bytes: recordBytes, data_folder: join(dir, 'data') }
  const workload = {
    'workflow.generate_data': 'False',
    'workflow.checkpoint': 'False',
    'dataset.num_files_train': files,
    'dataset.record_length_bytes': recordBytes,
    'dataset.record_length_bytes_stdev': 0,
    'dataset.data_folder': dataset.data_folder,
    'train.epochs': 1,
    'train.computation_time': 0.01,
    'reader.batch_size': 1,
  }
  const overrides = (more) => Object.entries({ ...workload, ...more }).map(([key, value]) => `++workload.${key}=${value}`)
  const start = (out, more = {}) =>
    node([join(root, 'bin', 'dlio_benchmark'), 'workload=unet3d_h100', ...overrides(more), `++hydra.run.dir=${join(dir, out)}`], {
      cwd: dir,
    })
  start('generate', { 'workflow.generate_data': 'True', 'workflow.train': 'False' })
  const paths = readdirSync(join(dir, 'data', 'train')).map((name) => join(dir, 'data', 'train', name))
  const alternatives = { dlio_benchmark: () => untilFirstRead(paths, () => start('out')) }
  const dlio = process.env.DLIO
  if (dlio !== undefined) {
    const args = dlioArguments(dataset, 'pytorch', false, {
      'train.epochs': 1,
      'train.computation_time': 0.01,
      'reader.batch_size': 1,
      'reader.read_threads': 4,
    })
    alternatives['DLIO 2.0.0'] = () =>
      untilFirstRead(paths, () =>
        timed('bash', ['-c', `${dlio} 1 "$@"`, 'bash', ...args, `++hydra.run.dir=${join(dir, 'dlio')}`], { cwd: dir }),
      )
  }
  return sideBySide(rounds, alternatives)
}

function aggregateMany(rounds) {
  const dir = scratch('results')
  const recorded = join(root, 'test', 'golden', 'runs')
  const whole = readdirSync(recorded, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(recorded, name, 'out'))
    .filter(
      (out) =>
        statSync(join(out, 'summary.json'), { throwIfNoEntry: false }) && statSync(join(out, '0_output.json'), { throwIfNoEntry: false }),
    )
  for (let i = 0; i < resultFolders; i++) cpSync(whole[i % whole.length], join(dir, String(i).padStart(4, '0')), { recursive: true })
  const runs = Array.from({ length: rounds }, () => node([driver, 'aggregate', dir, '--json']))
  const computed = JSON.parse(runs[0].stdout).runs.length
  if (computed !== resultFolders) throw new Error(`${computed} of ${resultFolders} folders were computed`)
  rmSync(dir, { recursive: true })
  return {
    'dl-driver aggregate': {
      wallSeconds: median(runs.map(({ wallSeconds }) => wallSeconds)),
      cpuSeconds: median(runs.map(({ cpuSeconds }) => cpuSeconds)),
    },
  }
}

export function run({ rounds = 5 } = {}) {
  const rows = {
    'workload=unet3d_h100, from the start of the process to the first read of data': dropInStart(rounds),
    [`aggregate over ${resultFolders} folders of results`]: aggregateMany(rounds),
  }
  return { title: 'The front door', rows }
}
