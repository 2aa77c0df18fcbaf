// JAX in the manner of grain (grain/_src/python/samplers.py IndexSampler, data_loader.py): samples are sharded in contiguous ranges, the
// same number for each rank (ShardByJaxProcess(drop_remainder=True)), shuffled within the shard, dealt to workers, batched by the workers.
// The permutation is not grain's (a block cipher) but NumPy's: RandomState((seed + epoch − 1) mod 2^32).permutation(samples of a shard).
import type { JaxProfile } from '../config/workload.js'
import { RandomState } from './numpy-random.js'
import { listedFiles, type ProfileSource, type ProfileSplit, sharedPermutation, splitNumbers } from './profile-source.js'
import { roundRobin } from './round-robin.js'
import { WorkerSamplerOrder } from './sampler-orders.js'

export function grainSplit(source: ProfileSource, profile: JaxProfile): ProfileSplit {
  const { ranks, batchSize, samplesPerFile, numFiles, split } = source
  const length = Math.floor((numFiles * samplesPerFile) / ranks)
  const workers = Math.max(profile.workerCount, 1)
  const ofWorker = Array.from({ length: workers }, (_, worker) => Math.max(0, Math.ceil((length - worker) / workers)))
  const units = ofWorker.map((count) => (profile.dropRemainder ? Math.floor(count / batchSize) : Math.ceil(count / batchSize)))
  const schedule = roundRobin(units)
  const delivered = (steps: number) =>
    ranks * ofWorker.reduce((sum, count, worker) => sum + Math.min(count, schedule.unitsBefore(worker, steps) * batchSize), 0)
  const numbers = splitNumbers(source, { available: schedule.total, delivered, distinct: delivered(schedule.total) })
  const counts = { steps: numbers.steps, batches: numbers.steps }
  const list = split === 'train' && profile.shuffle && length > 0 ? sharedPermutation(source, length) : undefined
  const files = listedFiles(source)
  return {
    ...numbers,
    order: (rank) => {
      const range = { files, samplesPerFile, length, first: 0, stride: 1, count: length, list: list?.(), offset: rank * length }
      return new WorkerSamplerOrder(counts, schedule, profile.workerCount === 0, range, batchSize)
    },
    advance: (epoch) => {
      if (list === undefined) return
      const indices = list()
      for (let i = 0; i < length; i++) indices[i] = i
      new RandomState((profile.seed + epoch - 1) % 2 ** 32).shuffle(indices)
    },
  }
}
