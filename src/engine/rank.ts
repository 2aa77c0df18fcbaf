// One rank as the conductor sees it: where it is in its step, and the times of the step it is at.
import type { RankRange } from '../cluster/world.js'
import type { Flow, Grant, Made } from '../frameworks/flow.js'
import type { StepsRecord } from '../metrics/records.js'
import type { EpochOrder } from '../order/types.js'
import type { Plan, SleepStream } from '../plan/types.js'
import type { Credits } from './credits.js'
import { StepsLog } from './steps-log.js'

/** Where a rank is in its step. `fetchingSurplus`: waiting for the batch that is fetched and not used. */
export type Phase = 'loading' | 'computing' | 'atBarrier' | 'checkpointing' | 'fetchingSurplus' | 'finished'

export interface Rank {
  /** Among the ranks of this process, from 0. */
  readonly rank: number
  /** Its number in the job. */
  readonly jobRank: number
  readonly sleeps: SleepStream
  order: EpochOrder
  flow: Flow
  phase: Phase
  /** Batch that is loaded or computed now. */
  batch: number
  steps: number
  loadStartMs: number
  computeStartMs: number
  loadMs: number
  deadlineMs: number
  log: StepsLog
  /** Blocks of this epoch that have ended. */
  blocks: StepsRecord[]
  stallReported: boolean
  /** Batches come faster than a thread can be woken for each. */
  hurried: boolean
  /** Its steps are taken by the readers. */
  leftToReaders: boolean
  /** Made once per rank, so that steps allocate nothing. */
  readonly grant: Grant
  readonly made: Made
}

/** The ranks of a process before their first epoch. */
export function createRanks(plan: Plan, localRanks: RankRange, lanesPerRank: number, credits: Credits): Rank[] {
  return Array.from({ length: localRanks.end - localRanks.begin }, (_, rank) =>
    createRank(plan, rank, localRanks.begin + rank, rank * lanesPerRank, credits),
  )
}

function createRank(plan: Plan, rank: number, jobRank: number, firstLane: number, credits: Credits): Rank {
  return {
    rank,
    jobRank,
    sleeps: plan.sleeps(jobRank),
    order: undefined as unknown as EpochOrder, // as the flow: set when an epoch starts, before any use
    flow: undefined as unknown as Flow,
    phase: 'finished',
    batch: 0,
    steps: 0,
    loadStartMs: 0,
    computeStartMs: 0,
    loadMs: 0,
    deadlineMs: 0,
    log: new StepsLog(0),
    blocks: [],
    stallReported: false,
    hurried: false,
    leftToReaders: false,
    grant: (reader, units) => credits.grant(firstLane + reader, units),
    made: {
      has: (reader, units) => credits.hasMade(firstLane + reader, units),
      count: (reader) => credits.made(firstLane + reader),
    },
  }
}
