// Metrics computed from what real DLIO runs recorded, against the numbers that DLIO itself stored.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dlioMetric, joinEvaluations, joinTraining } from '#src/metrics/dlio-metric.js'
import { formulas } from '#src/metrics/formulas.js'
import { readRecordedRank } from '#src/metrics/from-dlio.js'
import { checkpointEvents, rankFigures, summarize } from '#src/metrics/summary.js'
import { recordedRuns } from './recorded-runs.js'

const runs = recordedRuns()

function assertClose(actual: unknown, expected: unknown, tolerance: number, where: string): void {
  if (Array.isArray(expected)) {
    assert.ok(Array.isArray(actual) && actual.length === expected.length, `${where}: ${actual} instead of ${expected}`)
    expected.forEach((item, i) => {
      assertClose(actual[i], item, tolerance, `${where}[${i}]`)
    })
  } else if (typeof expected === 'number') {
    assert.ok(
      typeof actual === 'number' && Math.abs(actual - expected) <= tolerance * Math.abs(expected) + 1e-15,
      `${where}: ${actual} instead of ${expected}`,
    )
  } else assert.deepEqual(actual, expected, where)
}

test('there are recorded runs of both trees', () => {
  assert.deepEqual(new Set(runs.map(({ tree }) => tree)), new Set(['upstream', 'fork']))
})

for (const { id, out, ranks, settings, exactFormula, input, stored } of runs) {
  const formula = formulas[exactFormula]
  const recorded = Array.from({ length: ranks }, (_, rank) => readRecordedRank(out, rank))

  test(`the figures that the ranks of ${id} stored give its summary again, key for key`, () => {
    const figures = recorded.map((rank) => rank.figures)
    const metric = dlioMetric(
      settings,
      checkpointEvents(input),
      settings.trains ? joinTraining(figures, formula) : undefined,
      settings.evaluates ? joinEvaluations(figures, formula) : undefined,
    )
    assert.deepEqual(Object.keys(metric), Object.keys(stored.metric))
    for (const [key, expected] of Object.entries(stored.metric))
      assertClose(metric[key as keyof typeof metric], expected, key.includes('stdev') ? 1e-8 : 1e-9, key)
  })

  test(`AU and throughput of each block of ${id} follow from its steps, to the precision of its time stamps`, () => {
    const computed = rankFigures(input, settings, formula)
    recorded.forEach(({ figures }, rank) => {
      figures.epochs.forEach((epoch, e) => {
        const own = computed[rank]!.epochs[e]!
        const pairs = epoch.blocks.map((block, b) => [block, own.blocks[b]!, `epoch ${e + 1} block ${b + 1}`] as const)
        if (epoch.evaluation) assert.ok(own.evaluation)
        for (const [expected, actual, where] of [
          ...pairs,
          ...(epoch.evaluation ? [[epoch.evaluation, own.evaluation!, `epoch ${e + 1} eval`] as const] : []),
        ]) {
          // DLIO's block time ends at another clock reading than its stamp; 2 % is 1 to 5 ms of these short blocks.
          assertClose(actual.auPercent, expected.auPercent, 0.02, `rank ${rank} ${where} AU`)
          assertClose(actual.samplesPerSecond, expected.samplesPerSecond, 0.02, `rank ${rank} ${where} throughput`)
        }
      })
    })
  })

  test(`under the default formula ${id} has the same AU, and an evaluation AU that is not divided by the ranks`, () => {
    const exact = summarize(input, settings, exactFormula)
    const own = summarize(input, settings)
    assert.equal(own.metric.train_au_mean_percentage, exact.metric.train_au_mean_percentage)
    if (!settings.evaluates) return
    assertClose(own.metric.eval_au_mean_percentage, ranks * exact.metric.eval_au_mean_percentage!, 1e-9, 'eval AU')
    assertClose(
      own.metric.eval_throughput_mean_samples_per_second,
      ranks * exact.metric.eval_throughput_mean_samples_per_second!,
      1e-9,
      'eval throughput',
    )
  })
}
