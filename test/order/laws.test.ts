import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Workload } from '#src/config/workload.js'
import { computedFiles } from '#src/dataset/naming.js'
import { OrderDigest } from '#src/order/digest.js'
import type { BatchOrder, BatchSink, EpochOrder, StreamOrder } from '#src/order/types.js'
import { createPlan } from '#src/plan/plan.js'
import type { Plan } from '#src/plan/types.js'
import { type EagerBatch, eagerEpoch, type Sample } from './eager-model.js'
import { workloadFromGolden } from './workload-from-golden.js'

interface Shape {
  readonly tree: string
  readonly loader: 'pytorch' | 'tensorflow'
  readonly format: string
  readonly ranks: number
  readonly files: number
  readonly samplesPerFile: number
  readonly batchSize: number
  readonly threads: number
  readonly fileShuffle: boolean
  readonly sampleShuffle: string
  readonly shuffleSize: number
  readonly seed: number
  readonly seedChangeEpoch: boolean
  readonly cap: number
}

const loaders = fc.constantFrom(
  { tree: 'upstream', loader: 'pytorch', format: 'npz' },
  { tree: 'upstream', loader: 'tensorflow', format: 'npz' },
  { tree: 'upstream', loader: 'tensorflow', format: 'tfrecord' },
  { tree: 'fork', loader: 'pytorch', format: 'hdf5' },
  { tree: 'fork', loader: 'pytorch', format: 'parquet' },
  { tree: 'fork', loader: 'tensorflow', format: 'hdf5' },
  { tree: 'fork', loader: 'tensorflow', format: 'tfrecord' },
)

const shapes: fc.Arbitrary<Shape> = fc
  .tuple(
    loaders,
    fc.record({
      ranks: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 64 })),
      files: fc.integer({ min: 0, max: 150 }),
      samplesPerFile: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 7 })),
      batchSize: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 40 })),
      threads: fc.integer({ min: 0, max: 9 }),
      fileShuffle: fc.boolean(),
      sampleShuffle: fc.constantFrom('off', 'seed'),
      shuffleSize: fc.integer({ min: 1, max: 50 }),
      seed: fc.integer({ min: 0, max: 2 ** 32 - 3000 }),
      seedChangeEpoch: fc.boolean(),
      cap: fc.constantFrom(-1, -1, 1, 2),
    }),
  )
  .map(([kind, rest]) => {
    // Upstream keeps files only by whole multiples of samples × batch × ranks; small factors make such sets likely enough.
    const step = rest.samplesPerFile * rest.batchSize * rest.ranks
    const files = kind.tree === 'upstream' && step <= 300 ? rest.files + step : rest.files
    const threads = kind.format === 'tfrecord' ? Math.max(1, rest.threads) : rest.threads
    const cap = Math.floor((rest.samplesPerFile * files) / rest.batchSize / rest.ranks) >= rest.cap ? rest.cap : -1
    return { ...kind, ...rest, files, threads, cap } as Shape
  })

function workloadOf(shape: Shape, epochs = 2): Workload {
  const shuffles = { ...(shape.fileShuffle ? { file_shuffle: 'seed' } : {}), sample_shuffle: shape.sampleShuffle }
  return workloadFromGolden(
    {
      framework: shape.loader,
      dataset: { format: shape.format, num_files_train: shape.files, num_samples_per_file: shape.samplesPerFile },
      reader: {
        data_loader: shape.loader,
        batch_size: shape.batchSize,
        read_threads: shape.threads,
        shuffle_size: shape.shuffleSize,
        ...shuffles,
      },
      train: { epochs, seed: shape.seed, seed_change_epoch: shape.seedChangeEpoch, total_training_steps: shape.cap },
    },
    shape.tree,
  )
}

function planOf(shape: Shape, epochs = 2, shared?: SharedArrayBuffer, hosts = 1): Plan {
  const workload = workloadOf(shape, epochs)
  return createPlan(workload, { ranks: shape.ranks, hosts }, computedFiles(workload), shared)
}

const sink: BatchSink = { files: new Float64Array(64), samples: new Float64Array(64) }

