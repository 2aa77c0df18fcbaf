// The rules by which one run is called worse than another.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareRuns, noiseOf, workDifferences } from '#src/compare/compare.js'
import type { MeasuredRun } from '#src/compare/measured.js'
import { type Quantity, quantitiesOf } from '#src/compare/quantities.js'
import { describeDifferences, renderComparison } from '#src/compare/table.js'
import { DataError } from '#src/errors.js'
import { paletteFor } from '#src/output/text.js'

function run(quantities: readonly Quantity[], more: Partial<MeasuredRun> = {}): MeasuredRun {
  return { path: 'results/a', program: 'dl-driver', complete: true, work: {}, quantities, ...more }
}

const quantity = (better: Quantity['better'], value: number, more: Partial<Quantity> = {}): Quantity => ({
  key: 'x',
  title: 'X',
  unit: 's',
  better,
  value,
  ...more,
})

/** The verdict on a change from `base` to `value` at a threshold of 5 %. */
function verdict(base: Quantity, other: Quantity, threshold = 5): string {
  return compareRuns(run([base]), run([other]), threshold).quantities[0]!.verdict
}

test('what should be high is worse when it falls, what should be low when it rises', () => {
  assert.equal(verdict(quantity('higher', 100), quantity('higher', 94)), 'regression')
  assert.equal(verdict(quantity('higher', 100), quantity('higher', 106)), 'improvement')
  assert.equal(verdict(quantity('lower', 100), quantity('lower', 106)), 'regression')
  assert.equal(verdict(quantity('lower', 100), quantity('lower', 94)), 'improvement')
})

test('a change up to the threshold is none', () => {
  assert.equal(verdict(quantity('higher', 100), quantity('higher', 95)), 'same')
  assert.equal(verdict(quantity('higher', 100), quantity('higher', 94), 7), 'same')
  assert.equal(verdict(quantity('higher', 100), quantity('higher', 99.9), 0), 'regression')
})

test('a change from 0 has no percentage, but a direction', () => {
  const [row] = compareRuns(run([quantity('lower', 0)]), run([quantity('lower', 1)]), 5).quantities
  assert.deepEqual([row!.verdict, 'changePercent' in row!], ['regression', false])
  assert.equal(verdict(quantity('lower', 0), quantity('lower', 0)), 'same')
})

test('noise is two standard errors of the difference of the means, and needs three epochs in both runs', () => {
  // Variances (n − 1) 4 and 1, over 3 and 4 epochs.
  const noise = noiseOf(
    [8, 10, 12],
    [9, 9, 10, 10].map((value) => 10 + (value - 9.5) * Math.sqrt(3)),
  )
  assert.ok(Math.abs(noise! - 2 * Math.sqrt(4 / 3 + 1 / 4)) < 1e-12)
  assert.equal(noiseOf([1, 2], [1, 2, 3]), undefined)
  assert.equal(noiseOf([1, 2, 3], [1, 2]), undefined)
})

test('a fall that the spread of the epochs explains is noise, the same fall of steady epochs is not', () => {
  const of = (value: number, spread: number) => quantity('higher', value, { byEpoch: [value - spread, value, value + spread] })
  assert.equal(verdict(of(100, 20), of(90, 20)), 'within noise')
  assert.equal(verdict(of(100, 1), of(90, 1)), 'regression')
})

test('quantiles of too few samples are shown and not judged', () => {
  assert.equal(verdict(quantity('lower', 100, { isRough: true }), quantity('lower', 900)), 'not judged')
  const rough = (count: number) =>
    quantitiesOf({ histograms: { readUs: { count, p50Us: 1, p90Us: 1, p99Us: 1, p999Us: 1 } } }, 'f').map(({ isRough }) => isRough === true)
  assert.deepEqual(rough(19), [true, true, true, true])
  assert.deepEqual(rough(100), [false, false, true, true])
  assert.deepEqual(rough(10_000), [false, false, false, false])
})

test('a quantity that one run lacks is named and never a regression', () => {
  const comparison = compareRuns(run([quantity('higher', 1)]), run([quantity('higher', 1, { key: 'y', title: 'Y' })]), 5)
  assert.deepEqual(
    comparison.quantities.map(({ key, base, new: other, verdict }) => [key, base, other, verdict]),
    [
      ['x', 1, null, 'missing'],
      ['y', null, 1, 'missing'],
    ],
  )
  assert.match(renderComparison(comparison, paletteFor(false, {})), /X .* not in new\nY .* not in base\n/)
})

test('facts that both know must be equal, whatever the order of their keys; unknown ones may be anything', () => {
  const base = run([], { work: { ranks: 1, time: { type: 'normal', mean: 1 }, semantics: 'upstream' } })
  assert.deepEqual(workDifferences(base, run([], { work: { ranks: 1, time: { mean: 1, type: 'normal' } } })), [])
  const differing = workDifferences(base, run([], { work: { ranks: 2, time: { mean: 1, type: 'normal' }, semantics: 'mlcommons' } }))
  assert.equal(describeDifferences(differing), 'ranks: 1 and 2; semantics: upstream and mlcommons')
  assert.deepEqual(workDifferences(base, { ...base, complete: false }), [{ what: 'complete', base: true, new: false }])
})

test('client CPU is taken per sample and per byte asked', () => {
  const found = quantitiesOf({ client: { cpuSeconds: 2 }, io: { samplesRead: 1000, bytesAsked: 4e9 } }, 'f')
  assert.deepEqual(
    found.map(({ key, value, better }) => [key, value, better]),
    [
      ['client.cpuUsPerSample', 2000, 'lower'],
      ['client.cpuSecondsPerGB', 0.5, 'lower'],
    ],
  )
})

test('without a measured window the overall throughput stands in', () => {
  const keys = quantitiesOf({ train: { auPercentByEpoch: [null], samplesPerSecondByEpoch: [null], overallSamplesPerSecond: 3 } }, 'f')
  assert.deepEqual(
    keys.map(({ key }) => key),
    ['train.overallSamplesPerSecond'],
  )
})

for (const [name, fields, message] of [
  ['a number that is text', { train: { auPercent: '90' } }, /train\.auPercent must be a finite number, not "90"/],
  ['a list in place of a section', { train: [] }, /train must be an object, not \[\]/],
  ['an epoch that is text', { train: { auPercentByEpoch: [1, 'x'] } }, /train\.auPercentByEpoch\[1\] must be a finite number/],
  ['a histogram that is a number', { histograms: { readUs: 3 } }, /histograms\.readUs must be an object, not 3/],
] as const)
  test(`${name} is refused with file and key`, () => {
    assert.throws(
      () => quantitiesOf(fields, 'a/result.json'),
      (error) => error instanceof DataError && error.uri === 'a/result.json' && message.test(error.message),
    )
  })
