import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { dlioMetric, joinEvaluations, joinTraining } from '#src/metrics/dlio-metric.js'
import {
  blockFigures,
  busyAndTotal,
  describeBlock,
  epochFigures,
  evaluationFigures,
  type FormulaName,
  formulas,
  stepWindow,
} from '#src/metrics/formulas.js'
import { checkpointSeconds, summarize } from '#src/metrics/summary.js'
import { client, epochOf, figuresOf, inputOf, settings, stepsOf, workedExample } from './samples.js'

const rule = { excludeStartSteps: 1, excludeEndSteps: 0, plannedSteps: 5 }
const near = (actual: number | null | undefined, expected: number, where = '') =>
  assert.ok(
    typeof actual === 'number' && Math.abs(actual - expected) < 1e-5 * Math.max(1, Math.abs(expected)),
    `${where} ${actual} is not ${expected}`,
  )

test('the worked example has the AU and throughput of each formula', () => {
  const expected: Record<FormulaName, [number, number][]> = {
    default: [
      [40, 3.2],
      [33.33333, 2.666667],
    ],
    'mlcommons-exact': [
      [40, 3.2],
      [33.33333, 2.666667],
    ],
    'upstream-exact': [
      [40, 2.4],
      [33.33333, 2.0],
    ],
    'v1.0-exact': [
      [40, 20 / 7],
      [33.33333, 20 / 7],
    ],
  }
  for (const [name, ranks] of Object.entries(expected))
    ranks.forEach(([au, rate], rank) => {
      const figures = blockFigures(workedExample[rank]!, 4, rule, formulas[name as FormulaName])
      near(figures.auPercent, au, `${name} rank ${rank} AU`)
      near(figures.samplesPerSecond, rate, `${name} rank ${rank} throughput`)
    })
})

test('the worked example joins its ranks by mean AU and summed throughput, and its epochs by mean and population deviation', () => {
  const record = inputOf(
    workedExample.map((steps) => [epochOf(1, [steps])]),
    5,
  )
  const upstream = summarize(record, settings, 'upstream-exact').metric
  near(upstream.train_au_mean_percentage, 36.66667)
  near(upstream.train_throughput_mean_samples_per_second, 4.4)
  near(upstream.train_io_mean_MB_per_second, 0.275)
  const own = summarize(record, settings).metric
  near(own.train_throughput_mean_samples_per_second, 5.866667)
  near(own.train_io_mean_MB_per_second, 0.366667)

  // With a second epoch of AU 50 and 5.4 samples/s.
  const ranks = workedExample.map((steps, rank) => ({
    rank,
    epochs: [
      { epoch: 1, blocks: [blockFigures(steps, 4, rule, formulas['upstream-exact'])] },
      { epoch: 2, blocks: [figuresOf(50, 2.7, 5)] },
    ],
  }))
  const both = dlioMetric(settings, [], joinTraining(ranks, formulas['upstream-exact']), undefined)
  near(both.train_au_mean_percentage, 43.33333)
  near(both.train_au_stdev_percentage, 6.666667)
  near(both.train_throughput_mean_samples_per_second, 4.9)
  near(both.train_throughput_stdev_samples_per_second, 0.5)
  near(both.train_io_mean_MB_per_second, 0.30625)
  near(both.train_io_stdev_MB_per_second, 0.03125)
})

test('in the worked example, excluding the last step too gives AU 37.5 and 32, and 5.4 samples/s under either formula', () => {
  const end1 = { ...settings, excludeEndSteps: 1 }
  const record = inputOf(
    workedExample.map((steps) => [epochOf(1, [steps])]),
    5,
  )
  for (const name of ['default', 'upstream-exact', 'mlcommons-exact'] as const) {
    const { metric, train } = summarize(record, end1, name)
    near(metric.train_au_mean_percentage, 34.75)
    near(metric.train_throughput_mean_samples_per_second, 5.4)
    assert.deepEqual(train?.excluded, { startSteps: 1, endSteps: 1, steps: 2, measuredSteps: 3 })
    near(train?.slowestRank?.auPercent, 32)
    assert.deepEqual([train?.slowestRank?.rank, train?.fastestRank?.rank], [1, 0])
  }
})

test('the expectation is met from the target on', () => {
  const record = inputOf(
    workedExample.map((steps) => [epochOf(1, [steps])]),
    5,
  )
  const verdictAt = (targetAuPercent: number) => summarize(record, { ...settings, targetAuPercent }).metric.train_au_meet_expectation
  assert.equal(verdictAt(36), 'success')
  assert.equal(verdictAt(37), 'fail')
})

