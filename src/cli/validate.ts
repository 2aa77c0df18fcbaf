// `dl-driver validate`: every problem of a configuration at once, or what it comes to. Loads YAML and the schema only when it runs.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { ConfigError } from '../errors.js'
import { lazily, packageRoot } from '../package.js'
import { addWorkloadOptions, type WorkloadOptions } from './options.js'

interface ValidateOptions extends WorkloadOptions {
  readonly json?: boolean
  readonly schema?: boolean
}

const examples = `
Examples:
  dl-driver validate config.yaml
  dl-driver validate unet3d_h100 reader.batch_size=4 --json
  dl-driver validate config.yaml storage.storage_type=s3 storage.storage_root=bucket    where the data would lie, and its options
  dl-driver validate --schema > dlio.schema.json      for editors: # yaml-language-server: $schema=dlio.schema.json`

export function registerValidate(program: Command): void {
  const command = program
    .command('validate')
    .summary('print every problem of a configuration at once')
    .description(
      'Reads a DLIO workload and prints every problem with its place, or the effective workload. Exit code 2 when there are problems.',
    )
    .argument('[config]', 'DLIO workload file, or the name of a bundled one')
    .argument('[overrides...]', 'DLIO overrides, for example reader.batch_size=4 or ++workload.train.epochs=2')
  addWorkloadOptions(command)
    .option('--json', 'print {ok, problems} or {ok, workload, warnings} to standard output')
    .option('--schema', 'print the JSON Schema of workload files, for editors')
    .addHelpText('after', examples)
    .action((config: string | undefined, overrides: string[], options: ValidateOptions) => {
      if (options.schema) {
        if (config !== undefined) throw new ConfigError('--schema is of no configuration; leave CONFIG out')
        process.stdout.write(readFileSync(join(packageRoot, 'configs', 'dlio.schema.json')))
        return
      }
      if (config === undefined) throw new ConfigError("missing required argument 'config'; name a workload file, or ask for --schema")
      process.exitCode = validate(config, overrides, options)
    })
}

/** Returns the exit code. Words for people go to standard error, JSON to standard output. */
function validate(config: string, overrides: readonly string[], options: ValidateOptions): number {
  const { loadWorkload } = lazily<typeof import('../config/load.js')>('config/load.js')
  const { describeWorkload, withoutSecrets } = lazily<typeof import('../config/describe.js')>('config/describe.js')
  const { formatProblems, printable } = lazily<typeof import('../config/problems.js')>('config/problems.js')
  const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
  try {
    const { semantics, framework, honour } = options
    const { workload, warnings } = loadWorkload({ config, overrides, semantics, framework, honour })
    if (options.json) print({ ok: true, workload: withoutSecrets(workload), warnings })
    else {
      const notes = warnings.map(({ message }) => `warning: ${message}\n`).join('')
      process.stderr.write(`${notes}${describeWorkload(workload)}\n${printable(config)} is valid\n`)
    }
    return 0
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    if (options.json) print({ ok: false, problems: error.problems })
    else process.stderr.write(`${formatProblems(error.problems)}\n\n${printable(error.message)}\n`)
    return error.exitCode
  }
}
