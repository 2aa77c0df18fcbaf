// Which folders are runs, which of them belong together, and what is said of those that cannot be used.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { findResultFolders } from '#src/aggregate/find.js'
import { StorageError } from '#src/errors.js'
import { scratchFolder } from '../cli/driver.js'
import { aggregated, copyRun, editJson, moveRank } from './folders.js'

const folder = scratchFolder('jobs')
const twoRanks = '11-fork-npz-torch-r2'

test('runs are found by content at any depth, in the order of names, and links are not followed', () => {
  const root = join(folder, 'tree')
  for (const name of ['b/deep/er', 'a']) copyRun('12-fork-hdf5-eval-r1', join(root, name))
  symlinkSync(root, join(root, 'a', 'loop'))
  assert.deepEqual(
    findResultFolders([root, join(root, 'a')]).map(({ path }) => path),
    [join(root, 'a'), join(root, 'b/deep/er')],
  )
})

test('a folder that is not there is an error of its own', () => {
  assert.throws(() => findResultFolders([join(folder, 'nowhere')]), StorageError)
})

test('folders of hosts of one job are merged to the same figures', () => {
  const whole = copyRun(twoRanks, join(folder, 'hosts', 'host0'))
  const { runs: before } = aggregated([whole])
  moveRank(whole, 1, join(folder, 'hosts', 'host1'))
  const { jobs, runs, skipped } = aggregated([join(folder, 'hosts')])
  assert.deepEqual(skipped, [])
  assert.deepEqual(
    jobs.map(({ folders }) => folders),
    [[whole, join(folder, 'hosts', 'host1')]],
  )
  assert.deepEqual(runs, before)
})

test('folders of other times, or with ranks twice, are not merged', () => {
  const root = join(folder, 'apart')
  const whole = copyRun(twoRanks, join(root, 'a'))
  moveRank(whole, 1, join(root, 'b'))
  const text = readFileSync(join(root, 'b', '1_per_epoch_stats.json'), 'utf8')
  writeFileSync(join(root, 'b', '1_per_epoch_stats.json'), text.replaceAll('2026-11-22T', '2026-11-21T'))
  assert.equal(aggregated([root]).jobs.length, 0)
  writeFileSync(join(root, 'b', '1_per_epoch_stats.json'), text)
  cpSync(join(root, 'b'), join(root, 'c'), { recursive: true })
  const { jobs, skipped } = aggregated([root])
  assert.deepEqual(
    jobs.map(({ folders }) => folders),
    [[join(root, 'a'), join(root, 'b')]],
  )
  assert.deepEqual(
    skipped.map((skip) => skip.folder),
    [join(root, 'c')],
  )
})

