// What the engine, its threads and the consumer tell each other outside the shared memory. Everything here is plain data.
import type { Workload } from '../config/workload.js'
import type { PackedFiles } from '../dataset/file-lists.js'
import type { SerializedError } from '../errors.js'
import type { Split } from '../order/types.js'
import type { World } from '../plan/types.js'
import type { AccessGrant } from '../storage/object/types.js'
import type { RingLayout } from './layout.js'
import type { ReadPlan } from './reads.js'

/** What a thread is started with. */
export interface LoaderThreadStart {
  readonly thread: number
  readonly workload: Workload
  readonly world: World
  readonly files: PackedFiles
  readonly rank: number
  readonly read: ReadPlan
  /** Batches that the thread may be ahead of the consumer. */
  readonly ahead: number
  readonly ring: RingLayout
  readonly memoryFd: number
  readonly counters: SharedArrayBuffer
}

/** To a thread. It looks for messages when its `wake` word has risen. */
export type ToThread =
  | { readonly kind: 'halt' }
  | { readonly kind: 'grant'; readonly grant: AccessGrant }
  | {
      readonly kind: 'begin'
      readonly generation: number
      readonly split: Split
      readonly epoch: number
      /** First batch, 0-based: this thread makes those of them whose number is its own modulo the number of threads. */
      readonly from: number
      /** The plan's permutations, where they are other memory than before. */
      readonly permutations?: SharedArrayBuffer
    }

export type FromThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'halted' }
  /** The storage has refused the credentials as expired. */
  | { readonly kind: 'grantWanted' }
  | { readonly kind: 'failed'; readonly error: SerializedError }

/** A request of the consumer: one JSON object a line over the control socket, answered in order by one line each; that of a sample is followed by `bodyBytes` bytes. */
export type Request =
  | { readonly op: 'open'; readonly options: OpenOptions }
  | { readonly op: 'start'; readonly split: Split; readonly epoch: number; readonly from: number }
  | { readonly op: 'samples'; readonly split: Split; readonly epoch: number; readonly step: number }
  | { readonly op: 'sample'; readonly split: Split; readonly index: number }
  | { readonly op: 'result'; readonly folder: string; readonly epochs: readonly MeasuredEpoch[] }

/** What a loader is made from. */
export interface OpenOptions {
  readonly config: string
  readonly overrides: readonly string[]
  readonly semantics?: 'mlcommons' | 'upstream'
  readonly framework?: 'pytorch' | 'tensorflow' | 'jax'
  readonly split: Split
  readonly rank: number
  readonly ranks: number
  readonly direct?: boolean
  readonly verify?: boolean
  /** Size of the ring; by default what the plan's read-ahead and a few batches in use take. */
  readonly ringBytes?: number
  readonly command: readonly string[]
}

/** The consumer's own times of one epoch: seconds since the epoch of the clock, and durations of each step in seconds. */
export interface MeasuredEpoch {
  readonly epoch: number
  readonly begin: number
  readonly end: number
  readonly load: readonly number[]
  readonly step: readonly number[]
  readonly compute: readonly number[]
}

export type Answer =
  | ({ readonly ok: true } & Readonly<Record<string, unknown>>)
  | { readonly ok: false; readonly error: SerializedError; readonly message: string; readonly exitCode: number }
