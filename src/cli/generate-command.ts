// What `dl-driver generate` does: load the workload, generate, tell how it goes.
import type { Workload } from '../config/workload.js'
import { type GenerateReport, generateDataset } from '../dataset/generate.js'
import { lazily } from '../package.js'
import type { GenerateCommandOptions } from './generate.js'
import { GenerateProgressView, sizeText } from './generate-progress.js'

/** Version of what `--json` prints. */
const schemaVersion = 1

/** Runs the command. Throws ConfigError (nothing was touched), StorageError, and RunError with exit code 130 after Ctrl-C. */
export async function generateCommand(config: string, overrides: readonly string[], options: GenerateCommandOptions): Promise<void> {
  const { loadWorkload } = lazily<typeof import('../config/load.js')>('config/load.js')
  const { semantics, framework, honour } = options
  const { workload, warnings } = loadWorkload({ config, overrides, semantics, framework, honour, generateOnly: true })
  for (const { message } of warnings) process.stderr.write(`warning: ${message}\n`)

  const interruption = new AbortController()
  const interrupt = (): void => interruption.abort()
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  const view = options.quiet === true ? undefined : new GenerateProgressView(process.stderr)
  let report: GenerateReport
  try {
    report = await generateDataset(workload, {
      ranks: options.ranks,
      resume: options.resume ?? false,
      signal: interruption.signal,
      ...(view === undefined ? {} : { onProgress: (progress) => view.show(progress) }),
    })
  } finally {
    view?.end()
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
  if (options.quiet !== true) process.stderr.write(`${summary(report, workload, options.verbose ?? false)}\n`)
  if (options.json === true) process.stdout.write(`${JSON.stringify(jsonReport(report, workload, options.ranks))}\n`)
}

/** The last line: what there is now, how fast it came, where it is. */
function summary(report: GenerateReport, workload: Workload, verbose: boolean): string {
  const { files, bytes, seconds, skipped, folder } = report
  const kept = skipped > 0 ? `, kept ${skipped} complete ones` : ''
  const line = `generated ${files} ${workload.dataset.format} files, ${sizeText(bytes)} in ${seconds.toFixed(1)} s (${rateText(bytes, seconds)})${kept}, in ${folder}`
  return verbose
    ? `${line}\n${report.threads} threads, ${report.cpuSeconds.toFixed(1)} CPU seconds (${sizeText(bytes / Math.max(report.cpuSeconds, 1e-3))} a CPU second)`
    : line
}

const rateText = (bytes: number, seconds: number): string => `${sizeText(bytes / Math.max(seconds, 1e-3))}/s`

function jsonReport(report: GenerateReport, workload: Workload, ranks: number): Record<string, unknown> {
  return {
    schemaVersion,
    command: 'generate',
    configDigest: workload.source.configDigest,
    semantics: workload.semantics,
    ranks,
    folder: report.folder,
    format: workload.dataset.format,
    filesWritten: report.files,
    filesKept: report.skipped,
    bytesWritten: report.bytes,
    wallSeconds: report.seconds,
    cpuSeconds: report.cpuSeconds,
    threads: report.threads,
  }
}
