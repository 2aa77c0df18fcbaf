import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { driver, scratchFolder, workloadFile } from './driver.js'

for (const ranks of [1, 20])
  test(`preprocessing is slept in the reader after each sample, never less than its time (${ranks} rank(s))`, async () => {
    const folder = scratchFolder('preprocess')
    const config = workloadFile(folder, {
      framework: 'pytorch',
      workflow: { generate_data: true, train: true },
      dataset: { format: 'npz', data_folder: join(folder, 'data'), num_files_train: 4 * ranks, record_length_bytes: 4096 },
      reader: { data_loader: 'pytorch', batch_size: 2, read_threads: 1, preprocess_time: 0.02 },
      train: { epochs: 1, computation_time: 0 },
    })
    const trace = join(folder, 'trace.json')
    const run = await driver(['run', config, '--output', join(folder, 'out'), '--ranks', String(ranks), '--trace', trace])
    assert.equal(run.code, 0, run.stderr)
    const events = JSON.parse(fs.readFileSync(trace, 'utf8')) as {
      name: string
      ts: number
      dur: number
      args: { rank: number; step: number }
    }[]
    const reads = events.filter(({ name, args }) => name === 'read' && args.rank === 0).sort((a, b) => a.ts - b.ts)
    assert.equal(reads.length, 4)
    for (let i = 1; i < reads.length; i++) assert.ok(reads[i]!.ts - (reads[i - 1]!.ts + reads[i - 1]!.dur) >= 19_900)
    const compute = events.find(({ name, args }) => name === 'compute' && args.rank === 0 && args.step === 1)!
    assert.ok(compute.ts >= reads[1]!.ts + reads[1]!.dur + 19_900)
  })
