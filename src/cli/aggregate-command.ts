// What `dl-driver aggregate` does: find the folders, read them, compute, print.
import { findResultFolders } from '../aggregate/find.js'
import { loadJobs } from '../aggregate/jobs.js'
import { recompute } from '../aggregate/recompute.js'
import { aggregateResult, aggregateRun, renderRun } from '../aggregate/report.js'
import { RunError } from '../errors.js'
import { paletteFor, printable } from '../output/text.js'
import type { AggregateOptions } from './aggregate.js'

/** Runs the command and returns the exit code. Throws StorageError for a folder that cannot be listed, RunError where nothing is usable. */
export function aggregateCommand(folders: readonly string[], options: AggregateOptions): number {
  const found = findResultFolders(folders)
  if (found.length === 0)
    throw new RunError(
      `no results in ${folders.join(', ')}: looked for 0_output.json, summary.json and result.json there and below; name the output folder of a run (DLIO's hydra.run.dir)`,
    )
  const { jobs, skipped } = loadJobs(found, options)
  for (const { problem } of skipped) process.stderr.write(`skipped: ${printable(problem)}\n`)
  if (jobs.length === 0) throw new RunError(`none of ${counted(found.length, 'result folder')} could be used`)
  const runs = jobs.map((job) => aggregateRun(job, recompute(job)))
  if (options.json === true) process.stdout.write(`${JSON.stringify(aggregateResult(runs, skipped), null, 2)}\n`)
  else {
    const palette = paletteFor(process.stdout.isTTY, process.env)
    process.stdout.write(runs.map((run) => renderRun(run, palette)).join('\n'))
  }
  const differing = runs.filter(({ stored }) => stored.differences.length > 0).length
  if (runs.length > 1 || skipped.length > 0)
    process.stderr.write(
      `${counted(runs.length, 'run')} computed, ${differing} with differing numbers, ${counted(skipped.length, 'folder')} skipped\n`,
    )
  return options.strict === true && (skipped.length > 0 || differing > 0) ? 1 : 0
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
