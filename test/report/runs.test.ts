import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadRuns, mostRuns } from '#src/report/runs.js'
import { copyRun, type Json, moveRank } from '../aggregate/folders.js'
import { scratchFolder } from '../cli/driver.js'
import { resultFolder, sampleResult } from './samples.js'

const folder = scratchFolder('report-runs')

test('a result.json that is not whole is refused with the file, the key and the rule', () => {
  const changes: [string, (result: Json) => void, RegExp][] = [
    ['section', (result) => delete result.client, /result\.json: is no whole result: client must be an object/],
    ['key', (result) => delete result.io.bytesAsked, /io\.bytesAsked must be a number/],
    ['text', ({ train }) => (train.auPercent = '91'), /train\.auPercent must be a number/],
    ['list', ({ train }) => (train.auPercentByEpoch = 91), /train\.auPercentByEpoch must be an array/],
    ['sign', ({ histograms }) => (histograms.sampleReadUs.p99Us = -1), /histograms\.sampleReadUs\.p99Us must be at least 0/],
    ['bucket', ({ histograms }) => (histograms.sampleReadUs.bucketsUs = [[1, 2, 3]]), /buckets are no pairs/],
    ['endpoint', ({ objects }) => (objects.endpoints[1].totalUs.bucketsUs = [[1]]), /buckets are no pairs/],
    ['host', (result) => (result.hosts[0].hostname = { toString: 'x' }), /hosts\.0\.hostname must be a string/],
    ['version', (result) => (result.schemaVersion = 2), /has schemaVersion 2; this program knows 1/],
    ['foreign', (result) => delete result.schemaVersion, /is no result\.json of dl-driver/],
  ]
  for (const [name, change, words] of changes) {
    const result = sampleResult()
    change(result)
    const { runs, problems } = loadRuns([resultFolder(folder, name, result)], {})
    assert.deepEqual([runs.length, problems.length], [0, 1], name)
    assert.match(problems[0]!, words)
    assert.ok(problems[0]!.includes(join(folder, name, 'result.json')), problems[0])
  }
})

test('every folder that cannot be used is named once, beside those that can', () => {
  const cut = resultFolder(folder, 'cut', JSON.stringify(sampleResult()).slice(0, 700))
  const infinite = resultFolder(folder, 'infinite', JSON.stringify(sampleResult()).replace('"wallSeconds":3,', '"wallSeconds":1e999,'))
  const empty = scratchFolder('report-empty')
  const dlio = copyRun('11-fork-npz-torch-r2', join(folder, 'half'))
  rmSync(join(dlio, '1_output.json'))
  const broken = copyRun('11-fork-npz-torch-r2', join(folder, 'broken'))
  writeFileSync(join(broken, '0_per_epoch_stats.json'), '{"1": {')
  const good = resultFolder(folder, 'good', sampleResult())
  const { runs, problems } = loadRuns([cut, infinite, empty, dlio, good, broken, join(folder, 'nowhere')], {})
  assert.deepEqual(
    runs.map(({ label }) => label),
    ['good'],
  )
  assert.equal(problems.length, 6, problems.join('\n'))
  for (const [path, words] of [
    [cut, /is not JSON/],
    [infinite, /client\.wallSeconds must be a/],
    [empty, /holds no results/],
    [dlio, /files of 1 of 2 ranks are missing/],
    [broken, /0_per_epoch_stats\.json: is not JSON/],
    [join(folder, 'nowhere'), /cannot list/],
  ] as const)
    assert.equal(problems.filter((problem) => problem.includes(path) && words.test(problem)).length, 1, path)
})

test('runs stand in the order in which they were named, each once, and hosts of one job are one run', () => {
  const other = copyRun('11-fork-npz-torch-r2', join(folder, 'z-dlio'))
  const host1 = join(folder, 'host1')
  moveRank(other, 1, host1)
  const good = resultFolder(folder, 'a-good', sampleResult())
  const { runs, problems } = loadRuns([other, good, host1, `${good}/`], {})
  assert.deepEqual(problems, [])
  assert.deepEqual(
    runs.map(({ label, program, folders }) => [label, program, folders.length]),
    [
      ['z-dlio', 'DLIO', 2],
      ['a-good', 'dl-driver', 1],
    ],
  )
})

test('more runs than fit side by side are refused with the number', () => {
  const many = Array.from({ length: mostRuns + 1 }, (_, i) => resultFolder(join(folder, 'many'), `r${i}`, sampleResult()))
  assert.deepEqual(loadRuns(many.slice(1), {}).problems, [])
  assert.match(loadRuns([join(folder, 'many')], {}).problems[0]!, /found 17 runs; a report shows at most 16/)
})
