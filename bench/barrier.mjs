// What a barrier over processes costs: the same ranks in one process, and one a process under both MPI launchers.
// `node bench/barrier.mjs [RANKS]`. Steps of 10 ms (AU shows the lag), then steps without computation (their length is the barrier's).
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureBuilt, root } from '../scripts/ensure.mjs'

await ensureBuilt()
const ranks = Number(process.argv[2] ?? 2)
const folder = mkdtempSync('/dev/shm/dl-driver-barrier-')
const program = [process.execPath, join(root, 'bin', 'dl-driver.js')]
const launchers = {
  'one process': [...program, 'run', '--ranks', String(ranks)],
  'Open MPI': ['mpirun.openmpi', '--allow-run-as-root', '--oversubscribe', '-n', String(ranks), ...program, 'run'],
  MPICH: ['mpirun.mpich', '-n', String(ranks), ...program, 'run'],
}
try {
  for (const computeSeconds of [0.01, 0])
    for (const [name, command] of Object.entries(launchers)) {
      const config = join(folder, 'workload.json')
      const out = join(folder, 'out')
      const workload = {
        framework: 'pytorch',
        workflow: { train: true },
        dataset: { format: 'npz', data_folder: join(folder, 'data'), num_files_train: 250 * ranks, record_length_bytes: 4096 },
        reader: { data_loader: 'pytorch', batch_size: 1, read_threads: 1 },
        train: { epochs: 4, computation_time: computeSeconds },
      }
      writeFileSync(config, JSON.stringify(workload))
      execFileSync(program[0], [program[1], 'generate', config, '--resume', '-q'])
      execFileSync(command[0], [...command.slice(1), config, '-o', out, '-q'], { stdio: ['ignore', 'ignore', 'inherit'] })
      const { train, client } = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8'))
      const stepUs = (1e6 * train.seconds) / train.steps
      console.log(
        `${computeSeconds * 1000} ms steps, ${name}: AU ${train.auPercent.toFixed(2)} %, ${stepUs.toFixed(0)} µs a step, ${client.cpuSeconds.toFixed(2)} CPU s`,
      )
    }
} finally {
  rmSync(folder, { recursive: true })
}
