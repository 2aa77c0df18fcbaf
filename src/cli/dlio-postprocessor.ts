// `dlio_postprocessor`: DLIO's report of a finished run, from output folders of DLIO of any age or of this program.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { dlioReport } from '../aggregate/dlio-report.js'
import type { GivenFacts } from '../aggregate/facts.js'
import { findResultFolders } from '../aggregate/find.js'
import { readIostat } from '../aggregate/iostat.js'
import { type Job, loadJobs } from '../aggregate/jobs.js'
import { ConfigError, RunError } from '../errors.js'
import { writeAtomically } from '../output/atomic.js'
import { printable } from '../output/text.js'
import { reportError } from './errors.js'

const help = `dlio_postprocessor of dl-driver: writes DLIO's report (DLIO_<name>_report.txt) of a finished run into its output folder.

usage: dlio_postprocessor [-of DIR] [OPTION...]

  -of, --output-folder DIR     output folder of the run, of DLIO or of dl-driver (default ./output)
  -n, --name NAME              name of the run (default: the model's)
  -bs, --batch-size N          samples a batch, where the folder has no configuration
  -bse, --batch-size-eval N    samples a batch of evaluation, likewise
  -h, --help

Tables of throughput, disks and processors are there where the run was profiled with iostat (workflow.profiling). What DLIO's program takes beside these
(-hf, -np, -e, -de, -c, -d) is accepted and told by the folder itself.

Example: dlio_postprocessor -of hydra_log/unet3d/2026-11-22-12-00-00
`

const options = new Map<string, 'folder' | 'name' | 'batchSize' | 'batchSizeEval' | 'told'>([
  ['-of', 'folder'],
  ['--output-folder', 'folder'],
  ['-n', 'name'],
  ['--name', 'name'],
  ['-bs', 'batchSize'],
  ['--batch-size', 'batchSize'],
  ['-bse', 'batchSizeEval'],
  ['--batch-size-eval', 'batchSizeEval'],
  ...['-hf', '--hydra-folder', '-np', '--num-proc', '-e', '--epochs', '-de', '--do-eval', '-c', '--do-checkpoint', '-d', '--debug'].map(
    (name) => [name, 'told'] as const,
  ),
])

/** Runs the program with the arguments behind its name, and sets the exit code. */
export function main(argv: readonly string[]): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  try {
    run(argv)
  } catch (error) {
    process.exitCode = reportError(error)
  }
}

function run(argv: readonly string[]): void {
  if (argv.includes('-h') || argv.includes('--help')) {
    process.stdout.write(help)
    return
  }
  const { folder = './output', name, ...sizes } = parseArguments(argv)
  const job = jobIn(folder, sizes)
  const iostatPath = join(folder, 'iostat.json')
  const iostat = existsSync(iostatPath) ? readIostat(iostatPath) : undefined
  if (iostat === undefined)
    process.stderr.write(
      `warning: ${printable(iostatPath)} is missing, so there are no tables; run with ++workload.workflow.profiling=True\n`,
    )
  const title = name ?? job.facts?.modelName ?? ''
  const file = title === '' ? 'DLIO_report.txt' : `DLIO_${title.replace(/[^\w.-]/g, '_')}_report.txt`
  writeAtomically(join(folder, file), dlioReport({ name: title, job, iostat }))
  process.stdout.write(`${printable(join(folder, file))}\n`)
}

interface Arguments extends GivenFacts {
  readonly folder?: string
  readonly name?: string
}

function parseArguments(argv: readonly string[]): Arguments {
  const found: Record<string, string | number> = {}
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i]!
    const [, option = argument, attached] = /^(--[a-z-]+)=([\s\S]*)$/.exec(argument) ?? []
    const key = options.get(option)
    if (key === undefined) throw new ConfigError(`unrecognized argument ${printable(argument)}; run dlio_postprocessor --help`)
    const value = attached ?? argv[++i]
    if (value === undefined) throw new ConfigError(`argument ${option}: expected one argument`)
    if (key === 'batchSize' || key === 'batchSizeEval') {
      if (!/^[1-9]\d{0,8}$/.test(value))
        throw new ConfigError(`argument ${option}: a whole number of at least 1 is needed, not ${printable(value)}`)
      found[key] = Number(value)
    } else if (key !== 'told') found[key] = value
  }
  return found
}

function jobIn(folder: string, given: GivenFacts): Job {
  const here = findResultFolders([folder]).filter(({ path }) => path === join(folder))
  const { jobs, skipped } = loadJobs(here, given)
  const [job] = jobs
  if (job !== undefined && job.ranks[0]!.record.epochs.length > 0) return job
  throw new RunError(skipped[0]?.problem ?? `${folder} holds no results of a run: summary.json and 0_output.json are looked for`)
}
