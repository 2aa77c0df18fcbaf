// Ctrl-C: partial results, no summary, nothing left behind.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { driver, scratchFolder, startDriver, workloadFile } from './driver.js'

for (const ranks of [1, 20])
  test(`an interrupted run of ${ranks} rank(s) leaves result.partial.json, no summary.json, and exits with 130`, async () => {
    const folder = scratchFolder('interrupt')
    const config = workloadFile(folder, {
      framework: 'pytorch',
      workflow: { train: true },
      dataset: { format: 'npz', data_folder: join(folder, 'data'), num_files_train: 80, record_length_bytes: 4096 },
      reader: { data_loader: 'pytorch', batch_size: 1, read_threads: 1 },
      train: { epochs: 1000, computation_time: 0.01 },
    })
    assert.equal((await driver(['generate', config, '-q'])).code, 0)
    const out = join(folder, 'out')
    const child = startDriver(['run', config, '--output', out, '--ranks', String(ranks)])
    const log = join(out, 'dlio.log')
    // The log names the first epoch once threads run.
    while (!(fs.existsSync(log) && fs.readFileSync(log, 'utf8').includes('Starting epoch 1')))
      await new Promise((resolve) => setTimeout(resolve, 20))
    child.kill('SIGINT')
    const [code] = (await once(child, 'exit')) as [number]
    assert.equal(code, 130)
    assert.ok(!fs.existsSync(join(out, 'summary.json')))
    assert.ok(!fs.existsSync(join(out, 'result.json')))
    const partial = JSON.parse(fs.readFileSync(join(out, 'result.partial.json'), 'utf8')) as Record<string, unknown>
    assert.equal(partial.semantics, 'mlcommons')
  })
