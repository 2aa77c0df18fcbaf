// The end of a job whose data set was not made to its end: what there is stays on record, though nothing was measured.
import { together } from '../cluster/agreement.js'
import { computedFiles } from '../dataset/naming.js'
import type { EngineResult } from '../engine/run.js'
import type { RunLog } from '../output/events.js'
import { readHost } from '../output/host.js'
import { createPlan } from '../plan/plan.js'
import type { Generated } from './generate.js'
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
  const saved = save(
    options,
    { access: session.access, logs: { all: session.log } },
    { plan, warnings: [] },
    { own, complete: false, interruption, lateWarnings: [] },
  )
  if (end.interrupted) return saved
  await saved.catch((error: Error) => session.log.line('warning', `the partial result is lost: ${error.message}`))
  await together(world, () => {
    if (end.failure) throw end.failure
  })
  throw new Error('some process has failed: a defect')
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
