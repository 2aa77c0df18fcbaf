// The slow storage of the benchmarks (bench/throttle.c) sees every byte and every call that the result claims: it is in the way of all reads.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { hasProgram } from '../requirements.js'
import { driver, scratchFolder, workloadFile } from './driver.js'

const cases = [
  { name: 'npz, blocking readers', format: 'npz', framework: 'pytorch', ranks: 2 },
  { name: 'npz, many readers on the event loop', format: 'npz', framework: 'pytorch', ranks: 12 },
  { name: 'hdf5, one hyperslab a sample', format: 'hdf5', framework: 'pytorch', ranks: 1, semantics: 'upstream' },
  { name: 'tfrecord', format: 'tfrecord', framework: 'tensorflow', ranks: 1 },
] as const

for (const { name, format, framework, ranks, ...rest } of cases)
  test(`${name}: a storage model under LD_PRELOAD counts the bytes and calls of the result`, async (t) => {
    if (!hasProgram(t, 'cc', '--version')) return
    const folder = scratchFolder('throttle')
    const library = join(folder, 'throttle.so')
    execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, join('bench', 'throttle.c'), '-ldl'])
    const data = join(folder, 'data')
    const config = workloadFile(folder, {
      framework,
      workflow: { train: true },
      dataset: { format, data_folder: data, num_files_train: 24, num_samples_per_file: 2, record_length_bytes: 50_000 },
      reader: { data_loader: framework, batch_size: 2, read_threads: 1 },
      train: { epochs: 2, computation_time: 0.001 },
    })
    const common = ['-q', '--ranks', String(ranks), '--semantics', 'semantics' in rest ? rest.semantics : 'mlcommons']
    assert.equal((await driver(['generate', config, ...common])).code, 0)
    const out = join(folder, 'out')
    const state = join(folder, 'state')
    // A million MB a second: only the counters matter here.
    const env = { LD_PRELOAD: library, THROTTLE_PREFIX: data, THROTTLE_MBPS: '1000000', THROTTLE_STATE: state }
    const run = await driver(['run', config, '--output', out, ...common], { env })
    assert.deepEqual([run.code, run.stderr], [0, ''])
    const { io } = JSON.parse(fs.readFileSync(join(out, 'result.json'), 'utf8')) as Result
    const counters = fs.readFileSync(state)
    const [bytes, calls] = [8, 16].map((at) => Number(counters.readBigUInt64LE(at)))
    assert.equal(bytes, io.bytesAsked)
    // The model does not count calls that come back with nothing: only streams make one, at the end of each file.
    const empty = format === 'tfrecord' ? io.readCalls - calls! : 0
    assert.ok(empty >= 0 && empty <= io.filesOpened)
    assert.equal(calls, io.readCalls - empty)
    assert.ok(io.bytesAsked > 24 * 2 * 49_000)
  })
