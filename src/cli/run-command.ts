// What `dl-driver run` does around a job: configuration, progress, Ctrl-C, the table at the end, the exit code.
import { join, parse } from 'node:path'
import { fromFirst, together } from '../cluster/agreement.js'
import { type Joining, joinWorld } from '../cluster/join.js'
import { processList, type World } from '../cluster/world.js'
import { loadWorkload } from '../config/load.js'
import type { Workload } from '../config/workload.js'
import type { EngineProgress } from '../engine/result.js'
import { type JobOutcome, runJob } from '../job/job.js'
import { resultJson } from '../output/result.js'
import { renderSummary } from '../output/summary-table.js'
import { type ProgressSnapshot, TerminalReporter } from '../output/terminal.js'
import { packageInfo } from '../package.js'
import { reportError } from './errors.js'
import { GenerateProgressView } from './generate-progress.js'
import { endIfHanging, inWorld, listenInWorld } from './in-world.js'
import { endByForce, interruptedCode } from './interruption.js'
import type { RunOptions } from './run.js'

/** Runs the command, in whatever world its launcher made, and returns the exit code. */
export function runCommand(config: string, overrides: readonly string[], options: RunOptions): Promise<number> {
  const joining = joinWorld(process.env)
  return inWorld(
    () => joining.world(options.ranks),
    (world) =>
      runInWorld(
        config,
        overrides,
        world.process === 0 ? options : { ...options, quiet: true, json: false, strictAu: false },
        world,
        joining,
      ),
    reportError,
  )
}

async function runInWorld(
  config: string,
  overrides: readonly string[],
  options: RunOptions,
  world: World,
  { launch }: Joining,
): Promise<number> {
  const { workload, warnings } = await together(world, () =>
    loadWorkload({
      config,
      overrides,
      semantics: options.semantics,
      framework: options.framework,
      honour: options.honour,
      direct: options.direct,
    }),
  )
  const terminal = new TerminalReporter({ verbosity: options.quiet === true ? 'quiet' : options.verbose === true ? 'verbose' : 'normal' })
  const outputFolder = await fromFirst(world, () => options.output ?? workload.output.folder ?? defaultFolder(workload))
  if (world.processes > 1 && options.quiet !== true) process.stderr.write(`dl-driver ${packageInfo().version}: ${processList(world)}\n`)
  const interruption = listenInWorld(world, launch)
  const generation = options.quiet === true ? undefined : new GenerateProgressView(process.stderr)
  let outcome: JobOutcome
  try {
    outcome = await runJob({
      workload,
      warnings,
      world,
      outputFolder,
      generate: options.generate === true,
      direct: options.direct === true,
      verify: options.verify === true,
      tracePath: tracePath(options.trace, world),
      command: ['dl-driver', ...process.argv.slice(2)],
      log: terminal,
      signal: interruption.signal,
      ...(generation && { onGenerate: (progress) => generation.show(progress) }),
      onStart: (progress) => {
        generation?.end()
        terminal.start(() => snapshot(progress()))
      },
    })
  } catch (error) {
    endIfHanging(error, world)
    throw error
  } finally {
    generation?.end()
    terminal.stop()
    interruption.end()
  }
  const code = report(outcome, workload, outputFolder, options, terminal)
  if (outcome.hangs === true) endByForce(interruptedCode)
  return code
}

function report(
  { result, summary, record, lateWarnings }: JobOutcome,
  workload: Workload,
  folder: string,
  options: RunOptions,
  terminal: TerminalReporter,
): number {
  if (result === undefined || summary === undefined || record === undefined) return 0
  if (options.quiet !== true)
    process.stderr.write(
      renderSummary({
        summary,
        record,
        warnings: lateWarnings,
        folder,
        replayed: `${workload.semantics} DLIO, ${workload.framework} (${workload.frameworkReason})`,
        palette: terminal.palette,
        ...(result.interruption !== undefined && { interruption: result.interruption }),
      }),
    )
  if (options.json === true) process.stdout.write(resultJson(result))
  if (!result.complete) return 130
  return options.strictAu === true && summary.train?.meetsTarget !== true ? 3 : 0
}

function snapshot(progress: EngineProgress): Omit<ProgressSnapshot, 'elapsedSeconds'> {
  const { epoch, epochs, step, steps, auPercent, bytes, samples, evaluating, checkpointing, checkpointBytes } = progress
  return {
    phase: checkpointing ? 'checkpointing' : epoch === 0 ? 'starting' : evaluating ? 'evaluating' : 'training',
    epoch,
    epochs,
    step,
    steps,
    bytes,
    checkpointBytes,
    samples,
    ...(auPercent !== undefined && { auPercentSoFar: auPercent }),
  }
}

/** Each process writes a trace of its own, against its own clock. */
function tracePath(path: string | undefined, { process, processes }: World): string | undefined {
  if (path === undefined || processes === 1) return path
  const { dir, name, ext } = parse(path)
  return join(dir, `${name}.${process}${ext}`)
}

/** results/NAME/2026-11-22-12-17-04, where neither the command line nor the configuration says. */
function defaultFolder(workload: Workload): string {
  const now = new Date()
  const two = (value: number) => String(value).padStart(2, '0')
  const day = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('-')
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('-')
  return join('results', workload.model.name, `${day}-${time}`)
}