test('evaluations of two ranks are joined one by one, where DLIO concatenates them and divides AU by the ranks', () => {
  const ranks = [
    [90, 88],
    [80, 78],
  ].map((aus, rank) => ({
    rank,
    epochs: aus.map((au, i) => ({ epoch: i + 1, blocks: [], evaluation: figuresOf(au, 10, 4) })),
  }))
  assert.deepEqual(joinEvaluations(ranks, formulas['upstream-exact']).auPercent, [45, 44, 40, 39])
  assert.deepEqual(joinEvaluations(ranks, formulas['mlcommons-exact']).samplesPerSecond, [10, 10, 10, 10])
  assert.deepEqual(joinEvaluations(ranks, formulas.default), { auPercent: [85, 83], samplesPerSecond: [20, 20] })
})

test('an evaluation counts all its steps over its wall time, and windows only its AU', () => {
  const steps = stepsOf(0, 4, [2, 1, 1], [0.5, 0.5, 0.5])
  const figures = evaluationFigures(steps, 2, { excludeStartSteps: 1, excludeEndSteps: 0, plannedSteps: 3 }, formulas.default)
  near(figures.samplesPerSecond, 1.5)
  near(figures.auPercent, 50)
})

test('a run of one step has no AU and says how many steps it needs, while its overall rate is true', () => {
  const record = inputOf([[epochOf(1, [stepsOf(0, 2, [2], [0.5])])]], 1)
  const { metric, train, warnings } = summarize(record, settings)
  assert.deepEqual(metric, {})
  assert.deepEqual(train?.tooFewSteps, { need: 2, have: 1 })
  assert.equal(train?.auPercent, undefined)
  near(train?.overallSamplesPerSecond, 2)
  assert.match(warnings[0]!.message, /a block has 1 and needs 2, since the first 1 and the last 0 are excluded/)
})

test('a run of one step has true numbers when nothing is excluded', () => {
  const record = inputOf([[epochOf(1, [stepsOf(0, 2, [2], [0.5])])]], 1)
  const { metric } = summarize(record, { ...settings, excludeStartSteps: 0 })
  near(metric.train_au_mean_percentage, 25)
  near(metric.train_throughput_mean_samples_per_second, 2)
})

test('upstream counts two steps less whatever is excluded, so short blocks have none or negative throughput there', () => {
  const one = stepsOf(0, 3, [2], [0.5])
  assert.ok(blockFigures(one, 4, { ...rule, plannedSteps: 1 }, formulas['upstream-exact']).samplesPerSecond! < 0)
  const two = stepsOf(0, 3, [2, 1], [0.5, 0.5])
  assert.equal(blockFigures(two, 4, { ...rule, plannedSteps: 2 }, formulas['upstream-exact']).samplesPerSecond, 0)
})

test('more excluded steps than there are leave nothing, in DLIO a slice that counts from the end', () => {
  const wide = { excludeStartSteps: 0, excludeEndSteps: 7, plannedSteps: 5 }
  assert.deepEqual(stepWindow(5, wide, formulas.default), { begin: 0, end: 0, tailBegin: 0 })
  assert.deepEqual(stepWindow(5, wide, formulas['upstream-exact']), { begin: 0, end: 3, tailBegin: 3 })
})

test('where DLIO’s slices overlap, it takes the steps in both out of the wall time twice, and so does its exact formula', () => {
  const steps = stepsOf(0, 20, [1, 2, 3, 4, 5], [1, 1, 1, 1, 1])
  const bounds = { excludeStartSteps: 3, excludeEndSteps: 4, plannedSteps: 5 }
  assert.equal(busyAndTotal(steps, bounds, formulas['mlcommons-exact']).totalMs, 20_000 - (1 + 2 + 3) * 1000 - (2 + 3 + 4 + 5) * 1000)
  assert.deepEqual(blockFigures(steps, 1, bounds, formulas['mlcommons-exact']), {
    auPercent: 0,
    samplesPerSecond: 0,
    steps: 5,
    measuredSteps: 0,
  })
})

test('computations that end late by more than 2 % of their length are told: the client distorts the result', () => {
  const record = inputOf([[epochOf(1, [workedExample[0]])]], 5)
  const codes = (computeLagMeanMs: number) =>
    summarize({ ...record, client: { ...client, computeLagMeanMs } }, settings).warnings.map((warning) => warning.code)
  assert.deepEqual(codes(9), [])
  assert.deepEqual(codes(11), ['client-lag'])
})

