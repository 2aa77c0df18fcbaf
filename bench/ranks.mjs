// 64 local ranks with one reader each, 20 ms steps, tiny data: what the client itself takes away from AU, and how fast it starts.
import { join } from 'node:path'
import { drive, generate, median, scratch, writeConfig } from './lib.mjs'

export function run({ rounds = 5 } = {}) {
  const dir = scratch('ranks')
  const config = (ranks) =>
    writeConfig(join(dir, `r${ranks}`), {
      framework: 'pytorch',
      workflow: { train: true },
      dataset: { format: 'npz', data_folder: join(dir, 'data'), num_files_train: 64 * 100, record_length_bytes: 1024 },
      reader: { data_loader: 'pytorch', batch_size: 1, read_threads: 1 },
      train: { epochs: 2, computation_time: 0.02 },
    })
  generate(config(64))
  const figures = (ranks) => {
    const runs = Array.from(
      { length: rounds },
      () => drive(config(ranks), ['--ranks', String(ranks), ...(ranks < 64 ? [`dataset.num_files_train=${100 * ranks}`] : [])]).result,
    )
    const of = (pick) => median(runs.map(pick))
    return {
      auPercent: of((result) => result.train.auPercent),
      firstSampleSeconds: of((result) => result.client.firstSampleSeconds),
      computeLagMeanMs: of((result) => result.client.computeLagMeanMs),
      cpuSeconds: of((result) => result.client.cpuSeconds),
      maxRssMB: of((result) => result.client.maxRssBytes / 1e6),
    }
  }
  const alternatives = { '64 ranks': figures(64), '8 ranks': figures(8), '1 rank': figures(1) }
  return { title: 'Local ranks, 1 reader each, 20 ms steps, tiny data', rows: { '100 steps, 2 epochs': alternatives } }
}
