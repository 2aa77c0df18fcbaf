// What threads tell each other outside the hot path. Everything here is plain data.

import type { MessagePort } from 'node:worker_threads'
import type { ObjectFolder } from '../checkpoint/object-place.js'
import type { PartTimes } from '../checkpoint/rank.js'
import type { Gate } from '../cluster/gate.js'
import type { RankRange } from '../cluster/world.js'
import type { Workload } from '../config/workload.js'
import type { PackedFiles } from '../dataset/file-lists.js'
import type { SerializedError } from '../errors.js'
import type { CheckpointRecord, EpochRecord, StepsRecord } from '../metrics/records.js'
import type { World } from '../plan/types.js'
import type { ObjectReadOptions } from '../storage/object/read-options.js'
import type { CheckpointObjectsRecord } from '../storage/object/record.js'
import type { AccessGrant } from '../storage/object/types.js'
import type { SharedLayout } from './shared-state.js'

/** How a thread reads: blocking one reader after the other, or many readers in flight on its event loop. */
export type ReadMode = 'blocking' | 'event-loop'

export interface ReadOptions {
  readonly mode: ReadMode
  readonly direct: boolean
  readonly verify: boolean
  /** Size of one read request in bytes. */
  readonly requestBytes: number
  /** Local path of the data folder, or `rootUri` of one in an object store. */
  readonly folder: string
  /** Where the data folder is in an object store. */
  readonly objects?: ObjectReads
}

/** What a reader thread needs to read objects by itself. */
export interface ObjectReads {
  readonly grant: AccessGrant
  readonly options: ObjectReadOptions
  /** Pieces that a lane's window has room for. */
  readonly pieces: number
  /** Memory of this thread's {@link ObjectMeter}. */
  readonly meter: SharedArrayBuffer
}

/** What every thread of a run is started with. */
export interface RunBase {
  /** `performance.timeOrigin` of the main thread: the run's clock counts from there. */
  readonly clockBaseMs: number
  readonly workload: Workload
  readonly world: World
  /** Ranks of this process, to which its lanes belong. */
  readonly localRanks: RankRange
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
  readonly gate: Gate | undefined
  /** Thread that drives each lane. */
  readonly threadOfLane: readonly number[]
  readonly tracePart?: string
  /** Absent where nothing is checkpointed. */
  readonly crew?: CrewStart
}

/** A thread that saves and loads checkpoints. */
export interface CheckpointThreadStart extends RunBase {
  readonly kind: 'checkpoint'
  /** Number of the thread among those that save. */
  readonly thread: number
  /** Ranks that this thread serves. */
  readonly ranks: readonly number[]
  /** Memory of the crew (`CrewState`). */
  readonly crew: SharedArrayBuffer
  /** Where the conductor's commands come from. */
  readonly commands: MessagePort
  /** Local path or URI of the checkpoint folder. */
  readonly folder: string
  /** Where that is in an object store. */
  readonly objects?: ObjectFolder | undefined
  readonly verify: boolean
  readonly pieceBytes: number
  readonly requestBytes: number
}

/** The conductor's end of the checkpoint threads. */
export interface CrewStart {
  readonly ports: readonly MessagePort[]
  readonly crew: SharedArrayBuffer
  /** Local path or URI of the checkpoint folder. */
  readonly folder: string
  /** Bytes of a whole checkpoint, as DLIO counts. */
  readonly sizeBytes: number
}

/** Which checkpoint: the one that ends block `block`, after `step` steps of the epoch. */
export interface CheckpointLabel {
  readonly op: 'save' | 'load'
  readonly epoch: number
  readonly block: number
  readonly step: number
}

/** To the main thread. */
export type ThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly error: SerializedError }
  /** What the checkpoints of a thread took of an object store so far. */
  | { readonly kind: 'checkpointObjects'; readonly thread: number; readonly record: CheckpointObjectsRecord }
  /** A reader thread has ended after `stop`. */
  | { readonly kind: 'ended' }
  | { readonly kind: 'epochStarts'; readonly epoch: number; readonly timeMs: number; readonly steps: number }
  /** A block after the first: that one begins with its epoch. */
  | { readonly kind: 'blockStarts'; readonly epoch: number; readonly block: number; readonly timeMs: number }
  | { readonly kind: 'blockEnds'; readonly epoch: number; readonly block: number; readonly steps: StepsRecord }
  | ({ readonly kind: 'checkpointStarts'; readonly timeMs: number } & CheckpointLabel)
  /** `record` and `parts` are rank 0's. */
  | ({ readonly kind: 'checkpointEnds'; readonly record: CheckpointRecord; readonly parts: PartTimes } & CheckpointLabel)
  /** All writing, or all reading, of a run that only checkpoints. */
  | { readonly kind: 'checkpointSeries'; readonly op: 'save' | 'load'; readonly phase: 'begins' | 'ended'; readonly timeMs: number }
  | { readonly kind: 'trainEnds'; readonly epoch: number; readonly timeMs: number; readonly steps: number; readonly durationMs: number }
  | { readonly kind: 'evalStarts'; readonly epoch: number; readonly timeMs: number; readonly steps: number }
  | { readonly kind: 'evalEnds'; readonly epoch: number; readonly steps: StepsRecord }
  | { readonly kind: 'epochEnds'; readonly epoch: number; readonly ranks: readonly EpochRecord[] }
  | { readonly kind: 'stalled'; readonly rank: number; readonly step: number; readonly file: string; readonly seconds: number }
  | { readonly kind: 'done' }
  /** The storage refuses a thread's credentials as expired. */
  | { readonly kind: 'grantWanted' }

/** To a reader thread. */
export type ReaderMessage = { readonly kind: 'grant'; readonly grant: AccessGrant }
