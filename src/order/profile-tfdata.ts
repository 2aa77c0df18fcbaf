// tf.data's own rules: list_files → shard(ranks, rank) → interleave (or num_parallel_reads) → shuffle → batch → prefetch. Formats with
// random access are streamed sample by sample, as a generator over each file would.
import type { TensorflowProfile } from '../config/workload.js'
import { shardOf } from './dlio-tfrecord.js'
import { refuse } from './mapping.js'
import { type ProfileSource, type ProfileSplit, sortedFiles, splitNumbers } from './profile-source.js'
import { batchesOfPass, RecordOrder, type RecordPipeline, recordsOfPass } from './record-order.js'
import { ShufflePasses, tfSeeds } from './tf-random.js'

export function tfdataSplit(source: ProfileSource, profile: TensorflowProfile): ProfileSplit {
  const { ranks, batchSize, samplesPerFile, numFiles } = source
  checkCycle(source, profile)
  const keepsRemainder = !profile.dropRemainder
  // Fewer files than ranks: records are sharded behind the shuffle instead, as tf.distribute's AutoShardPolicy.AUTO falls back to DATA.
  const shards = Array.from({ length: ranks }, (_, rank) => shardOf(numFiles, ranks, rank))
  const size = { recordsPerFile: samplesPerFile, batchSize, keepsRemainder }
  const available = Math.min(...shards.map((shard) => batchesOfPass({ ...shard, ...size })))
  const delivered = (steps: number) =>
    shards.reduce((sum, shard) => sum + Math.min(recordsOfPass({ ...shard, ...size }), steps * batchSize), 0)
  const numbers = splitNumbers(source, { available, delivered, distinct: delivered(available) })
  const sorted = sortedFiles(source)
  const counts = { steps: numbers.steps, batches: numbers.steps }
  const bufferSize = source.split === 'train' ? profile.shuffleBufferSize : null
  const passes = new ShufflePasses(tfSeeds(profile.seed), profile.reshuffleEachIteration)
  return {
    ...numbers,
    order: (rank, epoch) => {
      const files = sorted.map()
      const pipeline: RecordPipeline = {
        files: numFiles >= ranks ? files.everyNth(rank, ranks) : files,
        recordShard: shards[rank]!.recordShard,
        ...size,
        cycle: profile.cycleLength,
        blockLength: profile.blockLength,
        shuffle: bufferSize === null ? undefined : { bufferSize, passes },
      }
      // Every epoch iterates the same data set anew: one pass over the shuffle each.
      return new RecordOrder(counts, pipeline, epoch - 1)
    },
    advance: sorted.advance,
  }
}

/** A given cycle must not exceed the inputs that a rank's interleave gets. */
function checkCycle({ workload, split, ranks, numFiles }: ProfileSource, { cycleLength, cycleGiven }: TensorflowProfile): void {
  const inputs = numFiles >= ranks ? Math.ceil(numFiles / ranks) : numFiles
  if (!cycleGiven || split === 'valid' || inputs === 0 || cycleLength <= inputs) return
  const rule = `must be at most the number of inputs of a rank (tf.data: cycle_length input elements are processed concurrently), which is ${inputs} of ${numFiles} files`
  throw refuse(workload, 'framework_profiles.tensorflow.cycle_length', String(cycleLength), rule, `give ${inputs} or less`)
}
