// What a test needs beyond Node. Where it is missing, a person's `npm test` skips the test and says why; under CI the test fails, since a
// check that is silently left out proves nothing.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import type { TestContext } from 'node:test'

/** True in continuous integration, where everything that tests need must be there. */
const inCi = !['', '0', 'false', undefined].includes(process.env.CI)

/** Skips the test with the reason, or fails it under CI. The caller returns afterwards. */
export function lacking(t: TestContext, reason: string): void {
  if (inCi) assert.fail(`${reason} (CI is set, so nothing may be skipped)`)
  t.skip(reason)
}

/** Whether a program can be started; otherwise the test is skipped or failed, see {@link lacking}. */
export function hasProgram(t: TestContext, program: string, ...args: string[]): boolean {
  const { error, status } = spawnSync(program, args, { stdio: 'ignore' })
  if (error === undefined && status === 0) return true
  lacking(t, `${program} is not installed`)
  return false
}
