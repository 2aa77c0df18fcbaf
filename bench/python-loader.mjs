// The Python package against the frameworks' own loading of the same files: samples per CPU second of all processes together (the engine's
// too), gigabytes per second in one Python thread, time to the first batch. Wants the environment that the tests of the package have made.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { generate, root, scratch, sideBySide, timed, writeConfig } from './lib.mjs'

function python() {
  const cache = join(root, '.cache')
  const found = (existsSync(cache) ? readdirSync(cache) : [])
    .map((name) => join(cache, name, 'bin', 'python'))
    .find(
      (path) =>
        existsSync(path) &&
        timed(path, ['-c', 'import importlib.util as u; print(all(map(u.find_spec, ["torch", "tensorflow", "h5py"])))']).stdout.startsWith(
          'True',
        ),
    )
  if (found === undefined) throw new Error('no Python with torch, TensorFlow and h5py under .cache; run `npm test -- python/package` first')
  return found
}

function dataset(name, framework, dataset, batchSize) {
  const dir = scratch(name)
  const folder = join(dir, 'data')
  const config = writeConfig(dir, {
    framework,
    workflow: { train: true },
    dataset: { ...dataset, data_folder: folder },
    reader: { data_loader: framework, batch_size: batchSize, read_threads: 2, prefetch_size: 4 },
    train: { epochs: 1, computation_time: 0 },
  })
  generate(config)
  return { config, folder, batchSize, sampleBytes: dataset.record_length_bytes }
}

export function run({ rounds = 3 } = {}) {
  const program = python()
  const measure = (way, { config, folder, batchSize, sampleBytes }, epochs) => {
    const env = { PYTHONPATH: join(root, 'python'), PYTHONWARNINGS: 'ignore' }
    const { stdout } = timed(program, [join(root, 'bench', 'python-loader.py'), way, config, folder, String(batchSize), String(epochs)], {
      env,
    })
    const { samples, cpuSeconds, wallSeconds, firstBatchSeconds } = JSON.parse(stdout)
    return {
      samplesPerCpuSecond: samples / cpuSeconds,
      gigabytesPerSecond: (samples * sampleBytes) / wallSeconds / 1e9,
      firstBatchSeconds,
    }
  }
  const rows = {}
  for (const [label, framework, files, batchSize, ours, theirs, epochs] of [
    [
      'NPZ, 115 KB, batches of 16',
      'pytorch',
      { format: 'npz', num_files_train: 2000, record_length_bytes: 115_000 },
      16,
      'dl-driver-torch',
      'torch-numpy',
      [20, 2],
    ],
    [
      'NPZ, 2 MB, batches of 4',
      'pytorch',
      { format: 'npz', num_files_train: 200, record_length_bytes: 2_097_152 },
      4,
      'dl-driver-torch',
      'torch-numpy',
      [20, 3],
    ],
    [
      'HDF5, 115 KB, batches of 16',
      'pytorch',
      { format: 'hdf5', num_files_train: 1000, record_length_bytes: 115_000 },
      16,
      'dl-driver-torch',
      'torch-h5py',
      [20, 2],
    ],
    [
      'TFRecord, 115 KB, batches of 64',
      'tensorflow',
      { format: 'tfrecord', num_files_train: 4, num_samples_per_file: 512, record_length_bytes: 115_000 },
      64,
      'dl-driver-tf',
      'tf.data',
      [20, 8],
    ],
  ]) {
    const set = dataset('python-loader', framework, files, batchSize)
    rows[label] = sideBySide(rounds, { [ours]: () => measure(ours, set, epochs[0]), [theirs]: () => measure(theirs, set, epochs[1]) })
  }
  return { title: 'The Python package and the frameworks’ own loaders', rows }
}
