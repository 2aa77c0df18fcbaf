// The threads of a run, and libuv's pool, which is as large as the calls that they keep in flight. Its first use fixes its size.
import { type CrewLayout, layOutCrew } from '../checkpoint/sizes.js'
import type { RankRange } from '../cluster/world.js'
import type { Plan } from '../plan/types.js'
import { type LaneLayout, layOutLanes, mostPoolThreads, type ObjectTransport } from './lanes.js'

export interface ThreadLayout {
  readonly lanes: LaneLayout
  /** Absent where no checkpoints are taken. */
  readonly crew?: CrewLayout
}

/** A run that reads no data set. */
const noLanes: LaneLayout = { lanesPerRank: 0, lanes: 0, mode: 'blocking', threads: [] }

/** Lays out the threads of a run, which may take checkpoints and read objects, and makes libuv's pool large enough, unless the user has chosen. To be called before anything uses the pool. */
export function layOutThreads(
  plan: Pick<Plan, 'workload' | 'world'>,
  extras: { readonly checkpoints: boolean; readonly objects: ObjectTransport },
  localRanks: RankRange = { begin: 0, end: plan.world.ranks },
): ThreadLayout {
  const { workflow } = plan.workload
  const lanes = workflow.train || workflow.evaluation ? layOutLanes(plan, localRanks, extras.objects) : noLanes
  const crew = extras.checkpoints ? layOutCrew(plan.workload, plan.world.ranks, localRanks) : undefined
  const poolSize = poolSizeFor(lanes.poolSize, crew?.calls)
  if (poolSize !== undefined) process.env.UV_THREADPOOL_SIZE ??= String(poolSize)
  return { lanes, ...(crew && { crew }) }
}

/** Threads of libuv's pool: its own four where nobody asks for more. */
function poolSizeFor(reads: number | undefined, checkpointCalls: number | undefined): number | undefined {
  if (checkpointCalls === undefined) return reads
  return Math.min(mostPoolThreads, Math.max(4, (reads ?? 0) + checkpointCalls))
}
