// PyTorch's CPU generator and the samplers built on it.
// Sources: ATen/CPUGeneratorImpl.h, ATen/core/MT19937RNGEngine.h, ATen/native/TensorFactories.cpp (randperm_cpu),
// torch/utils/data/sampler.py, torch/utils/data/distributed.py, torch/utils/data/dataloader.py, torch/utils/data/_utils/worker.py.
import { mersenne } from 'pure-rand/generator/mersenne'
import { identity } from './numpy-random.js'

/** From this length on torch 2.13 draws permutations with 64-bit words: ⌊(2³²−1)/20⌋. */
const wideRandpermLength = 214_748_364
/** From this bound on `randint` takes 64-bit words. */
const wideRandintBound = 2 ** 28

/** `torch.Generator` on the CPU. */
export class TorchGenerator {
  private readonly engine: ReturnType<typeof mersenne>

  /** @param seed any integer of −2⁶³ … 2⁶⁴−1, as `manual_seed` takes it; only the low 32 bits reach the engine. Throws RangeError otherwise. */
  constructor(seed: number | bigint) {
    if (typeof seed === 'number' && !Number.isInteger(seed)) throw new RangeError(`manual_seed expected an integer, not ${seed}`)
    const wide = BigInt(seed)
    if (wide < -(2n ** 63n) || wide >= 2n ** 64n) throw new RangeError(`manual_seed: ${wide} is outside of −2⁶³ … 2⁶⁴−1`)
    this.engine = mersenne(Number(BigInt.asUintN(32, wide)))
  }

  /** `random()`: 32 bits. */
  random(): number {
    return this.engine.next() >>> 0
  }

  /** `random64()`: the first word is the high half. */
  random64(): bigint {
    const high = BigInt(this.random())
    return (high << 32n) | BigInt(this.random())
  }

  /** `torch.empty((), dtype=torch.int64).random_(generator=g).item()`: how seeds of samplers and workers are drawn. */
  randomInt64(): bigint {
    return BigInt.asUintN(63, this.random64())
  }

  /** One element of `torch.randint(high, …, dtype=torch.int64)`, with torch's modulo bias. */
  randint(high: number): number {
    return high < wideRandintBound ? this.random() % high : this.wideRemainder(high)
  }

  /** `torch.randperm(n)`. Exchanges up from the front below `wideRandpermLength`, inside-out with 64-bit words from there on. */
  randperm(count: number): Uint32Array {
    return count < wideRandpermLength ? this.narrowRandperm(count) : this.wideRandperm(count)
  }

  /** Leaves the generator as `randperm(count)` would, without the permutation. */
  skipRandperm(count: number): void {
    const words = count < wideRandpermLength ? count - 1 : 2 * count
    for (let i = 0; i < words; i++) this.engine.next()
  }

  private narrowRandperm(count: number): Uint32Array {
    const items = identity(count)
    for (let i = 0; i < count - 1; i++) {
      const j = i + (this.random() % (count - i))
      const item = items[i]!
      items[i] = items[j]!
      items[j] = item
    }
    return items
  }

  /** The regime of long permutations; public so that it can be checked at lengths that fit a test. */
  wideRandperm(count: number): Uint32Array {
    const items = new Uint32Array(count)
    for (let i = 0; i < count; i++) {
      const j = this.wideRemainder(i + 1)
      items[i] = items[j]!
      items[j] = i
    }
    return items
  }

  /** `random64() % bound` for bounds up to 2³², by Horner's rule with 16 bits at a time, so that every product is exact. */
  private wideRemainder(bound: number): number {
    const high = this.random() % bound
    const low = this.random()
    const middle = (high * 65_536 + (low >>> 16)) % bound
    return (middle * 65_536 + (low & 0xffff)) % bound
  }
}

/** Options of `torch.utils.data.RandomSampler`. */
export interface RandomSamplerOptions {
  readonly replacement?: boolean
  /** How many indices an epoch has; the length of the data where absent. */
  readonly numSamples?: number | undefined
}

/**
 * One epoch of a RandomSampler over `length` items from the given generator. Exhausting it without replacement always draws one
 * permutation more than is used (sampler.py: the tail of length `num_samples % n` is cut from a full permutation), and so does this.
 */
