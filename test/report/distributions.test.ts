import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { findResultFolders } from '#src/aggregate/find.js'
import { loadJobs } from '#src/aggregate/jobs.js'
import { commonBins, mergedDistribution, stepCourse, stepDistribution } from '#src/report/distributions.js'
import { microsecondsText, tickBytes, tickNumber } from '#src/report/format.js'
import { timeTicks } from '#src/report/histogram-chart.js'
import { distinctLabels } from '#src/report/runs.js'
import { readJsonFile, runsFolder } from '../aggregate/folders.js'
import { latencies } from './samples.js'

const total = (values: Iterable<number>) => [...values].reduce((sum, value) => sum + value, 0)

test('bins hold every record once, each within a bin of where it lies', () => {
  const us = Array.from({ length: 5000 }, (_, i) => 40 * 1.0015 ** i)
  const bins = commonBins([latencies(...us)])!
  const [shares] = bins.shares
  assert.ok(Math.abs(total(shares!) - 100) < 1e-9)
  assert.ok(shares!.length <= 49)
  let below = 0
  shares!.forEach((share, bin) => {
    below += share
    const end = 10 ** (bins.begin + (bin + 1) * bins.width)
    const truth = (100 * us.filter((one) => one < end).length) / us.length
    assert.ok(Math.abs(below - truth) < 1, `below ${end} µs ${below} %, but ${truth} %`)
  })
})

test('distributions share their bins; one that is faster lies left of one that is slower', () => {
  const bins = commonBins([latencies(100, 101, 102), latencies(10_000, 10_100), { ...latencies(5), bucketsUs: undefined }])!
  const [fast, slow, none] = bins.shares
  assert.ok(Math.abs(total(fast!) - 100) < 1e-9 && Math.abs(total(slow!) - 100) < 1e-9)
  assert.equal(total(none!), 0)
  const last = fast!.findLastIndex((share) => share > 0)
  const first = slow!.findIndex((share) => share > 0)
  assert.ok(last < first)
})

test('equal latencies, latencies below a microsecond and no latencies at all are drawn too', () => {
  for (const summary of [latencies(250, 250), latencies(0, 0.2), latencies(0.5, 4e9), latencies(5e9)]) {
    const bins = commonBins([summary])!
    assert.ok(Math.abs(total(bins.shares[0]!) - 100) < 1e-9, JSON.stringify(summary))
    assert.ok(bins.width > 0 && bins.shares[0]!.length >= 1)
  }
  assert.equal(commonBins([]), undefined)
})

test('endpoints are merged by their buckets: counts add up, extremes are the outermost', () => {
  const merged = mergedDistribution([latencies(100, 200), latencies(50, 900, 901)])!
  assert.deepEqual([merged.count, merged.minUs, merged.maxUs], [5, 50, 901])
  assert.ok(Math.abs(merged.p50Us - 200) < 5)
  assert.equal(mergedDistribution([]), undefined)
})

test('marks of a time axis are round, lie within it, and are few', () => {
  for (const [from, to] of [
    [30, 200_000],
    [1, 4e9],
    [10_200, 10_900],
    [9_000, 60_000],
    [100, 101],
  ] as const) {
    const ticks = timeTicks(from, to)
    assert.ok(ticks.length >= 2 && ticks.length <= 8, `${from} to ${to}: ${ticks}`)
    for (const tick of ticks) {
      assert.ok(tick >= from * 0.999 && tick <= to * 1.001)
      assert.ok(String(Number(tick.toPrecision(4))) === String(Number(tick.toPrecision(12))), `${tick} is not round`)
    }
  }
  assert.deepEqual(timeTicks(100, 20_000), [100, 300, 1000, 3000, 10_000])
  assert.deepEqual(timeTicks(100, 10_000), [100, 200, 500, 1000, 2000, 5000, 10_000])
})

test('numbers beside axes have no trailing zeros, and times choose their unit', () => {
  assert.deepEqual([0, 40e6, 160e6, 1.2e9, 1.25e9, 100].map(tickBytes), ['0 B', '40 MB', '160 MB', '1.2 GB', '1.25 GB', '100 B'])
  assert.deepEqual([0, 75, 2.5, 1000, 12_500].map(tickNumber), ['0', '75', '2.5', '1,000', '12,500'])
  assert.deepEqual([0.0003, 0.29, 125, 2656, 1.04e6, 90e6].map(microsecondsText), [
    '< 0.01 µs',
    '0.29 µs',
    '125 µs',
    '2.66 ms',
    '1.04 s',
    '1:30',
  ])
})

test('step times are those that the ranks recorded, each step of each rank once', () => {
  const folder = join(runsFolder, '11-fork-npz-torch-r2', 'out')
  const job = loadJobs(findResultFolders([folder]), {}).jobs[0]!
  const recorded = [0, 1].flatMap((rank) =>
    Object.values(readJsonFile(folder, `${rank}_output.json`)).flatMap((epoch) => {
      const proc = (epoch as { proc?: Record<string, number[]> }).proc
      return proc === undefined ? [] : Object.entries(proc).flatMap(([name, seconds]) => (name.startsWith('block') ? seconds : []))
    }),
  )
  const steps = stepDistribution(job, 'proc')!
  assert.equal(steps.count, recorded.length)
  assert.ok(Math.abs(steps.maxUs - 1e6 * Math.max(...recorded)) < 1e-3)
  assert.ok(Math.abs(steps.meanUs - (1e6 * total(recorded)) / recorded.length) < 1e-3)
  assert.ok(stepDistribution(job, 'load')!.meanUs < steps.meanUs)

  const course = stepCourse(job, 5)!
  assert.equal(course.steps, recorded.length / 2)
  assert.equal(course.firstStep.length, course.medianMs.length)
  assert.ok(course.firstStep.length <= 5 && course.firstStep[0] === 1)
  assert.ok(Math.abs(Math.max(...course.maxMs) - 1000 * Math.max(...recorded)) < 1e-6)
  const epochs = job.ranks[0]!.record.epochs
  assert.equal(course.epochBegins.length, epochs.length)
  assert.equal(course.epochBegins[1], 1 + total(epochs[0]!.blocks.map(({ procMs }) => procMs.length)))
})

test('labels are the shortest ends of the paths that differ', () => {
  assert.deepEqual(distinctLabels(['/r/before', '/r/after']), ['before', 'after'])
  assert.deepEqual(distinctLabels(['/r/one/out', '/r/two/out', '/x']), ['one/out', 'two/out', 'x'])
  assert.deepEqual(distinctLabels(['/a/1/out', '/b/1/out', '/b/2/out']), ['a/1/out', 'b/1/out', '2/out'])
})
