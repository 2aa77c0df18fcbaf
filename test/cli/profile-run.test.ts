// Framework profiles from end to end: what a trace shows is what the plan says, and no more is under way than the framework allows.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { driver, scratchFolder, workloadFile } from './driver.js'

interface Case {
  readonly name: string
  readonly ranks: number
  readonly dataset: Record<string, unknown>
  readonly profile: Record<string, Record<string, unknown>>
  readonly evaluation?: boolean
  /** Most batches of a rank that may be under way or waiting. */
  readonly outstanding?: number
  /** Whether batches are delivered in the order of the plan. */
  readonly ordered: boolean
}

const cases: Case[] = [
  {
    name: 'pytorch, random order, one rank, evaluation',
    ranks: 1,
    dataset: { format: 'npz', num_files_train: 12, num_samples_per_file: 5 },
    profile: { pytorch: { shuffle: true, num_workers: 2, prefetch_factor: 2, batch_size: 4 } },
    evaluation: true,
    outstanding: 4,
    ordered: true,
  },
  {
    name: 'pytorch, distributed sampler over three ranks, single samples of hdf5 files',
    ranks: 3,
    dataset: { format: 'hdf5', num_files_train: 7, num_samples_per_file: 5 },
    profile: { pytorch: { shuffle: true, num_workers: 3, prefetch_factor: 1, batch_size: 2 } },
    outstanding: 3,
    ordered: true,
  },
  {
    name: 'pytorch, in_order false',
    ranks: 2,
    dataset: { format: 'npz', num_files_train: 24 },
    profile: { pytorch: { num_workers: 3, prefetch_factor: 2, batch_size: 1, in_order: false } },
    outstanding: 6,
    ordered: false,
  },
  {
    name: 'pytorch, reading in the training process',
    ranks: 1,
    dataset: { format: 'npz', num_files_train: 9 },
    profile: { pytorch: { num_workers: 0, batch_size: 2 } },
    outstanding: 1,
    ordered: true,
  },
  {
    name: 'tensorflow, tfrecord, blocks, shuffle, AUTOTUNE',
    ranks: 2,
    dataset: { format: 'tfrecord', num_files_train: 9, num_samples_per_file: 5 },
    profile: {
      tensorflow: {
        cycle_length: 4,
        num_parallel_calls: 2,
        block_length: 2,
        shuffle_buffer_size: 7,
        prefetch_buffer_size: -1,
        batch_size: 4,
      },
    },
    evaluation: true,
    ordered: true,
  },
  {
    name: 'tensorflow, npz streamed sample by sample, in order of readiness',
    ranks: 1,
    dataset: { format: 'npz', num_files_train: 9, num_samples_per_file: 4 },
    profile: { tensorflow: { num_parallel_reads: 3, deterministic: false, batch_size: 3 } },
    ordered: false,
  },
  {
    name: 'jax, shuffled shards, workers that cut their own batches',
    ranks: 2,
    dataset: { format: 'npz', num_files_train: 11, num_samples_per_file: 3 },
    profile: { jax: { shuffle: true, worker_count: 3, prefetch_buffer_size: 4, batch_size: 2 } },
    outstanding: 4,
    ordered: true,
  },
  {
    name: 'tensorflow, many ranks on the event loop, slots that take turns',
    ranks: 40,
    dataset: { format: 'npz', num_files_train: 120, num_samples_per_file: 2 },
    profile: { tensorflow: { cycle_length: 3, num_parallel_calls: 2, batch_size: 2 } },
    ordered: true,
  },
]

interface Line {
  readonly rank: number
  readonly epoch: number
  readonly split: string
  readonly step: number
  readonly reader?: number
  readonly samples: readonly [string, number][]
}
interface Event {
  readonly name: string
  readonly ts: number
  readonly dur: number
  readonly args: { rank: number; epoch: number; split: string; step?: number; reader: number; file: string; sample: number }
}

const stretch = ({ rank, epoch, split }: { rank: number; epoch: number; split: string }) => `rank ${rank} epoch ${epoch} ${split}`

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item])
  return groups
}

