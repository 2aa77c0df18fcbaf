// How far `dl-driver generate` is from the limit: side by side with a C program that writes as many bytes to as many files from ready
// memory, both as whole processes (start-up and exit included), in turns, best and median of several rounds.
// usage: node bench/generate.mjs [--rounds N] [--only NAME] [FOLDER...]      default folders: /dev/shm and the system's temporary one
// CPU seconds are user + system of the process and its children. Where a file system is not a tmpfs, a second figure includes `sync`.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = dirname(fileURLToPath(import.meta.url))
const program = join(here, '..', 'bin', 'dl-driver.js')
const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, only: { type: 'string' } },
  allowPositionals: true,
})
const rounds = Number(values.rounds)
const folders = positionals.length > 0 ? positionals : ['/dev/shm', tmpdir()]
const cores = availableParallelism()

/** DLIO's dataset keys; the raw writer gets as many files of as many bytes. */
const cases = [
  { name: 'npz 140 MB', format: 'npz', num_files_train: 16, record_length_bytes: 140_000_000, fileBytes: 140_000_000 },
  { name: 'npz 115 KB', format: 'npz', num_files_train: 20_000, record_length_bytes: 115_000, fileBytes: 115_000 },
  { name: 'npz 4 KB', format: 'npz', num_files_train: 100_000, record_length_bytes: 4096, fileBytes: 4600 },
  {
    name: 'hdf5 8 x 16 MB',
    format: 'hdf5',
    num_files_train: 16,
    num_samples_per_file: 8,
    record_length_bytes: 16_000_000,
    fileBytes: 128_000_000,
  },
  {
    name: 'tfrecord 1251 x 115 KB',
    format: 'tfrecord',
    num_files_train: 16,
    num_samples_per_file: 1251,
    record_length_bytes: 115_000,
    fileBytes: 143_865_000,
  },
]

/** Runs a command to its end; times of the whole process tree, as bash counts them. With `syncFolder` the wall time includes writing back. */
function timed(command, syncFolder) {
  const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  const script = `TIMEFORMAT='times %R %U %S'; time { ${quoted} >/dev/null${syncFolder === undefined ? '' : ` && sync -f '${syncFolder}'`}; }`
  const { status, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' })
  const match = /times ([\d.]+) ([\d.]+) ([\d.]+)/.exec(stderr)
  if (status !== 0 || match === null) throw new Error(`${command.join(' ')} failed: ${stderr}`)
  return { wallSeconds: Number(match[1]), cpuSeconds: Number(match[2]) + Number(match[3]) }
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]

const scratch = mkdtempSync(join(tmpdir(), 'bench-generate-'))
const rawWriter = join(scratch, 'raw-writer')
const compiled = spawnSync('gcc', ['-O2', '-o', rawWriter, join(here, 'raw-writer.c')], { encoding: 'utf8' })
if (compiled.status !== 0) {
  console.error(`gcc is needed for the raw writer: ${compiled.error?.message ?? compiled.stderr}`)
  process.exit(1)
}

function measure(folder, spec, withSync) {
  const { name, fileBytes, ...dataset } = spec
  const target = join(folder, 'bench-generate')
  const config = join(scratch, 'config.yaml') // JSON is YAML
  const framework = dataset.format === 'tfrecord' ? 'tensorflow' : 'pytorch'
  const workload = {
    framework,
    workflow: { generate_data: true, train: false },
    dataset: { ...dataset, data_folder: target },
    reader: { data_loader: framework },
  }
  writeFileSync(config, JSON.stringify(workload))
  const contestants = {
    raw: [rawWriter, target, String(dataset.num_files_train), String(fileBytes), String(cores)],
    ours: [process.execPath, program, 'generate', config, '--quiet'],
  }
  const results = { raw: [], ours: [] }
  for (let round = 0; round < rounds; round++)
    for (const [who, command] of Object.entries(contestants)) {
      mkdirSync(target, { recursive: true })
      results[who].push(timed(command, withSync ? folder : undefined))
      rmSync(target, { recursive: true })
      if (withSync) spawnSync('sync', ['-f', folder])
    }
  const gigabytes = (dataset.num_files_train * fileBytes) / 1e9
  const rate = (who, key, pick) => gigabytes / pick(results[who].map((result) => result[key]))
  const least = (numbers) => Math.min(...numbers)
  const column = (key, pick) => {
    const [ours, raw] = [rate('ours', key, pick), rate('raw', key, pick)]
    return `${ours.toFixed(2)} / ${raw.toFixed(2)} = ${(ours / raw).toFixed(2)}`.padEnd(24)
  }
  console.log(
    `${name.padEnd(24)}${column('cpuSeconds', least)}${column('cpuSeconds', median)}${column('wallSeconds', least)}${column('wallSeconds', median)}`,
  )
}

try {
  for (const folder of folders)
    for (const withSync of folder.startsWith('/dev/shm') ? [false] : [false, true]) {
      console.log(
        `\n${folder}${withSync ? ', written back (sync)' : ''}: generator / raw writer = ratio, ${cores} threads each, ${rounds} rounds`,
      )
      console.log(`${''.padEnd(24)}${['GB per CPU s, best', 'median', 'GB per s, best', 'median'].map((head) => head.padEnd(24)).join('')}`)
      for (const spec of cases) if (values.only === undefined || spec.name.includes(values.only)) measure(folder, spec, withSync)
    }
} finally {
  rmSync(scratch, { recursive: true })
}
