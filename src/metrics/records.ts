// What the engine measures, and all that metrics are computed from. Times of day are milliseconds since the epoch (fractional), durations milliseconds.

import type { GenerationRecord } from '../dataset/generation-record.js'
import type { CheckpointObjectsRecord, ObjectsRecord } from '../storage/object/record.js'

/** The steps of one block of training, or of one evaluation, of one rank. The three lists have one entry per step. */
export interface StepsRecord {
  readonly beginMs: number
  readonly endMs: number
  /** Waiting for the batch. */
  readonly loadMs: Float64Array
  /** Load and compute: from the wish for the batch to the end of its computation. */
  readonly procMs: Float64Array
  /** Wall time of the emulated computation (as DLIO measures it, not the set value). */
  readonly computeMs: Float64Array
}

export interface CheckpointRecord {
  /** Number of the block it ends. */
  readonly block: number
  readonly kind: 'save' | 'load'
  readonly beginMs: number
  readonly endMs: number
  /** Bytes of the whole job's state. */
  readonly sizeBytes: number
}

export interface EpochRecord {
  /** From 1. */
  readonly epoch: number
  readonly beginMs: number
  /** End of the training part. */
  readonly trainEndMs: number
  /** End of the epoch, evaluation included. */
  readonly endMs: number
  readonly blocks: readonly StepsRecord[]
  readonly evaluation?: StepsRecord
  readonly checkpoints: readonly CheckpointRecord[]
  /** /proc/meminfo at the start of the epoch, where it was read. */
  readonly meminfo?: Readonly<Record<string, string>>
}

export interface RankRecord {
  readonly rank: number
  readonly epochs: readonly EpochRecord[]
}

/** Facts about the host of a rank, as DLIO stores them. */
export interface HostRecord {
  readonly hostname: string
  readonly cpuCount: number
  readonly processorName: string
  /** Of the last processor in /proc/cpuinfo. */
  readonly cpuinfo: Readonly<Record<string, string>>
  /** /proc/meminfo, values as written there. */
  readonly meminfo: Readonly<Record<string, string>>
  readonly memoryBytes: number
}

/** Counters of what was asked of the storage by all readers of a process. */
export interface IoRecord {
  readonly bytesAsked: number
  readonly readCalls: number
  readonly filesOpened: number
  readonly retries: number
  readonly samplesRead: number
  /** Most reads that were in flight at once. */
  readonly readsInFlight: number
  /** Size of one read request in bytes. */
  readonly requestBytes: number
  readonly direct: boolean
  /** Which bytes were asked for one sample: whole files (`file`), what upstream DLIO asks for, or just the sample where the format allows. */
  readonly readExtent?: 'file' | 'upstream' | 'sample'
}

/** Everything a finished (or interrupted) run leaves for metrics and output. */
export interface RunRecord {
  readonly beginMs: number
  readonly endMs: number
  readonly ranks: readonly RankRecord[]
  readonly hosts: readonly HostRecord[]
  /** Steps of one epoch per rank as planned, for the metric window. */
  readonly stepsPerEpoch: number
  readonly stepsPerEval: number
  /** Samples in one epoch's training, or one evaluation, of all ranks; where absent every step has a full batch. */
  readonly samplesPerEpoch?: number
  readonly samplesPerEval?: number
  /** Of jobs that made their data set first. */
  readonly generation?: GenerationRecord
  readonly io: IoRecord
  /** Of runs on object storage. */
  readonly objects?: ObjectsRecord
  /** Of checkpoints in object storage. */
  readonly checkpointObjects?: CheckpointObjectsRecord
  /** Bytes of checkpoint files written by this process, framing included; absent where none were. */
  readonly checkpointBytesWritten?: number
  readonly client: {
    readonly cpuSeconds: number
    readonly wallSeconds: number
    readonly maxRssBytes: number
    /** Milliseconds by which compute deadlines were met late. */
    readonly computeLagMeanMs: number
    readonly computeLagMaxMs: number
    /** Seconds from the start of the process to the first sample read; absent when none was. */
    readonly firstSampleSeconds?: number
    readonly threads: number
    /** Processors that this process may use (affinity respected), where known. */
    readonly cpusAvailable?: number
  }
  /** Encoded latency histograms of whole samples (open to close), microseconds, by name. */
  readonly histograms: Readonly<Record<string, LatencySummary>>
}

/** Quantiles of a latency distribution, in microseconds. */
export interface LatencySummary {
  readonly count: number
  readonly meanUs: number
  readonly minUs: number
  readonly p50Us: number
  readonly p90Us: number
  readonly p99Us: number
  readonly p999Us: number
  readonly maxUs: number
  /** Filled buckets, ascending: lower bound in microseconds and number of records. Buckets are 1/32 of an octave wide; sums of them merge runs. */
  readonly bucketsUs?: readonly (readonly [lowerUs: number, count: number])[]
}