const broken: [string, (run: string) => void, RegExp][] = [
  ['a missing rank', (run) => rmSync(join(run, '1_output.json')), /files of 1 of 2 ranks are missing \(1_output\.json\)/],
  ['missing time stamps of a rank', (run) => rmSync(join(run, '1_per_epoch_stats.json')), /1_per_epoch_stats\.json: cannot read: .*ENOENT/],
  [
    'files of ranks that the run did not have',
    (run) => editJson(run, 'summary.json', (s) => (s.num_accelerators = 1)),
    /files of 2 ranks, but the run had 1/,
  ],
  ['a truncated file', (run) => truncateSync(join(run, '0_output.json'), 900), /0_output\.json: is not JSON/],
  ['an empty summary', (run) => writeFileSync(join(run, 'summary.json'), ''), /summary\.json: is not JSON/],
  [
    'NaN among the times of steps',
    (run) => {
      const path = join(run, '1_output.json')
      writeFileSync(path, readFileSync(path, 'utf8').replace(/("proc": \{\s+"block1": \[\s+)[\d.e-]+/, '$1NaN'))
    },
    /1_output\.json: epoch 1 proc\.block1\[0\] must be a finite number/,
  ],
  [
    'a number of ranks that is none',
    (run) => editJson(run, 'summary.json', (s) => (s.num_accelerators = 'two')),
    /number of ranks must be a finite number, not "two"/,
  ],
  ['a metric that is a list', (run) => editJson(run, 'summary.json', (s) => (s.metric = [])), /summary\.json: metric must be an object/],
  [
    'a batch size that is none',
    (run) => spoilConfig(run, /batch_size: \d+/, 'batch_size: many'),
    /config\.yaml: reader\.batch_size .*"many"/,
  ],
  ['a configuration that is no YAML', (run) => spoilConfig(run, /batch_size: \d+/, 'batch_size: [1'), /config\.yaml: /],
  ['a section that is a list', (run) => spoilConfig(run, /reader:\n/, 'reader: [1]\n  rest:\n'), /config\.yaml: reader must be a mapping/],
  [
    'an element type that is none',
    (run) => spoilConfig(run, /format: npz/, 'record_element_type: weird'),
    /dataset\.record_element_type .*"weird"/,
  ],
  ['a fraction of a rank', (run) => editJson(run, 'summary.json', (s) => (s.num_accelerators = 1.5)), /must be a whole number, not 1\.5/],
  [
    'a named pipe in place of a file',
    (run) => {
      rmSync(join(run, 'summary.json'))
      execFileSync('mkfifo', [join(run, 'summary.json')])
    },
    /summary\.json: is no regular file/,
  ],
  [
    'an interrupted run',
    (run) => writeFileSync(join(run, 'result.partial.json'), '{}'),
    /did not come to its end \(result\.partial\.json\)/,
  ],
  [
    'a summary without ranks',
    (run) => {
      for (const rank of [0, 1]) for (const name of ['output', 'per_epoch_stats']) rmSync(join(run, `${rank}_${name}.json`))
    },
    /holds summary\.json but no file of any rank/,
  ],
  [
    'a missing configuration',
    (run) => rmSync(join(run, '.hydra'), { recursive: true }),
    /batch size \(--batch-size\) and the bytes of a sample \(--record-bytes\) are not known/,
  ],
]

function spoilConfig(run: string, what: RegExp, by: string): void {
  const path = join(run, '.hydra', 'config.yaml')
  writeFileSync(path, readFileSync(path, 'utf8').replace(what, by))
}

for (const [i, [name, spoil, message]] of broken.entries())
  test(`${name}: the run is skipped with its reason, and the others are computed`, () => {
    const root = join(folder, `broken-${i}`)
    copyRun('12-fork-hdf5-eval-r1', join(root, 'good'))
    spoil(copyRun(twoRanks, join(root, 'bad')))
    const { jobs, skipped } = aggregated([root])
    assert.deepEqual(
      jobs.map(({ folders }) => folders),
      [[join(root, 'good')]],
    )
    assert.equal(skipped.length, 1)
    assert.match(skipped[0]!.problem, message)
  })

test('what no configuration tells can be given, and goes before what one tells', () => {
  const run = copyRun(twoRanks, join(folder, 'given'))
  const { runs: before } = aggregated([run])
  renameSync(join(run, '.hydra'), join(folder, 'hydra-aside'))
  assert.deepEqual(aggregated([run], { batchSize: 2, recordBytes: 4096 }).runs[0]!.metric, before[0]!.metric)
  renameSync(join(folder, 'hydra-aside'), join(run, 'any-name'))
  assert.deepEqual(aggregated([run]).runs[0]!.metric, before[0]!.metric)
  const half = aggregated([run], { batchSize: 1 }).runs[0]!.own.train!
  assert.equal(half.samplesPerSecond! * 2, before[0]!.own.train!.samplesPerSecond)
})

test('DLIO’s older name of the sample’s size is understood', () => {
  const run = copyRun(twoRanks, join(folder, 'older'))
  spoilConfig(run, /record_length_bytes: \d+/, 'record_length: 1000')
  assert.equal(aggregated([run]).jobs[0]!.settings.recordBytes, 1000)
})

test('a folder without any result is none', () => {
  mkdirSync(join(folder, 'empty', 'train'), { recursive: true })
  assert.deepEqual(findResultFolders([join(folder, 'empty')]), [])
})
