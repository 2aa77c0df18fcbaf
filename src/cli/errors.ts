// The one place that turns an error into words on stderr and an exit code.
import { ConfigError, DlDriverError, RunError } from '../errors.js'
import { lazily } from '../package.js'

/** A process whose command waits for something that nobody will do ends by itself, and would end with 0. */
export function failIfForgotten(command: Promise<unknown>): void {
  let ended = false
  const end = () => {
    ended = true
  }
  command.then(end, end)
  process.once('beforeExit', () => {
    if (!ended)
      process.exitCode = reportError(new RunError('nothing is left to wait for, and the command has not come to its end: a defect'))
  })
}

/** Prints the error for people and returns the exit code it asks for. An unexpected error keeps its stack: it is a defect of this program. */
export function reportError(error: unknown): number {
  const { formatProblems, printable } = lazily<typeof import('../config/problems.js')>('config/problems.js')
  if (error instanceof ConfigError && error.problems.length > 0) {
    process.stderr.write(`${formatProblems(error.problems)}\n`)
    return error.exitCode
  }
  if (error instanceof DlDriverError) {
    // Names come from servers and files, and may hold what a terminal obeys.
    process.stderr.write(`error: ${printable(error.message)}\n`)
    return error.exitCode
  }
  process.stderr.write(`unexpected error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  return 1
}
