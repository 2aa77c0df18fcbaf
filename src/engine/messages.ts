// What threads tell each other outside the hot path. Everything here is plain data.
import type { Workload } from '../config/workload.js'
import type { PackedFiles } from '../dataset/file-lists.js'
import type { SerializedError } from '../errors.js'
import type { EpochRecord, StepsRecord } from '../metrics/records.js'
import type { World } from '../plan/types.js'
import type { SharedLayout } from './shared-state.js'

/** How a thread reads: blocking one reader after the other, or many readers in flight on its event loop. */
export type ReadMode = 'blocking' | 'event-loop'

export interface ReadOptions {
  readonly mode: ReadMode
  readonly direct: boolean
  readonly verify: boolean
  /** Size of one read request in bytes. */
  readonly requestBytes: number
  /** Local path of the data folder. */
  readonly folder: string
}

/** What every thread of a run is started with. */
export interface RunBase {
  /** `performance.timeOrigin` of the main thread: the run's clock counts from there. */
  readonly clockBaseMs: number
  readonly workload: Workload
  readonly world: World
  readonly files: PackedFiles
  readonly layout: SharedLayout
  readonly state: SharedArrayBuffer
  /** The plan's shared permutations. */
  readonly permutations: SharedArrayBuffer
  /** Lanes of a rank. */
  readonly lanesPerRank: number
}

export interface ReaderThreadStart extends RunBase {
  readonly kind: 'reader'
  readonly thread: number
  /** Lanes that this thread drives, in groups of which one lane at a time reads. */
  readonly lanes: readonly (readonly number[])[]
  readonly read: ReadOptions
  /** Where to put trace events, if wanted: path of this thread's part. */
  readonly tracePart?: string
  readonly histogram: SharedArrayBuffer
}

export interface ConductorStart extends RunBase {
  readonly kind: 'conductor'
  /** Thread that drives each lane. */
  readonly threadOfLane: readonly number[]
  readonly tracePart?: string
}

/** To the main thread. */
export type ThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly error: SerializedError }
  /** A reader thread has ended after `stop`. */
  | { readonly kind: 'ended' }
  | { readonly kind: 'epochStarts'; readonly epoch: number; readonly timeMs: number; readonly steps: number }
  | { readonly kind: 'blockEnds'; readonly epoch: number; readonly block: number; readonly steps: StepsRecord }
  | { readonly kind: 'evalStarts'; readonly epoch: number; readonly timeMs: number; readonly steps: number }
  | { readonly kind: 'evalEnds'; readonly epoch: number; readonly steps: StepsRecord }
  | { readonly kind: 'epochEnds'; readonly epoch: number; readonly ranks: readonly EpochRecord[] }
  | { readonly kind: 'stalled'; readonly rank: number; readonly step: number; readonly file: string; readonly seconds: number }
  | { readonly kind: 'done' }
