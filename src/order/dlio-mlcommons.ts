// The mapping of MLCommons' DLIO (commit f6796ed), which MLPerf Storage runs: files dealt out to ranks before anything else,
// resharded over ranks in every epoch where `file_shuffle` is given.
import type { Workload } from '../config/workload.js'
import type { DatasetFiles, World } from '../plan/types.js'
import { reshard } from './dlio-reshard.js'
import { tfrecord } from './dlio-tfrecord.js'
import { evaluationsBefore } from './evaluations.js'
import { FileMap } from './file-map.js'
import { type GeneratorVariant, generators, iterable, mapStyle, synthetic } from './loaders.js'
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
import { type IndexArray, SharedLists } from './shared-lists.js'
import type { FileList, Split } from './types.js'

/** Files of a split as MLCommons' DLIO shards them. */
interface ShardedFiles {
  readonly split: Split
  readonly given: number
  readonly perRank: number
  /** The rank's own list. */
  map(rank: number): FileMap
  /** Sample index in the file by position in the rank's samples, where `sample_shuffle` permutes it; the same for all ranks. */
  readonly sampleTable: (() => IndexArray) | undefined
  advance(epoch: number): void
}

export function mlcommonsMapping(workload: Workload, world: World, files: DatasetFiles): Mapping {
  const lists = new SharedLists()
  const train = shardedFiles(workload, world, lists, 'train', files.train)
  const valid = shardedFiles(workload, world, lists, 'valid', files.valid)
  return {
    train: splitMapping(workload, world, train),
    valid: splitMapping(workload, world, valid),
    lists,
    advance: (epoch) => {
      train.advance(epoch)
      valid.advance(epoch)
    },
    streamPosition: (rank, epoch) => streamPosition(workload, world, rank, epoch),
  }
}

const isRecords = ({ reader, dataset }: Workload): boolean => reader.dataLoader === 'tensorflow' && dataset.format === 'tfrecord'

/** Asked for 0 files, DLIO keeps all that it finds. */
const filesPerRank = (asked: number, found: number, ranks: number): number =>
  Math.floor((asked > 0 ? Math.min(asked, found) : found) / ranks)

function shardedFiles(workload: Workload, { ranks }: World, lists: SharedLists, split: Split, files: FileList): ShardedFiles {
  const { numFiles, numSubfolders, isUsed } = splitSettings(workload, split)
  const given = isUsed ? (numFiles > 0 ? Math.min(files.count, numFiles) : files.count) : 0
  const perRank = isUsed ? filesPerRank(numFiles, files.count, ranks) : 0
  const count = perRank * ranks
  const reshards = workload.reader.fileShuffle
  // tf.data sorts the records' files by path; with `skip_listing` DLIO's own list follows the numbers of the files instead.
  const inPathOrder = numSubfolders <= 1 || !workload.dataset.skipListing
  const sorts = isRecords(workload) && (reshards || !inPathOrder)
  const list = reshards || sorts ? lists.uint32(count) : undefined
  const sampleTable = tableOf(workload, lists, perRank)
  let scratch: Uint32Array | undefined
  const advanceList = (epoch: number) => {
    if (list === undefined || (sorts && epoch > 1)) return
    const indices = list()
    if (epoch === 1) for (let rank = 0, at = 0; rank < ranks; rank++) for (let i = 0; i < perRank; i++) indices[at++] = rank + i * ranks
    scratch ??= new Uint32Array(reshards ? count : 0)
    if (reshards) reshard(indices, scratch, ranks, workload.train, epoch)
    // The record pipeline is built once, with the lists of epoch 1; the lists change further, but nobody looks at them again.
    if (sorts)
      for (let rank = 0; rank < ranks; rank++) sortByPath(indices.subarray(rank * perRank, (rank + 1) * perRank), files, inPathOrder)
  }
  return {
    split,
    given,
    perRank,
    map: (rank) => (list === undefined ? FileMap.strided(perRank, rank, ranks) : FileMap.listed(list(), rank * perRank, perRank)),
    sampleTable,
    advance: (epoch) => {
      advanceList(epoch)
      if (sampleTable !== undefined) fillTable(sampleTable(), workload, epoch)
    },
  }
}

