import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { pauseMs, type Retrying, type Verdict, withRetry } from '#src/storage/wrappers/retry.js'

const policy = { maxAttempts: 5, budgetMs: 60_000, baseDelayMs: 100, maxDelayMs: 500 }

/** Runs attempts that fail as `verdicts` say, and then succeed; `slept` are the pauses. */
async function run(verdicts: readonly Verdict[]) {
  const slept: number[] = []
  let failed = 1
  let judged = 0
  let counted = 0
  const retrying: Retrying = {
    judge: () => verdicts[judged++]!,
    retries: () => {
      counted++
    },
    giveUp: ({ error }, reason) => new Error(`${(error as Error).message}; ${reason}`),
    sleep: async (durationMs) => {
      slept.push(durationMs)
    },
  }
  const attempt = async () => {
    if (failed < verdicts.length) throw new Error(`failure ${++failed}`)
  }
  const first = { error: new Error('failure 1'), beginMs: performance.now() }
  const outcome = await withRetry(first, attempt, policy, retrying).catch((error: Error) => error.message)
  return { outcome, slept, counted }
}

test('pauses grow twofold up to their bound, and are drawn from the upper half of it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (attempts, draw) => {
      const bound = Math.min(100 * 2 ** (attempts - 1), 500)
      const pause = pauseMs(policy, attempts, () => draw)
      assert.ok(pause >= bound / 2 && pause < bound)
    }),
  )
})

test('the server’s wish to wait longer is honoured, and a shorter one does not shorten the pause', async () => {
  const { outcome, slept } = await run([
    { next: 'retry', afterMs: 3000 },
    { next: 'retry', afterMs: 1 },
  ])
  assert.equal(outcome, 3)
  assert.equal(slept[0], 3000)
  assert.ok(slept[1]! >= 100 && slept[1]! < 200)
})

test('what is done again at once neither pauses nor counts as an attempt, but is recorded', async () => {
  assert.deepEqual(await run(Array.from({ length: 9 }, (): Verdict => ({ next: 'again' }))), { outcome: 1, slept: [], counted: 9 })
})

test('it ends where attempts or time are used up, or nothing can help, and no retry is counted that was not made', async () => {
  const exhausted = await run(Array.from({ length: 9 }, (): Verdict => ({ next: 'retry' })))
  assert.deepEqual([exhausted.outcome, exhausted.slept.length, exhausted.counted], ['failure 5; 5 attempts are used up', 4, 4])
  const late = await run([{ next: 'retry', afterMs: 61_000 }])
  assert.deepEqual(late, { outcome: 'failure 1; the next attempt would begin after the 60 s that retries may take', slept: [], counted: 0 })
  assert.deepEqual(await run([{ next: 'giveUp' }]), { outcome: 'failure 1; undefined', slept: [], counted: 0 })
})
