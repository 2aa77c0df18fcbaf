// `dl-driver generate` against a C program that writes as many bytes to as many files from ready memory (raw-writer.c): on tmpfs, on a storage
// of a given speed, and on disk with writing back. With DLIO=COMMAND (see vs-dlio.mjs) also against DLIO's own generator, which writes the
// same files as its `generate_data` does by default, on one rank. Figures of whole commands hold start-up and exit; "steady" ones are the
// difference of a long and a short run. Before each run the raw writer fills as much memory unmeasured: the host of a virtual machine takes back
// memory that is free for a while, and giving it again costs more than writing to it.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { compiled, dlioArguments, generate, root, scratch, sideBySide, timed, writeConfig } from './lib.mjs'

/** DLIO's dataset keys; the raw writer makes as many files of as many bytes. `files`: of the short run, of the long one. */
const cases = {
  '140 MB NPZ files': { format: 'npz', files: [4, 32], record_length_bytes: 140e6, fileBytes: 140e6 },
  '128 MB HDF5 files of 8 samples': {
    format: 'hdf5',
    files: [4, 32],
    num_samples_per_file: 8,
    record_length_bytes: 16e6,
    fileBytes: 128e6,
  },
  '144 MB TFRecord files of 1,251 records': {
    format: 'tfrecord',
    files: [4, 32],
    num_samples_per_file: 1251,
    record_length_bytes: 115_000,
    fileBytes: 143.9e6,
  },
  '115 KB NPZ files': { format: 'npz', files: [4000, 32_000], record_length_bytes: 115_000, fileBytes: 115_484 },
  '4 KB NPZ files': { format: 'npz', files: [10_000, 100_000], record_length_bytes: 4096, fileBytes: 4580 },
}

/** DLIO takes minutes for what the others do in seconds; its short run and its long one, as shares of the others' files. */
const dlioShares = [1 / 16, 1 / 2]

const limitMbPerSecond = 1000

const rawArguments = (target, files, fileBytes) => [target, String(files), String(fileBytes), String(availableParallelism())]

function withTarget(target, write) {
  mkdirSync(target, { recursive: true })
  try {
    return write()
  } finally {
    rmSync(target, { recursive: true })
  }
}

/** The generator's configuration for a number of files. */
function configOf(folder, target, { fileBytes, files, ...dataset }, numFiles) {
  const framework = dataset.format === 'tfrecord' ? 'tensorflow' : 'pytorch'
  return writeConfig(join(folder, `f${numFiles}`), {
    framework,
    workflow: { generate_data: true, train: false },
    dataset: { ...dataset, num_files_train: numFiles, data_folder: target },
    reader: { data_loader: framework },
  })
}

function onTmpfs(spec) {
  const folder = scratch('generate')
  const target = join(folder, 'generated')
  const { fileBytes, files, ...dataset } = spec
  const raw = compiled('raw-writer')
  const measure = (write, [short, long]) => {
    const [a, b] = [short, long].map((numFiles) => {
      withTarget(target, () => timed(raw, rawArguments(target, numFiles, fileBytes)))
      return withTarget(target, () => write(numFiles))
    })
    const gigabytes = (numFiles) => (numFiles * fileBytes) / 1e9
    return {
      gbPerCpuSecond: gigabytes(long) / b.cpuSeconds,
      gbPerSecond: gigabytes(long) / b.wallSeconds,
      steadyGbPerCpuSecond: gigabytes(long - short) / (b.cpuSeconds - a.cpuSeconds),
    }
  }
  const framework = dataset.format === 'tfrecord' ? 'tensorflow' : 'pytorch'
  const dlio = (numFiles) =>
    timed(process.env.DLIO, ['1', ...dlioArguments({ ...dataset, num_files_train: numFiles, data_folder: target }, framework, true)], {
      cwd: folder,
    })
  return {
    'dl-driver': () => measure((numFiles) => generate(configOf(folder, target, spec, numFiles)), files),
    'raw writer': () => measure((numFiles) => timed(raw, rawArguments(target, numFiles, fileBytes)), files),
    ...(process.env.DLIO !== undefined && {
      'DLIO 2.0.0': () =>
        measure(
          dlio,
          dlioShares.map((share) => Math.ceil(share * files[1])),
        ),
    }),
  }
}

/** A storage that takes `limitMbPerSecond`, whatever lies under it (throttle.c). */
function throttled(spec) {
  const folder = scratch('generate')
  const target = join(folder, 'generated')
  const preload = join(root, 'build', 'throttle.so')
  execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', preload, join(root, 'bench', 'throttle.c'), '-ldl'])
  const numFiles = spec.files[1]
  const env = {
    LD_PRELOAD: preload,
    THROTTLE_PREFIX: target,
    THROTTLE_MBPS: String(limitMbPerSecond),
    THROTTLE_STATE: join(folder, 'state'),
  }
  const measure = (write) => () => {
    const { wallSeconds } = withTarget(target, write)
    return { gbPerSecond: (numFiles * spec.fileBytes) / 1e9 / wallSeconds }
  }
  const config = configOf(folder, target, spec, numFiles)
  return {
    'dl-driver': measure(() => generate(config, [], { env })),
    'raw writer': measure(() => timed(compiled('raw-writer'), rawArguments(target, numFiles, spec.fileBytes), { env })),
  }
}

function onDisk(folder, spec) {
  const target = join(folder, 'generated')
  const numFiles = spec.files[1]
  const measure = (write) => () => {
    spawnSync('sync', ['-f', folder])
    return withTarget(target, () => {
      const { cpuSeconds, wallSeconds } = write()
      const gigabytes = (numFiles * spec.fileBytes) / 1e9
      return { gbPerCpuSecond: gigabytes / cpuSeconds, gbPerSecond: gigabytes / (wallSeconds + timed('sync', ['-f', folder]).wallSeconds) }
    })
  }
  const config = configOf(folder, target, spec, numFiles)
  return {
    'dl-driver': measure(() => generate(config)),
    'raw writer': measure(() => timed(compiled('raw-writer'), rawArguments(target, numFiles, spec.fileBytes))),
  }
}

export function run({ rounds = 3 } = {}) {
  const only = process.env.ONLY
  const rows = {}
  const chosen = Object.entries(cases).filter(([title]) => only === undefined || title.includes(only))
  for (const [title, spec] of chosen) rows[`${title}, tmpfs`] = sideBySide(rounds, onTmpfs(spec))
  for (const [title, spec] of chosen.slice(0, 3))
    rows[`${title}, storage of ${limitMbPerSecond} MB/s`] = sideBySide(rounds, throttled(spec))
  const disk = mkdtempSync(join(tmpdir(), 'bench-generate-'))
  try {
    for (const [title, spec] of chosen.slice(0, 1)) rows[`${title}, disk, written back`] = sideBySide(rounds, onDisk(disk, spec))
  } finally {
    rmSync(disk, { recursive: true })
  }
  return { title: 'Generating data', rows }
}
