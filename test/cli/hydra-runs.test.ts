// The recorded command lines of real DLIO, run again: same files of Hydra's and DLIO's, same lines, same exit codes.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { scratchFolder } from './driver.js'
import { dropIn } from './drop-in.js'
import { factsAreText, jsonShape } from './recorded-shape.js'

const recordings = '../shared/golden/runs'
const runsFolder = existsSync(recordings) ? recordings : 'test/golden/drop-in'
/** Where a small copy has the JSON files of a recorded run; the whole recordings have them beside the rest. */
const jsonFolder = existsSync(recordings) ? recordings : 'test/golden/runs'

interface Case {
  readonly id: string
  readonly tree: 'upstream' | 'fork'
  readonly ranks: number
  readonly exit_code: number
  readonly fails: boolean
}

interface Run {
  readonly arguments: readonly string[]
  readonly output_files: readonly string[]
  readonly files_after_run?: readonly (readonly [string, number])[]
}

const { cases } = JSON.parse(readFileSync(join(runsFolder, 'index.json'), 'utf8')) as { cases: Case[] }

function recorded(id: string, ...path: string[]): string {
  return readFileSync(join(runsFolder, id, ...path), 'utf8')
}

function again({ id, tree, ranks }: Case, cwd: string) {
  const run = JSON.parse(recorded(id, 'run.json')) as Run
  const args = ranks > 1 ? [...run.arguments, `--ranks=${ranks}`] : run.arguments
  return dropIn(cwd, args, { DL_DRIVER_SEMANTICS: tree === 'fork' ? 'mlcommons' : 'upstream' }).then((outcome) => ({ ...outcome, run }))
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()
}

/** hydra.yaml without the places and help texts that differ between installations. */
function comparable(hydraYaml: string): string {
  return hydraYaml
    .replace(/^( +(?:cwd|output_dir|header|footer|template):).*$/gm, '$1')
    .replace(/^( +- path:) .*(?=\n +schema: file)/gm, '$1')
}

/** Lines about what only the Python program does, and warnings that only this one has. */
const notShared =
  /dgen|DEBUG DLIOBenchmark|^\[OUTPUT\] {3}|={40,}$|WARNING: Data Generation|File listing|file sharding|pre-warm|Reshard for|page cache between|core available|^\[WARNING\] (?:model\.model_size|checkpoint\.fsync|reader\.sample_shuffle)/

