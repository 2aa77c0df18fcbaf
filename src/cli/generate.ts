// `dl-driver generate`: declaration of the command; the work is in generate-command.ts.
import { type Command, Option } from 'commander'
import type { Semantics } from '../config/workload.js'
import { lazily } from '../package.js'
import { addWorkloadOptions, ranksOption, type WorkloadOptions } from './options.js'

export interface GenerateCommandOptions extends WorkloadOptions {
  readonly semantics: Semantics
  readonly ranks: number
  readonly resume?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
  readonly verbose?: boolean
}

const examples = `
Examples:
  dl-driver generate quickstart
  dl-driver generate unet3d_h100 dataset.num_files_train=16 ++workload.dataset.data_folder=/mnt/data
  dl-driver generate config.yaml dataset.data_folder=s3://bucket/data    straight into object storage; az:// and gs:// too
  dl-driver generate config.yaml --ranks 8       the sizes that 8 ranks of MLPerf Storage's DLIO draw
  dl-driver generate config.yaml --resume        go on after an interruption; complete files stay`

export function registerGenerate(program: Command): void {
  const ranks = ranksOption()
  ranks.description = 'ranks that DLIO would generate with; with mlcommons, sizes that have a standard deviation depend on it'
  const command = program
    .command('generate')
    .summary('make the data set of a workload')
    .description("Makes a workload's data set: DLIO's file names, folders and sizes, random content. Files appear when they are complete.")
    .argument('<config>', 'DLIO workload file, or the name of a bundled one')
    .argument('[overrides...]', 'DLIO overrides, for example dataset.num_files_train=16')
  addWorkloadOptions(command)
    .addOption(ranks)
    .option('--resume', 'keep files that already have exactly their planned size')
    .option('--json', 'print a report to standard output')
    .addOption(new Option('-q, --quiet', 'no words but errors').conflicts('verbose'))
    .option('-v, --verbose', 'more words')
    .addHelpText('after', examples)
    .action(async (config: string, overrides: string[], options: GenerateCommandOptions) => {
      const { generateCommand } = lazily<typeof import('./generate-command.js')>('cli/generate-command.js')
      process.exitCode = await generateCommand(config, overrides, options)
    })
}
