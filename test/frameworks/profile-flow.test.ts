import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { FrameworkProfile } from '#src/config/workload.js'
import { createFlow, readersAtOnce } from '#src/frameworks/index.js'
import type { BatchOrder, EpochOrder, StreamOrder } from '#src/order/types.js'
import { jax, profilePlan, profileWorkload, pytorch, type Size, tensorflow } from '../order/profile-workloads.js'

const range = (count: number) => Array.from({ length: count }, (_, i) => i)
const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0)

interface Look {
  /** Batches taken so far. */
  readonly taken: number
  readonly granted: readonly number[]
  readonly done: readonly number[]
  readonly ready: boolean
}

/**
 * Plays a loop whose readers make units in the order of `turns`. As in the engine, the loop looks again only when a reader has reached
 * what it was told to report. Fails where that never happens again though the epoch is not over.
 */
function play(profile: FrameworkProfile, size: Size, turns: readonly number[], look: (at: Look, order: EpochOrder) => void): void {
  const plan = profilePlan(profile, size)
  plan.advance(1)
  const order = plan.order('train', 0, 1)
  const flow = createFlow(profileWorkload(profile, size), order)
  const readers = order.readers
  const granted = range(readers).map(() => 0)
  const done = range(readers).map(() => 0)
  const wished = range(readers).map(() => Number.POSITIVE_INFINITY)
  const grant = (reader: number, units: number) => {
    granted[reader] = Math.max(granted[reader]!, units)
  }
  const made = {
    has: (reader: number, units: number) => {
      wished[reader] = units
      return done[reader]! >= units
    },
    count: (reader: number) => done[reader]!,
  }
  flow.start(grant)
  let turn = 0
  for (let k = 0; k < order.steps; k++) {
    flow.wants(k, grant)
    for (;;) {
      const ready = flow.isReady(k, made)
      look({ taken: k, granted, done, ready }, order)
      if (ready) break
      let woken = false
      while (!woken) {
        const able = range(readers).filter((reader) => done[reader]! < granted[reader]!)
        assert.ok(able.length > 0, `nobody can make what batch ${k} waits for`)
        const reader = able[turns[turn++ % turns.length]! % able.length]!
        done[reader]!++
        woken = done[reader] === wished[reader]
      }
    }
    flow.taken(k, grant)
  }
}

const turns = fc.array(fc.nat(11), { minLength: 1, maxLength: 40 })
const sizes = fc.record({ files: fc.integer({ min: 1, max: 12 }), samplesPerFile: fc.integer({ min: 1, max: 6 }) })

describe('loaders of framework profiles', () => {
  for (const inOrder of [true, false])
    test(`PyTorch’s, in_order ${inOrder}: never more than prefetch_factor × workers outstanding, and the epoch ends`, () => {
      fc.assert(
        fc.property(
          sizes,
          fc.integer({ min: 1, max: 5 }),
          fc.integer({ min: 1, max: 4 }),
          turns,
          (size, numWorkers, prefetchFactor, turns) => {
            const profile = pytorch({ numWorkers, prefetchFactor, inOrder })
            play(profile, size, turns, ({ taken, granted }) => assert.ok(sum(granted) - taken <= prefetchFactor * numWorkers))
          },
        ),
      )
    })

  test('in_order false takes a batch as soon as any worker has one', () => {
    play(pytorch({ numWorkers: 3, inOrder: false }), { files: 30 }, [1, 2, 2], ({ taken, done, ready }) =>
      assert.equal(ready, sum(done) > taken),
    )
  })

  test('in_order true waits for the next batch, whatever else is ready', () => {
    let waited = false
    play(pytorch({ numWorkers: 3 }), { files: 30 }, [2, 1], ({ taken, done, ready }, order) => {
      const next = order as BatchOrder
      assert.equal(ready, done[next.readerOf(taken)!]! > next.unitOfBatch(taken))
      waited ||= !ready && sum(done) > taken
    })
    assert.ok(waited)
  })

  test('JAX’s: prefetch_buffer_size batches ahead, none before it is wanted where that is 0', () => {
    fc.assert(
      fc.property(
        sizes,
        fc.integer({ min: 0, max: 4 }),
        fc.integer({ min: 0, max: 5 }),
        turns,
        (size, workerCount, prefetchBatches, turns) => {
          const most = workerCount === 0 ? 1 : Math.max(1, prefetchBatches)
          play(jax({ workerCount, prefetchBatches }), size, turns, ({ taken, granted }) => assert.ok(sum(granted) - taken <= most))
        },
      ),
    )
  })

  for (const deterministic of [true, false])
    test(`tf.data’s, deterministic ${deterministic}: never more than prefetched batches, shuffle buffer and interleave buffers, and the epoch ends`, () => {
      fc.assert(
        fc.property(
          sizes,
          fc.integer({ min: 1, max: 5 }),
          fc.integer({ min: 1, max: 3 }),
          fc.integer({ min: 0, max: 3 }),
          fc.option(fc.integer({ min: 1, max: 10 })),
          turns,
          (size, cycleLength, blockLength, prefetchBatches, shuffleBufferSize, turns) => {
            const profile = tensorflow({ deterministic, cycleLength, blockLength, prefetchBatches, shuffleBufferSize, batchSize: 3 })
            play(profile, size, turns, ({ taken, granted }, order) => {
              const ahead = Math.min(taken + Math.max(1, prefetchBatches), order.batches) - 1
              const buffers = 2 * blockLength * cycleLength
              assert.ok(sum(granted) <= (order as StreamOrder).inputsNeeded(ahead) + buffers, `${granted} granted after ${taken} batches`)
            })
          },
        ),
      )
    })

  test('deterministic false takes a batch as soon as enough records have come from any slots', () => {
    play(tensorflow({ deterministic: false, cycleLength: 3, batchSize: 2 }), { files: 9, samplesPerFile: 4 }, [1, 1, 2], (at, order) =>
      assert.equal(at.ready, sum(at.done) >= (order as StreamOrder).inputsNeeded(at.taken)),
    )
  })
})

test('only num_parallel_calls of a cycle’s slots read at once', () => {
  assert.equal(readersAtOnce(profileWorkload(tensorflow({ cycleLength: 6, parallelReads: 2 }), { files: 6 })), 2)
  assert.equal(readersAtOnce(profileWorkload(pytorch({ numWorkers: 3 }), { files: 6 })), 3)
  assert.equal(readersAtOnce(profileWorkload(pytorch({ numWorkers: 0 }), { files: 6 })), 1)
})
