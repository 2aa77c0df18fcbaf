// One job from workload to result: checks, generation, listing, plan, engine, metrics, files. Knows nothing of command lines and terminals.
import { join } from 'node:path'
import { onFirst, together } from '../cluster/agreement.js'
import type { World } from '../cluster/world.js'
import type { Warning, Workload } from '../config/workload.js'
import { deleteDataset } from '../dataset/delete.js'
import { type GenerateProgress, generateDataset } from '../dataset/generate.js'
import { listDataset } from '../dataset/listing.js'
import { computedFiles } from '../dataset/naming.js'
import { layOutThreads } from '../engine/pool.js'
import { type EngineProgress, startEngine } from '../engine/run.js'
import { stepsFromPlan } from '../engine/trace-steps.js'
import { StorageError } from '../errors.js'
import { getFormat } from '../formats/index.js'
import type { RunRecord } from '../metrics/records.js'
import { type Summary, summarizeRun } from '../metrics/summary.js'
import { workFacts } from '../metrics/work.js'
import { runDigest } from '../order/digest.js'
import { type DlioFilesInput, writeRankFiles, writeSummaryFile } from '../output/dlio-files.js'
import { DlioLog, type DlioLogOptions, dlioLogOptions } from '../output/dlio-log.js'
import { type RunLog, type RunPart, teeLog } from '../output/events.js'
import { readHost, readMeminfo } from '../output/host.js'
import { buildResult, type Result, writeResult } from '../output/result.js'
import { prepareOutputFolder } from '../output/writable.js'
import { lazily, packageInfo } from '../package.js'
import { createPlan } from '../plan/plan.js'
import type { Plan } from '../plan/types.js'
import { type CheckpointPlan, checkpointsOnly, checkpointWarnings, planCheckpoints, prepareCheckpointFolder } from './checkpoints.js'
import { cacheWarningCode, cacheWarnings, checkSteps, checkWorkflow, dataAccess, fitsInMemory } from './checks.js'
import { eventsOf } from './events.js'
import { joinRecords } from './join-records.js'
import type { JobObjects } from './objects.js'
import { agreeOnWork, linesOnly, listTogether, silentLog } from './processes.js'
import { checkProfiler, type Profiler, profilerWarnings, startProfiler } from './profiler.js'
import { runRecord } from './record.js'

export interface JobOptions {
  readonly workload: Workload
  /** Warnings of the configuration. */
  readonly warnings: readonly Warning[]
  /** The processes of the job, of which this is one. All run it alike; process 0 writes what is there once. */
  readonly world: World
  /** Output folder; created. */
  readonly outputFolder: string
  readonly generate: boolean
  readonly direct: boolean
  readonly verify: boolean
  readonly tracePath?: string | undefined
  /** The command line, for the record. */
  readonly command: readonly string[]
  /** How dlio.log is written, where not as DLIO does without settings. */
  readonly dlioLog?: Pick<DlioLogOptions, 'threshold' | 'echo'>
  /** Whether result.json is written beside DLIO's files; it is unless false. */
  readonly writesResult?: boolean
  /** Hears what happens, beside dlio.log. */
  readonly log: RunLog
  /** Aborting it interrupts the job. */
  readonly signal: AbortSignal
  readonly onGenerate?: (progress: GenerateProgress) => void
  /** Called once the engine runs, with a look at where it is. */
  readonly onStart?: (progress: () => EngineProgress) => void
}

export interface JobOutcome {
  /** Absent where the job only generated. */
  readonly result?: Result
  readonly summary?: Summary
  readonly record?: RunRecord
  /** Warnings that the log has not been told yet. */
  readonly lateWarnings: readonly Warning[]
  /** Threads hang in reads: the process has to be ended by force. */
  readonly hangs?: boolean
}

