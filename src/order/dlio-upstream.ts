// The mapping of argonne-lcf's DLIO (commit e1919d7): main.initialize (trimming), config.reconfigure, build_sample_map_iter,
// get_global_map_index and the loaders.
import type { Workload } from '../config/workload.js'
import type { DatasetFiles, World } from '../plan/types.js'
import { tfrecord } from './dlio-tfrecord.js'
import { evaluationsBefore } from './evaluations.js'
import { FileMap } from './file-map.js'
import { type GeneratorVariant, generators, mapStyle, synthetic } from './loaders.js'
import {
  epochSeed,
  type Mapping,
  refuseLoader,
  type SplitMapping,
  type SplitSource,
  type StreamPosition,
  splitSettings,
  stepsCapOf,
} from './mapping.js'
import { RandomState } from './numpy-random.js'
import { sortByPath } from './path-order.js'
import { SharedLists } from './shared-lists.js'
import type { FileList, Split } from './types.js'

/** Files of a split as upstream keeps them: all ranks hold the same list. */
interface UpstreamFiles {
  readonly split: Split
  readonly given: number
  /** After trimming to a multiple of samples per file × batch × ranks files (main.initialize). */
  readonly kept: number
  map(): FileMap
  /** Prepares the shared list before epoch 1. */
  fill(): void
  /** The shared list, where the order of files changes. */
  readonly list: (() => Uint32Array) | undefined
}

export function upstreamMapping(workload: Workload, world: World, files: DatasetFiles): Mapping {
  const lists = new SharedLists()
  const train = upstreamFiles(workload, world, lists, 'train', files.train)
  const valid = upstreamFiles(workload, world, lists, 'valid', files.valid)
  const random = new RandomState(0)
  return {
    train: splitMapping(workload, world, train),
    valid: splitMapping(workload, world, valid),
    lists,
    advance: (epoch) => {
      if (epoch === 1) for (const { fill } of [train, valid]) fill()
      if (!shufflesFiles(workload)) return
      // config.reconfigure shuffles in place: each epoch permutes what the one before has left. One stream goes through both lists.
      random.seed(epochSeed(workload, epoch))
      for (const { list } of [train, valid]) if (list !== undefined) random.shuffle(list())
    },
    streamPosition: (rank, epoch) => streamPosition(workload, world, rank, epoch),
  }
}

/** Only the iterative sampler shuffles files; TFRecord's list is sorted again by `list_files`. */
const shufflesFiles = ({ reader, dataset }: Workload): boolean =>
  reader.dataLoader === 'tensorflow' && reader.fileShuffle && dataset.format !== 'tfrecord'

function trim(workload: Workload, { ranks }: World, split: Split, given: number): number {
  const step = workload.dataset.numSamplesPerFile * splitSettings(workload, split).batchSize * ranks
  return Math.floor(given / step) * step
}

function upstreamFiles(workload: Workload, world: World, lists: SharedLists, split: Split, files: FileList): UpstreamFiles {
  const { numFiles, numSubfolders, isUsed } = splitSettings(workload, split)
  const given = isUsed ? Math.min(files.count, numFiles) : 0
  const kept = trim(workload, world, split, given)
  const fixed = (map: FileMap): UpstreamFiles => ({ split, given, kept, map: () => map, fill: () => {}, list: undefined })
  const sorts = workload.reader.dataLoader === 'tensorflow' && workload.dataset.format === 'tfrecord' && numSubfolders > 1
  if (sorts && files.numberedSubfolders !== undefined) return fixed(FileMap.byFolder(kept, files.numberedSubfolders))
  if (!sorts && !shufflesFiles(workload)) return fixed(FileMap.strided(kept))
  const list = lists.uint32(kept)
  const fill = () => {
    const indices = list()
    for (let i = 0; i < kept; i++) indices[i] = i
    if (sorts) sortByPath(indices, files, false)
  }
  return { split, given, kept, map: () => FileMap.listed(list(), 0, kept), fill, list }
}

function splitMapping(workload: Workload, { ranks }: World, { split, given, kept, map }: UpstreamFiles): SplitMapping {
  const { numSamplesPerFile } = workload.dataset
  const { batchSize } = splitSettings(workload, split)
  const samplesPerRank = (numSamplesPerFile * kept) / ranks
  const source: SplitSource = {
    split,
    ranks,
    batchSize,
    samplesPerFile: numSamplesPerFile,
    numFilesGiven: given,
    numFilesUsed: kept,
    samplesPerRank,
    files: map,
    firstSample: (rank) => rank * samplesPerRank,
    maxSteps: Math.floor((numSamplesPerFile * kept) / batchSize / ranks),
    stepsCap: stepsCapOf(workload, split),
  }
  switch (workload.reader.dataLoader) {
    case 'pytorch':
    case 'dali':
      return mapStyle(workload, source)
    case 'tensorflow':
      return workload.dataset.format === 'tfrecord'
        ? tfrecord(workload, source, {
            numFilesListed: kept,
            sortedFiles: map,
            warmsUp: false,
            evaluationsBefore: (epoch) => evaluationsBefore(workload, epoch),
          })
        : generators(workload, source, generatorVariant(source))
    case 'synthetic':
      return synthetic(source)
    default:
      throw refuseLoader(workload)
  }
}

/**
 * build_sample_map_iter: a rank's first sample comes from its own file r·⌊F/R⌋, all others are counted from file 0 again, so that ranks
 * read the same files (quirk 35).
 */
function generatorVariant({ ranks, numFilesUsed }: SplitSource): GeneratorVariant {
  const filesPerRank = numFilesUsed === 0 ? 0 : Math.floor(numFilesUsed / ranks) % numFilesUsed
  return {
    pads: true,
    rules: (rank) => ({ firstPosition: rank * filesPerRank }),
    distinct: (perRank) => (perRank === 0 ? 0 : perRank - 1 + ranks),
  }
}

function streamPosition(workload: Workload, world: World, _rank: number, epoch: number): StreamPosition | undefined {
  const { reader, dataset } = workload
  const seed = epochSeed(workload, epoch)
  const train = trim(workload, world, 'train', dataset.numFilesTrain)
  const valid = trim(workload, world, 'valid', dataset.numFilesEval)
  // The sample map of evaluation is made last and seeds again, where there are evaluation files.
  const last = valid > 0 ? valid : train
  if (reader.sampleShuffle !== 'off' && last > 0) return { seed, shuffles: [(last * dataset.numSamplesPerFile) / world.ranks] }
  return reader.dataLoader === 'tensorflow' && reader.fileShuffle ? { seed, shuffles: [train, valid] } : undefined
}
