import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { FrameworkProfile } from '#src/config/workload.js'
import { RandomState } from '#src/order/numpy-random.js'
import { interleave, ShufflePasses, shard, shuffled, tfSeeds } from '#src/order/tf-random.js'
import { batches, distributedSampler, drawBaseSeed, randomSampler, TorchGenerator } from '#src/order/torch-random.js'
import type { StreamOrder } from '#src/order/types.js'
import { goldenJson } from '../golden.js'
import type { Sample } from './eager-model.js'
import { jax, profilePlan, pytorch, type Size, stepsOf, tensorflow } from './profile-workloads.js'

const range = (count: number) => Array.from({ length: count }, (_, i) => i)
const files = (steps: readonly Sample[][]) => steps.map((step) => step.map(([file]) => file))

interface Vector {
  readonly fn: string
  readonly args: {
    readonly seed: number
    readonly n: number
    readonly batch_size: number
    readonly replicas: number
    readonly shuffle: boolean
    readonly drop_last: boolean
    readonly epoch: number
  }
  readonly result: number[][] | number[][][]
}
const { vectors } = goldenJson<{ vectors: Vector[] }>('random', 'vectors.json')
const vectorsOf = (fn: string) => {
  const found = vectors.filter((vector) => vector.fn === fn)
  assert.ok(found.length > 0, fn)
  return found
}

describe('a pytorch profile', () => {
  test('reads in the recorded order of a DataLoader with a seeded generator, epoch after epoch', () => {
    for (const { args, result } of vectorsOf('DataLoader_generator')) {
      const plan = profilePlan(pytorch({ shuffle: true, seed: args.seed, batchSize: args.batch_size }), { files: args.n, epochs: 3 })
      assert.deepEqual(
        [1, 2, 3].map((epoch) => files(stepsOf(plan, 0, epoch))),
        result,
      )
    }
  })

  test('with several ranks reads the recorded shares of a DistributedSampler, set_epoch(epoch − 1) in each epoch', () => {
    for (const { args, result } of vectorsOf('DistributedSampler')) {
      const { seed, n, replicas, shuffle, drop_last: dropLast, epoch } = args
      const sampler = replicas === 1 ? 'distributed' : null
      const plan = profilePlan(pytorch({ sampler, shuffle, seed, dropLast, batchSize: 1 }), {
        files: n,
        ranks: replicas,
        epochs: epoch + 1,
      })
      assert.deepEqual(
        range(replicas).map((rank) => files(stepsOf(plan, rank, epoch + 1)).flat()),
        result,
      )
    }
  })

  test('draws no new base seed for persistent workers', () => {
    const profile = pytorch({ shuffle: true, seed: 5, persistentWorkers: true, batchSize: 10 })
    const plan = profilePlan(profile, { files: 10 })
    const generator = new TorchGenerator(5)
    drawBaseSeed(generator)
    for (const epoch of [1, 2]) assert.deepEqual(files(stepsOf(plan, 0, epoch)).flat(), [...randomSampler(generator, 10)])
  })

  test('leaves the generator where a loop that was broken off left it', () => {
    // 2 steps of 2 of 10 samples, 1 × 2 batches ahead: the sampler is asked for 8 samples and never for its end.
    const plan = profilePlan(pytorch({ shuffle: true, seed: 3, prefetchFactor: 1 }), { files: 10, cap: 2 })
    const generator = new TorchGenerator(3)
    for (const epoch of [1, 2]) {
      drawBaseSeed(generator)
      assert.deepEqual(files(stepsOf(plan, 0, epoch)).flat(), [...generator.randperm(10).subarray(0, 4)])
    }
    // One batch more ahead of each worker, and the end is asked for: a further permutation is drawn.
    const further = profilePlan(pytorch({ shuffle: true, seed: 3, prefetchFactor: 2 }), { files: 10, cap: 2 })
    stepsOf(further, 0, 1)
    const second = new TorchGenerator(3)
    drawBaseSeed(second)
    second.skipRandperm(10)
    second.skipRandperm(10)
    drawBaseSeed(second)
    assert.deepEqual(files(stepsOf(further, 0, 2)).flat(), [...second.randperm(10).subarray(0, 4)])
  })

  test('with a sampler of its own lets every rank read everything, and counts it as repeated', () => {
    const plan = profilePlan(pytorch({ sampler: 'sequential' }), { files: 5, ranks: 3 })
    for (const rank of range(3)) assert.deepEqual(files(stepsOf(plan, rank, 1)), [[0, 1], [2, 3], [4]])
    assert.deepEqual([plan.train.samplesDropped, plan.train.samplesRepeated], [0, 10])
    assert.match(plan.warnings[0]!.message, /^as pytorch by its own rules does, this plan reads 10 of them more than once/)
  })

  test('does not shuffle the evaluation', () => {
    const plan = profilePlan(pytorch({ shuffle: true }), { files: 4, filesEval: 6, ranks: 2 })
    assert.deepEqual(files(stepsOf(plan, 1, 1, 'valid')), [[1, 3], [5]])
  })

  test('skipping a permutation leaves the generator where drawing it does', () => {
    for (const count of [0, 1, 2, 1000]) {
      const [drawn, skipped] = [new TorchGenerator(9), new TorchGenerator(9)]
      drawn.randperm(count)
      skipped.skipRandperm(count)
      assert.equal(skipped.random(), drawn.random(), String(count))
    }
  })
})

