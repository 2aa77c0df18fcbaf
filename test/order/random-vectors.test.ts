import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identity, RandomState } from '#src/order/numpy-random.js'
import { roundRobin } from '#src/order/round-robin.js'
import { interleave, repeat, ShufflePasses, shard, shuffled, take, tfSeeds } from '#src/order/tf-random.js'
import {
  batches,
  defaultRandomSampler,
  distributedSampler,
  drawBaseSeed,
  numpyWorkerSeed,
  randomSampler,
  TorchGenerator,
  workerSeed,
} from '#src/order/torch-random.js'
import { goldenJson } from '../golden.js'

/** Arguments of all functions together; each vector has those of its own function. */
interface Args {
  readonly seed: number
  readonly n: number
  readonly low: number
  readonly high: number
  readonly size: number
  readonly count: number
  readonly loc: number
  readonly scale: number
  readonly shape: number
  readonly lam: number
  readonly dtype: 'uint8' | 'int32' | 'int64'
  readonly num_samples: number | null
  readonly replacement: boolean
  readonly manual_seed: number
  readonly replicas: number
  readonly shuffle: boolean
  readonly drop_last: boolean
  readonly epoch: number
  readonly batch_size: number
  readonly buffer: number
  readonly reshuffle_each_iteration: boolean
  readonly batch: number
  readonly repeat: number
  readonly take: number
  readonly global_seed: number
  readonly lengths: readonly number[]
  readonly cycle_length: number
  readonly block_length: number
  readonly shards: number
}

