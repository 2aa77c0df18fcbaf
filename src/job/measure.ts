// The part of a job that is measured: training with its evaluations and checkpoints, or checkpoints alone.
import type { Warning, Workload } from '../config/workload.js'
import type { EngineResult } from '../engine/result.js'
import { startEngine } from '../engine/run.js'
import { stepsFromPlan } from '../engine/trace-steps.js'
import { getFormat } from '../formats/index.js'
import type { RunRecord } from '../metrics/records.js'
import { readMeminfo } from '../output/host.js'
import { lazily } from '../package.js'
import { announceSteps } from './announce.js'
import { checkpointsOnly } from './checkpoints.js'
import { cacheWarningCode } from './checks.js'
import { eventsOf } from './events.js'
import { type Prepared, prepare } from './prepare.js'
import { runRecord } from './record.js'
import { save } from './save.js'
import type { JobOptions, JobOutcome, Session } from './types.js'

/** Runs the engine and saves what it measured. Collective. Throws what the engine failed with. */
export async function measure(options: JobOptions, session: Session): Promise<JobOutcome> {
  const { workload } = options
  const { logs } = session
  const prepared = await prepare(options, session)
  announce(options, session, prepared)
  const meminfo = new Map<number, ReturnType<typeof readMeminfo>>()
  const measured = await runEngine(options, session, prepared, meminfo)
  const { plan, host } = prepared
  const { beginMs, generation } = session
  const record = (): RunRecord => {
    const objects = session.access.objects?.opened()
    return runRecord({ plan, engine: measured, host, beginMs, endMs: Date.now(), meminfo, objects, generation })
  }
  if (measured.failure) {
    const { endFailed } = lazily<typeof import('./end-early.js')>('job/end-early.js')
    return endFailed(options, session, prepared, record(), measured.failure)
  }

  const lateWarnings: Warning[] = await session.profiler.stop()
  if (workload.workflow.profiling) logs.all.line('info', 'Profiling stopped')
  if (measured.requestsBounded)
    lateWarnings.push({
      code: 'bounded-requests',
      message: `O_DIRECT requests are ${measured.io.requestBytes / 2 ** 20} MiB each, not whole files as DLIO's are, to bound memory`,
    })
  const saved = await save(options, session, prepared, { own: record(), complete: measured.complete, lateWarnings })
  return { ...saved, hangs: measured.hangs }
}

/** Told before a long run, not after it. */
function announce({ warnings, workload }: JobOptions, { checkpoints, logs }: Session, prepared: Prepared): void {
  const log = logs.all
  for (const { code, message } of [...warnings, ...prepared.warnings])
    (code === cacheWarningCode ? logs.people : log).line('warning', message)
  if (checkpoints)
    log.event({ type: 'checkpointPlanned', atMs: Date.now(), isSubset: workload.checkpoint.mode === 'subset', ...checkpoints.totals })
  if (!checkpointsOnly(workload)) announceSteps(prepared.plan, log)
}

/** `meminfo`: filled with what the host says of its memory as each epoch starts. Throws where another process is lost. */
async function runEngine(
  options: JobOptions,
  { access, checkpoints, logs }: Session,
  { freshPlan, permutations, plan }: Prepared,
  meminfo: Map<number, ReturnType<typeof readMeminfo>>,
): Promise<EngineResult> {
  const { workload, world } = options
  const tell = eventsOf(plan, logs.alarms)
  const engine = startEngine({
    plan,
    job: world,
    permutations,
    folder: access.folder,
    direct: access.direct,
    objects: access.objects?.access,
    verify: options.verify,
    tracePath: options.tracePath,
    checkpoints,
    completeTrace: !checkpointsOnly(workload) && streams(workload) ? stepsFromPlan(freshPlan()) : undefined,
    onMessage: (message) => {
      if (message.kind === 'epochStarts') meminfo.set(message.epoch, readMeminfo())
      tell(message)
    },
  })
  const stop = () => engine.stop()
  if (options.signal.aborted || world.lost.aborted) stop()
  const ends = AbortSignal.any([options.signal, world.lost])
  ends.addEventListener('abort', stop)
  options.onStart?.(engine.progress)
  const measured = await engine.finished.finally(() => ends.removeEventListener('abort', stop))
  // What failed here comes first: it may be why others are gone.
  if (measured.failure === undefined) world.lost.throwIfAborted()
  return measured
}

/** Whether readers stream records without knowing the batch that each goes into. */
function streams({ profile, dataset }: Workload): boolean {
  return profile?.framework === 'tensorflow' || getFormat(dataset.format).kind === 'stream'
}