export function* randomSampler(generator: TorchGenerator, length: number, options: RandomSamplerOptions = {}): Generator<number> {
  const wanted = options.numSamples ?? length
  if (options.replacement) {
    // Chunks of 32 are one tensor each; element by element they are the same draws.
    for (let i = 0; i < wanted; i++) yield generator.randint(length)
    return
  }
  for (let full = Math.floor(wanted / length); full > 0; full--) yield* generator.randperm(length)
  yield* generator.randperm(length).subarray(0, wanted % length)
}

/** As `randomSampler` where the sampler has no generator of its own: its seed is drawn from the default generator at the first index. */
export function* defaultRandomSampler(
  defaultGenerator: TorchGenerator,
  length: number,
  options: RandomSamplerOptions = {},
): Generator<number> {
  yield* randomSampler(new TorchGenerator(defaultGenerator.randomInt64()), length, options)
}

/** Options of `torch.utils.data.distributed.DistributedSampler`. */
export interface DistributedSamplerOptions {
  readonly replicas: number
  readonly rank: number
  readonly shuffle: boolean
  readonly dropLast: boolean
  readonly seed: number
  /** As given to `set_epoch`; 0 where it is never called. */
  readonly epoch: number
}

/** Indices of one rank in one epoch. */
export function distributedSampler(length: number, options: DistributedSamplerOptions): number[] {
  const { replicas, rank, shuffle, dropLast, seed, epoch } = options
  const perRank = dropLast && length % replicas !== 0 ? Math.ceil((length - replicas) / replicas) : Math.ceil(length / replicas)
  const order = shuffle ? new TorchGenerator(seed + epoch).randperm(length) : identity(length)
  const result: number[] = []
  // Position p of the list that is repeated cyclically up to perRank × replicas, or cut to it.
  for (let p = rank; p < perRank * replicas; p += replicas) result.push(order[p % length]!)
  return result
}

/** `BatchSampler`: groups of `batchSize` in the order of the sampler. */
export function* batches<T>(sampler: Iterable<T>, batchSize: number, dropLast: boolean): Generator<T[]> {
  let batch: T[] = []
  for (const item of sampler) {
    batch.push(item)
    if (batch.length === batchSize) {
      yield batch
      batch = []
    }
  }
  if (batch.length > 0 && !dropLast) yield batch
}

/** What `DataLoader.__iter__` draws first, for every kind of data set and number of workers, before the sampler draws anything. */
export function drawBaseSeed(generator: TorchGenerator): bigint {
  return generator.randomInt64()
}

/** Seed of Python's `random` and of torch in worker `worker` of an iterator. */
export function workerSeed(baseSeed: bigint, worker: number): bigint {
  return baseSeed + BigInt(worker)
}

/** Seed words of NumPy's legacy generator in worker `worker` (worker.py `_generate_state`, the hash of NumPy's SeedSequence). */
export function numpyWorkerSeed(baseSeed: bigint, worker: number): number[] {
  let hashA = 0x43b0d7e5
  const scramble = (value: number, before: number, after: number): number => {
    const product = Math.imul(value ^ before, after)
    return product ^ (product >>> 16)
  }
  const hash = (value: number): number => {
    const before = hashA
    hashA = Math.imul(hashA, 0x931e8875)
    return scramble(value, before, hashA)
  }
  const mix = (x: number, y: number): number => {
    const difference = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) | 0
    return difference ^ (difference >>> 16)
  }
  const entropy = [worker, Number(BigInt.asUintN(32, baseSeed)), Number(BigInt.asUintN(32, baseSeed >> 32n)), 0]
  const pool = entropy.map(hash)
  for (let source = 0; source < 4; source++)
    for (let target = 0; target < 4; target++) if (source !== target) pool[target] = mix(pool[target]!, hash(pool[source]!))
  let hashB = 0x8b51f9dd
  return pool.map((value) => {
    const before = hashB
    hashB = Math.imul(hashB, 0x58f38ded)
    return scramble(value, before, hashB) >>> 0
  })
}
