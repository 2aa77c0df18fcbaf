// The main job from end to end: generate, run, look at everything that is left behind.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { driver, scratchFolder, workloadFile } from './driver.js'

interface Case {
  readonly name: string
  readonly ranks: number
  readonly semantics: 'mlcommons' | 'upstream'
  readonly workload: Record<string, Record<string, unknown> | string>
}

const base = (format: string, loader: string, dataset: object, reader: object, train: object = {}): Case['workload'] => ({
  framework: loader,
  workflow: { generate_data: false, train: true },
  dataset: { format, record_length_bytes: 4096, num_files_eval: 0, ...dataset },
  reader: { data_loader: loader, batch_size: 2, read_threads: 2, ...reader },
  train: { epochs: 2, computation_time: 0.001, ...train },
})

const cases: Case[] = [
  {
    name: 'npz, PyTorch, two workers',
    ranks: 1,
    semantics: 'mlcommons',
    workload: base('npz', 'pytorch', { num_files_train: 16 }, { file_shuffle: 'seed' }),
  },
  {
    name: 'npz, PyTorch, several samples a file, three ranks',
    ranks: 3,
    semantics: 'upstream',
    workload: base('npz', 'pytorch', { num_files_train: 12, num_samples_per_file: 2 }, {}),
  },
  {
    name: 'npz, PyTorch, reading in the training process',
    ranks: 2,
    semantics: 'mlcommons',
    workload: base('npz', 'pytorch', { num_files_train: 9 }, { read_threads: 0 }),
  },
  {
    name: 'hdf5, PyTorch',
    ranks: 2,
    semantics: 'upstream',
    workload: base('hdf5', 'pytorch', { num_files_train: 16, num_samples_per_file: 4 }, { read_threads: 1 }),
  },
  {
    name: 'hdf5, PyTorch, whole files',
    ranks: 2,
    semantics: 'mlcommons',
    workload: base('hdf5', 'pytorch', { num_files_train: 8, num_samples_per_file: 2 }, {}),
  },
  {
    name: 'npz, TensorFlow generators, evaluation',
    ranks: 1,
    semantics: 'mlcommons',
    workload: {
      ...base('npz', 'tensorflow', { num_files_train: 8, num_files_eval: 4 }, { sample_shuffle: 'seed', batch_size_eval: 2 }),
      workflow: { train: true, evaluation: true },
      evaluation: { eval_time: 0.001 },
    },
  },
  {
    name: 'tfrecord, TensorFlow, shuffle buffer',
    ranks: 1,
    semantics: 'mlcommons',
    workload: base(
      'tfrecord',
      'tensorflow',
      { num_files_train: 6, num_samples_per_file: 10 },
      { sample_shuffle: 'seed', shuffle_size: 7, batch_size: 4 },
    ),
  },
  {
    name: 'tfrecord, TensorFlow, two ranks',
    ranks: 2,
    semantics: 'upstream',
    workload: base('tfrecord', 'tensorflow', { num_files_train: 24, num_samples_per_file: 4 }, { batch_size: 3 }),
  },
  {
    name: 'many readers in flight on the event loop',
    ranks: 20,
    semantics: 'mlcommons',
    workload: base('npz', 'pytorch', { num_files_train: 80 }, { batch_size: 1 }),
  },
]

const lines = (text: string) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)

for (const { name, ranks, semantics, workload } of cases)
  describe(name, () => {
    test('what is read is what the plan says, and the outputs say the same', async () => {
      const folder = scratchFolder('run')
      const data = join(folder, 'data')
      const config = workloadFile(folder, { ...workload, dataset: { ...(workload.dataset as object), data_folder: data } })
      const common = ['--ranks', String(ranks), '--semantics', semantics]
      const generated = await driver(['generate', config, '-q', ...common])
      assert.equal(generated.code, 0, generated.stderr)
      const out = join(folder, 'out')
      const trace = join(folder, 'trace.json')
      const run = await driver(['run', config, ...common, '--output', out, '--trace', trace, '--verify', '--json'])
      assert.equal(run.code, 0, run.stderr)

      // Order: every batch of the plan is read, sample by sample, by the reader that the plan names.
      const plan = await driver(['plan', config, '--order', ...common])
      assert.equal(plan.code, 0, plan.stderr)
      const planned = lines(plan.stdout) as {
        rank: number
        epoch: number
        split: string
        step: number
        reader?: number
        samples: [string, number][]
      }[]
      const events = JSON.parse(fs.readFileSync(trace, 'utf8')) as {
        name: string
        ts: number
        dur: number
        args: Record<string, unknown>
      }[]
      const reads = events.filter((event) => event.name === 'read').sort((a, b) => a.ts - b.ts)
      for (const batch of planned) {
        const of = reads.filter(({ args }) => args.rank === batch.rank && args.epoch === batch.epoch && args.split === batch.split)
        const found = of.filter(({ args }) => args.step === batch.step).map(({ args }) => [args.file, args.sample])
        if (batch.reader === undefined) assert.deepEqual(found.sort(), [...batch.samples].sort(), `step ${batch.step}`)
        else {
          assert.deepEqual(found, batch.samples, `rank ${batch.rank} epoch ${batch.epoch} step ${batch.step}`)
          assert.ok(of.filter(({ args }) => args.step === batch.step).every(({ args }) => args.reader === batch.reader))
        }
      }
      // Steps: the loop computes on each planned batch once, after its last read has ended.
      const computes = events.filter((event) => event.name === 'compute')
      assert.equal(computes.length, planned.length)
      for (const compute of computes)
        for (const read of reads)
          if (['rank', 'epoch', 'split', 'step'].every((key) => read.args[key] === compute.args[key]))
            assert.ok(read.ts + read.dur <= compute.ts + 0.001, JSON.stringify([read, compute]))

      // Outputs.
      const result = JSON.parse(fs.readFileSync(join(out, 'result.json'), 'utf8')) as Result
      assert.deepEqual(JSON.parse(run.stdout), result)
      assert.equal(result.semantics, semantics)
      const digest = await driver(['plan', config, '--order', '--digest', ...common])
      assert.ok(digest.stdout.includes(result.orderDigest!), `${digest.stdout} does not hold ${result.orderDigest}`)
      assert.ok(result.io.samplesRead >= planned.reduce((sum, batch) => sum + batch.samples.length, 0))
      const summary = JSON.parse(fs.readFileSync(join(out, 'summary.json'), 'utf8')) as {
        num_accelerators: number
        metric: Record<string, unknown>
      }
      assert.equal(summary.num_accelerators, ranks)
      assert.deepEqual(result.metric, summary.metric)
      for (let rank = 0; rank < ranks; rank++)
        for (const file of [`${rank}_output.json`, `${rank}_per_epoch_stats.json`])
          assert.deepEqual(
            Object.keys(JSON.parse(fs.readFileSync(join(out, file), 'utf8')) as object).filter((key) => /^\d+$/.test(key)),
            ['1', '2'],
          )
      assert.match(fs.readFileSync(join(out, 'dlio.log'), 'utf8'), /\[METRIC\] Training Accelerator Utilization \[AU\] \(%\): /)
      assert.deepEqual(fs.readdirSync(folder).sort(), ['data', 'out', 'trace.json', 'workload.yaml'])
    })
  })
