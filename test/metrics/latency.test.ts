import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LatencyHistogram } from '#src/metrics/latency.js'

const latencyUs = fc.oneof(
  fc.double({ min: 1, max: 100, noNaN: true }),
  fc.double({ min: 1, max: 3.6e9, noNaN: true }),
  fc.integer({ min: 1, max: 1e6 }),
)

test('every latency from 1 µs to an hour is kept within 3 %', () => {
  fc.assert(
    fc.property(latencyUs, (us) => {
      const histogram = new LatencyHistogram()
      // Smaller and larger ones keep minimum and maximum from clamping the quantile.
      histogram.record(0)
      histogram.record(us)
      histogram.record(4e9)
      const { p50Us } = histogram.summarise()!
      assert.ok(Math.abs(p50Us - us) <= 0.03 * us, `${p50Us} for ${us}`)
    }),
  )
})

test('quantiles are those of the sorted latencies within 3 %, count, mean and extremes are exact', () => {
  fc.assert(
    fc.property(fc.array(latencyUs, { minLength: 1, maxLength: 300 }), (latencies) => {
      const histogram = new LatencyHistogram()
      for (const us of latencies) histogram.record(us)
      const sorted = latencies.toSorted((a, b) => a - b)
      const summary = histogram.summarise()!
      assert.equal(summary.count, latencies.length)
      assert.equal(summary.minUs, sorted[0])
      assert.equal(summary.maxUs, sorted.at(-1))
      assert.ok(Math.abs(summary.meanUs * latencies.length - latencies.reduce((a, b) => a + b)) < 1e-6 * summary.maxUs * latencies.length)
      for (const [fraction, actual] of [
        [0.5, summary.p50Us],
        [0.9, summary.p90Us],
        [0.99, summary.p99Us],
        [0.999, summary.p999Us],
      ] as const) {
        const expected = sorted[Math.ceil(fraction * sorted.length) - 1]!
        assert.ok(Math.abs(actual - expected) <= 0.03 * expected, `p${fraction}: ${actual} for ${expected}`)
      }
      assert.equal(
        summary.bucketsUs!.reduce((total, [, count]) => total + count, 0),
        latencies.length,
      )
    }),
  )
})

test('merging histograms equals recording everything in one', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 1e6 })), fc.array(fc.integer({ min: 1, max: 1e6 })), (left, right) => {
      const [a, b, both] = [new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram()]
      for (const us of left) a.record(us)
      for (const us of right) b.record(us)
      for (const us of [...left, ...right]) both.record(us)
      a.merge(b)
      assert.deepEqual(a.summarise(), both.summarise())
    }),
  )
})

test('buckets lie side by side: their lower bounds rise with the latency and never exceed it', () => {
  let lastUs = 0
  for (let us = 1; us < 3.6e9; us *= 1.001) {
    const histogram = new LatencyHistogram()
    histogram.record(us)
    const [[lowerUs] = [Number.NaN]] = histogram.summarise()!.bucketsUs!
    assert.ok(lowerUs! <= us && lowerUs! > us / (1 + 1 / 32) - 1 && lowerUs! >= lastUs, `${lowerUs} for ${us}`)
    lastUs = lowerUs!
  }
})

test('two histograms in one shared memory do not touch each other', () => {
  const memory = new SharedArrayBuffer(2 * LatencyHistogram.byteLength)
  const first = new LatencyHistogram(memory)
  const second = new LatencyHistogram(memory, LatencyHistogram.byteLength)
  first.record(2 ** 32)
  assert.equal(second.summarise(), undefined)
  second.record(0.5)
  assert.equal(new LatencyHistogram(memory).count, 1)
  assert.deepEqual([first.summarise()!.maxUs, second.summarise()!.minUs], [2 ** 32, 0.5])
})

test('a latency below zero counts as none, and nothing recorded has no summary', () => {
  const histogram = new LatencyHistogram()
  assert.equal(histogram.summarise(), undefined)
  histogram.record(-5)
  assert.equal(histogram.summarise()!.minUs, 0)
})
