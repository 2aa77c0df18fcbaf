// What `dl-driver generate` does: load the workload, generate, tell how it goes.
import { together } from '../cluster/agreement.js'
import { joinWorld } from '../cluster/join.js'
import type { Launch } from '../cluster/launcher.js'
import type { World } from '../cluster/world.js'
import type { Workload } from '../config/workload.js'
import { type Generation, runGeneration } from '../dataset/generate.js'
import { type GenerationRecord, generationRecord, mergeGenerations } from '../dataset/generation-record.js'
import { lazily } from '../package.js'
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
  let generation: Generation
  try {
    generation = await together(world, () =>
      runGeneration(workload, {
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
  const { failure } = generation
  const own = { record: generationRecord(generation.report), ends: failure?.message }
  const shares = (await world.gather(own)) ?? [own]
  const record = mergeGenerations(shares.map(({ record }) => record))
  const interrupted = shares.flatMap(({ ends }) => ends ?? [])[0]
  if (options.quiet !== true && interrupted === undefined) process.stderr.write(`${summary(record, workload, options.verbose ?? false)}\n`)
  if (options.json === true) process.stdout.write(`${JSON.stringify(jsonReport(record, workload, world.ranks, interrupted))}\n`)
  await together(world, () => {
    if (failure !== undefined) throw failure
  })
  return 0
}

/** The last line: what there is now, how fast it came, where it is. */
function summary(record: GenerationRecord, workload: Workload, verbose: boolean): string {
  const { filesWritten, filesKept, bytesWritten, wallSeconds, cpuSeconds, threads, folder } = record
  const kept = filesKept > 0 ? `, kept ${filesKept} complete ones` : ''
  const line = `generated ${filesWritten} ${workload.dataset.format} files, ${sizeText(bytesWritten)} in ${wallSeconds.toFixed(1)} s (${rateText(bytesWritten, wallSeconds)})${kept}, in ${folder}`
  return verbose
    ? `${line}\n${threads} threads, ${cpuSeconds.toFixed(1)} CPU seconds (${sizeText(bytesWritten / Math.max(cpuSeconds, 1e-3))} a CPU second)`
    : line
}

const rateText = (bytes: number, seconds: number): string => `${sizeText(bytes / Math.max(seconds, 1e-3))}/s`

/** `interruption`: why there is only a part. */
function jsonReport(
  record: GenerationRecord,
  workload: Workload,
  ranks: number,
  interruption: string | undefined,
): Record<string, unknown> {
  const { source, semantics, dataset } = workload
  return {
    schemaVersion,
    command: 'generate',
    complete: interruption === undefined,
    ...(interruption !== undefined && { interruption }),
    configDigest: source.configDigest,
    semantics,
    ranks,
    format: dataset.format,
    ...record,
  }
}
