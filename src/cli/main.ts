// The command line's table of contents. One file per command; each loads what it needs only when it runs.
import { Command, CommanderError } from 'commander'
import { packageInfo } from '../package.js'
import { registerAggregate } from './aggregate.js'
import { registerCompare } from './compare.js'
import { registerDoctor } from './doctor.js'
import { failIfForgotten, reportError } from './errors.js'
import { registerGenerate } from './generate.js'
import { registerInspect } from './inspect.js'
import { registerPlan } from './plan.js'
import { registerReport } from './report.js'
import { registerRun } from './run.js'
import { registerServe } from './serve.js'
import { registerValidate } from './validate.js'

const examples = `
Examples:
  dl-driver run unet3d_h100 --generate dataset.num_files_train=16   generate a data set, then run MLPerf Storage's unet3d on it
  dl-driver run config.yaml --framework pytorch --ranks 4           replay a DLIO configuration with four emulated accelerators
  dl-driver run config.yaml dataset.data_folder=s3://bucket/data    the same from object storage: s3://, az://, gs://
  dl-driver validate config.yaml                                    every problem of a configuration at once
  dl-driver plan config.yaml --order | head                         who reads which sample when
  dl-driver inspect data/train/*.npz                                what data files hold
  dl-driver aggregate results                                       metrics of finished runs, computed again
  dl-driver compare results/before results/after                    whether one run is worse than another
  dl-driver report results/before results/after                     one HTML page, to read or to send
  dl-driver doctor s3://bucket/prefix                               whether this machine can do it, and who fails why

Exit codes: 0 done; 1 the run failed; 2 the command line or the configuration is wrong; 3 AU below target under --strict-au;
4 compare found a regression; 130 interrupted.`

/** Runs the program with the arguments behind its name, and sets the exit code. */
export function main(argv: readonly string[]): void {
  // A reader that goes away (`| head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  const program = new Command('dl-driver')
    .description('Replays the storage I/O of deep-learning training from DLIO configurations and reports accelerator utilisation (AU).')
    .version(packageInfo().version, '-V, --version')
    .showHelpAfterError('(run with --help for the options and examples)')
    .addHelpText('after', examples)
    .exitOverride()
  registerRun(program)
  registerGenerate(program)
  registerValidate(program)
  registerPlan(program)
  registerInspect(program)
  registerAggregate(program)
  registerCompare(program)
  registerReport(program)
  registerServe(program)
  registerDoctor(program)
  for (const command of program.commands) command.exitOverride().showHelpAfterError('(run with --help for the options and examples)')
  const command = program.parseAsync(argv, { from: 'user' }).catch((error: unknown) => {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
    else process.exitCode = reportError(error)
  })
  failIfForgotten(command)
}
