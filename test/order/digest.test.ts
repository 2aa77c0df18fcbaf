import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { computedFiles } from '#src/dataset/naming.js'
import { OrderDigest, runDigest } from '#src/order/digest.js'
import { createPlan } from '#src/plan/plan.js'
import type { Plan } from '#src/plan/types.js'
import { workloadFromGolden } from './workload-from-golden.js'

function planOf(files: number, batchSize: number, seed = 123): Plan {
  const workload = workloadFromGolden(
    {
      framework: 'pytorch',
      workflow: { train: true, evaluation: true },
      dataset: { format: 'npz', num_files_train: files, num_files_eval: 4 },
      reader: { data_loader: 'pytorch', batch_size: batchSize, batch_size_eval: 2, read_threads: 2, file_shuffle: 'seed' },
      train: { epochs: 2, seed },
    },
    'fork',
  )
  return createPlan(workload, { ranks: 2, hosts: 1 }, computedFiles(workload))
}

/** The documented bytes of one rank's epoch, put together in one piece. */
function plainDigest(plan: Plan, rank: number, epoch: number): string {
  const hash = createHash('sha256')
  const names = (['train', 'valid'] as const).map((split) => {
    const { files } = plan[split]
    return `${files.count} ${files.name(0)} ${files.name(files.count - 1)}\n`
  })
  hash.update(`1\n${names.join('')}`)
  for (const split of ['train', 'valid'] as const) {
    hash.update(split)
    const order = plan.order(split, rank, epoch)
    const numbers = [order.steps]
    const sink = { files: new Float64Array(plan[split].batchSize), samples: new Float64Array(plan[split].batchSize) }
    for (let k = 0; k < order.steps; k++) {
      const count = order.batch(k, sink)
      numbers.push(count)
      for (let i = 0; i < count; i++) numbers.push(sink.files[i]!, sink.samples[i]!)
    }
    hash.update(new Uint8Array(Float64Array.from(numbers).buffer))
  }
  return hash.digest('hex')
}

// Batches that fill the buffer many times, exactly, or are larger than it is.
for (const [files, batchSize] of [
  [20_000, 1],
  [32_766, 8191],
  [40_000, 10_000],
  [10, 5],
] as const)
  test(`the digest of ${files} files in batches of ${batchSize} is the hash of steps, counts and samples, however they are buffered`, () => {
    const plan = planOf(files, batchSize)
    const digest = new OrderDigest(plan)
    for (const epoch of [1, 2]) {
      plan.advance(epoch)
      for (const rank of [0, 1]) assert.equal(digest.epoch(rank, epoch), plainDigest(plan, rank, epoch))
    }
  })

test('the digest of a run is the same wherever its plan stands, and another with another seed', () => {
  const [fresh, advanced] = [planOf(40, 4), planOf(40, 4)]
  advanced.advance(2)
  assert.equal(runDigest(advanced), runDigest(fresh))
  assert.notEqual(runDigest(planOf(40, 4, 124)), runDigest(fresh))
})
