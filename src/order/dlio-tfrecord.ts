// TFRecord under tf.data, the same code in both DLIOs (tf_reader.py): pipeline, step counts and the passes its shuffle goes through.
import type { Workload } from '../config/workload.js'
import type { FileMap } from './file-map.js'
import { splitNumbers } from './loaders.js'
import { epochCounts, refuse, type SplitMapping, type SplitSource, uncappedSteps } from './mapping.js'
import { batchesOfPass, RecordOrder, type RecordPipeline, type RecordShard } from './record-order.js'
import { ShufflePasses, type TfSeeds, tfSeeds } from './tf-random.js'

/** What the two trees do differently around the pipeline. */
export interface RecordVariant {
  /** Length of the list that tf_reader shards: all files (upstream), the rank's own (MLCommons). */
  readonly numFilesListed: number
  /** The rank's list in path order, as `list_files` sorts it. */
  sortedFiles(rank: number): FileMap
  /** MLCommons takes one batch of an iterator of its own before each epoch of training. */
  readonly warmsUp: boolean
  /** How many evaluations have run before the one of `epoch`. */
  evaluationsBefore(epoch: number): number
}

export function tfrecord(workload: Workload, source: SplitSource, variant: RecordVariant): SplitMapping {
  const { readThreads } = workload.reader
  if (readThreads === 0) {
    const rule = 'TFRecordDataset cannot read with 0 parallel reads (tf.data: cycle_length must be > 0)'
    throw refuse(workload, 'reader.read_threads', '0', rule, 'set it to 1 or more')
  }
  const { ranks, samplesPerFile, batchSize } = source
  const shards = Array.from({ length: ranks }, (_, rank) => shardOf(variant.numFilesListed, ranks, rank))
  const perPassOf = shards.map((shard) => batchesOfPass({ ...shard, recordsPerFile: samplesPerFile, batchSize, keepsRemainder: false }))
  const perPass = Math.min(...perPassOf)
  const passes = Array.from({ length: ranks }, (_, rank) => shuffleOf(workload, rank))
  // tf_reader.next: total = ⌊files / ranks / batch size · samples per file⌋, in doubles and in this order; then take(total · epochs).
  const total = Math.floor((variant.numFilesListed / ranks / batchSize) * samplesPerFile)
  // A rank without a full batch ends at once; the others would wait for it for ever, so nobody takes a step.
  const available = perPass === 0 ? 0 : total * workload.train.epochs
  const counts = epochCounts(source, available)
  const uncapped = uncappedSteps(source, available)
  const delivered = uncapped * batchSize * ranks
  // Without a shuffle every pass gives the same batches; with one, a later pass may find a few of those that an earlier one has dropped.
  const distinct = perPassOf.reduce((sum, own) => sum + Math.min(uncapped, own) * batchSize, 0)
  return {
    ...splitNumbers(source, counts.steps, { delivered, distinct }),
    order: (rank, epoch) => {
      const listed = variant.sortedFiles(rank)
      const pipeline: RecordPipeline = {
        files: listed.count >= ranks ? listed.everyNth(rank, ranks) : listed,
        recordShard: shards[rank]!.recordShard,
        recordsPerFile: samplesPerFile,
        cycle: readThreads,
        blockLength: 1,
        batchSize,
        keepsRemainder: false,
        shuffle: passes[rank],
      }
      return new RecordOrder(counts, pipeline, firstPass(workload, source, variant, counts.steps, available, perPassOf[rank]!, epoch))
    },
  }
}

/** `shard(ranks, rank)` of the files where there are as many as ranks, else of the records behind the shuffle. */
export function shardOf(numFilesListed: number, ranks: number, rank: number): { numFiles: number; recordShard: RecordShard } {
  return numFilesListed >= ranks
    ? { numFiles: Math.ceil((numFilesListed - rank) / ranks), recordShard: { count: 1, index: 0 } }
    : { numFiles: numFilesListed, recordShard: { count: ranks, index: rank } }
}

function shuffleOf(workload: Workload, rank: number): RecordPipeline['shuffle'] {
  const { sampleShuffle, shuffleSize } = workload.reader
  if (sampleShuffle === 'off') return undefined
  if (shuffleSize < 1)
    throw refuse(
      workload,
      'reader.shuffle_size',
      String(shuffleSize),
      'tf.data: buffer_size must be greater than zero',
      'set it to 1 or more',
    )
  return { bufferSize: shuffleSize, passes: new ShufflePasses(shuffleSeeds(workload, rank), true) }
}

/**
 * With `sample_shuffle: seed` the seeds that DLIO gives. With `random` tf.data seeds itself from the operating system; a stand-in takes its
 * place that differs from rank to rank as that would, but lets a run be repeated and lets every thread of a run agree.
 */
function shuffleSeeds(workload: Workload, rank: number): TfSeeds {
  const { seed } = workload.train
  return workload.reader.sampleShuffle === 'seed' ? tfSeeds(seed) : tfSeeds(rank + 1, seed)
}

/**
 * Every iterator takes the next seeds of the shuffle for each pass it opens. An epoch's iterator opens a pass when it fetches into it:
 * the surplus batch counts, and so do the batches that `prefetch` has taken ahead while the last step was computed.
 */
function firstPass(
  workload: Workload,
  source: SplitSource,
  variant: RecordVariant,
  steps: number,
  available: number,
  perPass: number,
  epoch: number,
): number {
  if (perPass === 0) return 0
  const fetched = Math.min(available, Math.max(steps + 1, steps + workload.reader.prefetchSize))
  const passesOfEpoch = Math.max(1, Math.ceil(fetched / perPass))
  if (source.split === 'valid') return variant.evaluationsBefore(epoch) * passesOfEpoch
  const warmUps = variant.warmsUp ? epoch : 0
  return warmUps + (epoch - 1) * passesOfEpoch
}