/**
 * build_sample_map_iter takes the file from the position and the sample in the file from the permuted sample number, so that some samples
 * are read twice and others not at all. Only the number modulo the samples of a file matters, and only that is kept.
 */
function tableOf(workload: Workload, lists: SharedLists, perRank: number): (() => IndexArray) | undefined {
  const { reader, dataset } = workload
  const permutes = reader.dataLoader === 'tensorflow' && !isRecords(workload) && reader.sampleShuffle !== 'off'
  const { numSamplesPerFile } = dataset
  return permutes && numSamplesPerFile > 1 && perRank > 0 ? lists.indices(perRank * numSamplesPerFile, numSamplesPerFile) : undefined
}

function fillTable(table: IndexArray, workload: Workload, epoch: number): void {
  const { numSamplesPerFile } = workload.dataset
  for (let i = 0; i < table.length; ) for (let sample = 0; sample < numSamplesPerFile; sample++) table[i++] = sample
  new RandomState(epochSeed(workload, epoch)).shuffle(table)
}

function splitMapping(workload: Workload, { ranks }: World, files: ShardedFiles): SplitMapping {
  const { reader, dataset } = workload
  const { batchSize } = splitSettings(workload, files.split)
  const samplesPerRank = dataset.numSamplesPerFile * files.perRank
  const source: SplitSource = {
    split: files.split,
    ranks,
    batchSize,
    samplesPerFile: dataset.numSamplesPerFile,
    numFilesGiven: files.given,
    numFilesUsed: files.perRank * ranks,
    samplesPerRank,
    files: files.map,
    firstSample: () => 0,
    maxSteps: (reader.fileShuffle ? Math.floor : Math.ceil)(samplesPerRank / batchSize),
    stepsCap: stepsCapOf(workload, files.split),
  }
  switch (reader.dataLoader) {
    case 'pytorch':
      return isIterable(workload) ? iterable(workload, source) : mapStyle(workload, source)
    case 'dali':
      return mapStyle(workload, source)
    case 'tensorflow':
      return isRecords(workload)
        ? tfrecord(workload, source, {
            numFilesListed: files.perRank,
            sortedFiles: files.map,
            warmsUp: true,
            evaluationsBefore: (epoch) => evaluationsBefore(workload, epoch),
          })
        : generators(workload, source, generatorVariant(source, files))
    case 'synthetic':
      return synthetic(source)
    default:
      throw refuseLoader(workload)
  }
}

/** torch_data_loader takes an iterable data set for parquet, and for whole-file formats on storage that is no local file system. */
function isIterable({ dataset, storage }: Workload): boolean {
  if (dataset.format === 'parquet') return true
  const wholeFile = ['npz', 'npy', 'jpeg', 'png'].includes(dataset.format)
  return wholeFile && ['s3', 'aistore', 'direct_fs'].includes(storage.type)
}

function generatorVariant(source: SplitSource, { sampleTable, perRank }: ShardedFiles): GeneratorVariant {
  const { ranks, samplesPerFile, samplesPerRank } = source
  return {
    pads: false,
    rules: () => ({ sampleTable: sampleTable?.() }),
    distinct: (delivered) => {
      if (sampleTable === undefined) return delivered * ranks
      // Expected value: a sample is missed when none of the S positions of its file draws it, without replacement.
      let missed = 1
      for (let i = 0; i < samplesPerFile; i++) missed *= (samplesPerRank - perRank - i) / (samplesPerRank - i)
      return Math.round(delivered * ranks * (1 - Math.max(0, missed)))
    },
  }
}

function streamPosition(workload: Workload, { ranks }: World, rank: number, epoch: number): StreamPosition | undefined {
  const { reader, dataset, train } = workload
  const validFiles = Math.floor(dataset.numFilesEval / ranks)
  const last = validFiles > 0 ? validFiles : Math.floor(dataset.numFilesTrain / ranks)
  // The sample maps come after the resharding, the one of evaluation last; each seeds again.
  if (reader.sampleShuffle !== 'off' && last > 0) return { seed: epochSeed(workload, epoch), shuffles: [last * dataset.numSamplesPerFile] }
  // Resharding ends with the evaluation list, whether it holds files or not.
  return reader.fileShuffle ? { seed: train.seed + epoch + 31 * rank, shuffles: [validFiles] } : undefined
}