test('a tensorflow profile takes the next pair of shuffle seeds in each epoch, or the same one without reshuffling', () => {
  // Recorded: range(10), buffer 4, seed 123 (sample-order of shuffle passes 0 and 1, and without reshuffling).
  const profile = tensorflow({ shuffleBufferSize: 4, seed: 123, cycleLength: 1, parallelReads: 1, batchSize: 10 })
  const order = (reshuffleEachIteration: boolean) => {
    const plan = profilePlan({ ...profile, reshuffleEachIteration }, { files: 10 })
    return [1, 2].map((epoch) =>
      files(stepsOf(plan, 0, epoch))
        .flat()
        .join(' '),
    )
  }
  assert.deepEqual(order(true), ['0 4 3 1 6 7 9 2 8 5', '1 0 4 2 5 6 3 9 8 7'])
  assert.deepEqual(order(false), ['0 1 5 2 6 4 7 8 9 3', '0 1 5 2 6 4 7 8 9 3'])
})

test('a cycle above the inputs of a rank is refused with the rule of tf.data, where it was given', () => {
  const profile = tensorflow({ cycleLength: 3, cycleGiven: true })
  assert.throws(
    () => profilePlan(profile, { files: 8, ranks: 4 }),
    /cycle_length: 3: must be at most the number of inputs.*tf\.data.*which is 2 of 8 files/,
  )
  assert.equal(profilePlan({ ...profile, cycleGiven: false }, { files: 8, ranks: 4 }).train.steps, 1)
  assert.equal(profilePlan(profile, { files: 9, ranks: 4 }).train.steps, 1)
})

test('more steps than the framework has batches are refused', () => {
  assert.equal(profilePlan(pytorch({}), { files: 5, cap: 3 }).train.steps, 3)
  assert.throws(
    () => profilePlan(pytorch({ dropLast: true }), { files: 5, cap: 3 }),
    /total_training_steps: 3: an epoch of each rank has 2 batches/,
  )
})

interface Case {
  readonly profile: FrameworkProfile
  readonly size: Required<Pick<Size, 'files' | 'samplesPerFile' | 'ranks'>>
}

const profiles: fc.Arbitrary<FrameworkProfile> = fc
  .record({
    framework: fc.constantFrom('pytorch', 'tensorflow', 'jax'),
    batchSize: fc.integer({ min: 1, max: 9 }),
    workers: fc.integer({ min: 0, max: 5 }),
    shuffle: fc.boolean(),
    buffer: fc.integer({ min: 1, max: 60 }),
    block: fc.integer({ min: 1, max: 5 }),
    dropLast: fc.boolean(),
    persistentWorkers: fc.boolean(),
    seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  })
  .map(({ framework, batchSize, workers, shuffle, buffer, block, dropLast, persistentWorkers, seed }) => {
    if (framework === 'pytorch')
      return pytorch({ batchSize, numWorkers: workers, shuffle, dropLast, seed, persistentWorkers: persistentWorkers && workers > 0 })
    if (framework === 'jax') return jax({ batchSize, workerCount: workers, shuffle, dropRemainder: dropLast, seed })
    const shuffleBufferSize = shuffle ? buffer : null
    return tensorflow({ batchSize, cycleLength: workers + 1, blockLength: block, shuffleBufferSize, dropRemainder: dropLast, seed })
  })
const cases: fc.Arbitrary<Case> = fc.record({
  profile: profiles,
  size: fc.record({
    files: fc.integer({ min: 0, max: 40 }),
    samplesPerFile: fc.integer({ min: 1, max: 7 }),
    ranks: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 64 })),
  }),
})

