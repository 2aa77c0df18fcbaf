// DLIO's other data loaders: what `plan` says of them is what `run` does, and both refuse the same ones for the same reason.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { driver, scratchFolder, workloadFile } from './driver.js'

const ranks = 2
const files = 16
const batchSize = 2

function configOf(folder: string, loader: string, dataset: object, reader: object = {}): string {
  return workloadFile(folder, {
    framework: 'pytorch',
    workflow: { generate_data: true, train: true },
    dataset: { data_folder: join(folder, 'data'), num_files_train: files, record_length_bytes: 4096, ...dataset },
    reader: { data_loader: loader, batch_size: batchSize, read_threads: 2, ...reader },
    train: { epochs: 2, computation_time: 0 },
  })
}

interface Planned {
  readonly rank: number
  readonly epoch: number
  readonly step: number
  readonly samples: readonly [string, number][]
}
interface Traced {
  readonly name: string
  readonly args: { rank: number; epoch: number; step: number; file: string; sample: number }
}
const linesOf = (text: string) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Planned)

for (const semantics of ['upstream', 'mlcommons'] as const) {
  const common = ['--semantics', semantics, '--ranks', String(ranks)]

  test(`the dali loader of ${semantics} reads a rank’s samples in order, as planned`, async () => {
    const folder = scratchFolder('dali')
    const config = configOf(folder, 'dali', { format: 'npz' })
    const trace = join(folder, 'trace.json')
    const run = await driver(['run', config, '-q', ...common, '--output', join(folder, 'out'), '--trace', trace])
    assert.equal(run.code, 0, run.stderr)
    const plan = await driver(['plan', config, '--order', ...common])
    const key = (rank: number, epoch: number, step: number, file: string, sample: number) => [rank, epoch, step, file, sample].join(' ')
    const read = (JSON.parse(readFileSync(trace, 'utf8')) as Traced[])
      .filter(({ name }) => name === 'read')
      .map(({ args }) => key(args.rank, args.epoch, args.step, args.file, args.sample))
    const planned = linesOf(plan.stdout)
    assert.deepEqual(
      read.toSorted(),
      planned.flatMap(({ rank, epoch, step, samples }) => samples.map(([file, sample]) => key(rank, epoch, step, file, sample))).toSorted(),
    )
    // Contiguous blocks of all files upstream, every other file of MLCommons’ sharding.
    const own = planned.filter(({ rank, epoch }) => rank === 1 && epoch === 2).flatMap(({ samples }) => samples.map(([file]) => file))
    const numbers = own.map((file) => Number(/img_(\d+)_of/.exec(file)![1]))
    assert.deepEqual(
      numbers,
      Array.from({ length: files / ranks }, (_, i) => (semantics === 'upstream' ? files / ranks + i : 1 + i * ranks)),
    )
  })

  for (const format of ['npz', 'tfrecord'])
    test(`the synthetic loader of ${semantics} reads nothing of ${format} files and still takes its steps`, async () => {
      const folder = scratchFolder('synthetic')
      const config = configOf(folder, 'synthetic', { format })
      const out = join(folder, 'out')
      const run = await driver(['run', config, '-q', ...common, '--output', out])
      assert.equal(run.code, 0, run.stderr)
      const { io } = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8')) as Result
      assert.deepEqual([io.bytesAsked, io.filesOpened, io.samplesRead], [0, 0, 0])
      const planned = linesOf((await driver(['plan', config, '--order', ...common])).stdout)
      assert.equal(planned.length, (files / ranks / batchSize) * ranks * 2)
      assert.ok(planned.every(({ samples }) => samples.length === 0))
      const summary = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as { metric: object }
      assert.ok(summary.metric)
    })

  for (const [loader, format, reason] of [
    ['native_dali', 'npy', 'every rank reads shard 0'],
    ['native_dali', 'tfrecord', 'every rank reads shard 0'],
    ['custom', 'npz', 'not known without running its Python code'],
    ['none', 'npz', 'not known without running its Python code'],
    ['dali', 'tfrecord', 'no random access'],
  ])
    test(`${loader} over ${format} of ${semantics} is refused by plan and run alike, before anything is written`, async () => {
      const folder = scratchFolder('refused')
      const config = configOf(folder, loader!, { format }, loader === 'custom' ? { data_loader_sampler: 'index' } : {})
      const plan = await driver(['plan', config, '--order', ...common])
      const run = await driver(['run', config, '-q', ...common, '--output', join(folder, 'out')])
      for (const { code, stderr } of [plan, run]) {
        assert.equal(code, 2, stderr)
        assert.match(stderr, new RegExp(`data_loader = ${loader}[^]*rule: .*${reason}`))
      }
      assert.deepEqual(readdirSync(folder), ['workload.yaml'])
    })
}