/** Lines of a log without times, figures and outcomes. DLIO says "write started" when it has finished reading. */
function shape(log: string): string[] {
  return log
    .replace(/(Checkpointing read started.*)Checkpointing write started/s, '$1Checkpointing read finished')
    .split('\n')
    .filter((line) => line !== '' && (!notShared.test(line) || line.startsWith('[METRIC]')))
    .map((line) =>
      line
        .replace(/\d{4}-\d\d-\d\dT[\d:.]+/, 'TIME')
        .replace(/\d+\.\d+/g, 'F')
        .replace(/(meet_expectation:) \w+/, '$1')
        .replace(/(Saved outputs in) .*/, '$1')
        // MLCommons' DLIO counts the files of all ranks there, against its own words.
        .replace(/(per rank): .* \(/, '$1 (')
        .replace(/(Total training steps is set to be \d+)\..*/, '$1'),
    )
}

/** DLIO's JSON files of a recorded run. */
function recordedJsonNames(id: string): string[] {
  const folder = join(jsonFolder, id, 'out')
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : []
}

type Seconds = number | { readonly mean?: number }

function meanSeconds(given: Seconds = 0): number {
  return typeof given === 'number' ? given : (given.mean ?? 0)
}

interface Workload {
  readonly train?: { readonly computation_time?: Seconds }
  readonly evaluation?: { readonly eval_time?: Seconds }
  readonly workflow?: { readonly evaluation?: boolean }
}

const counts = ['num_accelerators', 'num_hosts', 'num_files_train', 'num_files_eval', 'num_samples_per_file', 'epochs'] as const

interface SummaryFile extends Readonly<Record<(typeof counts)[number], number>> {
  readonly metric: Readonly<Record<string, number>>
}

/** The shape of a recorded file, with one figure for each evaluation, where DLIO has one for each rank of each. */
function comparableShape({ id, ranks }: Case, name: string): string {
  const text = jsonShape(readFileSync(join(jsonFolder, id, 'out', name), 'utf8'))
  return text.replace(/("eval_\w+": )\[(\d+) × F\]/g, (_, key, count) => `${key}[${count / ranks} × F]`)
}

/** A step so long that the overhead of either program is below 1 %: only there do AUs of two machines compare. */
const dominatingSeconds = 0.1

/** Counts as recorded; AU where the steps are mostly computing within 2 points. DLIO divides that of evaluations by the ranks once too often. */
function compareSummary({ id }: Case, ownPath: string): void {
  const { workload } = parse(recorded(id, 'out', '.hydra', 'config.yaml')) as { workload: Workload }
  const [theirs, ours] = [join(jsonFolder, id, 'out', 'summary.json'), ownPath].map(
    (path) => JSON.parse(readFileSync(path, 'utf8').replaceAll('NaN', 'null')) as SummaryFile,
  ) as [SummaryFile, SummaryFile]
  for (const key of counts) assert.equal(ours[key], theirs[key], key)
  assert.equal(ours.metric.checkpoint_size_GB, theirs.metric.checkpoint_size_GB)
  const phases = [
    ['train_au_mean_percentage', meanSeconds(workload.train?.computation_time), 1],
    ['eval_au_mean_percentage', workload.workflow?.evaluation ? meanSeconds(workload.evaluation?.eval_time) : 0, theirs.num_accelerators],
  ] as const
  for (const [key, seconds, factor] of phases) {
    if (seconds < dominatingSeconds) continue
    const recordedAu = theirs.metric[key]! * factor
    assert.ok(Math.abs(ours.metric[key]! - recordedAu) <= 2, `${key}: ${ours.metric[key]} instead of ${recordedAu}`)
  }
}

for (const entry of cases.filter(({ fails }) => !fails)) {
  test(`${entry.id}: files, their keys and types, step counts and the lines of the log are those of the recorded run`, {}, async () => {
    const cwd = scratchFolder('drop-in', true)
    const { code, stdout, stderr, run } = await again(entry, cwd)
    assert.equal(code, entry.exit_code, stderr)
    assert.equal(stdout, '')
    for (const name of ['config.yaml', 'overrides.yaml'])
      assert.equal(readFileSync(join(cwd, 'out', '.hydra', name), 'utf8'), recorded(entry.id, 'out', '.hydra', name), name)
    const hydraYaml = readFileSync(join(cwd, 'out', '.hydra', 'hydra.yaml'), 'utf8')
    assert.equal(comparable(hydraYaml), comparable(recorded(entry.id, 'out', '.hydra', 'hydra.yaml')))
    assert.ok(hydraYaml.includes(`\n    output_dir: ${resolve(cwd, 'out')}\n`))
    assert.deepEqual(filesBelow(join(cwd, 'out')), run.output_files.map((path) => path.replace(/^out\//, '')).sort())
    const isCheckpoint = (path: string) => path.startsWith('checkpoints/')
    assert.deepEqual(
      filesBelow(cwd)
        .filter(isCheckpoint)
        .map((path) => [path, statSync(join(cwd, path)).size]),
      run.files_after_run?.filter(([path]) => isCheckpoint(path)).sort() ?? [],
    )
    const log = readFileSync(join(cwd, 'out', 'dlio.log'), 'utf8')
    assert.deepEqual(shape(log), shape(recorded(entry.id, 'out', 'dlio.log')))
    // The first line says which program this is; everything else is in both.
    assert.match(stderr, /^\[OUTPUT\] dl-driver \S+ in place of DLIO/)
    assert.equal(stderr.slice(stderr.indexOf('\n') + 1), log)
    for (const name of recordedJsonNames(entry.id)) {
      const own = readFileSync(join(cwd, 'out', name), 'utf8')
      assert.equal(jsonShape(own), comparableShape(entry, name), name)
      if (!name.includes('per_epoch')) assert.ok(factsAreText(own), name)
      if (name === 'summary.json') compareSummary(entry, join(cwd, 'out', name))
    }
  })
}

for (const entry of cases.filter(({ fails }) => fails)) {
  test(`${entry.id}: fails as the recorded run did, and says why`, async () => {
    const cwd = scratchFolder('drop-in', true)
    // What was there before the run, of the size that it was.
    const { files_after_run: files = [] } = JSON.parse(recorded(entry.id, 'run.json')) as Run
    if (entry.id.includes('too-few'))
      for (const [path, size] of files) {
        mkdirSync(join(cwd, path, '..'), { recursive: true })
        writeFileSync(join(cwd, path), Buffer.alloc(size))
      }
    const { code, stderr, run } = await again(entry, cwd)
    assert.equal(code, entry.exit_code, stderr)
    const hydras = run.output_files.filter((path) => path.includes('.hydra/')).map((path) => path.replace(/^out\//, ''))
    assert.deepEqual(
      filesBelow(join(cwd, 'out')).filter((path) => path.startsWith('.hydra/')),
      hydras.sort(),
    )
    assert.equal(existsSync(join(cwd, 'out', 'summary.json')), false)
    if (hydras.length === 0)
      assert.match(stderr, /^In 'config': Could not find 'workload\/no_such_workload'\n\nAvailable options in 'workload':\n\tbert_v100\n/)
    else assert.match(stderr, /^Error executing job with overrides: \['workload=\w+', '\+\+workload\..*'\]\n.+/m)
  })
}
