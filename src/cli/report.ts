// `dl-driver report`: declaration of the command; the work is in report-command.ts.
import type { Command } from 'commander'
import type { GivenFacts } from '../aggregate/facts.js'
import { lazily } from '../package.js'
import { addFactOptions } from './aggregate.js'

export interface ReportOptions extends GivenFacts {
  readonly output?: string
}

const examples = `
Examples:
  dl-driver report results/unet3d                              results/unet3d/report.html, to open in a browser or to send
  dl-driver report results/before results/after                report.html here: both side by side, with ratios
  dl-driver report results/unet3d --output - | gzip > r.gz     to standard output

Exit codes: 0 done; 1 the report cannot be written; 2 a folder holds no usable result, or the command line is wrong.`

export function registerReport(program: Command): void {
  const command = program
    .command('report')
    .summary('write what runs measured as one HTML page')
    .description(
      'Writes one self-contained HTML page of one or several finished runs (of dl-driver or of DLIO): AU, throughput, where the time went, latencies, checkpoints, object storage, client.',
    )
    .argument('<DIR...>', 'output folders of runs, or folders that hold such folders')
    .option('--output <file>', 'the page (default: report.html in DIR, or here where several are named); - is standard output')
  addFactOptions(command)
    .addHelpText('after', examples)
    .action(async (folders: string[], options: ReportOptions) => {
      const { reportCommand } = lazily<typeof import('./report-command.js')>('cli/report-command.js')
      process.exitCode = await reportCommand(folders, options)
    })
}
