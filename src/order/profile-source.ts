// What the frameworks' mappings start from and have in common.
import type { Workload } from '../config/workload.js'
import { FileMap } from './file-map.js'
import { refuse, type SplitMapping, splitSettings, stepsCapOf } from './mapping.js'
import { sortByPath } from './path-order.js'
import type { SharedLists } from './shared-lists.js'
import type { FileList, Split } from './types.js'

/** What a framework works on in one split. */
export interface ProfileSource {
  readonly workload: Workload
  readonly split: Split
  readonly ranks: number
  readonly batchSize: number
  readonly samplesPerFile: number
  /** Files in use: those asked for, all ranks together. */
  readonly numFiles: number
  readonly files: FileList
  readonly lists: SharedLists
}

export interface ProfileSplit extends SplitMapping {
  /** Brings the split's shared lists from epoch − 1 to `epoch`. */
  advance(epoch: number): void
}

/** How an epoch of all ranks comes out when nobody caps its steps. */
export interface Delivery {
  /** Batches that every rank has. */
  readonly available: number
  /** Samples in the first `steps` batches of all ranks together. */
  delivered(steps: number): number
  /** How many different ones are in all of them. */
  readonly distinct: number
}

/** Steps under the user's cap, and the numbers that follow. Throws ConfigError where the cap is above what an epoch has. */
export function splitNumbers(source: ProfileSource, delivery: Delivery): Omit<SplitMapping, 'order'> {
  const { workload, split, numFiles, samplesPerFile, batchSize } = source
  const cap = stepsCapOf(workload, split)
  if (Number.isFinite(cap) && cap > delivery.available) {
    const rule = `an epoch of each rank has ${delivery.available} batches`
    throw refuse(workload, 'train.total_training_steps', String(cap), rule, `set it to ${delivery.available} or less, or give more files`)
  }
  const steps = Math.min(delivery.available, cap)
  return {
    numFilesUsed: numFiles,
    batchSize,
    steps,
    samplesPerEpoch: delivery.delivered(steps),
    samplesDropped: numFiles * samplesPerFile - delivery.distinct,
    samplesRepeated: delivery.delivered(delivery.available) - delivery.distinct,
  }
}

/** A shared permutation of `count` samples. Throws ConfigError where they are more than such a list can number. */
export function sharedPermutation({ workload, lists }: ProfileSource, count: number): () => Uint32Array {
  if (count > 2 ** 32) {
    const rule = 'a shuffle of more than 2^32 samples is not supported'
    throw refuse(workload, 'dataset.num_samples_per_file', `${count} samples`, rule, 'turn the shuffle off, or give fewer samples')
  }
  return lists.uint32(count)
}

/** The files in use, in the order of the list. */
export function listedFiles({ numFiles }: ProfileSource): FileMap {
  return FileMap.strided(numFiles)
}

/** The files in use as `list_files` sorts them. Lists are in path order already, except where they follow the numbers of files in subfolders. */
export function sortedFiles(source: ProfileSource): { map(): FileMap; advance(epoch: number): void } {
  const { workload, split, numFiles, files, lists } = source
  const inPathOrder = splitSettings(workload, split).numSubfolders <= 1 || !workload.dataset.skipListing
  if (inPathOrder || numFiles === 0) return { map: () => FileMap.strided(numFiles), advance: () => {} }
  const list = lists.uint32(numFiles)
  return {
    map: () => FileMap.listed(list(), 0, numFiles),
    advance: (epoch) => {
      if (epoch > 1) return
      const indices = list()
      for (let i = 0; i < numFiles; i++) indices[i] = i
      sortByPath(indices, files, false)
    },
  }
}
