// `dl-driver aggregate` as its user runs it.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { copyRun, editJson, type Json, moveRank, readJsonFile, runsFolder } from '../aggregate/folders.js'
import { driver, scratchFolder, workloadFile } from './driver.js'

const folder = scratchFolder('aggregate')
const twoRanks = '11-fork-npz-torch-r2'
const recorded = readdirSync(runsFolder)
  .map((id) => join(runsFolder, id, 'out'))
  .filter((out) => existsSync(join(out, 'summary.json')))

test('--json prints one strict JSON object with the keys of summary.json, and nothing else anywhere', async () => {
  for (const out of recorded) {
    const { code, stdout, stderr } = await driver(['aggregate', out, '--json'])
    assert.deepEqual([code, stderr], [0, ''], out)
    const result = JSON.parse(stdout) as Json
    assert.deepEqual(Object.keys(result.metric), Object.keys(readJsonFile(out, 'summary.json').metric))
    assert.deepEqual(result.metric, result.runs[0].metric)
    assert.deepEqual(result.runs[0].stored.differences, [])
  }
})

test('several runs are a list without a common metric', async () => {
  const { code, stdout, stderr } = await driver(['aggregate', runsFolder, '--json', '--strict'])
  assert.equal(code, 0, stderr)
  const result = JSON.parse(stdout) as Json
  assert.equal(result.runs.length, recorded.length)
  assert.equal('metric' in result, false)
  assert.match(stderr, new RegExp(`^${recorded.length} runs computed, 0 with differing numbers, 0 folders skipped\n$`))
})

test('a run that computes nothing is computed again to its own numbers, though its blocks last no longer than time stamps can tell', async () => {
  const out = join(folder, 'idle')
  const config = workloadFile(
    folder,
    {
      framework: 'pytorch',
      workflow: { generate_data: true, train: true },
      dataset: { format: 'npz', data_folder: join(folder, 'idle-data'), num_files_train: 16, record_length_bytes: 3000 },
      reader: { data_loader: 'pytorch', batch_size: 2, read_threads: 1 },
      train: { epochs: 20, computation_time: 0 },
    },
    'idle.yaml',
  )
  const ran = await driver(['run', config, '--output', out, '-q'])
  assert.equal(ran.code, 0, ran.stderr)
  const { code, stdout } = await driver(['aggregate', out, '--json', '--strict'])
  const [run] = (JSON.parse(stdout) as Json).runs
  assert.deepEqual([code, run.stored.differences], [0, []])
  editJson(out, '0_output.json', (output) => {
    output['3'].throughput.block1 *= 1.02
  })
  assert.equal((await driver(['aggregate', out, '--strict'])).code, 1)
})

test('hosts of one job give one metric', async () => {
  const run = copyRun(twoRanks, join(folder, 'host0'))
  moveRank(run, 1, join(folder, 'host1'))
  const { stdout } = await driver(['aggregate', run, join(folder, 'host1'), '--json'])
  const whole = await driver(['aggregate', join(runsFolder, twoRanks, 'out'), '--json'])
  assert.deepEqual((JSON.parse(stdout) as Json).metric, (JSON.parse(whole.stdout) as Json).metric)
})

test('a run of this program is computed again to the numbers of its own summary, whatever is configured', async () => {
  const out = join(folder, 'own')
  const config = workloadFile(folder, {
    framework: 'pytorch',
    workflow: { generate_data: true, train: true, evaluation: true },
    dataset: { format: 'npz', data_folder: join(folder, 'data'), num_files_train: 12, num_files_eval: 4, record_length_bytes: 3000 },
    reader: { data_loader: 'pytorch', batch_size: 2, batch_size_eval: 1, read_threads: 1 },
    train: { epochs: 2, computation_time: 0.004 },
    evaluation: { eval_time: 0.002 },
    output: { metric: { exclude_start_steps: 0, exclude_end_steps: 1 } },
    metric: { au: 0.3 },
  })
  const ran = await driver(['run', config, '--ranks', '2', '--output', out, '-q'])
  assert.equal(ran.code, 0, ran.stderr)
  const { code, stdout } = await driver(['aggregate', out, '--json', '--strict'])
  assert.equal(code, 0)
  const result = JSON.parse(stdout) as Json
  assert.deepEqual([result.runs[0].program, result.runs[0].formula], ['dl-driver', 'default'])
  assert.ok(result.runs[0].stored.compared > 25)
  assert.equal(result.runs[0].own.train.samples, readJsonFile(out, 'result.json').train.samples)
  assert.deepEqual(result.runs[0].own.settings.excludeEndSteps, 1)
})

