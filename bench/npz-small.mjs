// Small NPZ files, PyTorch, against the C loop (open, read, close): samples per CPU second in steady state; and whether cost grows with the number of files.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { compiled, drive, generate, scratch, sideBySide, timed, writeConfig } from './lib.mjs'

function dataset(name, count, bytes) {
  const dir = scratch(name)
  const config = (epochs, batchSize) =>
    writeConfig(join(dir, `e${epochs}-b${batchSize}`), {
      framework: 'pytorch',
      workflow: { train: true },
      dataset: { format: 'npz', data_folder: join(dir, 'data'), num_files_train: count, record_length_bytes: bytes },
      reader: { data_loader: 'pytorch', batch_size: batchSize, read_threads: 2 },
      train: { epochs, computation_time: 0 },
    })
  generate(config(1, 16))
  const train = join(dir, 'data', 'train')
  const paths = readdirSync(train).map((file) => join(train, file))
  return { config, paths, count }
}

/** Samples per CPU second and per second, of the difference of a long and a short run. */
function steady(count, short, long, start) {
  const a = start(short)
  const b = start(long)
  const samples = count * (long - short)
  return { samplesPerCpuSecond: samples / (b.cpuSeconds - a.cpuSeconds), samplesPerSecond: samples / (b.wallSeconds - a.wallSeconds) }
}

export function run({ rounds = 5 } = {}) {
  const loop = compiled('read-loop')
  const c = (set, epochs) => timed(loop, [String(epochs), '2'], { input: `${set.paths.join('\n')}\n` })
  const rows = {}
  for (const [label, count, bytes, short, long] of [
    ['115 KB files', 2000, 115_000, 5, 45],
    ['4 KB files', 2000, 4096, 20, 220],
  ]) {
    const set = dataset('npz-small', count, bytes)
    rows[label] = sideBySide(rounds, {
      'dl-driver, batches of 16': () => steady(count, short, long, (epochs) => drive(set.config(epochs, 16), [])),
      'dl-driver, batches of 1': () => steady(count, short, long, (epochs) => drive(set.config(epochs, 1), [])),
      // Two batches ahead a reader instead of one, so that readers do not wait for each other's batch to be taken.
      'dl-driver, batches of 1, prefetch_size 4': () =>
        steady(count, short, long, (epochs) => drive(set.config(epochs, 1), ['reader.prefetch_size=4'])),
      'C loop': () => steady(count, short, long, (epochs) => c(set, epochs)),
    })
  }
  const few = dataset('npz-few', 2000, 4096)
  const many = dataset('npz-many', 200_000, 4096)
  rows['4 KB files, 2,000 against 200,000'] = sideBySide(rounds, {
    '2,000 files': () => steady(2000, 100, 300, (epochs) => drive(few.config(epochs, 16), [])),
    '200,000 files': () => steady(200_000, 1, 3, (epochs) => drive(many.config(epochs, 16), [])),
  })
  return { title: 'Small NPZ files, PyTorch, 2 readers', rows }
}
