// The one place that turns an error into words on stderr and an exit code.
import { ConfigError, DlDriverError } from '../errors.js'
import { lazily } from '../package.js'

/** Prints the error for people and returns the exit code it asks for. An unexpected error keeps its stack: it is a defect of this program. */
export function reportError(error: unknown): number {
  if (error instanceof ConfigError && error.problems.length > 0) {
    const { formatProblems } = lazily<typeof import('../config/problems.js')>('config/problems.js')
    process.stderr.write(`${formatProblems(error.problems)}\n`)
    return error.exitCode
  }
  if (error instanceof DlDriverError) {
    process.stderr.write(`error: ${error.message}\n`)
    return error.exitCode
  }
  process.stderr.write(`unexpected error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  return 1
}