interface Vector {
  readonly id: string
  readonly lib: string
  readonly fn: string
  readonly args: Args
  readonly result: unknown
  readonly next_u32?: number
  readonly tolerance?: number
}
interface Floats {
  readonly decimal: readonly number[]
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
const times = <T>(count: number, draw: () => T): T[] => Array.from({ length: count }, draw)

/** Recomputes a vector; results have the recording's shape. */
const compute: Record<string, (args: Args, state: () => RandomState) => unknown> = {
  'numpy.shuffle': ({ n }, state) => {
    const random = state()
    const first = identity(n)
    random.shuffle(first)
    const second = identity(n)
    random.shuffle(second)
    return [[...first], [...second]]
  },
  'numpy.permutation': ({ n }, state) => [...state().permutation(n)],
  'numpy.shuffle_list': ({ n }, state) => {
    const items = range(n).map((i) => `f${i}`)
    state().shuffle(items)
    return items
  },
  'numpy.uniform': ({ low, high, size }, state) => floats(state(), size, (random) => random.uniform(low, high)),
  'numpy.normal': ({ loc, scale, size }, state) => floats(state(), size, (random) => random.normal(loc, scale)),
  'numpy.normal_int': ({ loc, scale, size }, state) => floats(state(), size, (random) => Math.trunc(random.normal(loc, scale))).decimal,
  'numpy.normal_uniform_mixed': ({ loc, scale }, state) => {
    const random = state()
    const normal = () => random.normal(loc, scale)
    return { decimal: [normal(), normal(), normal(), random.uniform(0, 1), normal(), normal()] }
  },
  'numpy.exponential': ({ scale, size }, state) => floats(state(), size, (random) => random.exponential(scale)),
  'numpy.gamma': ({ shape, scale, size }, state) => floats(state(), size, (random) => random.gamma(shape, scale)),
  'numpy.poisson': ({ lam, size }, state) => floats(state(), size, (random) => random.poisson(lam)).decimal,
  'numpy.randint': ({ low, high, size, dtype }, state) => {
    const random = state()
    return [random.randint(low, high, size, dtype), random.nextUint32()]
  },
  'torch.randperm': ({ seed, n }) => {
    const generator = new TorchGenerator(seed)
    return times(2, () => [...generator.randperm(n)])
  },
  'torch.randint': ({ seed, high, size }) => {
    const generator = new TorchGenerator(seed)
    return times(size, () => generator.randint(high))
  },
  'torch.random_int64': ({ seed, count }) => {
    const generator = new TorchGenerator(seed)
    return times(count, () => String(generator.randomInt64()))
  },
  'torch.RandomSampler': ({ seed, n, num_samples, replacement }) => {
    const generator = new TorchGenerator(seed)
    return times(2, () => [...randomSampler(generator, n, { replacement, numSamples: num_samples ?? undefined })])
  },
  'torch.RandomSampler_default_generator': ({ manual_seed, n }) => {
    const generator = new TorchGenerator(manual_seed)
    return times(2, () => [...defaultRandomSampler(generator, n)])
  },
  'torch.DistributedSampler': ({ seed, n, replicas, shuffle, drop_last, epoch }) =>
    range(replicas).map((rank) => distributedSampler(n, { replicas, rank, shuffle, dropLast: drop_last, seed, epoch })),
  'torch.DataLoader': ({ manual_seed, n, batch_size, drop_last }) => {
    const generator = new TorchGenerator(manual_seed)
    return times(2, () => {
      drawBaseSeed(generator)
      return [...batches(defaultRandomSampler(generator, n), batch_size, drop_last)]
    })
  },
  'torch.DataLoader_generator': ({ seed, n, batch_size }) => {
    const generator = new TorchGenerator(seed)
    return times(3, () => {
      drawBaseSeed(generator)
      return [...batches(randomSampler(generator, n), batch_size, false)]
    })
  },
  'torch.DataLoader_iterable': ({ lengths, batch_size, drop_last }) => {
    const perWorker = lengths.map((length, worker) => [
      ...batches(
        range(length).map((i) => 100 * worker + i),
        batch_size,
        drop_last,
      ),
    ])
    const schedule = roundRobin(perWorker.map((all) => all.length))
    return range(schedule.total).map((k) => perWorker[schedule.readerOf(k)]![schedule.unitOf(k)])
  },
  'tf.shuffle': ({ seed, n, buffer, reshuffle_each_iteration }) => {
    const passes = new ShufflePasses(tfSeeds(seed), reshuffle_each_iteration)
    return range(3).map((pass) => [...shuffled(range(n), buffer, passes.of(pass))])
  },
  'tf.shuffle_repeat_batch': ({ seed, n, buffer, batch, repeat: count }) => {
    const passes = new ShufflePasses(tfSeeds(seed), true)
    const all = repeat((pass) => shuffled(range(n), buffer, passes.of(pass)), count)
    return [...batches(all, batch, false)]
  },
  'tf.repeat_shuffle_batch_drop': ({ seed, n, buffer, batch, repeat: count }) => {
    const all = [...repeat(() => range(n), count)]
    return [...batches(shuffled(all, buffer, new ShufflePasses(tfSeeds(seed), true).of(0)), batch, true)]
  },
  'tf.shuffle_batch_repeat_take': ({ seed, n, buffer, batch, take: count }) => {
    const passes = new ShufflePasses(tfSeeds(seed), true)
    return [
      ...take(
        repeat((pass) => batches(shuffled(range(n), buffer, passes.of(pass)), batch, true), -1),
        count,
      ),
    ]
  },
  'tf.shuffle_global_seed': ({ global_seed, seed, n, buffer }) => {
    const passes = new ShufflePasses(tfSeeds(seed, global_seed), true)
    return range(2).map((pass) => [...shuffled(range(n), buffer, passes.of(pass))])
  },
  'tf.interleave': ({ lengths, cycle_length, block_length }) =>
    [...interleave(lengths, cycle_length, block_length)].map(([input, item]) => 100 * input + item),
  'tf.shard': ({ n, shards }) => range(shards).map((index) => [...shard(range(n), shards, index)]),
}

function floats(random: RandomState, size: number, draw: (random: RandomState) => number): Floats {
  return { decimal: times(size, () => draw(random)) }
}

function check(vector: Vector): void {
  const got = compute[`${vector.lib}.${vector.fn}`]!(vector.args, () => new RandomState(vector.args.seed))
  const want = vector.next_u32 === undefined ? vector.result : [vector.result, vector.next_u32]
  if (isFloats(want) && isFloats(got)) compareFloats(vector, got, want)
  else assert.deepEqual(got, want, vector.id)
}

function isFloats(value: unknown): value is Floats {
  return typeof value === 'object' && value !== null && 'decimal' in value
}

/** Functions that use logarithms come with a relative tolerance, the others must be exact. */
function compareFloats({ id, tolerance }: Vector, got: Floats, want: Floats): void {
  assert.equal(got.decimal.length, want.decimal.length, id)
  want.decimal.forEach((value, i) => {
    const difference = Math.abs(got.decimal[i]! - value)
    assert.ok(difference <= Math.abs(value) * (tolerance ?? 0), `${id}[${i}]: ${got.decimal[i]} instead of ${value}`)
  })
}

const { vectors } = goldenJson<{ vectors: Vector[] }>('random', 'vectors.json')
for (const name of new Set(vectors.map(({ lib, fn }) => `${lib}.${fn}`)))
  test(`${name} gives the recorded numbers`, () => {
    const own = vectors.filter(({ lib, fn }) => `${lib}.${fn}` === name)
    for (const vector of own) check(vector)
  })

test('a NumPy state seeded with a sequence is that of init_by_array', () => {
  const random = new RandomState([0x123, 0x234, 0x345, 0x456])
  assert.deepEqual(
    times(5, () => random.nextUint32()),
    [1067595299, 955945823, 477289528, 4107218783, 4228976476],
  )
})

test('NumPy refuses seeds outside of 0 … 2³²−1', () => {
  for (const seed of [-1, 2 ** 32, 0.5, Number.NaN]) assert.throws(() => new RandomState(seed), RangeError)
  assert.throws(() => new RandomState([]), RangeError)
})

test('skipping a shuffle leaves the stream where the shuffle leaves it', () => {
  for (const count of [0, 1, 2, 3, 64, 65, 4097, 10_000]) {
    const shuffling = new RandomState(count)
    shuffling.permutation(count)
    const skipping = new RandomState(count)
    skipping.skipShuffle(count)
    assert.equal(skipping.nextUint32(), shuffling.nextUint32(), `${count} items`)
  }
})

test('a cloned NumPy state goes on independently, its cached normal included', () => {
  const random = new RandomState(5)
  random.normal(0, 1)
  const copy = random.clone()
  const expected = [random.normal(0, 1), random.normal(0, 1)]
  assert.deepEqual([copy.normal(0, 1), copy.normal(0, 1)], expected)
})

test('skipping a pair of normals leaves the stream where drawing them leaves it, a cached one or none', () => {
  for (const drawnBefore of [0, 1, 2, 3]) {
    const [drawing, skipping] = [new RandomState(10), new RandomState(10)]
    for (const random of [drawing, skipping]) for (let n = 0; n < drawnBefore; n++) random.standardNormal()
    for (let pair = 0; pair < 50; pair++) {
      drawing.standardNormal()
      drawing.standardNormal()
      skipping.skipNormalPair()
    }
    for (let n = 0; n < 3; n++) assert.equal(skipping.standardNormal(), drawing.standardNormal())
  }
})

test('seeding forgets the cached normal', () => {
  const random = new RandomState(5)
  const first = random.normal(0, 1)
  random.seed(5)
  assert.equal(random.normal(0, 1), first)
})

test('worker seeds are the base seed plus the worker, and NumPy’s SeedSequence hash of (worker, low, high, 0)', () => {
  assert.equal(workerSeed(41n, 1), 42n)
  assert.deepEqual(numpyWorkerSeed((7n << 32n) | 5n, 0), [419638758, 2341873205, 2455675746, 3868589735])
})

test('long permutations are built inside-out from 64-bit words', () => {
  const generator = new TorchGenerator(3)
  const words = new TorchGenerator(3)
  const expected: number[] = []
  for (let i = 0; i < 50; i++) {
    const j = Number(words.random64() % BigInt(i + 1))
    expected[i] = expected[j]!
    expected[j] = i
  }
  assert.deepEqual([...generator.wideRandperm(50)], expected)
})

test('bounds from 2²⁸ on take 64-bit words', () => {
  const words = new TorchGenerator(9)
  const bound = 2 ** 28 + 5
  const expected = times(20, () => Number(words.random64() % BigInt(bound)))
  const generator = new TorchGenerator(9)
  assert.deepEqual(
    times(20, () => generator.randint(bound)),
    expected,
  )
})

test('torch refuses seeds that are not 64-bit integers', () => {
  assert.throws(() => new TorchGenerator(0.5), RangeError)
  assert.throws(() => new TorchGenerator(2n ** 64n), RangeError)
})
