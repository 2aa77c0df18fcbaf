// `dl-driver aggregate`: declaration of the command; the work is in aggregate-command.ts.
import type { Command } from 'commander'
import type { GivenFacts } from '../aggregate/facts.js'
import { lazily } from '../package.js'
import { parseCount, parsePercent, parsePositive, parseWhole } from './options.js'

export interface AggregateOptions extends GivenFacts {
  readonly json?: boolean
  readonly strict?: boolean
}

const examples = `
Examples:
  dl-driver aggregate results/unet3d                     every run below the folder, DLIO's or this program's
  dl-driver aggregate host0/run7 host1/run7 --json       one job whose hosts wrote folders of their own
  dl-driver aggregate old/run --batch-size 7 --record-bytes 146600628    results without their configuration

Exit codes: 0 done; 1 nothing usable was found, or, under --strict, something was skipped or differs; 2 the command line is wrong.`

export function registerAggregate(program: Command): void {
  const command = program
    .command('aggregate')
    .summary('compute metrics of finished runs again, and check stored ones')
    .description(
      'Computes AU, throughput and I/O rates again from the steps that runs recorded (of DLIO back to v1.0, or of dl-driver), and says where stored numbers differ.',
    )
    .argument('<DIR...>', 'folders of runs, or folders that hold such folders')
    .option('--json', 'print one JSON object; `metric` has the keys of DLIO’s summary.json')
    .option('--strict', 'exit 1 where a folder was skipped or a stored number differs')
  addFactOptions(command)
    .addHelpText('after', examples)
    .action((folders: string[], options: AggregateOptions) => {
      const { aggregateCommand } = lazily<typeof import('./aggregate-command.js')>('cli/aggregate-command.js')
      process.exitCode = aggregateCommand(folders, options)
    })
}

/** Facts that go before what a folder's configuration says, for folders without one. */
export function addFactOptions(command: Command): Command {
  return command
    .option('--batch-size <n>', 'samples a batch, where no configuration tells', parseCount)
    .option('--batch-size-eval <n>', 'samples a batch of evaluation', parseCount)
    .option('--record-bytes <n>', 'bytes of a sample', parsePositive)
    .option('--exclude-start-steps <n>', 'steps left out at the start of each block', parseWhole)
    .option('--exclude-end-steps <n>', 'steps left out at the end of each block', parseWhole)
    .option('--target-au <percent>', 'AU to reach', parsePercent)
}
