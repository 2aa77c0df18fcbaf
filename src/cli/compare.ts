// `dl-driver compare`: declaration of the command; the work is in compare-command.ts.
import type { Command } from 'commander'
import type { GivenFacts } from '../aggregate/facts.js'
import { lazily } from '../package.js'
import { addFactOptions } from './aggregate.js'
import { parseThreshold } from './options.js'

export interface CompareOptions extends GivenFacts {
  readonly threshold: number
  readonly force?: boolean
  readonly json?: boolean
}

const examples = `
Examples:
  dl-driver compare results/before results/after               two output folders, of dl-driver or of DLIO
  dl-driver compare base.json new.json --threshold 10 --json   two result.json files, for a pipeline

Exit codes: 0 nothing is worse; 4 something is; 1 a result cannot be read; 2 the runs did different work, or the command line is wrong.`

export function registerCompare(program: Command): void {
  const command = program
    .command('compare')
    .summary('whether one run is worse than another')
    .description(
      'Compares AU, throughput, client CPU and latencies of two runs of the same work, and exits with 4 where the new one is worse.',
    )
    .argument('<base>', 'result.json or output folder of the run to compare with')
    .argument('<new>', 'result.json or output folder of the run that is judged')
    .option('--threshold <percent>', 'changes up to this size are none', parseThreshold, 5)
    .option('--force', 'compare runs of different work too')
    .option('--json', 'print one JSON object')
  addFactOptions(command)
    .addHelpText('after', examples)
    .action((base: string, other: string, options: CompareOptions) => {
      const { compareCommand } = lazily<typeof import('./compare-command.js')>('cli/compare-command.js')
      process.exitCode = compareCommand(base, other, options)
    })
}
