// `dl-driver run`: declaration of the command; the work is in run-command.ts.
import { type Command, Option } from 'commander'
import type { Semantics } from '../config/workload.js'
import { lazily } from '../package.js'
import { addWorkloadOptions, ranksOption, type WorkloadOptions } from './options.js'

export interface RunOptions extends WorkloadOptions {
  readonly semantics: Semantics
  readonly ranks: number
  readonly output?: string
  readonly generate?: boolean
  readonly direct?: boolean
  readonly verify?: boolean
  readonly strictAu?: boolean
  readonly trace?: string
  readonly json?: boolean
  readonly quiet?: boolean
  readonly verbose?: boolean
}

const examples = `
Examples:
  dl-driver run quickstart --generate
  dl-driver run config.yaml train.epochs=2 ++workload.reader.batch_size=8
  dl-driver run config.yaml --direct --ranks 8 --strict-au        past the page cache; exit code 3 when AU is below metric.au
  dl-driver run config.yaml dataset.data_folder=s3://bucket/data storage.storage_options.endpoint_url=http://10.0.0.1:9000
                                                                  objects in S3, az:// or gs:// (docs/object-storage.md); try doctor first
  dl-driver run config.yaml --trace trace.json                    what was read when; open it with ui.perfetto.dev`

export function registerRun(program: Command): void {
  const command = program
    .command('run')
    .summary('replay a workload and report accelerator utilisation')
    .description(
      'Replays a DLIO workload on real data: reads as the framework would, sleeps where the accelerator would compute, reports AU.',
    )
    .argument('<config>', 'DLIO workload file, or the name of a bundled one')
    .argument('[overrides...]', 'DLIO overrides, for example reader.batch_size=4 or ++workload.train.epochs=2')
  addWorkloadOptions(command)
    .addOption(ranksOption())
    .option('-o, --output <dir>', 'folder for summary.json, result.json and the rest (default: output.folder, else results/NAME/TIME)')
    .option('--generate', 'generate the data set first')
    .option('--direct', 'read with O_DIRECT, past the page cache')
    .option('--verify', 'decode everything that is read and check checksums, shapes and types')
    .option('--strict-au', 'exit with 3 when AU is below metric.au')
    .option('--trace <file>', 'write every sample read and every step in Chrome trace format')
    .option('--json', 'print result.json to standard output')
    .addOption(new Option('-q, --quiet', 'no words but errors').conflicts('verbose'))
    .option('-v, --verbose', 'more words')
    .addHelpText('after', examples)
    .action(async (config: string, overrides: string[], options: RunOptions) => {
      const { runCommand } = lazily<typeof import('./run-command.js')>('cli/run-command.js')
      process.exitCode = await runCommand(config, overrides, options)
    })
}
