// AU on a storage of known speed (throttle.c, 400 MB/s) against the arithmetic: a step takes the longer of its computation and the time
// the storage needs for the batches of all ranks.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { drive, generate, root, scratch, writeConfig } from './lib.mjs'

const mbPerSecond = 400
const sampleBytes = 1e6
const batchSize = 4
const steps = 120

export function run() {
  const dir = scratch('slow')
  const library = join(root, 'build', 'throttle.so')
  mkdirSync(join(root, 'build'), { recursive: true })
  execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, join(root, 'bench', 'throttle.c'), '-ldl'])
  const data = join(dir, 'data')
  const config = (ranks, seconds) =>
    writeConfig(join(dir, `r${ranks}-${seconds}`), {
      framework: 'pytorch',
      workflow: { train: true },
      dataset: { format: 'npz', data_folder: data, num_files_train: batchSize * steps * ranks, record_length_bytes: sampleBytes },
      reader: { data_loader: 'pytorch', batch_size: batchSize, read_threads: 2 },
      train: { epochs: 2, computation_time: seconds },
    })
  generate(config(4, 1))
  const rows = {}
  for (const ranks of [1, 4]) {
    const label = `${ranks} rank(s), ${batchSize} samples of ${sampleBytes / 1e6} MB a step`
    rows[label] = {}
    const storageMs = (ranks * batchSize * sampleBytes) / (mbPerSecond * 1e3)
    for (const factor of [0.25, 0.5, 0.8, 1.25, 2]) {
      const computeMs = factor * storageMs
      const { result } = drive(config(ranks, computeMs / 1000), ['--ranks', String(ranks)], {
        env: {
          LD_PRELOAD: library,
          THROTTLE_PREFIX: data,
          THROTTLE_MBPS: String(mbPerSecond),
          THROTTLE_STATE: join(dir, `state-${ranks}-${factor}`),
        },
      })
      const expected = (100 * computeMs) / Math.max(computeMs, storageMs)
      const figure = {
        storageMsPerStep: storageMs,
        computeMsPerStep: computeMs,
        arithmeticAuPercent: expected,
        auPercent: result.train.auPercent,
        differencePoints: result.train.auPercent - expected,
      }
      rows[label][`compute ${factor} × storage, bound by ${result.boundBy}`] = figure
    }
  }
  return { title: `AU on a storage of ${mbPerSecond} MB/s`, rows }
}
