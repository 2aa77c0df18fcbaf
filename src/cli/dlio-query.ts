// `dlio_benchmark_query`: prints the value of one key of a composed configuration (DLIO main.query_config). Nothing is run or written.
import { loadValues } from '../config/load.js'
import { printable } from '../config/problems.js'
import { queryValue } from '../config/query.js'
import { toPlain } from '../config/tree.js'
import { RunError } from '../errors.js'
import { packageInfo } from '../package.js'
import { select } from './hydra/apply.js'
import { parseArguments } from './hydra/arguments.js'
import { compose, resolvedJob, runFolders, type Surroundings } from './hydra/compose.js'
import { runProgram } from './hydra/program.js'

const help = `dlio_benchmark_query of dl-driver: prints the value of one key of a DLIO workload.

usage: dlio_benchmark_query workload=NAME ++workload.workflow.query=KEY [OVERRIDE...] [OPTION...]

KEY is dotted: reader.batch_size, dataset.num_files_train, model.parallelism.tensor. Where the workload does not give it, DLIO's default is
printed; None where there is none, or no such key. Overrides and options are those of dlio_benchmark. Nothing is run or written.

Example: dlio_benchmark_query workload=unet3d_h100 ++workload.workflow.query=reader.batch_size
`

/** Runs the program with the arguments behind its name, and sets the exit code. */
export function main(argv: readonly string[]): void {
  runProgram(async () => query(argv, { cwd: process.cwd(), env: process.env, now: new Date() }))
}

function query(argv: readonly string[], surroundings: Surroundings): number {
  const args = parseArguments(argv)
  if (args.help || args.hydraHelp) return print(help)
  if (args.version) return print(`${packageInfo().version}\n`)
  const composition = compose(args, surroundings)
  if (composition.workload === undefined)
    throw new RunError("Key 'workload' is not in struct: the command line took the workload away; give workload=NAME")
  const job = resolvedJob(composition, surroundings)
  const asked = select(job, ['workload', 'workflow', 'query'])
  const key = asked && toPlain(asked)
  if (typeof key !== 'string') {
    process.stderr.write('no key was asked for; give ++workload.workflow.query=KEY\n')
    return print('None\n')
  }
  const answer = queryValue(loadValues(job), key, () => runFolders(composition, surroundings).outputDir)
  if (answer.kind === 'secret') throw new RunError(`${printable(key)} is a secret, which is not printed`)
  if (answer.kind === 'unknown') process.stderr.write(`${printable(key)} is no key of DLIO\n`)
  return print(answer.kind === 'value' ? `${answer.text}\n` : 'None\n')
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}
