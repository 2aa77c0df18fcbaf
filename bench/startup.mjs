// How long until the first sample is read, how much memory a rank takes, how fast `--version` is, and whether memory grows with the run.
import { join } from 'node:path'
import { drive, driver, generate, median, node, scratch, writeConfig } from './lib.mjs'

export function run({ rounds = 5 } = {}) {
  const dir = scratch('startup')
  const config = (epochs, files) =>
    writeConfig(join(dir, `e${epochs}-${files}`), {
      framework: 'pytorch',
      workflow: { train: true },
      dataset: {
        format: 'npz',
        data_folder: join(dir, `data-${files}`),
        num_files_train: files,
        record_length_bytes: files > 100 ? 4096 : 140e6,
      },
      reader: { data_loader: 'pytorch', batch_size: files > 100 ? 16 : 1, read_threads: 2 },
      train: { epochs, computation_time: 0 },
    })
  const figures = (epochs, files) => {
    const runs = Array.from({ length: rounds }, () => drive(config(epochs, files), []).result.client)
    return {
      firstSampleSeconds: median(runs.map((client) => client.firstSampleSeconds)),
      maxRssMB: median(runs.map((client) => client.maxRssBytes / 1e6)),
    }
  }
  generate(config(1, 8))
  generate(config(1, 20_000))
  const version = median(Array.from({ length: rounds }, () => node([driver, '--version']).wallSeconds))
  const bare = median(Array.from({ length: rounds }, () => node(['-e', '0']).wallSeconds))
  const rows = {
    '`dl-driver --version`': { 'dl-driver --version': { wallSeconds: version }, 'node -e 0': { wallSeconds: bare } },
    'one rank, 2 readers': {
      '140 MB samples, 1 epoch of 8 files': figures(1, 8),
      '140 MB samples, 10 epochs of 8 files': figures(10, 8),
      '4 KB samples, 1 epoch of 20,000 files': figures(1, 20_000),
      '4 KB samples, 50 epochs of 20,000 files': figures(50, 20_000),
    },
  }
  return { title: 'Start-up and memory', rows }
}
