// dl-driver against the real Python DLIO, samples and bytes per CPU second in steady state (a long run less a short one), page cache hot.
// Wants DLIO=COMMAND in the environment: `COMMAND NP HYDRA-ARGS...` runs DLIO 2.0.0 (PyPI) on NP ranks.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { dlioArguments, drive, generate, scratch, sideBySide, timed, writeConfig } from './lib.mjs'

const cases = {
  '140 MB NPZ files, PyTorch, 2 readers': {
    framework: 'pytorch',
    format: 'npz',
    files: 8,
    samples: 1,
    bytes: 140e6,
    batch: 1,
    readers: 2,
    epochs: [2, 6],
    ours: [4, 24],
  },
  '115 KB NPZ files, 2,000 of them': {
    framework: 'pytorch',
    format: 'npz',
    files: 2000,
    samples: 1,
    bytes: 115_000,
    batch: 16,
    readers: 2,
    epochs: [1, 3],
    ours: [5, 45],
  },
  '115 KB NPZ files, 8,000 of them': {
    framework: 'pytorch',
    format: 'npz',
    files: 8000,
    samples: 1,
    bytes: 115_000,
    batch: 16,
    readers: 2,
    epochs: [1, 2],
    ours: [2, 12],
  },
  '4 KB NPZ files, 2,000 of them': {
    framework: 'pytorch',
    format: 'npz',
    files: 2000,
    samples: 1,
    bytes: 4096,
    batch: 16,
    readers: 2,
    epochs: [1, 3],
    ours: [20, 220],
  },
  '4 KB NPZ files, 8,000 of them': {
    framework: 'pytorch',
    format: 'npz',
    files: 8000,
    samples: 1,
    bytes: 4096,
    batch: 16,
    readers: 2,
    epochs: [1, 2],
    ours: [5, 55],
  },
  'TFRecord, 1,251 records of 115 KB a file, TensorFlow': {
    framework: 'tensorflow',
    format: 'tfrecord',
    files: 8,
    samples: 1251,
    bytes: 114660,
    batch: 64,
    readers: 2,
    epochs: [1, 5],
    ours: [4, 24],
  },
  // The HDF5 of 2024 has other names inside, so each reads data of its own making; both read one hyperslab a sample.
  'HDF5, 8 samples of 2 MiB a file, upstream': {
    framework: 'pytorch',
    format: 'hdf5',
    files: 16,
    samples: 8,
    bytes: 1448 * 1448,
    batch: 8,
    readers: 2,
    epochs: [2, 8],
    ours: [5, 45],
    ownData: true,
    semantics: 'upstream',
    filesMultiple: 64,
  },
}

export function run({ rounds = 3 } = {}) {
  const dlio = process.env.DLIO
  if (dlio === undefined) throw new Error('set DLIO to the command that runs DLIO 2.0.0: `$DLIO NP HYDRA-ARGS...`')
  const only = process.env.ONLY
  const rows = {}
  for (const [title, c] of Object.entries(cases)) {
    if (only !== undefined && !title.includes(only)) continue
    const dir = scratch('vs-dlio')
    const files = c.filesMultiple ?? c.files
    const config = (epochs) =>
      writeConfig(join(dir, `e${epochs}`), {
        framework: c.framework,
        workflow: { train: true },
        dataset: {
          format: c.format,
          data_folder: join(dir, 'data'),
          num_files_train: files,
          num_samples_per_file: c.samples,
          record_length_bytes: c.bytes,
        },
        reader: { data_loader: c.framework, batch_size: c.batch, read_threads: c.readers },
        train: { epochs, computation_time: 0 },
      })
    generate(config(1))
    const python = (epochs, data, generateData = false) => {
      const cwd = join(dir, 'dlio')
      mkdirSync(cwd, { recursive: true })
      const dataset = {
        format: c.format,
        data_folder: data,
        num_files_train: files,
        num_samples_per_file: c.samples,
        record_length_bytes: c.bytes,
      }
      const loop = { 'reader.batch_size': c.batch, 'reader.read_threads': c.readers, 'train.epochs': epochs, 'train.computation_time': 0 }
      return timed(dlio, ['1', ...dlioArguments(dataset, c.framework, generateData, loop)], { cwd })
    }
    let data = join(dir, 'data')
    if (c.ownData) {
      data = join(dir, 'data-of-dlio')
      python(1, data, true)
    }
    const steady = (start, [short, long]) => {
      const a = start(short)
      const b = start(long)
      const samples = files * c.samples * (long - short)
      const cpu = b.cpuSeconds - a.cpuSeconds
      return { samplesPerCpuSecond: samples / cpu, gbPerCpuSecond: (samples * c.bytes) / 1e9 / cpu }
    }
    rows[title] = sideBySide(rounds, {
      'dl-driver': () => steady((epochs) => drive(config(epochs), ['--semantics', c.semantics ?? 'mlcommons']), c.ours),
      'DLIO 2.0.0': () => steady((epochs) => python(epochs, data), c.epochs),
    })
  }
  return { title: 'Against DLIO 2.0.0', rows }
}
