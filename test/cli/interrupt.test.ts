// Ctrl-C: partial results, no summary, nothing left behind.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
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

test('a run whose storage hangs ends within seconds of Ctrl-C, with a partial result', async () => {
  const folder = scratchFolder('hang')
  const data = join(folder, 'data')
  const config = workloadFile(folder, {
    framework: 'pytorch',
    workflow: { train: true },
    dataset: { format: 'npz', data_folder: data, num_files_train: 4, record_length_bytes: 4096 },
    reader: { data_loader: 'pytorch', batch_size: 1, read_threads: 1 },
    train: { epochs: 2, computation_time: 0.001 },
  })
  assert.equal((await driver(['generate', config, '-q'])).code, 0)
  // A pipe without a writer behind a link: opening it never returns, as on a dead server.
  execFileSync('mkfifo', [join(folder, 'pipe')])
  fs.rmSync(join(data, 'train', 'img_2_of_4.npz'))
  fs.symlinkSync(join(folder, 'pipe'), join(data, 'train', 'img_2_of_4.npz'))
  const out = join(folder, 'out')
  const child = startDriver(['run', config, '--output', out])
  const log = join(out, 'dlio.log')
  while (!(fs.existsSync(log) && fs.readFileSync(log, 'utf8').includes('Starting epoch 1')))
    await new Promise((resolve) => setTimeout(resolve, 20))
  child.kill('SIGINT')
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  assert.deepEqual([code, signal], [130, null])
  assert.ok(fs.existsSync(join(out, 'result.partial.json')))
  assert.ok(!fs.existsSync(join(out, 'summary.json')))
})
