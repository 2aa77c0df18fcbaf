// What the benchmarks share: running commands with the CPU seconds of the whole process tree, data on tmpfs, ratios side by side.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const driver = join(root, 'bin', 'dl-driver.js')

const scratchFolders = []
process.on('exit', () => {
  for (const dir of scratchFolders) rmSync(dir, { recursive: true, force: true })
})

/** A scratch folder in memory, removed at exit. */
export function scratch(name) {
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), `bench-${name}-`))
  scratchFolders.push(dir)
  return dir
}

/** Runs a command to its end. CPU seconds are user + system of it and all its waited-for children, as bash's `time` counts them. */
export function timed(command, args, { input, env, cwd } = {}) {
  const script = 'TIMEFORMAT="TIMES %R %U %S"; time "$@"'
  const { stdout, stderr, status } = spawnSync('bash', ['-c', script, 'bash', command, ...args], {
    encoding: 'utf8',
    input: input ?? '',
    maxBuffer: 1 << 28,
    cwd,
    env: { ...process.env, ...env },
  })
  const match = /TIMES ([\d.]+) ([\d.]+) ([\d.]+)\s*$/.exec(stderr)
  if (status !== 0 || match === null) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stderr}`)
  const [wallSeconds, user, system] = match.slice(1).map(Number)
  return { wallSeconds, cpuSeconds: user + system, stdout, stderr }
}

export const node = (args, options) => timed(process.execPath, args, options)

/** One run of the driver; its result.json comes with it. */
export function drive(config, args, options) {
  const out = scratch('out')
  const run = node([driver, 'run', config, '--output', out, '-q', ...args], options)
  return { ...run, result: JSON.parse(readFileSync(join(out, 'result.json'), 'utf8')), out }
}

export function generate(config, args = [], options) {
  return node([driver, 'generate', config, '-q', ...args], options)
}

export function writeConfig(dir, workload) {
  mkdirSync(dir, { recursive: true })
  const path = join(dir, 'workload.yaml')
  writeFileSync(path, JSON.stringify(workload, null, 2)) // JSON is YAML
  return path
}

/** Hydra overrides that give DLIO 2.0.0 a dataset (of today's key names) and what to do with it. */
export function dlioArguments(dataset, framework, generates, more = {}) {
  const workload = {
    'workflow.generate_data': generates ? 'True' : 'False',
    'workflow.train': generates ? 'False' : 'True',
    'workflow.checkpoint': 'False',
    'workflow.evaluation': 'False',
    framework,
    'dataset.format': dataset.format,
    'dataset.data_folder': dataset.data_folder,
    'dataset.num_files_train': dataset.num_files_train,
    'dataset.num_files_eval': 0,
    'dataset.num_subfolders_train': 0,
    'dataset.num_subfolders_eval': 0,
    'dataset.num_samples_per_file': dataset.num_samples_per_file ?? 1,
    // Its name in 2024.
    'dataset.record_length': dataset.record_length_bytes,
    'reader.data_loader': framework,
    ...more,
  }
  return ['workload=default', ...Object.entries(workload).map(([key, value]) => `++workload.${key}=${value}`)]
}

/** A C program of this folder, compiled. */
export function compiled(name) {
  const binary = join(root, 'build', name)
  mkdirSync(dirname(binary), { recursive: true })
  execFileSync('cc', ['-O2', '-pthread', '-o', binary, join(root, 'bench', `${name}.c`)])
  return binary
}

/** A Python with boto3 and s3dlio; undefined where none can be made. */
export function objectsPython() {
  if (process.env.BENCH_PYTHON !== undefined) return process.env.BENCH_PYTHON
  const folder = join(root, '.cache', 'objects-python')
  const python = join(folder, 'bin', 'python')
  if (existsSync(python)) return python
  const made =
    spawnSync('python3', ['-m', 'venv', folder]).status === 0 &&
    spawnSync(python, ['-m', 'pip', 'install', '--quiet', 'boto3', 's3dlio'], { stdio: 'inherit' }).status === 0
  return made ? python : undefined
}

export const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]

/** Runs the alternatives in turn, `rounds` times, and gives the median of each figure and of each ratio to the first one, pair by pair. */
export function sideBySide(rounds, alternatives) {
  const names = Object.keys(alternatives)
  const figures = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) for (const name of names) figures[name].push(alternatives[name]())
  return Object.fromEntries(
    names.map((name) => {
      const keys = Object.keys(figures[name][0])
      const value = Object.fromEntries(keys.map((key) => [key, median(figures[name].map((figure) => figure[key]))]))
      const ratio = Object.fromEntries(
        keys.map((key) => [key, median(figures[name].map((figure, round) => figures[names[0]][round][key] / figure[key]))]),
      )
      return [name, { ...value, ratio }]
    }),
  )
}

export const machine = () => `${cpus().length} × ${cpus()[0].model}, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}`