test('people read a few lines a run on standard output', async () => {
  const { code, stdout, stderr } = await driver(['aggregate', join(runsFolder, twoRanks, 'out')])
  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, /: DLIO, 2 ranks\n {2}AU +66\.30 % ± 5\.07 over 2 epochs, misses the target of 90\.0 %\n/)
  assert.match(stdout, /\n {2}Stored +all 19 numbers agree with .*; tolerance 1e-9 relative/)
})

test('what differs and what was skipped is named, and under --strict ends with 1', async () => {
  const root = join(folder, 'strict')
  editJson(copyRun(twoRanks, join(root, 'changed')), 'summary.json', ({ metric }) => {
    metric.train_au_mean_percentage = 99
  })
  const changed = await driver(['aggregate', root])
  assert.equal(changed.code, 0)
  assert.match(changed.stdout, /summary\.json metric\.train_au_mean_percentage: stored 99, computed 66\.29\d+\n/)
  assert.equal((await driver(['aggregate', root, '--strict'])).code, 1)

  rmSync(join(root, 'changed'), { recursive: true })
  copyRun(twoRanks, join(root, 'good'))
  rmSync(join(copyRun(twoRanks, join(root, 'broken')), '1_output.json'))
  const skipped = await driver(['aggregate', root, '--json'])
  assert.equal(skipped.code, 0)
  assert.match(
    skipped.stderr,
    /^skipped: .*broken: files of 1 of 2 ranks are missing.*\n1 runs? computed, 0 with differing numbers, 1 folders? skipped\n$/,
  )
  const result = JSON.parse(skipped.stdout) as Json
  assert.ok('metric' in result)
  assert.equal(result.skipped[0].folder, join(root, 'broken'))
  assert.equal((await driver(['aggregate', root, '--strict'])).code, 1)
})

test('nothing found, nothing usable, and a wrong command line end with their codes and one line', async () => {
  mkdirSync(join(folder, 'nothing'))
  const bare = copyRun(twoRanks, join(folder, 'bare'))
  rmSync(join(bare, '.hydra'), { recursive: true })
  for (const [args, code, words] of [
    [[join(folder, 'nothing')], 1, /error: no results in .*nothing/],
    [[join(folder, 'nowhere')], 1, /error: .*nowhere: cannot list.*ENOENT/],
    [[join(bare, 'summary.json')], 1, /it is no folder/],
    [[bare], 1, /the batch size \(--batch-size\) and the bytes of a sample \(--record-bytes\) are not known/],
    [[bare, '--batch-size', 'x'], 2, /whole number/],
    [[bare, '--record-bytes', '0'], 2, /number above 0/],
    [[bare, '--target-au', '101'], 2, /from 0 to 100/],
    [[], 2, /missing required argument/],
  ] as const) {
    const outcome = await driver(['aggregate', ...args])
    assert.deepEqual([outcome.code, outcome.stdout], [code, ''], outcome.stderr)
    assert.match(outcome.stderr, words)
    assert.doesNotMatch(outcome.stderr, /\n\s+at /)
  }
  assert.equal((await driver(['aggregate', bare, '--batch-size', '2', '--record-bytes', '4096', '--strict'])).code, 0)
})

test('control characters in what was stored do not reach the terminal', async () => {
  const run = copyRun(twoRanks, join(folder, 'control'))
  const path = join(run, 'summary.json')
  writeFileSync(path, readFileSync(path, 'utf8').replace('"metric": {', '"metric": { "a\\u001b[31m": "\\u001b]0;x\\u0007",'))
  const { stdout } = await driver(['aggregate', run])
  assert.match(stdout, /stored/)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  assert.doesNotMatch(stdout, /[\x00-\x09\x0b-\x1f]/)
})
