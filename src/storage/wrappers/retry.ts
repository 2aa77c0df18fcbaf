// Trying again: exponential back-off with jitter, within a number of attempts and a budget of time.

export interface RetryPolicy {
  /** Attempts, the first one included. */
  readonly maxAttempts: number
  /** Milliseconds from the first attempt on within which another one may begin. */
  readonly budgetMs: number
  /** Upper bound of the first pause; it doubles with each attempt up to `maxDelayMs`. The pause is drawn between half of the bound and the bound. */
  readonly baseDelayMs: number
  readonly maxDelayMs: number
}

/** What is known when an attempt has failed. */
export interface FailedAttempt {
  readonly error: unknown
  /** Attempts so far, from 1. */
  readonly attempts: number
  readonly elapsedMs: number
}

/** `retry` after the policy's pause (or `afterMs`, where that is longer), `again` at once and without counting as an attempt, or give up. */
export interface Verdict {
  readonly next: 'retry' | 'again' | 'giveUp'
  readonly afterMs?: number | undefined
}

export interface Retrying {
  judge(failed: FailedAttempt): Verdict
  /** Another attempt will follow. */
  retries(failed: FailedAttempt): void
  /** The error that people see when it is given up; `reason` says why where the attempts or the budget are used up. */
  giveUp(failed: FailedAttempt, reason: string | undefined): unknown
  /** Waits that long, or less where there is nothing left to wait for. */
  sleep(durationMs: number): Promise<void>
}

/**
 * Goes on after a first attempt has failed: runs `attempt` until it succeeds or is given up, and says how many attempts it took, the first
 * one included. (The first attempt is the caller's, so that what succeeds at once costs nothing.) Throws what `giveUp` makes.
 */
export async function withRetry(
  first: { readonly error: unknown; readonly beginMs: number },
  attempt: () => Promise<void>,
  policy: RetryPolicy,
  retrying: Retrying,
): Promise<number> {
  let { error } = first
  for (let attempts = 1; ; attempts++) {
    const failed = { error, attempts, elapsedMs: performance.now() - first.beginMs }
    const verdict = retrying.judge(failed)
    if (verdict.next === 'giveUp') throw retrying.giveUp(failed, undefined)
    if (verdict.next === 'again') attempts--
    else if (attempts >= policy.maxAttempts) throw retrying.giveUp(failed, `${policy.maxAttempts} attempts are used up`)
    const delayMs = verdict.next === 'again' ? 0 : Math.max(pauseMs(policy, attempts), verdict.afterMs ?? 0)
    if (failed.elapsedMs + delayMs > policy.budgetMs)
      throw retrying.giveUp(failed, `the next attempt would begin after the ${policy.budgetMs / 1000} s that retries may take`)
    retrying.retries(failed)
    if (verdict.next === 'retry') await retrying.sleep(delayMs)
    try {
      await attempt()
      return attempts + 1
    } catch (next) {
      error = next
    }
  }
}

/** The pause after attempt `attempts`: drawn from [bound / 2, bound), so that clients that failed together do not come back together. */
export function pauseMs({ baseDelayMs, maxDelayMs }: RetryPolicy, attempts: number, draw: () => number = Math.random): number {
  const boundMs = Math.min(baseDelayMs * 2 ** (attempts - 1), maxDelayMs)
  return boundMs * (0.5 + draw() / 2)
}
