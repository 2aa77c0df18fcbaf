// The end of a job whose data set was not made to its end, or whose run failed: what there is stays on record.
import { join } from 'node:path'
import { together } from '../cluster/agreement.js'
import { computedFiles } from '../dataset/naming.js'
import type { EngineResult } from '../engine/result.js'
import type { RunRecord } from '../metrics/records.js'
import type { RunLog } from '../output/events.js'
import { readHost } from '../output/host.js'
import { partialResultFile } from '../output/result.js'
import { createPlan } from '../plan/plan.js'
import type { Generated } from './generate.js'
import type { Prepared } from './prepare.js'
import { runRecord } from './record.js'
import { save } from './save.js'
import type { JobOptions, JobOutcome, Session } from './types.js'

/** Collective. Writes the partial result; throws what the generation failed with, unless it was interrupted. */
export async function endEarly(
  options: JobOptions,
  session: { readonly access: Session['access']; readonly log: RunLog; readonly beginMs: number },
  { record: generation, end }: Required<Generated>,
): Promise<JobOutcome> {
  const { workload, world } = options
  const plan = createPlan(workload, { ranks: world.ranks, hosts: world.hosts }, computedFiles(workload))
  const engine = nothingMeasured(options, session.access.direct)
  const { beginMs } = session
  const own = runRecord({ plan, engine, host: readHost(), beginMs, endMs: Date.now(), meminfo: new Map(), generation })
  const interruption = end.interrupted
    ? 'interrupted by a signal while the data set was made'
    : `the data set was not made: ${end.messages[0]}`
  const unfinished = { access: session.access, logs: { all: session.log } }
  const saved = saveUnfinished(options, unfinished, { plan, warnings: [] }, own, interruption)
  if (end.interrupted) return saved
  await orWarn(saved, session.log)
  await together(world, () => {
    if (end.failure) throw end.failure
  })
  throw new Error('some process has failed: a defect')
}

/**
 * Writes what was measured until the run failed, and throws what it failed with. Of several processes nothing is written: the others are being
 * ended, and cannot be asked for their ranks any more.
 */
export async function endFailed(options: JobOptions, session: Session, prepared: Prepared, own: RunRecord, failure: Error): Promise<never> {
  if (options.world.processes > 1) throw failure
  const { all: log } = session.logs
  const saved = saveUnfinished(options, session, prepared, own, `the run failed: ${failure.message}`)
  const path = join(options.outputFolder, partialResultFile)
  await orWarn(
    saved.then(() => log.line('warning', `the run failed; what was measured until then is in ${path}`)),
    log,
  )
  throw failure
}

function saveUnfinished(
  options: JobOptions,
  session: Parameters<typeof save>[1],
  prepared: Parameters<typeof save>[2],
  own: RunRecord,
  interruption: string,
): Promise<JobOutcome> {
  return save(options, session, prepared, { own, complete: false, interruption, lateWarnings: [] })
}

/** That the partial result cannot be written must not hide why there is only a part. */
async function orWarn(saved: Promise<unknown>, log: RunLog): Promise<void> {
  await saved.catch((error: Error) => log.line('warning', `the partial result is lost: ${error.message}`))
}

/** What the engine would say that was stopped before its first read. */
function nothingMeasured({ world: { localRanks } }: JobOptions, direct: boolean): EngineResult {
  const counts = { bytesAsked: 0, readCalls: 0, filesOpened: 0, retries: 0, samplesRead: 0, readsInFlight: 0, requestBytes: 0 }
  return {
    ranks: Array.from({ length: localRanks.end - localRanks.begin }, (_, i) => ({ rank: localRanks.begin + i, epochs: [] })),
    complete: false,
    hangs: false,
    io: { ...counts, direct },
    requestsBounded: false,
    threads: 0,
    lanes: 0,
    computeLagMeanMs: 0,
    computeLagMaxMs: 0,
    firstSampleMs: undefined,
    checkpointBytesWritten: 0,
    latency: undefined,
  }
}
