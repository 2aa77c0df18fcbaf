// PyTorch's own rules: torch.utils.data.DataLoader over a map-style data set of all samples of all files
// (dataloader.py, sampler.py, distributed.py; `DataLoader(generator=torch.Generator().manual_seed(seed))`).
import type { PytorchProfile } from '../config/workload.js'
import { listedFiles, type ProfileSource, type ProfileSplit, sharedPermutation, splitNumbers } from './profile-source.js'
import { dealtOut } from './round-robin.js'
import { SamplerOrder } from './sampler-orders.js'
import { drawBaseSeed, TorchGenerator } from './torch-random.js'

type Sampler = 'sequential' | 'random' | 'distributed'

export function torchSplit(source: ProfileSource, profile: PytorchProfile): ProfileSplit {
  const { ranks, batchSize, samplesPerFile, numFiles } = source
  const sampler = samplerOf(source, profile)
  const shuffles = source.split === 'train' && profile.shuffle && sampler !== 'sequential'
  const length = numFiles * samplesPerFile
  const count = sampler === 'distributed' ? distributedLength(length, ranks, profile.dropLast) : length
  const available = profile.dropLast ? Math.floor(count / batchSize) : Math.ceil(count / batchSize)
  const perRank = (steps: number) => Math.min(count, steps * batchSize)
  const numbers = splitNumbers(source, {
    available,
    delivered: (steps) => perRank(steps) * ranks,
    distinct: sampler === 'distributed' ? Math.min(length, perRank(available) * ranks) : perRank(available),
  })
  const list = shuffles && length > 0 ? sharedPermutation(source, length) : undefined
  const counts = { steps: numbers.steps, batches: numbers.steps }
  const schedule = dealtOut(available, Math.max(profile.numWorkers, 1))
  const files = listedFiles(source)
  return {
    ...numbers,
    order: (rank) => {
      const [first, stride] = sampler === 'distributed' ? [rank, ranks] : [0, 1]
      const range = { files, samplesPerFile, length, first, stride, count, list: list?.(), offset: 0 }
      return new SamplerOrder(counts, schedule, profile.numWorkers === 0, range, batchSize)
    },
    advance: list === undefined ? () => {} : permutations(profile, sampler, length, { steps: numbers.steps, available, batchSize }, list),
  }
}

/** Several ranks need a distributed sampler, or all of them would read the same; who names a sampler gets that one. Evaluation never shuffles. */
function samplerOf({ ranks, split }: ProfileSource, { sampler, shuffle }: PytorchProfile): Sampler {
  if (split === 'valid') {
    const shared = sampler === null || sampler === 'distributed'
    return shared && ranks > 1 ? 'distributed' : 'sequential'
  }
  return sampler ?? (ranks > 1 ? 'distributed' : shuffle ? 'random' : 'sequential')
}

/** `DistributedSampler.num_samples`. */
function distributedLength(length: number, replicas: number, dropLast: boolean): number {
  // torch writes the first as ceil((length − replicas) / replicas) where the length is no multiple.
  return dropLast ? Math.floor(length / replicas) : Math.ceil(length / replicas)
}

interface LoopSize {
  readonly steps: number
  readonly available: number
  readonly batchSize: number
}

/** Fills the list epoch by epoch. */
function permutations(
  profile: PytorchProfile,
  sampler: Sampler,
  length: number,
  loop: LoopSize,
  list: () => Uint32Array,
): (epoch: number) => void {
  if (sampler === 'distributed')
    // `set_epoch(epoch − 1)`: a new generator in each epoch.
    return (epoch) => list().set(new TorchGenerator(profile.seed + epoch - 1).randperm(length))
  const generator = new TorchGenerator(profile.seed)
  return (epoch) => {
    // Persistent workers keep the loader's iterator, which has drawn its base seed once.
    if (epoch === 1 || !profile.persistentWorkers) drawBaseSeed(generator)
    list().set(generator.randperm(length))
    if (exhaustsSampler(profile, length, loop)) generator.skipRandperm(length)
  }
}

/**
 * RandomSampler draws one permutation more when it is asked past its last index. A loop over the whole epoch asks so; one that is capped
 * only when the requests of its last step, prefetch_factor × workers ahead, reach beyond the end.
 */
function exhaustsSampler(
  { prefetchFactor, numWorkers }: PytorchProfile,
  length: number,
  { steps, available, batchSize }: LoopSize,
): boolean {
  const requests = steps + (prefetchFactor ?? 0) * numWorkers
  return steps === available || requests * batchSize > length
}
