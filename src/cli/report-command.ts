// What `dl-driver report` does: read the runs, refuse what is none, draw the page, write it.
import { statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ConfigError } from '../errors.js'
import { fileError, writeAtomically } from '../output/atomic.js'
import { decimalBytes, paletteFor, printable } from '../output/text.js'
import { doubts, headlines } from '../report/headline.js'
import { reportPage } from '../report/page.js'
import { loadRuns, type ReportRun } from '../report/runs.js'
import type { ReportOptions } from './report.js'
import { writeLines } from './write-lines.js'

const standardOutput = '-'

/**
 * Runs the command and returns the exit code. Throws ConfigError for an output file that must not be written, StorageError where writing
 * fails. Folders that cannot be used are named one a line.
 */
export async function reportCommand(folders: readonly string[], options: ReportOptions): Promise<number> {
  const { output: named, ...given } = options
  if (named !== undefined) refuseOutput(named)
  const output = named ?? (folders.length === 1 ? join(folders[0]!, 'report.html') : 'report.html')
  const { runs, problems } = loadRuns(folders, given)
  if (problems.length > 0) {
    for (const problem of problems) process.stderr.write(`error: ${printable(problem)}\n`)
    return 2
  }
  const page = reportPage(runs)
  await write(output, page)
  const palette = paletteFor(process.stderr.isTTY, process.env)
  process.stderr.write(runs.map((run) => `${palette.bold(printable(run.label))}: ${printable(summaryLine(run))}\n`).join(''))
  if (output !== standardOutput) process.stderr.write(`report: ${printable(output)} (${decimalBytes(Buffer.byteLength(page))})\n`)
  return 0
}

/** Errors: ConfigError for a name that the page must not be written to. */
function refuseOutput(output: string): void {
  if (output === standardOutput) return
  const refuse = (problem: string) => {
    throw new ConfigError(`--output ${printable(output)}: ${problem}`)
  }
  const stat = statSync(output, { throwIfNoEntry: false })
  if (stat?.isDirectory()) refuse('is a folder; name a file in it')
  if (stat !== undefined && !stat.isFile()) return
  // An existing file is replaced: no slip of the fingers may cost a result.json.
  if (!/\.html?$/i.test(output)) refuse('the name must end with .html')
  if (!statSync(dirname(output), { throwIfNoEntry: false })?.isDirectory()) refuse(`there is no folder ${printable(dirname(output))}`)
}

/** Replaces a file at once; into a pipe or device the page is written as it stands. Errors: StorageError. */
async function write(output: string, page: string): Promise<void> {
  if (output === standardOutput) return writeLines(process.stdout, [page])
  const stat = statSync(output, { throwIfNoEntry: false })
  if (stat === undefined || stat.isFile()) return writeAtomically(output, page)
  try {
    writeFileSync(output, page)
  } catch (error) {
    throw fileError(output, 'write', error)
  }
}

function summaryLine(run: ReportRun): string {
  const figures = headlines(run).map(({ title, text, note }) => `${title} ${text}${note === undefined ? '' : ` (${note})`}`)
  const bound = run.result?.train ? [`bound by ${run.result.verdict.boundBy}`] : []
  const count = doubts(run).length
  return (
    [...figures, ...bound, ...(count > 0 ? [`${count} warning${count === 1 ? '' : 's'}, in the report`] : [])].join('; ') ||
    'nothing was measured'
  )
}