test('checkpoint times are differences of stamps in whole microseconds, as DLIO subtracts them', () => {
  assert.equal(checkpointSeconds({ beginMs: 1000.0004, endMs: 1000.0019 }), 2e-6)
})

test('each block loses its first steps, and the end of the window lies in the epoch, not in the block', () => {
  const epoch = { excludeStartSteps: 2, excludeEndSteps: 3, plannedSteps: 10 }
  assert.deepEqual(stepWindow(5, epoch, formulas.default), { begin: 2, end: 5, tailBegin: 5 })
  assert.deepEqual(stepWindow(10, epoch, formulas.default), { begin: 2, end: 7, tailBegin: 7 })
})

test('blocks weigh by their steps, and blocks without figures not at all', () => {
  const blocks = [figuresOf(80, 100, 3), figuresOf(50, 40, 1), { steps: 1, measuredSteps: 0 }]
  const joined = epochFigures(blocks, formulas.default)
  near(joined.auPercent, 72.5)
  near(joined.samplesPerSecond, 85)
  assert.equal(joined.steps, 5)
})

test('a description has the computing times of the window', () => {
  const described = describeBlock(workedExample[1], 4, rule)
  near(described.computeMeanSeconds, 0.5)
  near(described.computeStdevSeconds, Math.sqrt(0.02 / 4))
  near(described.seconds, 7)
  assert.equal('computeMeanSeconds' in describeBlock(stepsOf(0, 1, [1], [1]), 4, { ...rule, plannedSteps: 1 }), false)
})

const times = fc.double({ min: 0.001, max: 10, noNaN: true })
const blockArbitrary = fc
  .array(fc.record({ load: times, compute: times, barrier: times }), { minLength: 0, maxLength: 20 })
  .map((steps) => {
    const wall = steps.reduce((total, { load, compute, barrier }) => total + load + compute + barrier, 0.001)
    return stepsOf(
      100,
      100 + wall,
      steps.map(({ load, compute }) => load + compute),
      steps.map(({ compute }) => compute),
    )
  })

test('for any block and any exclusion: AU is in (0, 100] and rates are positive, or both are absent and no step counts', () => {
  fc.assert(
    fc.property(blockArbitrary, fc.nat(25), fc.nat(25), (steps, excludeStartSteps, excludeEndSteps) => {
      const count = steps.procMs.length
      const figures = blockFigures(steps, 2, { excludeStartSteps, excludeEndSteps, plannedSteps: count }, formulas.default)
      assert.equal(figures.measuredSteps, Math.max(0, count - excludeStartSteps - excludeEndSteps))
      if (figures.measuredSteps === 0) assert.deepEqual([figures.auPercent, figures.samplesPerSecond], [undefined, undefined])
      else {
        assert.ok(figures.auPercent! > 0 && figures.auPercent! <= 100 + 1e-9)
        assert.ok(figures.samplesPerSecond! > 0)
      }
    }),
  )
})

test('for any ranks and epochs: the time split adds up, shares make 100 %, and no number of a summary is NaN or infinite', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(blockArbitrary, { maxLength: 3 }), { minLength: 1, maxLength: 3 }),
      fc.nat(4),
      (ranks, excludeStartSteps) => {
        const record = inputOf(
          ranks.map((blocks) => blocks.map((block, i) => epochOf(i + 1, [block]))),
          20,
        )
        const summary = summarize(record, { ...settings, excludeStartSteps })
        const split = summary.timeSplit
        if (split) {
          near(split.waitingSeconds + split.computingSeconds + split.restSeconds, split.wallSeconds)
          near(split.waitingPercent + split.computingPercent + split.restPercent, 100)
        }
        JSON.stringify(summary, (key, value: unknown) => {
          assert.ok(typeof value !== 'number' || Number.isFinite(value), key)
          return value
        })
      },
    ),
  )
})

test('for any block: the fork’s own formula agrees with the default one wherever that measures', () => {
  fc.assert(
    fc.property(blockArbitrary, fc.nat(3), fc.nat(3), (steps, excludeStartSteps, excludeEndSteps) => {
      const bounds = { excludeStartSteps, excludeEndSteps, plannedSteps: steps.procMs.length }
      const own = blockFigures(steps, 2, bounds, formulas.default)
      if (own.auPercent !== undefined) assert.deepEqual(own, blockFigures(steps, 2, bounds, formulas['mlcommons-exact']))
    }),
  )
})