/** Runs a job. Throws ConfigError and RunError with exit code 2 before anything is touched, other errors with 1. An interrupted job resolves with a partial result. */
export async function runJob(options: JobOptions): Promise<JobOutcome> {
  const { workload, world } = options
  await agreeOnWork(world, workload)
  const generates = options.generate || workload.workflow.generateData
  const only = checkpointsOnly(workload)
  // What DLIO calls generate_only: evaluation does not count.
  const generatesOnly = generates && !workload.workflow.train && !only
  const trains = workload.workflow.train || (workload.workflow.evaluation && !only && !generatesOnly)
  const isFirst = world.process === 0
  const { access, checkpoints } = await together(world, () => {
    if (trains) checkWorkflow(workload)
    if (trains || only) checkProfiler(workload, process.env)
    const access = generates || !only ? dataAccess(workload, options.direct) : { folder: '', direct: false }
    return { access, checkpoints: planCheckpoints(workload, world.ranks) }
  })
  const openLog = () =>
    new DlioLog(join(options.outputFolder, workload.output.logFile), {
      ...dlioLogOptions(workload, world.ranks),
      ...options.dlioLog,
      appends: !isFirst,
    })
  const beginMs = Date.now()
  let dlioLog: DlioLog | undefined
  await onFirst(world, () => {
    prepareOutputFolder(options.outputFolder)
    if (checkpoints) prepareCheckpointFolder(workload, checkpoints.folder)
    dlioLog = openLog()
  })
  dlioLog ??= openLog()
  const log = isFirst ? teeLog(dlioLog, options.log) : silentLog
  try {
    log.event({ type: 'runStart', atMs: beginMs, parts: partsOf(workload, generates), ranks: world.ranks })
    // DLIO's own words, at DLIO's place; people at a terminal get the plan's warning, which has the numbers.
    const uncached = access.direct || access.objects !== undefined
    if (isFirst && trains && fitsInMemory(workload, uncached)) dlioLog.event({ type: 'cacheWarning', atMs: Date.now() })
    if (generates) {
      // Encoding images uses libuv's pool, whose size is then the run's.
      if (trains || only)
        layOutThreads(
          { workload, world: { ranks: world.ranks, hosts: world.hosts } },
          { checkpoints: checkpoints !== undefined, objects: access.objects === undefined ? 'none' : 'http' },
          world.localRanks,
        )
      log.event({ type: 'generationStart', atMs: Date.now() })
      await together(world, () =>
        generateDataset(workload, {
          ranks: world.ranks,
          share: { part: world.process, parts: world.processes },
          localProcesses: world.localProcesses,
          signal: options.signal,
          ...(options.onGenerate && { onProgress: options.onGenerate }),
        }),
      )
      log.event({ type: 'generationEnd', atMs: Date.now() })
    }
    if (!trains && !only) return { lateWarnings: [] }
    const objects =
      trains && access.objects && (await lazily<typeof import('./objects.js')>('job/objects.js').openObjects(access.objects, workload))
    try {
      // DLIO's rank 0 profiles its host.
      const profiler = isFirst ? await startProfiler(workload, options.outputFolder) : noProfiler
      if (workload.workflow.profiling) log.line('info', `Profiling Started with ${workload.profiling.profiler}`)
      try {
        return await measure(options, {
          access: { folder: access.folder, direct: access.direct, ...(objects && { objects }) },
          checkpoints,
          logs: {
            all: log,
            people: isFirst ? options.log : silentLog,
            alarms: isFirst ? log : linesOnly(teeLog(dlioLog, options.log)),
          },
          beginMs,
          profiler,
        })
      } finally {
        await profiler.stop()
      }
    } finally {
      if (objects) objects.close()
    }
  } finally {
    dlioLog.close()
  }
}

function partsOf(workload: Workload, generates: boolean): RunPart[] {
  const { train, evaluation, checkpoint } = workload.workflow
  return [
    ...(generates ? (['generate'] as const) : []),
    ...(train ? (['train'] as const) : []),
    ...(evaluation ? (['evaluate'] as const) : []),
    ...(checkpoint ? (['checkpoint'] as const) : []),
  ]
}

const noProfiler: Profiler = { stop: async () => [] }

