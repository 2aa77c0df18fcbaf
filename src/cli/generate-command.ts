// What `dl-driver generate` does: load the workload, generate, tell how it goes.
import { together } from '../cluster/agreement.js'
import { joinWorld } from '../cluster/join.js'
import type { Launch } from '../cluster/launcher.js'
import type { World } from '../cluster/world.js'
import type { Workload } from '../config/workload.js'
import { type GenerateReport, generateDataset } from '../dataset/generate.js'
import { lazily } from '../package.js'
import { mergeUploads } from '../storage/object/record.js'
import { reportError } from './errors.js'
import type { GenerateCommandOptions } from './generate.js'
import { GenerateProgressView, sizeText } from './generate-progress.js'
import { inWorld, listenInWorld } from './in-world.js'

/** Version of what `--json` prints. */
const schemaVersion = 1

/** Runs the command, in whatever world its launcher made, and returns the exit code: 2 where nothing was touched, 130 after Ctrl-C. */
export function generateCommand(config: string, overrides: readonly string[], options: GenerateCommandOptions): Promise<number> {
  const { launch, world } = joinWorld(process.env)
  return inWorld(
    () => world(options.ranks),
    (world) => generateInWorld(config, overrides, world.process === 0 ? options : { ...options, quiet: true, json: false }, world, launch),
    reportError,
  )
}

async function generateInWorld(
  config: string,
  overrides: readonly string[],
  options: GenerateCommandOptions,
  world: World,
  launch: Launch | undefined,
): Promise<number> {
  const { loadWorkload } = lazily<typeof import('../config/load.js')>('config/load.js')
  const { semantics, framework, honour } = options
  const { workload, warnings } = await together(world, () =>
    loadWorkload({ config, overrides, semantics, framework, honour, generateOnly: true }),
  )
  if (world.process === 0)
    for (const { message } of warnings)
      process.stderr.write(`warning: ${message}
`)

  const interruption = listenInWorld(world, launch)
  const view = options.quiet === true ? undefined : new GenerateProgressView(process.stderr)
  let report: GenerateReport
  try {
    report = await together(world, () =>
      generateDataset(workload, {
        ranks: world.ranks,
        share: { part: world.process, parts: world.processes },
        localProcesses: world.localProcesses,
        resume: options.resume ?? false,
        signal: interruption.signal,
        ...(view === undefined ? {} : { onProgress: (progress) => view.show(progress) }),
      }),
    )
  } finally {
    view?.end()
    interruption.end()
  }
  report = await wholeReport(report, world)
  if (options.quiet !== true) process.stderr.write(`${summary(report, workload, options.verbose ?? false)}\n`)
  if (options.json === true) process.stdout.write(`${JSON.stringify(jsonReport(report, workload, world.ranks))}\n`)
  return 0
}

/** What all processes did together. */
async function wholeReport(own: GenerateReport, world: World): Promise<GenerateReport> {
  const [files = 0, bytes = 0, cpuSeconds = 0, skipped = 0, threads = 0] = await world.reduce(
    [own.files, own.bytes, own.cpuSeconds, own.skipped, own.threads],
    'sum',
  )
  const [seconds = 0] = await world.reduce([own.seconds], 'max')
  const objects = own.objects && (await world.gather(own.objects))
  return { ...own, files, bytes, cpuSeconds, skipped, threads, seconds, ...(objects && { objects: mergeUploads(objects) }) }
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
    ...(report.objects && { objects: report.objects }),
  }
}
