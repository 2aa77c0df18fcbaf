import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Flow, pytorchFlow, tensorflowFlow } from '#src/frameworks/flow.js'
import type { BatchOrder, StreamOrder } from '#src/order/types.js'

/** PyTorch's cycle: batch k is made by worker k mod T. */
function cyclic(batches: number, readers: number, inProcess = false): BatchOrder {
  return {
    kind: 'batch',
    steps: batches,
    batches,
    readers,
    inProcess,
    batch: () => 0,
    readerOf: (k) => (inProcess ? -1 : k % readers),
    unitsOf: (reader) => Math.max(0, Math.ceil((batches - reader) / readers)),
    batchOfUnit: (reader, unit) => unit * readers + reader,
    unitOfBatch: (k) => Math.floor(k / readers),
  }
}

/** Files of `records` records, slot t streams files t, t + T, …; no shuffle buffer. */
function streaming(files: number, records: number, readers: number, batchSize: number): StreamOrder {
  const total = files * records
  const batches = Math.floor(total / batchSize)
  const recordsOf = (reader: number, inputs: number) => {
    let count = 0
    for (let n = 0; n < inputs; n++) {
      const group = Math.floor(n / (readers * records))
      const width = Math.min(readers, files - group * readers)
      if ((n - group * readers * records) % width === reader) count++
    }
    return count
  }
  return {
    kind: 'stream',
    steps: batches,
    batches,
    readers,
    inProcess: false,
    batch: () => 0,
    readerOf: () => undefined,
    recordsPerFile: records,
    filesOf: (reader) => Math.ceil((files - reader) / readers),
    fileOf: (reader, i) => reader + i * readers,
    inputsNeeded: (k) => (k + 1) * batchSize,
    recordsOf,
  }
}

/** Plays a loop against a flow: what is granted to each reader before and after each batch is taken. */
function play(flow: Flow, batches: number, readers: number, look: (k: number, granted: readonly number[]) => void): void {
  const granted = new Array<number>(readers).fill(0)
  const grant = (reader: number, units: number) => {
    granted[reader] = Math.max(granted[reader]!, units)
  }
  flow.start(grant)
  for (let k = 0; k < batches; k++) {
    flow.wants(k, grant)
    // Readers that have made all they were granted: the loop must not wait for more.
    const made = { has: (reader: number, units: number) => granted[reader]! >= units, count: (reader: number) => granted[reader]! }
    assert.ok(flow.isReady(k, made), `batch ${k} is not ready with ${granted} granted`)
    look(k, granted)
    flow.taken(k, grant)
  }
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0)

test('PyTorch keeps prefetch_factor × workers batches outstanding, never more, and never starves', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 60 }),
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 0, max: 9 }),
      (batches, readers, prefetchSize) => {
        const factor = Math.ceil(prefetchSize / readers) || 2
        play(pytorchFlow(cyclic(batches, readers), prefetchSize), batches, readers, (k, granted) => {
          assert.equal(sum(granted) - k, Math.min(factor * readers, batches - k))
        })
      },
    ),
  )
})

test('with read_threads 0 nothing is read before the loop wants it', () => {
  play(pytorchFlow(cyclic(5, 1, true), 2), 5, 1, (k, granted) => assert.deepEqual(granted, [k + 1]))
})

test('tf.data generators run prefetch_size batches and one buffered batch a slot ahead', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 0, max: 8 }),
      (batches, readers, prefetchSize) => {
        play(tensorflowFlow(cyclic(batches, readers), prefetchSize), batches, readers, (k, granted) => {
          assert.ok(sum(granted) - k <= prefetchSize + readers, `${sum(granted) - k} outstanding`)
        })
      },
    ),
  )
})

test('TFRecord slots read what prefetched batches need and two records a slot beyond', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 0, max: 3 }),
      (files, records, readers, batchSize, prefetchSize) => {
        const order = streaming(files, records, readers, batchSize)
        play(tensorflowFlow(order, prefetchSize), order.batches, readers, (k, granted) => {
          const ahead = Math.min(k + Math.max(prefetchSize, 1), order.batches) * batchSize
          assert.ok(sum(granted) <= Math.min(ahead + 2 * readers, files * records), `${sum(granted)} records granted for ${ahead}`)
        })
      },
    ),
  )
})
