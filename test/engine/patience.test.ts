// How long threads that were asked to end are waited for.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { onceIdle } from '#src/engine/patience.js'

/** Waits with a clock of its own, on a process that uses `shareAt(ms)` of a processor; returns when it is given up. */
function givenUpMs(t: TestContext, graceMs: number, shareAt: (ms: number) => number): number | undefined {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let nowMs = 0
  let usedMs = 0
  let endMs: number | undefined
  const end = onceIdle(
    graceMs,
    () => {
      endMs = nowMs
    },
    () => usedMs,
  )
  while (nowMs < 120_000 && endMs === undefined) {
    nowMs += 10
    usedMs += 10 * shareAt(nowMs)
    t.mock.timers.tick(10)
  }
  end()
  return endMs
}

test('threads that do nothing are given up after the grace', (t) =>
  assert.equal(
    givenUpMs(t, 3000, () => 0.001),
    3000,
  ))

test('threads that get a little of a busy machine are waited for, from the last of their work on', (t) =>
  assert.equal(
    givenUpMs(t, 3000, (ms) => (ms <= 12_000 ? 0.03 : 0)),
    15_000,
  ))

test('threads that work without an end are given up after twenty seconds', (t) =>
  assert.equal(
    givenUpMs(t, 3000, () => 1),
    20_000,
  ))

test('who has ended is not given up any more', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const end = onceIdle(
    3000,
    () => assert.fail('it was given up'),
    () => 0,
  )
  t.mock.timers.tick(2900)
  end()
  t.mock.timers.tick(10_000)
})
