// Runs a composed job as DLIO does: its log on stderr, its files in Hydra's folder, its exit codes.
import { join } from 'node:path'
import { parseHonour } from '../../config/honour.js'
import { loadWorkload } from '../../config/load.js'
import { toPlain } from '../../config/tree.js'
import type { Semantics, Workload } from '../../config/workload.js'
import { HangingError, RunError } from '../../errors.js'
import { type JobOutcome, runJob } from '../../job/job.js'
import { DlioLog, dlioLogOptions } from '../../output/dlio-log.js'
import type { RunLog } from '../../output/events.js'
import { prepareOutputFolder } from '../../output/writable.js'
import { packageInfo } from '../../package.js'
import { reportError } from '../errors.js'
import { endByForce, listenForInterruption } from '../interruption.js'
import { select } from './apply.js'
import { type Composition, resolvedJob, runFolders, type Surroundings } from './compose.js'
import { launchedWorld, logLevelFrom } from './environment.js'
import { writeRunFolder } from './run-folder.js'

/** DLIO ends with this where total_training_steps asks for more than the data has (statscounter.py: exit(-1)). */
const tooManyStepsCode = 255

const silent: RunLog = { line() {}, event() {} }

export interface HydraRun {
  readonly composition: Composition
  readonly surroundings: Surroundings
  readonly semantics: Semantics
  readonly ranks: number
}

/** Runs the job and returns the exit code. Throws what is wrong with the job. */
export async function runComposed(run: HydraRun): Promise<number> {
  const { composition, surroundings, semantics, ranks } = run
  const { outputDir, subdir } = runFolders(composition, surroundings)
  writeRunFolder(composition, outputDir, subdir)
  const env = jobEnvironment(composition, surroundings)
  if (setting(composition, ['job', 'chdir']) === true) process.chdir(outputDir)
  if (composition.workload === undefined)
    throw new RunError("Key 'workload' is not in struct: the command line took the workload away; give workload=NAME")
  const { workload, warnings } = loadWorkload({
    config: composition.workload.name,
    overrides: [],
    semantics,
    honour: parseHonour(env.DL_DRIVER_HONOUR ?? '', 'DL_DRIVER_HONOUR'),
    composed: { path: composition.workload.path, root: resolvedJob(composition, surroundings) },
  })
  refuseImpossible(workload)
  const log = logLevelFrom(env)
  const echo = (text: string) => void process.stderr.write(text)
  const named = semantics === 'upstream' ? "argonne-lcf's" : "MLCommons'"
  const options = { threshold: log.level, echo }
  echo(`[OUTPUT] dl-driver ${packageInfo().version} in place of DLIO, replaying ${named}\n`)
  const folder = workload.output.folder ?? (semantics === 'mlcommons' && env.DLIO_OUTPUT_FOLDER ? env.DLIO_OUTPUT_FOLDER : outputDir)
  const notes = [
    ...composition.warnings,
    ...(log.unknown === undefined ? [] : [`DLIO_LOG_LEVEL=${log.unknown} is no level of DLIO's; it means warning`]),
  ]
  const missingSteps = stepsBeyondData(workload, ranks)
  if (missingSteps !== undefined) return refuseSteps(missingSteps, workload, folder, ranks, options)
  const interruption = listenForInterruption({ followsParent: launchedWorld(surroundings.env).launched })
  let outcome: JobOutcome
  try {
    outcome = await runJob({
      workload,
      warnings: [...notes.map((message) => ({ code: 'hydra', message })), ...warnings],
      ranks,
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
    if (error instanceof HangingError) {
      reportError(error)
      endByForce('SIGKILL')
    }
    throw error
  } finally {
    interruption.end()
  }
  for (const { message } of outcome.lateWarnings) echo(`[WARNING] ${message}\n`)
  if (outcome.hangs === true) endByForce('SIGINT')
  if (outcome.result?.complete === false) {
    process.stderr.write(`[ERROR] interrupted; what was measured so far is in ${join(folder, 'result.partial.json')}\n`)
    return 130
  }
  return 0
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

function refuseSteps(
  steps: number,
  workload: Workload,
  folder: string,
  ranks: number,
  options: { threshold: ReturnType<typeof logLevelFrom>['level']; echo: (text: string) => void },
): number {
  prepareOutputFolder(folder)
  const log = new DlioLog(join(folder, workload.output.logFile), { ...dlioLogOptions(workload, ranks), ...options })
  log.line(
    'error',
    `Only have enough data for ${steps} steps but ${workload.train.totalTrainingSteps} wanted; lower train.total_training_steps or add files`,
  )
  log.close()
  return tooManyStepsCode
}
