// Runs a composed job as DLIO does: its log on stderr, its files in Hydra's folder, its exit codes.
import { join } from 'node:path'
import { onFirst, together } from '../../cluster/agreement.js'
import type { Launch } from '../../cluster/launcher.js'
import { processList, type World } from '../../cluster/world.js'
import { parseHonour } from '../../config/honour.js'
import { type Loaded, loadWorkload } from '../../config/load.js'
import { toPlain } from '../../config/tree.js'
import type { Semantics, Workload } from '../../config/workload.js'
import { RunError } from '../../errors.js'
import { type JobOutcome, runJob } from '../../job/job.js'
import { DlioLog, dlioLogOptions } from '../../output/dlio-log.js'
import type { RunLog } from '../../output/events.js'
import { partialResultFile } from '../../output/result.js'
import { prepareOutputFolder } from '../../output/writable.js'
import { packageInfo } from '../../package.js'
import { endIfHanging, listenInWorld } from '../in-world.js'
import { endByForce, interruptedCode } from '../interruption.js'
import { select } from './apply.js'
import { type Composition, resolvedJob, runFolders, type Surroundings } from './compose.js'
import { environmentNotes, logLevelFrom } from './environment.js'
import { writeRunFolder } from './run-folder.js'

/** DLIO ends with this where total_training_steps asks for more than the data has (statscounter.py: exit(-1)). */
const tooManyStepsCode = 255

const silent: RunLog = { line() {}, event() {} }

export interface HydraRun {
  readonly composition: Composition
  readonly surroundings: Surroundings
  readonly semantics: Semantics
  readonly world: World
  /** Who started this process, where a launcher did. */
  readonly launch: Launch | undefined
}

/** Collective. Runs the job and returns the exit code. Throws what is wrong with the job. */
export async function runComposed(run: HydraRun): Promise<number> {
  const { composition, surroundings, semantics, world } = run
  const { outputDir, subdir } = await together(world, () => runFolders(composition, surroundings))
  await onFirst(world, () => writeRunFolder(composition, outputDir, subdir))
  const env = jobEnvironment(composition, surroundings)
  if (setting(composition, ['job', 'chdir']) === true) process.chdir(outputDir)
  const { workload, warnings } = await together(world, () => loadJob(run, env))
  const log = logLevelFrom(env)
  const echo = (text: string) => void process.stderr.write(text)
  const named = semantics === 'upstream' ? "argonne-lcf's" : "MLCommons'"
  const options = { threshold: log.level, echo }
  const processes = world.processes === 1 ? '' : `; ${processList(world)}`
  if (world.process === 0) echo(`[OUTPUT] dl-driver ${packageInfo().version} in place of DLIO, replaying ${named}${processes}\n`)
  const folder = workload.output.folder ?? (semantics === 'mlcommons' && env.DLIO_OUTPUT_FOLDER ? env.DLIO_OUTPUT_FOLDER : outputDir)
  const notes = [
    ...composition.warnings,
    ...environmentNotes(env, semantics, workload.output.folder !== null),
    ...(log.unknown === undefined ? [] : [`DLIO_LOG_LEVEL=${log.unknown} is no level of DLIO's; it means warning`]),
  ]
  const missingSteps = stepsBeyondData(workload, world.ranks)
  if (missingSteps !== undefined) {
    await onFirst(world, () => tellMissingSteps(missingSteps, workload, folder, world.ranks, options))
    return tooManyStepsCode
  }
  const interruption = listenInWorld(world, run.launch)
  let outcome: JobOutcome
  try {
    outcome = await runJob({
      workload,
      warnings: [...notes.map((message) => ({ code: 'hydra', message })), ...warnings],
      world,
      outputFolder: folder,
      generate: false,
      direct: false,
      verify: false,
      command: ['dlio_benchmark', ...process.argv.slice(2)],
      dlioLog: options,
      writesResult: false,
      log: silent,
      signal: interruption.signal,
    })
  } catch (error) {
    endIfHanging(error, world)
    throw error
  } finally {
    interruption.end()
  }
  if (world.process === 0) for (const { message } of outcome.lateWarnings) echo(`[WARNING] ${message}\n`)
  if (outcome.hangs === true) endByForce(interruptedCode)
  if (outcome.result?.complete === false) {
    if (world.process === 0) echo(`[ERROR] interrupted; what was measured so far is in ${join(folder, partialResultFile)}\n`)
    return 130
  }
  return 0
}

/** The workload of the job. Throws what is wrong with it. */
function loadJob({ composition, surroundings, semantics }: HydraRun, env: NodeJS.ProcessEnv): Loaded {
  if (composition.workload === undefined)
    throw new RunError("Key 'workload' is not in struct: the command line took the workload away; give workload=NAME")
  const loaded = loadWorkload({
    config: composition.workload.name,
    overrides: [],
    semantics,
    honour: parseHonour(env.DL_DRIVER_HONOUR ?? '', 'DL_DRIVER_HONOUR'),
    composed: { path: composition.workload.path, root: resolvedJob(composition, surroundings) },
  })
  refuseImpossible(loaded.workload)
  return loaded
}

/** hydra.job.env_set on top of the environment, for DLIO's variables. */
function jobEnvironment({ hydra }: Composition, { env }: Surroundings): NodeJS.ProcessEnv {
  const given = select(hydra, ['job', 'env_set'])
  if (given?.kind !== 'map') return env
  return { ...env, ...Object.fromEntries(Object.entries(toPlain(given)).map(([name, value]) => [name, String(value)])) }
}

function setting({ hydra }: Composition, path: readonly string[]): unknown {
  const node = select(hydra, path)
  return node?.kind === 'scalar' ? node.value : undefined
}

/** Formats whose readers in MLCommons' DLIO are iterable: its TensorFlow loader, which asks for samples by number, dies of them. */
const iterableFormats: readonly string[] = ['npz', 'npy', 'jpeg', 'png']

/** What DLIO cannot do either: scripts that test for failure see one. Throws RunError. */
function refuseImpossible({ workflow, dataset, reader, semantics, profile }: Workload): void {
  const { train, evaluation } = workflow
  const iterable = semantics === 'mlcommons' && iterableFormats.includes(dataset.format)
  if (iterable && profile === null && reader.dataLoader === 'tensorflow' && (train || evaluation))
    throw new RunError(
      `dataset.format ${dataset.format}: MLCommons' DLIO cannot read it with reader.data_loader tensorflow; ` +
        'use reader.data_loader=pytorch, or `dl-driver run`, which reads it as was meant',
    )
}

/** DLIO counts the steps of the configured files, before it looks at those that are there. */
function stepsBeyondData({ dataset, reader, train }: Workload, ranks: number): number | undefined {
  const steps = Math.floor((dataset.numSamplesPerFile * dataset.numFilesTrain) / reader.batchSize / ranks)
  return train.totalTrainingSteps > steps ? steps : undefined
}

function tellMissingSteps(
  steps: number,
  workload: Workload,
  folder: string,
  ranks: number,
  options: { threshold: ReturnType<typeof logLevelFrom>['level']; echo: (text: string) => void },
): void {
  prepareOutputFolder(folder)
  const log = new DlioLog(join(folder, workload.output.logFile), { ...dlioLogOptions(workload, ranks), ...options })
  log.line(
    'error',
    `Only have enough data for ${steps} steps but ${workload.train.totalTrainingSteps} wanted; lower train.total_training_steps or add files`,
  )
  log.close()
}
