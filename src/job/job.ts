// One job from workload to result: checks, generation, listing, plan, engine, metrics, files. Knows nothing of command lines and terminals.
import { join } from 'node:path'
import { onFirst, together } from '../cluster/agreement.js'
import type { Workload } from '../config/workload.js'
import { layOutThreads } from '../engine/pool.js'
import { DlioLog, dlioLogOptions } from '../output/dlio-log.js'
import { type RunPart, teeLog } from '../output/events.js'
import { prepareOutputFolder } from '../output/writable.js'
import { lazily } from '../package.js'
import { checkpointsOnly, planCheckpoints, prepareCheckpointFolder } from './checkpoints.js'
import { checkWorkflow, dataAccess, fitsInMemory } from './checks.js'
import { generate } from './generate.js'
import { measure } from './measure.js'
import { agreeOnWork, linesOnly, silentLog } from './processes.js'
import { checkProfiler, type Profiler, startProfiler } from './profiler.js'
import type { JobOptions, JobOutcome } from './types.js'

export type { JobOptions, JobOutcome } from './types.js'

const noProfiler: Profiler = { stop: async () => [] }

/**
 * Runs a job. Throws ConfigError and RunError with exit code 2 before anything is touched, other errors with 1. An
 * interrupted job resolves with a partial result.
 */
export async function runJob(options: JobOptions): Promise<JobOutcome> {
  const { workload, world } = options
  await agreeOnWork(world, workload)
  const generates = options.generate || workload.workflow.generateData
  const only = checkpointsOnly(workload)
  // What DLIO calls generate_only: evaluation does not count.
  const generatesOnly = generates && !workload.workflow.train && !only
  const trains = workload.workflow.train || (workload.workflow.evaluation && !only && !generatesOnly)
  const isFirst = world.process === 0
  const { access, checkpoints: planned } = await together(world, () => {
    if (trains) checkWorkflow(workload)
    if (trains || only) checkProfiler(workload, process.env)
    const access = generates || !only ? dataAccess(workload, options.direct) : { folder: '', direct: false }
    return { access, checkpoints: planCheckpoints(workload, world.ranks, world.localRanks.end - world.localRanks.begin) }
  })
  const openLog = () =>
    new DlioLog(join(options.outputFolder, workload.output.logFile), {
      ...dlioLogOptions(workload, world.ranks),
      ...options.dlioLog,
      appends: !isFirst,
    })
  const beginMs = Date.now()
  let dlioLog: DlioLog | undefined
  // Encoding images and asking for addresses use libuv's pool, whose size is then the run's.
  if (trains || only)
    layOutThreads(
      { workload, world: { ranks: world.ranks, hosts: world.hosts } },
      { checkpoints: planned !== undefined, objects: access.objects === undefined ? 'none' : 'http' },
      world.localRanks,
    )
  let checkpoints = planned
  await onFirst(world, async () => {
    prepareOutputFolder(options.outputFolder)
    if (planned) checkpoints = await prepareCheckpointFolder(workload, planned)
    dlioLog = openLog()
  })
  dlioLog ??= openLog()
  const log = isFirst ? teeLog(dlioLog, options.log) : silentLog
  try {
    log.event({ type: 'runStart', atMs: beginMs, parts: partsOf(workload, generates), ranks: world.ranks })
    // DLIO's own words, at DLIO's place; people at a terminal get the plan's warning, which has the numbers.
    const uncached = access.direct || access.objects !== undefined
    if (isFirst && trains && fitsInMemory(workload, uncached)) dlioLog.event({ type: 'cacheWarning', atMs: Date.now() })
    const generated = generates ? await generate(options, log) : undefined
    if (generated?.end) {
      const { endEarly } = lazily<typeof import('./end-early.js')>('job/end-early.js')
      const place = { folder: access.folder, direct: access.direct }
      return await endEarly(options, { access: place, log, beginMs }, { ...generated, end: generated.end })
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
          generation: generated?.record,
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
