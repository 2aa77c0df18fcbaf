// `dl-driver plan`: declaration of the command; the work is in plan-command.ts.
import type { Command } from 'commander'
import type { Semantics } from '../config/workload.js'
import { lazily } from '../package.js'
import { addWorkloadOptions, parseCount, ranksOption, type WorkloadOptions } from './options.js'

export interface PlanOptions extends WorkloadOptions {
  readonly semantics: Semantics
  readonly ranks: number
  readonly order?: boolean
  readonly digest?: boolean
  readonly epochs?: number
  readonly dims?: boolean
  readonly json?: boolean
}

const examples = `
Examples:
  dl-driver plan unet3d_h100 --ranks 8            files, bytes, steps, memory, how long it takes at least
  dl-driver plan config.yaml --order | head       who reads which sample when; one JSON line per step of a rank
  dl-driver plan config.yaml --order --digest     one hash per rank and epoch: equal hashes, equal reads
  dl-driver plan config.yaml dataset.data_folder=s3://bucket/data    of objects that are there, or are to be
  dl-driver plan config.yaml --dims               dimensions and size of each file to generate

Data is not needed: where there is none, names are computed.`

export function registerPlan(program: Command): void {
  const command = program
    .command('plan')
    .summary('what a workload reads, without reading')
    .description('Says what a workload will read: sizes and steps, or with --order every sample of every step in the order of delivery.')
    .argument('<config>', 'DLIO workload file, or the name of a bundled one')
    .argument('[overrides...]', 'DLIO overrides, for example reader.batch_size=4 or ++workload.train.epochs=2')
  addWorkloadOptions(command)
    .addOption(ranksOption())
    .option('--order', 'print one JSON line per step of a rank')
    .option('--digest', 'with --order: print one sha256 per rank and epoch, and one for all, instead of the steps')
    .option('--epochs <n>', 'with --order: only the first n epochs', parseCount)
    .option('--dims', 'print one JSON line per file to generate')
    .option('--json', 'print the summary as JSON')
    .addHelpText('after', examples)
    .action(async (config: string, overrides: string[], options: PlanOptions) => {
      const { planCommand } = lazily<typeof import('./plan-command.js')>('cli/plan-command.js')
      await planCommand(config, overrides, options)
    })
}
