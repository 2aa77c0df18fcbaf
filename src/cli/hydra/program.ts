// What the programs with Hydra's command line share: readers that go away, and how errors end them.
import { failIfForgotten, reportError } from '../errors.js'
import { HydraError } from './errors.js'

/** Runs a program to its exit code. */
export function runProgram(run: () => Promise<number>): void {
  // Readers that went away (`| head`, a launcher that died) are no error: the log is in the run's folder too.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  const job = run().then(
    (code) => {
      process.exitCode = code
    },
    (error: unknown) => {
      process.exitCode = reportHydra(error)
    },
  )
  failIfForgotten(job)
}

/** Tells people of an error. DLIO ends with 1 whatever is wrong with a job. */
export function reportHydra(error: unknown): number {
  if (error instanceof HydraError) {
    process.stderr.write(`${error.message}\n`)
    return error.exitCode
  }
  return Math.min(reportError(error), 1)
}
