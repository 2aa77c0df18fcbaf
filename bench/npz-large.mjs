// 140 MB NPZ files, PyTorch, 2 readers, page cache hot, against fio: wall and CPU seconds, start-up included, and in steady state.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { drive, generate, scratch, sideBySide, timed, writeConfig } from './lib.mjs'

const files = 8
const bytes = 140e6

export function run({ rounds = 5 } = {}) {
  const dir = scratch('npz-large')
  const workload = (epochs) => ({
    framework: 'pytorch',
    workflow: { train: true },
    dataset: { format: 'npz', data_folder: join(dir, 'data'), num_files_train: files, record_length_bytes: bytes },
    reader: { data_loader: 'pytorch', batch_size: 1, read_threads: 2 },
    train: { epochs, computation_time: 0 },
  })
  const config = (epochs) => writeConfig(join(dir, `e${epochs}`), workload(epochs))
  generate(config(6))
  const paths = readdirSync(join(dir, 'data', 'train')).map((name) => join(dir, 'data', 'train', name))

  const fio = (epochs) => {
    const common = [
      '--rw=read',
      '--ioengine=psync',
      '--bs=256k',
      '--iomem_align=4096',
      '--invalidate=0',
      `--loops=${epochs}`,
      '--file_service_type=sequential',
      '--output=/dev/null',
    ]
    const job = (n) => [`--name=reader${n}`, `--filename=${paths.filter((_, i) => i % 2 === n).join(':')}`]
    // Options before the first --name are for all jobs.
    return timed('fio', [...common, ...job(0), ...common, ...job(1)])
  }
  const ours = (epochs) => drive(config(epochs), ['--semantics', 'mlcommons'])
  const gigabytes = (epochs) => (files * bytes * epochs) / 1e9
  const rates = (run, epochs) => ({ gbPerSecond: gigabytes(epochs) / run.wallSeconds, gbPerCpuSecond: gigabytes(epochs) / run.cpuSeconds })
  const steady = (start) => {
    const long = start(18)
    const short = start(6)
    return {
      gbPerSecond: gigabytes(12) / (long.wallSeconds - short.wallSeconds),
      gbPerCpuSecond: gigabytes(12) / (long.cpuSeconds - short.cpuSeconds),
    }
  }
  const whole = sideBySide(rounds, { 'dl-driver': () => rates(ours(6), 6), fio: () => rates(fio(6), 6) })
  const steadyState = sideBySide(Math.ceil(rounds / 2), { 'dl-driver': () => steady(ours), fio: () => steady(fio) })
  return {
    title: '140 MB NPZ files, 8 files, PyTorch, 2 readers',
    rows: { 'start-up included, 6 epochs': whole, 'steady state (18 − 6 epochs)': steadyState },
  }
}
