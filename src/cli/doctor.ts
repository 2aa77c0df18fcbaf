// `dl-driver doctor [TARGET]`: can this machine do it, and who fails why.
import { type Command, Option } from 'commander'
import { lazily } from '../package.js'
import { addWorkloadOptions, parsePositive, ranksOption, type WorkloadOptions } from './options.js'

export interface DoctorOptions extends WorkloadOptions {
  readonly ranks: number
  readonly readOnly?: boolean
  /** For all checks of a store together, in seconds. */
  readonly timeout: number
  readonly json?: boolean
}

const examples = `
Examples:
  dl-driver doctor                                this machine: limits, memory, MPI
  dl-driver doctor s3://bucket/prefix             an object store: name, connection, TLS, clock, credentials, requests
  dl-driver doctor config.yaml                    whatever the configuration reads from
  dl-driver doctor /mnt/data                      a folder: mount, writing, space, O_DIRECT

Endpoint and credentials come from the configuration's storage_options and from the environment (docs/object-storage.md).
Exit code 1 where a check failed.`

/** Adds the command to the program. Nothing else loads until it runs. */
export function registerDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .description(
      'whether this machine can do it: limits, O_DIRECT, MPI; of object stores connection, credentials and every kind of request',
    )
    .argument('[TARGET]', 'a URI, a folder, a workload file, or the name of a bundled workload; without it, this machine alone')
    .argument('[overrides...]', 'DLIO overrides, where TARGET is a workload')
  addWorkloadOptions(command)
    .addOption(ranksOption())
    .option('--read-only', 'write nothing: of object stores read an object that is there')
    .addOption(
      new Option('--timeout <seconds>', 'what all checks of a store together may take, for those that are far away or busy')
        .argParser(parsePositive)
        .default(5),
    )
    .option('--json', 'print {ok, target, checks} to standard output')
    .addHelpText('after', examples)
    .action(async (target: string | undefined, overrides: string[], options: DoctorOptions) => {
      const { doctorCommand } = lazily<typeof import('./doctor-command.js')>('cli/doctor-command.js')
      process.exitCode = await doctorCommand(target, overrides, options)
    })
}