/** What a job has made ready when measuring begins. */
interface Session {
  readonly access: { readonly folder: string; readonly direct: boolean; readonly objects?: JobObjects }
  readonly checkpoints: CheckpointPlan | undefined
  /** `alarms`: hears of this process's own ranks. */
  readonly logs: { readonly all: RunLog; readonly people: RunLog; readonly alarms: RunLog }
  readonly beginMs: number
  readonly profiler: Profiler
}

/** The part of a job that is measured: training with its evaluations and checkpoints, or checkpoints alone. */
async function measure(options: JobOptions, { access, checkpoints, logs, beginMs, profiler }: Session): Promise<JobOutcome> {
  const { workload } = options
  const log = logs.all
  const { objects } = access
  const only = checkpointsOnly(workload)
  const job = options.world
  const list = () => (objects === undefined ? listDataset(workload, access.folder) : objects.list(options.signal))
  const listing = only ? { files: computedFiles(workload), warnings: [] } : await listTogether(job, workload, list)
  const world = { ranks: job.ranks, hosts: job.hosts }
  const { plan, permutations } = await together(job, () => {
    const sizing = createPlan(workload, world, listing.files)
    const permutations = new SharedArrayBuffer(sizing.sharedBytes)
    const plan = sizing.sharedBytes === 0 ? sizing : createPlan(workload, world, listing.files, permutations)
    if (!only) checkSteps(plan)
    return { plan, permutations }
  })
  // Of the same order, but not yet advanced: the plan that runs is brought from epoch to epoch by its conductor.
  const freshPlan = () => createPlan(workload, world, listing.files, new SharedArrayBuffer(plan.sharedBytes))
  const host = readHost()
  const planWarnings = [
    ...profilerWarnings(workload),
    ...listing.warnings,
    ...(only ? [] : [...plan.warnings, ...cacheWarnings(plan, access.direct || objects !== undefined, host.memoryBytes)]),
    ...(checkpoints ? checkpointWarnings(workload, checkpoints, only ? undefined : plan) : []),
  ]
  // Told before a long run, not after it.
  for (const { code, message } of [...options.warnings, ...planWarnings])
    (code === cacheWarningCode ? logs.people : log).line('warning', message)
  if (checkpoints)
    log.event({ type: 'checkpointPlanned', atMs: Date.now(), isSubset: workload.checkpoint.mode === 'subset', ...checkpoints.totals })
  if (!only) announceSteps(plan, log)

  const meminfo = new Map<number, ReturnType<typeof readMeminfo>>()
  const tell = eventsOf(plan, logs.alarms)
  const engine = startEngine({
    plan,
    job,
    permutations,
    folder: access.folder,
    direct: access.direct,
    objects: objects?.access,
    verify: options.verify,
    tracePath: options.tracePath,
    checkpoints: checkpoints && { folder: checkpoints.folder, sizeBytes: checkpoints.sizeBytes },
    completeTrace: !only && streams(workload) ? stepsFromPlan(freshPlan()) : undefined,
    onMessage: (message) => {
      if (message.kind === 'epochStarts') meminfo.set(message.epoch, readMeminfo())
      tell(message)
    },
  })
  const stop = () => engine.stop()
  if (options.signal.aborted || job.lost.aborted) stop()
  const ends = AbortSignal.any([options.signal, job.lost])
  ends.addEventListener('abort', stop)
  options.onStart?.(engine.progress)
  const measured = await engine.finished.finally(() => ends.removeEventListener('abort', stop))
  job.lost.throwIfAborted()

  const lateWarnings: Warning[] = await profiler.stop()
  if (workload.workflow.profiling) log.line('info', 'Profiling stopped')
  if (measured.requestsBounded)
    lateWarnings.push({
      code: 'bounded-requests',
      message: `O_DIRECT requests are ${measured.io.requestBytes / 2 ** 20} MiB each, not whole files as DLIO's are, to bound memory`,
    })
  const own = runRecord({ plan, engine: measured, host, beginMs, endMs: Date.now(), meminfo, objects: objects?.opened() })
  const { record, complete, lacksOthers } = await joinRecords(job, own, measured.complete)
  if (lacksOthers)
    lateWarnings.push({ code: 'ranks-missing', message: 'the ranks of other processes ended before they could tell what they measured' })
  // By now nobody reads any more.
  if (complete && job.process === 0 && !only && !workload.dataset.keepFiles) lateWarnings.push(...(await deleteData(access, log)))
  const summary = summarizeRun(record, workload)
  const interruption = complete ? undefined : 'interrupted by a signal'
  const result = buildResult({
    tool: packageInfo(),
    command: options.command,
    workload,
    world,
    record,
    summary,
    work: workFacts(workload),
    warnings: [...options.warnings, ...planWarnings, ...lateWarnings],
    ...(interruption === undefined ? (only || job.process !== 0 ? {} : { orderDigest: runDigest(plan) }) : { interruption }),
  })
  if (interruption === undefined) await saveDlioFiles(options.outputFolder, { record, summary, workload, world }, own, job, log)
  if (job.process === 0 && (options.writesResult !== false || interruption !== undefined)) writeResult(options.outputFolder, result)
  return { result, summary, record, lateWarnings, hangs: measured.hangs }
}

