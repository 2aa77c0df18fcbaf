// `dlio_benchmark`: DLIO's command name for the same job. Understands the part of hydra's command line that job scripts use: the workload's
// name, overrides of its keys, --config-dir, and hydra.run.dir. Anything else is refused by name rather than ignored.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from '../errors.js'
import { lazily, packageInfo } from '../package.js'
import { reportError } from './errors.js'
import type { RunOptions } from './run.js'

const usage = `usage: dlio_benchmark workload=NAME [++workload.KEY=VALUE...] [--config-dir DIR] [++hydra.run.dir=DIR]

Runs a DLIO workload under DLIO's own command line; \`dl-driver run --help\` tells more.
Example: dlio_benchmark workload=unet3d_h100 ++workload.workflow.generate_data=True ++workload.dataset.num_files_train=16
`

interface Job {
  readonly config: string
  readonly overrides: readonly string[]
  readonly outputFolder: string | undefined
}

/** Runs the program with the arguments behind its name, and sets the exit code. */
export function main(argv: readonly string[]): void {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(usage)
    return
  }
  if (argv.includes('--version')) {
    process.stdout.write(`${packageInfo().version}\n`)
    return
  }
  run(argv).then(
    (code) => {
      process.exitCode = code
    },
    (error: unknown) => {
      // DLIO ends with 1 for whatever is wrong.
      process.exitCode = Math.min(reportError(error), 1)
    },
  )
}

async function run(argv: readonly string[]): Promise<number> {
  const { config, overrides, outputFolder } = parseJob(argv)
  const { runCommand } = lazily<typeof import('./run-command.js')>('cli/run-command.js')
  const options: RunOptions = { semantics: 'mlcommons', ranks: 1, ...(outputFolder !== undefined && { output: outputFolder }) }
  return runCommand(config, overrides, options)
}

/** Throws ConfigError for what is not understood. */
export function parseJob(argv: readonly string[]): Job {
  let workload: string | undefined
  let configDir: string | undefined
  let outputFolder: string | undefined
  const overrides: string[] = []
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i]!
    const flag = /^(--config-dir|-cd)(?:=(.*))?$/s.exec(argument)
    const override = /^(?:\+\+|\+)?([\w.]+)=(.*)$/s.exec(argument)
    if (flag !== null) configDir = flag[2] ?? argv[++i]
    else if (override?.[1] === 'workload') workload = override[2]
    else if (override?.[1] === 'hydra.run.dir') outputFolder = override[2]
    else if (/^(?:\+\+|\+|~)?workload\./.test(argument)) overrides.push(argument)
    else
      throw new ConfigError(
        `${argument}: not understood; dlio_benchmark here takes workload=NAME, ++workload.KEY=VALUE, --config-dir DIR and ++hydra.run.dir=DIR`,
      )
  }
  if (workload === undefined || workload === '') throw new ConfigError(`workload=NAME is missing\n${usage}`)
  // A bundled workload goes before one of the same name in --config-dir, as hydra's search order has it.
  const own = configDir === undefined ? undefined : join(configDir, 'workload', `${workload}.yaml`)
  const { bundledNames } = lazily<typeof import('../config/bundled.js')>('config/bundled.js')
  const config = own !== undefined && existsSync(own) && !bundledNames().includes(workload) ? own : workload
  return { config, overrides, outputFolder }
}
