// What a barrier over processes costs: the same two ranks in one process, and one a process under both MPI launchers. AU shows the lag at
// steps of 20 and 10 ms; steps without computation are as long as a read and a barrier.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { driver, generate, scratch, sideBySide, timed, writeConfig } from './lib.mjs'

const ranks = 2
const program = [process.execPath, driver, 'run']
const launchers = {
  'one process': [...program, '--ranks', String(ranks)],
  'Open MPI': ['mpirun.openmpi', '--allow-run-as-root', '--oversubscribe', '-n', String(ranks), ...program],
  MPICH: ['mpirun.mpich', '-n', String(ranks), ...program],
}

export function run({ rounds = 3 } = {}) {
  const dir = scratch('barrier')
  const workload = (computeSeconds) => ({
    framework: 'pytorch',
    workflow: { train: true },
    dataset: { format: 'npz', data_folder: join(dir, 'data'), num_files_train: 250 * ranks, record_length_bytes: 4096 },
    reader: { data_loader: 'pytorch', batch_size: 1, read_threads: 1 },
    train: { epochs: 2, computation_time: computeSeconds },
  })
  generate(writeConfig(dir, workload(0)))
  const rows = {}
  for (const computeMs of [20, 10, 0]) {
    const config = writeConfig(join(dir, String(computeMs)), workload(computeMs / 1000))
    const figures = ([command, ...args]) => {
      const out = scratch('out')
      timed(command, [...args, config, '--output', out, '-q'])
      const { train, client } = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8'))
      return { auPercent: train.auPercent, stepUs: (1e6 * train.seconds) / train.steps, cpuSeconds: client.cpuSeconds }
    }
    rows[`steps of ${computeMs} ms`] = sideBySide(
      rounds,
      Object.fromEntries(Object.entries(launchers).map(([name, command]) => [name, () => figures(command)])),
    )
  }
  return { title: 'Two ranks, in one process and in two: what the barrier costs', rows }
}
