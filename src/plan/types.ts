// The plan: everything about a run that can be known without I/O and without a clock. Lazy: sizes of data sets cost nothing.
import type { Warning, Workload } from '../config/workload.js'
import type { EpochOrder, FileList, Split } from '../order/types.js'

/** Ranks of the job, all local ones in this process unless a launcher says otherwise. */
export interface World {
  readonly ranks: number
  readonly hosts: number
}

/** The files that a run will read from, as found by listing or as computed from the configuration. */
export interface DatasetFiles {
  readonly train: FileList
  readonly valid: FileList
}

export interface SplitPlan {
  readonly files: FileList
  /** Files in use after DLIO's trimming or sharding. */
  readonly numFilesUsed: number
  readonly batchSize: number
  /** Steps of one epoch of each rank (the smallest over ranks: nobody waits for ever at a barrier). */
  readonly steps: number
  /** Samples left unread or read twice in an epoch by the named DLIO's mapping, for the warning. */
  readonly samplesDropped: number
  readonly samplesRepeated: number
  /** Samples in the steps of one epoch of all ranks together. */
  readonly samplesPerEpoch: number
}

export interface Plan {
  readonly workload: Workload
  readonly world: World
  readonly epochs: number
  readonly train: SplitPlan
  readonly valid: SplitPlan
  readonly warnings: readonly Warning[]
  /**
   * Memory that epochs share between threads (file permutations), 0 bytes where nothing is shuffled. The owner allocates it
   * (a SharedArrayBuffer of `sharedBytes`), gives it to every thread's `createPlan`, and alone calls `advance`.
   */
  readonly sharedBytes: number
  /** Brings the shared permutations to epoch `epoch` (1-based, ascending). Only by the owner, and only while no reader uses the plan. */
  advance(epoch: number): void
  /** The order of one rank in one epoch (1-based) of one split; valid until the next `advance`. */
  order(split: Split, rank: number, epoch: number): EpochOrder
  /** Epochs (1-based) after which the evaluation runs. */
  evaluates(epoch: number): boolean
  /** Compute time in seconds for each step, drawn from the named DLIO's NumPy stream: one generator per rank, calls in step order. */
  sleeps(rank: number): SleepStream
}

/** Draws of computation times, in the order in which DLIO draws them (sample-order.md 2.9). */
export interface SleepStream {
  /** Called when the epoch's reconfiguration has reseeded the generator. */
  startEpoch(epoch: number): void
  /** Seconds to compute in the next training step, or evaluation step. */
  next(split: Split): number
  /** Seconds to preprocess the next sample where the training process reads itself (`read_threads: 0`): the same stream. */
  nextPreprocess(): number
}