function samplesAt(order: EpochOrder, k: number): Sample[] {
  const count = order.batch(k, sink)
  return Array.from({ length: count }, (_, i): Sample => [sink.files[i]!, sink.samples[i]!])
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
const law = (check: (shape: Shape) => void, runs = 150) =>
  fc.assert(fc.property(shapes, check), { numRuns: runs, examples: named.map((shape) => [shape]) })

const plain = { fileShuffle: false, sampleShuffle: 'off', shuffleSize: 8, seed: 1, seedChangeEpoch: true, cap: -1 } as const
/** Shapes that people have stumbled over: uneven ranks above all. */
const named: Shape[] = [
  { ...plain, tree: 'fork', loader: 'pytorch', format: 'hdf5', ranks: 3, files: 145, samplesPerFile: 1, batchSize: 16, threads: 4 },
  { ...plain, tree: 'upstream', loader: 'pytorch', format: 'npz', ranks: 3, files: 145, samplesPerFile: 1, batchSize: 16, threads: 4 },
  { ...plain, tree: 'fork', loader: 'tensorflow', format: 'tfrecord', ranks: 3, files: 145, samplesPerFile: 2, batchSize: 16, threads: 4 },
  { ...plain, tree: 'fork', loader: 'tensorflow', format: 'tfrecord', ranks: 4, files: 13, samplesPerFile: 2, batchSize: 2, threads: 2 },
  { ...plain, tree: 'upstream', loader: 'tensorflow', format: 'npz', ranks: 3, files: 145, samplesPerFile: 1, batchSize: 16, threads: 4 },
  ...[
    { tree: 'fork', loader: 'pytorch', format: 'hdf5' } as const,
    { tree: 'fork', loader: 'tensorflow', format: 'hdf5' } as const,
    { tree: 'fork', loader: 'tensorflow', format: 'tfrecord' } as const,
  ].map((kind): Shape => ({ ...plain, ...kind, ranks: 9, files: 100, samplesPerFile: 4, batchSize: 3, threads: 2, fileShuffle: true })),
  { ...plain, tree: 'upstream', loader: 'pytorch', format: 'npz', ranks: 9, files: 145, samplesPerFile: 1, batchSize: 4, threads: 2 },
]

/** The two readings of a mapping whose shuffled passes cannot be compared sample by sample with an epoch's own. */
const hasSampleTable = (shape: Shape) =>
  shape.tree === 'fork' &&
  shape.loader === 'tensorflow' &&
  shape.format !== 'tfrecord' &&
  shape.sampleShuffle !== 'off' &&
  shape.samplesPerFile > 1

describe('orders', () => {
  test('have the same number of steps on all ranks, and end', () => {
    law((shape) => {
      const plan = planOf(shape)
      plan.advance(1)
      for (const rank of range(shape.ranks)) {
        const order = plan.order('train', rank, 1)
        assert.equal(order.steps, plan.train.steps)
        assert.ok(order.batches >= order.steps && order.batches <= order.steps + 1)
        if (shape.cap > 0) assert.ok(order.steps <= shape.cap)
      }
    })
  })

  test('deliver every sample exactly once, or it is counted as dropped or repeated', () => {
    law((shape) => {
      const plan = planOf({ ...shape, cap: -1 })
      plan.advance(1)
      const seen = new Map<string, number>()
      let delivered = 0
      for (const rank of range(shape.ranks)) {
        const order = plan.order('train', rank, 1)
        for (let k = 0; k < order.steps; k++)
          for (const [file, sample] of samplesAt(order, k)) {
            assert.ok(file >= 0 && file < shape.files && sample >= 0 && sample < shape.samplesPerFile)
            delivered++
            seen.set(`${file}/${sample}`, (seen.get(`${file}/${sample}`) ?? 0) + 1)
          }
      }
      const { samplesDropped, samplesRepeated } = plan.train
      if (hasSampleTable(shape)) return
      const several = shape.format === 'tfrecord' && samplesRepeated > 0 && shape.sampleShuffle !== 'off'
      // A second pass of a shuffle may find a few of the samples that the first has dropped.
      if (several) assert.ok(seen.size >= shape.files * shape.samplesPerFile - samplesDropped)
      else {
        assert.equal(seen.size + samplesDropped, shape.files * shape.samplesPerFile)
        assert.equal(delivered - seen.size, samplesRepeated)
      }
      if (samplesRepeated === 0) assert.ok([...seen.values()].every((times) => times === 1))
      const warned = plan.warnings.some(({ code }) => code === 'samples-unread')
      assert.equal(warned, samplesDropped > 0 || samplesRepeated > 0)
    })
  })

  test('are those of a plain simulation of DLIO', () => {
    law((shape) => {
      const plan = planOf(shape, 3)
      for (const epoch of shape.format === 'tfrecord' ? [1] : [1, 2, 3]) {
        plan.advance(epoch)
        const eager = eagerEpoch(plan.workload, shape.ranks, epoch, plan.train.steps)
        for (const rank of range(shape.ranks)) {
          if (shape.format === 'tfrecord' && shape.tree === 'fork' && shape.sampleShuffle !== 'off') continue
          const order = plan.order('train', rank, epoch)
          const have = range(order.steps).map((k): EagerBatch => ({ reader: order.readerOf(k), samples: samplesAt(order, k) }))
          assert.deepEqual(have, eager[rank]!.slice(0, order.steps))
        }
      }
    })
  })

  test('whose batches are made by one reader each are partitioned by the readers’ units', () => {
    law((shape) => {
      const plan = planOf(shape)
      plan.advance(1)
      const order = plan.order('train', shape.ranks - 1, 1)
      if (order.kind !== 'batch') return
      const all = range(order.readers).flatMap((reader) => unitsOf(order, reader))
      assert.deepEqual(
        all.toSorted((a, b) => a - b),
        range(all.length),
      )
      assert.ok(order.batches <= all.length)
    })
  })

  test('of streams agree on what must have been read before a batch can be delivered', () => {
    law((shape) => {
      if (shape.format !== 'tfrecord') return
      const plan = planOf(shape)
      plan.advance(1)
      const order = plan.order('train', 0, 1) as StreamOrder
      let before = 0
      for (const k of range(order.batches)) {
        const inputs = order.inputsNeeded(k)
        assert.ok(inputs >= before)
        before = inputs
        assert.equal(
          range(order.readers).reduce((sum, reader) => sum + order.recordsOf(reader, inputs), 0),
          inputs,
        )
        const arrived = new Set(range(order.readers).flatMap((reader) => readBy(order, reader, order.recordsOf(reader, inputs))))
        for (const [file, sample] of samplesAt(order, k)) assert.ok(arrived.has(`${file}/${sample}`))
      }
    })
  })

  test('can be asked in any sequence', () => {
    law((shape) => {
      const plan = planOf(shape)
      plan.advance(1)
      const order = plan.order('train', 0, 1)
      const forwards = range(order.batches).map((k) => samplesAt(order, k))
      const backwards = range(order.batches)
        .toReversed()
        .map((k) => samplesAt(order, k))
      assert.deepEqual(backwards.toReversed(), forwards)
    }, 60)
  })

  test('are the same in every thread that shares the owner’s memory', () => {
    law((shape) => {
      const owner = planOf(shape)
      const shared = new SharedArrayBuffer(owner.sharedBytes)
      const conductor = planOf(shape, 2, shared)
      const reader = planOf(shape, 2, shared)
      for (const epoch of [1, 2]) {
        conductor.advance(epoch)
        owner.advance(epoch)
        const rank = shape.ranks - 1
        const [a, b] = [owner, reader].map((plan) => {
          const order = plan.order('train', rank, epoch)
          return range(order.batches).map((k) => samplesAt(order, k))
        })
        assert.deepEqual(b, a)
      }
    }, 60)
  })

  test('of PyTorch do not depend on the number of workers', () => {
    law((shape) => {
      if (shape.loader !== 'pytorch' || shape.format === 'parquet') return
      const [first, ...others] = [0, 1, 2, 5, shape.threads].map((threads) => {
        const plan = planOf({ ...shape, threads })
        return [1, 2].map((epoch) => {
          plan.advance(epoch)
          const order = plan.order('train', shape.ranks - 1, epoch)
          return range(order.batches).map((k) => samplesAt(order, k))
        })
      })
      for (const other of others) assert.deepEqual(other, first)
    }, 60)
  })

  test('of generators and iterable data sets read the same samples with any number of threads, those that fill no batch included', () => {
    law((shape) => {
      if (shape.format === 'tfrecord' || (shape.loader === 'pytorch' && shape.format !== 'parquet')) return
      const [first, ...others] = [1, 2, 3, 7, shape.threads].map((threads) => {
        const plan = planOf({ ...shape, threads })
        plan.advance(1)
        const order = plan.order('train', shape.ranks - 1, 1) as BatchOrder
        const all = range(order.readers).flatMap((reader) => unitsOf(order, reader).flatMap((k) => samplesAt(order, k)))
        return all.map(([file, sample]) => `${file}/${sample}`).sort()
      })
      for (const other of others) assert.deepEqual(other, first)
    }, 100)
  })

  test('of records are cut from the same records with any number of threads', () => {
    law((shape) => {
      if (shape.format !== 'tfrecord') return
      const [first, ...others] = [1, 2, 3, 7].map((threads) => {
        const plan = planOf({ ...shape, threads })
        plan.advance(1)
        const order = plan.order('train', shape.ranks - 1, 1) as StreamOrder
        const files = range(order.readers).flatMap((reader) => range(order.filesOf(reader)).map((i) => order.fileOf(reader, i)))
        return { steps: order.steps, files: files.sort((a, b) => a - b) }
      })
      for (const other of others) assert.deepEqual(other, first)
    }, 100)
  })

  test('do not depend on how ranks are spread over hosts, evenly or not', () => {
    law((shape) => {
      const digests = [1, 2, 4, shape.ranks].map((hosts) => {
        const plan = planOf(shape, 2, undefined, Math.min(hosts, shape.ranks))
        const digest = new OrderDigest(plan)
        for (const epoch of [1, 2]) {
          plan.advance(epoch)
          digest.allRanks(epoch)
        }
        return digest.hex()
      })
      assert.equal(new Set(digests).size, 1)
    }, 60)
  })
})

function unitsOf(order: BatchOrder, reader: number): number[] {
  return range(order.unitsOf(reader)).map((unit) => {
    const k = order.batchOfUnit(reader, unit)
    assert.equal(order.unitOfBatch(k), unit)
    assert.equal(order.readerOf(k), order.inProcess ? -1 : reader)
    return k
  })
}

/** The first `count` records that a reader of a stream has read: file by file. */
function readBy(order: StreamOrder, reader: number, count: number): string[] {
  const files = Math.ceil(count / order.recordsPerFile)
  assert.ok(files <= order.filesOf(reader))
  return range(count).map((i) => `${order.fileOf(reader, Math.floor(i / order.recordsPerFile))}/${i % order.recordsPerFile}`)
}
