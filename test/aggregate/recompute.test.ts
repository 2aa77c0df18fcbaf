// Metrics computed again from what runs left behind, against what real DLIO stored.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { DlioMetric } from '#src/metrics/dlio-metric.js'
import { readJson } from '#src/metrics/from-dlio.js'
import { scratchFolder } from '../cli/driver.js'
import { aggregated, asVersion1, copyRun, editJson, runsFolder } from './folders.js'

const folder = scratchFolder('recompute')
const recorded = readdirSync(runsFolder).filter((id) => existsSync(join(runsFolder, id, 'out', 'summary.json')))
const twoRanks = '11-fork-npz-torch-r2'

test('there are recorded runs', () => assert.ok(recorded.length >= 6))

for (const id of recorded)
  test(`the steps of ${id} give every number that its ranks and its summary store, under its own program's arithmetic`, () => {
    const out = join(runsFolder, id, 'out')
    const { runs, skipped } = aggregated([out])
    assert.deepEqual(skipped, [])
    const [run] = runs
    assert.deepEqual(run!.differences, [])
    assert.ok(run!.comparedNumbers > 5)
    assert.ok(run!.fitting.includes(id.includes('-up-') ? 'upstream-exact' : 'mlcommons-exact'), run!.fitting.join())
    const { metric } = readJson(join(out, 'summary.json')) as { metric: Record<string, unknown> }
    assert.deepEqual(Object.keys(run!.metric), Object.keys(metric))
    for (const [key, stored] of Object.entries(metric)) {
      const own = run!.metric[key as keyof DlioMetric]
      const pairs = Array.isArray(stored) ? stored.map((value, i) => [value, (own as number[])[i]]) : [[stored, own]]
      for (const [expected, actual] of pairs)
        if (typeof expected === 'number') {
          const scale = Math.max(Math.abs(expected), Math.abs(key.includes('stdev') ? (metric[key.replace('stdev', 'mean')] as number) : 0))
          assert.ok(Math.abs((actual as number) - expected) <= 1e-9 * scale, `${key}: ${actual} instead of ${expected}`)
        } else assert.equal(actual, expected, key)
    }
  })

test('throughputs of both living programs are told apart, though they differ by one step alone', () => {
  const fitting = recorded
    .filter((id) => !id.includes('checkpoint-only'))
    .map((id) => aggregated([join(runsFolder, id, 'out')]).runs[0]!.fitting)
  for (const names of fitting) assert.notDeepEqual([names.includes('upstream-exact'), names.includes('mlcommons-exact')], [true, true])
})

test('a folder of DLIO v1.0 is read, and fits its arithmetic alone', () => {
  const run = copyRun(twoRanks, join(folder, 'v1'))
  asVersion1(run, 2, 2, 4096)
  const { runs, jobs } = aggregated([run])
  assert.deepEqual(runs[0]!.differences, [])
  assert.deepEqual(runs[0]!.fitting, ['v1.0-exact'])
  assert.deepEqual(
    jobs[0]!.ranks.map(({ ownTimes }) => ownTimes),
    [true, false],
  )
  assert.notEqual(runs[0]!.metric.train_throughput_mean_samples_per_second, runs[0]!.own.metric.train_throughput_mean_samples_per_second)
})

test('a throughput that a rank stored wrongly is named with both numbers, and so is what follows from it', () => {
  const run = copyRun(twoRanks, join(folder, 'throughput'))
  let stored = 0
  editJson(run, '1_output.json', (output) => {
    stored = output['2'].throughput.block1 * 1.0001
    output['2'].throughput.block1 = stored
  })
  const [{ differences, fitting }] = aggregated([run]).runs as [ReturnType<typeof aggregated>['runs'][number]]
  assert.deepEqual(
    differences.map(({ file, key, stored: value }) => [file, key, value]),
    [['1_output.json', '2.throughput.block1', stored]],
  )
  assert.ok(Math.abs((differences[0]!.computed as number) * 1.0001 - stored) < 1e-6)
  assert.deepEqual(fitting, [])
})

test('an AU beyond what the time stamps allow is a difference, and the stamps are what counts then', () => {
  const run = copyRun(twoRanks, join(folder, 'au'))
  editJson(run, '0_output.json', (output) => {
    output['1'].au.block1 *= 1.2
  })
  const [result] = aggregated([run]).runs
  const keys = result!.differences.map(({ file, key }) => `${file} ${key}`)
  assert.ok(keys.includes('0_output.json 1.au.block1'), keys.join())
  const original = aggregated([join(runsFolder, twoRanks, 'out')]).runs[0]!
  const [au, before] = [result!, original].map(({ metric }) => metric.train_au_percentage![0]!) as [number, number]
  assert.ok(Math.abs(au - before) < 0.02 * before && au !== before)
})

test('a summary that its ranks do not give is named key by key', () => {
  const run = copyRun(twoRanks, join(folder, 'summary'))
  editJson(run, 'summary.json', ({ metric }) => {
    metric.train_au_mean_percentage = 99
    metric.train_au_meet_expectation = 'success'
    metric.train_throughput_samples_per_second.pop()
  })
  assert.deepEqual(
    aggregated([run]).runs[0]!.differences.map(({ file, key }) => `${file} ${key}`),
    [
      'summary.json metric.train_au_mean_percentage',
      'summary.json metric.train_au_meet_expectation',
      'summary.json metric.train_throughput_samples_per_second',
    ],
  )
})

test('Infinity is no number that anything agrees with', () => {
  const run = copyRun(twoRanks, join(folder, 'infinity'))
  const path = join(run, 'summary.json')
  writeFileSync(path, readFileSync(path, 'utf8').replace(/("train_au_mean_percentage": )[\d.]+/, '$1Infinity'))
  assert.deepEqual(
    aggregated([run]).runs[0]!.differences.map(({ key, stored }) => [key, stored]),
    [['metric.train_au_mean_percentage', 'Infinity']],
  )
})

test('a summary whose numbers are NaN, as upstream leaves them, is compared in the rest', () => {
  const run = copyRun('05-up-checkpoint-r2', join(folder, 'nan'))
  editJson(run, 'summary.json', ({ metric }) => {
    metric.save_checkpoint_io_mean_GB_per_second = null
  })
  assert.deepEqual(aggregated([run]).runs[0]!.differences, [])
})