/** dataset.keep_files: false. What was measured stays, even where the data cannot be deleted. */
async function deleteData({ folder, objects }: Session['access'], log: RunLog): Promise<Warning[]> {
  log.line('info', 'Keep files set to False. Deleting dataset')
  try {
    const left = objects ? await objects.deleteDataset().then(() => []) : deleteDataset(folder)
    log.line('info', 'Deleted data files')
    if (left.length === 0) return []
    return [{ code: 'keep-files', message: `${folder} was not deleted: besides the data set it holds ${left.slice(0, 5).join(', ')}` }]
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
    return [{ code: 'keep-files', message: `dataset.keep_files is false, but ${error.message}` }]
  }
}

/** Whether readers stream records without knowing the batch that each goes into. */
function streams({ profile, dataset }: Workload): boolean {
  return profile?.framework === 'tensorflow' || getFormat(dataset.format).kind === 'stream'
}

function announceSteps(plan: Plan, log: RunLog): void {
  const { workload } = plan
  const { totalTrainingSteps } = workload.train
  const samplesPerFile = workload.dataset.numSamplesPerFile
  const isUpstream = workload.semantics === 'upstream'
  const filesOf = (count: number) => (isUpstream ? count : Math.floor(count / plan.world.ranks))
  const trainFiles = filesOf(plan.train.numFilesUsed)
  // What the data has: total_training_steps, which caps the plan's steps, is told behind it.
  const steps = Math.floor((samplesPerFile * trainFiles) / plan.train.batchSize / (isUpstream ? plan.world.ranks : 1))
  if (workload.workflow.train)
    log.event({
      type: 'trainPlanned',
      atMs: Date.now(),
      steps: totalTrainingSteps > 0 ? steps : plan.train.steps,
      samplesPerFile,
      files: trainFiles,
      batchSize: plan.train.batchSize,
      ...(totalTrainingSteps > 0 && { cappedSteps: totalTrainingSteps }),
    })
  if (workload.workflow.evaluation)
    log.event({
      type: 'evalPlanned',
      atMs: Date.now(),
      steps: plan.valid.steps,
      samplesPerFile,
      files: filesOf(plan.valid.numFilesUsed),
      batchSize: plan.valid.batchSize,
    })
}

/** DLIO's files, each process its own ranks'; summary.json last, once all others are there, since harnesses publish whatever they find. */
async function saveDlioFiles(folder: string, input: DlioFilesInput, own: RunRecord, job: World, log: RunLog): Promise<void> {
  await together(job, () => writeRankFiles(folder, { ...input, record: own }))
  if (job.process !== 0) return
  log.event({ type: 'outputSaved', atMs: Date.now(), folder })
  log.event({ type: 'runEnd', atMs: Date.now(), summary: input.summary })
  log.event({ type: 'rankOutputsSaved', atMs: Date.now() })
  writeSummaryFile(folder, input)
}
