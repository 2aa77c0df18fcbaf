import assert from 'node:assert/strict'
import { test } from 'node:test'
import { computedFiles } from '#src/dataset/naming.js'
import type { BatchSink, EpochOrder, Split } from '#src/order/types.js'
import { createPlan } from '#src/plan/plan.js'
import type { Plan } from '#src/plan/types.js'
import { goldenJson } from '../golden.js'
import { type GoldenWorkload, workloadFromGolden } from './workload-from-golden.js'

type Item = readonly [file: string, sample: number]

interface RecordedBatch {
  /** Placeholders are null; the whole is null where a batch carries no identity. */
  readonly items: readonly (Item | null)[] | null
  readonly reader?: number
}
interface RecordedSplit {
  readonly steps: readonly RecordedBatch[]
  readonly surplus: readonly RecordedBatch[]
  readonly sleeps?: readonly number[]
}
interface RecordedRank {
  readonly rank: number
  readonly effective?: { readonly read_threads: number }
  readonly epochs: readonly { readonly epoch: number; readonly train?: RecordedSplit; readonly eval?: RecordedSplit }[]
}
interface Recording {
  readonly tree: string
  readonly ranks: number
  readonly workload: GoldenWorkload & { readonly reader: { readonly read_threads?: number } }
  readonly files: { readonly train: readonly string[]; readonly valid: readonly string[] }
  readonly by_rank: readonly RecordedRank[]
}
interface Case {
  readonly id: string
  readonly order: string
  readonly fails: boolean
  readonly has_items: boolean
  readonly repeatable: { readonly steps: boolean | null; readonly surplus: boolean | null; readonly sleeps: boolean | null }
}

const { cases } = goldenJson<{ cases: Case[] }>('order', 'index.json')

function planOf({ workload, tree, ranks }: Recording): Plan {
  const own = workloadFromGolden(workload, tree)
  return createPlan(own, { ranks, hosts: 1 }, computedFiles(own))
}

const sink: BatchSink = { files: new Float64Array(4096), samples: new Float64Array(4096) }

function batchOf(plan: Plan, split: Split, order: EpochOrder, k: number): RecordedBatch {
  const count = order.batch(k, sink)
  const items = Array.from({ length: count }, (_, i): Item => [plan[split].files.name(sink.files[i]!), sink.samples[i]!])
  const reader = order.readerOf(k)
  return reader === undefined ? { items } : { items, reader }
}

const present = (items: RecordedBatch['items']) => (items ?? []).filter((item) => item !== null)

function compareEpoch(
  plan: Plan,
  split: Split,
  rank: number,
  epoch: number,
  want: RecordedSplit,
  rules: { items: boolean; readers: boolean; surplus: boolean },
): void {
  const order = plan.order(split, rank, epoch)
  const where = `rank ${rank} epoch ${epoch} ${split}`
  assert.equal(order.steps, want.steps.length, `${where}: steps`)
  assert.equal(plan[split].steps, want.steps.length, `${where}: planned steps`)
  if (!rules.items) return
  // `surplus` holds what the loop fetched beyond its steps.
  const all = rules.surplus ? [...want.steps, ...want.surplus] : want.steps
  if (rules.surplus) assert.equal(order.batches, all.length, `${where}: batches fetched`)
  all.forEach((batch, k) => {
    const have = batchOf(plan, split, order, k)
    assert.deepEqual(have.items, present(batch.items), `${where} batch ${k + 1}`)
    if (rules.readers && batch.reader !== undefined) assert.equal(have.reader, batch.reader, `${where} batch ${k + 1}: reader`)
  })
}

for (const { id, order, fails, has_items, repeatable } of cases)
  if (!fails)
    test(`the order of ${id} is DLIO’s`, () => {
      const recording = goldenJson<Recording>('order', order)
      const plan = planOf(recording)
      const asked = recording.workload.reader.read_threads
      for (const { rank, effective, epochs } of recording.by_rank)
        for (const { epoch, train, eval: valid } of epochs) {
          // MLCommons' DLIO makes more threads of one; its reader numbers say nothing about ours then.
          const readers = effective === undefined || effective.read_threads === (asked ?? 1)
          const rules = { items: has_items && repeatable.steps === true, readers, surplus: repeatable.surplus === true }
          const at = rank === recording.by_rank[0]!.rank ? undefined : planOf(recording)
          const own = at ?? plan
          own.advance(epoch)
          if (train !== undefined) compareEpoch(own, 'train', rank, epoch, train, rules)
          assert.equal(own.evaluates(epoch), valid !== undefined, `evaluation after epoch ${epoch}`)
          if (valid !== undefined) compareEpoch(own, 'valid', rank, epoch, valid, rules)
        }
    })

const withSleeps = cases.filter(({ order, repeatable }) => {
  if (repeatable.sleeps !== true) return false
  return goldenJson<Recording>('order', order).by_rank.some(({ epochs }) => epochs.some(({ train }) => train?.sleeps !== undefined))
})
for (const { id, order } of withSleeps)
  test(`the computation times of ${id} are DLIO’s`, () => {
    const recording = goldenJson<Recording>('order', order)
    const plan = planOf(recording)
    for (const { rank, epochs } of recording.by_rank) {
      const sleeps = plan.sleeps(rank)
      for (const { epoch, train, eval: valid } of epochs) {
        sleeps.startEpoch(epoch)
        for (const [split, want] of [
          ['train', train],
          ['valid', valid],
        ] as const) {
          // Draws of exactly zero do not sleep and are not listed.
          const drawn = (want?.steps ?? []).map(() => sleeps.next(split)).filter((seconds) => seconds > 0)
          if (want?.sleeps === undefined) continue
          assert.equal(drawn.length, want.sleeps.length)
          want.sleeps.forEach((seconds, i) => {
            assert.ok(
              Math.abs(drawn[i]! - seconds) <= seconds * 1e-13,
              `rank ${rank} epoch ${epoch} ${split} ${i}: ${drawn[i]}, recorded ${seconds}`,
            )
          })
        }
      }
    }
  })