/** Most batches at once of which a sample has been begun and that the loop has not taken. */
function mostOutstanding(reads: readonly Event[], computes: readonly Event[]): number {
  const begun = new Map<number, number>()
  for (const { args, ts } of reads) if (args.step !== undefined) begun.set(args.step, Math.min(ts, begun.get(args.step) ?? Infinity))
  const changes = [...[...begun.values()].map((ts) => ({ ts, by: 1 })), ...computes.map(({ ts }) => ({ ts, by: -1 }))]
  let now = 0
  let most = 0
  for (const { by } of changes.sort((a, b) => a.ts - b.ts || a.by - b.by)) {
    now += by
    most = Math.max(most, now)
  }
  return most
}

for (const { name, ranks, dataset, profile, evaluation, outstanding, ordered } of cases)
  describe(name, () => {
    test('what is read is what the plan says, with no more under way than the framework allows', async () => {
      const folder = scratchFolder('profile')
      const config = workloadFile(folder, {
        workflow: { train: true, evaluation: evaluation === true },
        dataset: { record_length_bytes: 2048, num_files_eval: 4, ...dataset, data_folder: join(folder, 'data') },
        reader: { read_threads: 2, batch_size_eval: 2 },
        train: { epochs: 2, seed: 7, computation_time: 0.001 },
        framework_profiles: profile,
      })
      const [out, trace] = [join(folder, 'out'), join(folder, 'trace.json')]
      const generated = await driver(['generate', config, '-q'])
      assert.equal(generated.code, 0, generated.stderr)
      const run = await driver(['run', config, '--ranks', String(ranks), '--output', out, '--trace', trace, '--verify', '--json'])
      assert.equal(run.code, 0, run.stderr)
      const plan = await driver(['plan', config, '--ranks', String(ranks), '--order'])
      const planned = groupBy(
        plan.stdout
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as Line),
        stretch,
      )
      const events = JSON.parse(fs.readFileSync(trace, 'utf8')) as Event[]
      const reads = groupBy(
        events.filter((event) => event.name === 'read').sort((a, b) => a.ts - b.ts),
        ({ args }) => stretch(args),
      )
      const computes = groupBy(
        events.filter((event) => event.name === 'compute'),
        ({ args }) => stretch(args),
      )
      assert.equal(planned.size, ranks * 2 * (evaluation ? 2 : 1))
      for (const [where, lines] of planned) {
        const own = reads.get(where)!
        const steps = groupBy(own, ({ args }) => String(args.step))
        for (const { step, reader, samples } of lines) {
          const found = steps.get(String(step))!.map(({ args }) => [args.file, args.sample])
          if (reader === undefined) assert.deepEqual(found.sort(), [...samples].sort(), `${where} step ${step}`)
          else assert.deepEqual(found, samples, `${where} step ${step}`)
        }
        const taken = computes.get(where)!
        assert.equal(taken.length, lines.length, where)
        if (outstanding !== undefined) {
          const most = mostOutstanding(own, taken)
          assert.ok(most <= outstanding, `${where}: ${most} batches outstanding, ${outstanding} allowed`)
        }
        if (ordered)
          for (const { ts, args } of taken)
            for (const read of steps.get(String(args.step))!) assert.ok(read.ts + read.dur <= ts + 0.001, `${where} step ${args.step}`)
      }

      const result = JSON.parse(run.stdout) as Result
      const framework = Object.keys(profile)[0]
      assert.equal(result.profile?.framework, framework)
      assert.deepEqual(result.framework, { name: framework, reason: 'the only framework profile of the configuration' })
      assert.equal(result.io.readExtent, 'sample')
      const trained = [...planned]
        .filter(([where]) => where.endsWith('train'))
        .flatMap(([, lines]) => lines.flatMap((line) => line.samples))
      assert.equal(result.train?.samples, trained.length)
      assert.equal(
        result.warnings.some(({ code }) => code === 'order-by-readiness'),
        !ordered,
      )
      const digest = await driver(['plan', config, '--ranks', String(ranks), '--order', '--digest'])
      assert.ok(digest.stdout.includes(result.orderDigest!), 'the digest of the run is that of its plan')
    })
  })