/** The epochs of one rank by plain simulation, batches up to the number that every rank has. */
function simulated({ profile, size }: Case, rank: number, epochs: number, steps: number): Sample[][][] {
  const { samplesPerFile: perFile, ranks } = size
  const total = size.files * perFile
  const asSample = (g: number): Sample => [Math.floor(g / perFile), g % perFile]
  const result: Sample[][][] = []
  const generator = new TorchGenerator(profile.seed)
  const passes = new ShufflePasses(tfSeeds(profile.seed), true)
  for (let epoch = 0; epoch < epochs; epoch++) {
    if (profile.framework === 'pytorch') {
      const { shuffle, seed, dropLast, batchSize } = profile
      if (epoch === 0 || !profile.persistentWorkers) drawBaseSeed(generator)
      const plain = shuffle && total > 0 ? randomSampler(generator, total) : range(total)
      const indices = ranks > 1 ? distributedSampler(total, { replicas: ranks, rank, shuffle, seed, dropLast, epoch }) : plain
      result.push([...batches([...indices].map(asSample), batchSize, dropLast)])
    } else if (profile.framework === 'tensorflow') {
      const all = range(size.files)
      const byFile = size.files >= ranks
      const own = byFile ? [...shard(all, ranks, rank)] : all
      const lengths = own.map(() => perFile)
      let records = [...interleave(lengths, profile.cycleLength, profile.blockLength)].map(
        ([input, record]): Sample => [own[input]!, record],
      )
      const seeds = passes.of(epoch)
      if (profile.shuffleBufferSize !== null) records = [...shuffled(records, profile.shuffleBufferSize, seeds)]
      if (!byFile) records = [...shard(records, ranks, rank)]
      result.push([...batches(records, profile.batchSize, profile.dropRemainder)])
    } else {
      const length = Math.floor(total / ranks)
      const order = range(length)
      if (profile.shuffle) new RandomState((profile.seed + epoch) % 2 ** 32).shuffle(order)
      const own = order.map((at) => asSample(rank * length + at))
      const workers = Math.max(1, profile.workerCount)
      const queues = range(workers).map((worker) => [...batches(shard(own, workers, worker), profile.batchSize, profile.dropRemainder)])
      const made: Sample[][] = []
      while (queues.some((queue) => queue.length > 0)) for (const queue of queues) if (queue.length > 0) made.push(queue.shift()!)
      result.push(made)
    }
  }
  return result.map((epoch) => epoch.slice(0, steps))
}

describe('orders of framework profiles', () => {
  test('are those of a plain simulation', () => {
    fc.assert(
      fc.property(cases, fc.nat(), (given, pick) => {
        const plan = profilePlan(given.profile, { ...given.size, epochs: 3 })
        const rank = pick % given.size.ranks
        const epochs = [1, 2, 3].map((epoch) => stepsOf(plan, rank, epoch))
        assert.deepEqual(epochs, simulated(given, rank, 3, plan.train.steps))
      }),
      { numRuns: 300 },
    )
  })

  test('deliver every sample exactly once, or it is counted as dropped or repeated', () => {
    fc.assert(
      fc.property(cases, ({ profile, size }) => {
        const plan = profilePlan(profile, { ...size, epochs: 1 })
        const all = range(size.ranks).flatMap((rank) => stepsOf(plan, rank, 1).flat())
        assert.equal(plan.train.samplesPerEpoch, all.length)
        const distinct = new Set(all.map(([file, sample]) => file * size.samplesPerFile + sample)).size
        assert.deepEqual(
          [plan.train.samplesDropped, plan.train.samplesRepeated],
          [size.files * size.samplesPerFile - distinct, all.length - distinct],
        )
      }),
      { numRuns: 300 },
    )
  })

  test('are partitioned by the readers’ own lists, and streams agree on what must have been read', () => {
    fc.assert(
      fc.property(cases, ({ profile, size }) => {
        const plan = profilePlan(profile, { ...size, epochs: 1 })
        plan.advance(1)
        const order = plan.order('train', size.ranks - 1, 1)
        const delivered = stepsOf(plan, size.ranks - 1, 1)
        if (order.kind === 'batch')
          for (let k = 0; k < order.steps; k++) {
            const reader: number = order.inProcess ? 0 : order.readerOf(k)!
            assert.equal(order.batchOfUnit(reader, order.unitOfBatch(k)), k)
            assert.ok(order.unitOfBatch(k) < order.unitsOf(reader))
            if (profile.framework === 'pytorch' && !order.inProcess) assert.equal(reader, k % profile.numWorkers)
          }
        else
          for (const [k] of delivered.entries()) {
            const inputs = order.inputsNeeded(k)
            const read: Set<string> = new Set(
              range(order.readers).flatMap((reader) => readBy(order, reader, order.recordsOf(reader, inputs))),
            )
            assert.equal(read.size, inputs)
            for (const [file, sample] of delivered.slice(0, k + 1).flat()) assert.ok(read.has(`${file} ${sample}`), `batch ${k}`)
          }
      }),
      { numRuns: 200 },
    )
  })

  test('keep at most 8 bytes a sample', () => {
    const shuffles = [pytorch({ shuffle: true }), jax({ shuffle: true }), tensorflow({ shuffleBufferSize: 100 })]
    for (const profile of shuffles) assert.ok(profilePlan(profile, { files: 1000, samplesPerFile: 50 }).sharedBytes <= 8 * 50_000 + 8)
  })
})

function readBy(order: StreamOrder, reader: number, count: number): string[] {
  const per = order.recordsPerFile
  return range(count).map((unit) => `${order.fileOf(reader, Math.floor(unit / per))} ${unit % per}`)
}
