// `dl-driver generate` against a C program that writes as many bytes to as many files from ready memory (raw-writer.c): whole processes, start-up
// and exit included, on tmpfs, and on disk with writing back. With DLIO=COMMAND (see vs-dlio.mjs) also against DLIO's own generator.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { compiled, dlioArguments, generate, scratch, sideBySide, timed, writeConfig } from './lib.mjs'

/** DLIO's dataset keys; the raw writer makes as many files of as many bytes. */
const cases = {
  '140 MB NPZ files': { format: 'npz', num_files_train: 16, record_length_bytes: 140e6, fileBytes: 140e6 },
  '128 MB HDF5 files of 8 samples': {
    format: 'hdf5',
    num_files_train: 16,
    num_samples_per_file: 8,
    record_length_bytes: 16e6,
    fileBytes: 128e6,
  },
  '144 MB TFRecord files of 1,251 records': {
    format: 'tfrecord',
    num_files_train: 16,
    num_samples_per_file: 1251,
    record_length_bytes: 115_000,
    fileBytes: 143.9e6,
  },
  '115 KB NPZ files': { format: 'npz', num_files_train: 20_000, record_length_bytes: 115_000, fileBytes: 115_000 },
  '4 KB NPZ files': { format: 'npz', num_files_train: 100_000, record_length_bytes: 4096, fileBytes: 4594 },
}

function alternatives(folder, { fileBytes, ...dataset }, synced) {
  const target = join(folder, 'generated')
  const framework = dataset.format === 'tfrecord' ? 'tensorflow' : 'pytorch'
  const workload = {
    framework,
    workflow: { generate_data: true, train: false },
    dataset: { ...dataset, data_folder: target },
    reader: { data_loader: framework },
  }
  const config = writeConfig(folder, workload)
  const raw = compiled('raw-writer')
  const gigabytes = (dataset.num_files_train * fileBytes) / 1e9
  const measure =
    (write, total = gigabytes) =>
    () => {
      mkdirSync(target, { recursive: true })
      const { cpuSeconds, wallSeconds } = write()
      const sync = synced ? timed('sync', ['-f', folder]).wallSeconds : 0
      rmSync(target, { recursive: true })
      return { gbPerCpuSecond: total / cpuSeconds, gbPerSecond: total / (wallSeconds + sync) }
    }
  const dlio = process.env.DLIO
  // DLIO takes minutes for what the others do in seconds; an eighth tells as much.
  const fewer = Math.max(2, dataset.num_files_train / 8)
  return {
    'dl-driver': measure(() => generate(config)),
    'raw writer': measure(() => timed(raw, [target, String(dataset.num_files_train), String(fileBytes), String(availableParallelism())])),
    ...(dlio !== undefined &&
      !synced && {
        'DLIO 2.0.0': measure(
          () =>
            timed(dlio, ['1', ...dlioArguments({ ...dataset, num_files_train: fewer, data_folder: target }, framework, true)], {
              cwd: folder,
            }),
          (fewer * fileBytes) / 1e9,
        ),
      }),
  }
}

export function run({ rounds = 3 } = {}) {
  const only = process.env.ONLY
  const rows = {}
  const chosen = Object.entries(cases).filter(([title]) => only === undefined || title.includes(only))
  for (const [title, spec] of chosen) rows[`${title}, tmpfs`] = sideBySide(rounds, alternatives(scratch('generate'), spec, false))
  const disk = mkdtempSync(join(tmpdir(), 'bench-generate-'))
  try {
    for (const [title, spec] of chosen.slice(0, 1)) {
      spawnSync('sync', ['-f', disk])
      rows[`${title}, disk, written back`] = sideBySide(rounds, alternatives(disk, spec, true))
    }
  } finally {
    rmSync(disk, { recursive: true })
  }
  return { title: 'Generating data', rows }
}
