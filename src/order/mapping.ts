// What both DLIOs' mappings have in common: the shape in which the plan uses them, and step counts.
import type { Workload } from '../config/workload.js'
import { ConfigError } from '../errors.js'
import type { EpochCounts } from './batch-orders.js'
import type { FileMap } from './file-map.js'
import type { SharedLists } from './shared-lists.js'
import type { EpochOrder, Split } from './types.js'

/** One split as the named DLIO maps it. Numbers are of one epoch. */
export interface SplitMapping {
  /** Files in use after trimming or sharding, all ranks together. */
  readonly numFilesUsed: number
  readonly batchSize: number
  readonly steps: number
  /** Samples of the files asked for that nobody reads, when the steps are not capped by the user. */
  readonly samplesDropped: number
  /** Reads of samples that have been read already. */
  readonly samplesRepeated: number
  /** Samples in the steps of all ranks, where batches may be short; without it every batch is full. */
  readonly samplesPerEpoch?: number
  order(rank: number, epoch: number): EpochOrder
}

/** Where NumPy's global generator stands after DLIO's reconfiguration: seeded with `seed`, then shuffled lists of these lengths. */
export interface StreamPosition {
  readonly seed: number
  readonly shuffles: readonly number[]
}

export interface Mapping {
  readonly train: SplitMapping
  readonly valid: SplitMapping
  readonly lists: SharedLists
  /** Brings the shared lists from epoch − 1 to `epoch`. */
  advance(epoch: number): void
  /** Undefined where DLIO seeds nothing: its draws are then not repeatable. */
  streamPosition(rank: number, epoch: number): StreamPosition | undefined
}

/** The part of a split's data that one rank works on, as a loader sees it. */
export interface SplitSource {
  readonly split: Split
  readonly ranks: number
  readonly batchSize: number
  readonly samplesPerFile: number
  /** Files asked for and there, before any trimming. */
  readonly numFilesGiven: number
  readonly numFilesUsed: number
  readonly samplesPerRank: number
  /** The list that `firstSample` and positions of a rank count in. */
  files(rank: number): FileMap
  firstSample(rank: number): number
  /** Steps that DLIO's loop allows itself in an epoch. */
  readonly maxSteps: number
  /** The user's cap on the steps, Infinity without. */
  readonly stepsCap: number
}

/** The cap that `total_training_steps` puts on each epoch (DLIO main._train; it does not hold for evaluation). */
export function stepsCapOf(workload: Workload, split: Split): number {
  const { totalTrainingSteps } = workload.train
  return split === 'train' && totalTrainingSteps > 0 ? totalTrainingSteps : Number.POSITIVE_INFINITY
}

/** Steps and fetched batches: the loop fetches one batch more than it uses where there is one (main._train breaks after the fetch). */
export function epochCounts(source: SplitSource, available: number): EpochCounts {
  const steps = Math.min(source.maxSteps, source.stepsCap, available)
  return { steps, batches: Math.min(available, steps + 1) }
}

/** Steps of an epoch without the user's cap: what the mapping itself allows. */
export function uncappedSteps(source: SplitSource, available: number): number {
  return Math.min(source.maxSteps, available)
}

/** What the configuration says of one split. */
export interface SplitSettings {
  readonly numFiles: number
  readonly numSubfolders: number
  readonly batchSize: number
  /** Evaluation files are only read where evaluation is on. */
  readonly isUsed: boolean
}

export function splitSettings({ dataset, reader, workflow }: Workload, split: Split): SplitSettings {
  return split === 'train'
    ? { numFiles: dataset.numFilesTrain, numSubfolders: dataset.numSubfoldersTrain, batchSize: reader.batchSize, isUsed: workflow.train }
    : {
        numFiles: dataset.numFilesEval,
        numSubfolders: dataset.numSubfoldersEval,
        batchSize: reader.batchSizeEval,
        isUsed: workflow.train && workflow.evaluation,
      }
}

/** A configuration that cannot be replayed: one problem, with the place and what to do. */
export function refuse(workload: Workload, path: string, value: string, rule: string, remedy: string): ConfigError {
  return new ConfigError(`${path}: ${value}: ${rule}; ${remedy}`, [{ source: workload.source.path, path, value, rule, remedy }])
}

/** Seed of an epoch's shuffles (config.reconfigure: `seed + epoch` with `seed_change_epoch`, else `seed`). */
export function epochSeed(workload: Workload, epoch: number): number {
  return workload.train.seed + (workload.train.seedChangeEpoch ? epoch : 0)
}

/** Throws ConfigError where it cannot be known what the loader reads, or where it cannot read such files. */
export function checkLoader(workload: Workload): void {
  const { dataLoader } = workload.reader
  // A profile brings rules of its own.
  if (!workload.workflow.train || workload.profile !== null) return
  if (dataLoader !== 'pytorch' && dataLoader !== 'tensorflow' && dataLoader !== 'dali' && dataLoader !== 'synthetic')
    throw refuseLoader(workload)
  if (workload.dataset.format === 'tfrecord' && (dataLoader === 'pytorch' || dataLoader === 'dali'))
    throw refuse(workload, 'reader.data_loader', dataLoader, 'tfrecord files have no random access', 'use data_loader: tensorflow')
}

/** Why a loader is refused. */
export function refuseLoader(workload: Workload): ConfigError {
  const { dataLoader } = workload.reader
  const rule =
    dataLoader === 'native_dali'
      ? 'DALI reads through its own library in an order that is not documented, and every rank reads shard 0'
      : 'which samples it reads is not known without running its Python code'
  return refuse(workload, 'reader.data_loader', dataLoader, rule, 'use pytorch, tensorflow, dali or synthetic')
}
