// Ctrl-C: partial results, no summary, nothing left behind.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { bin, driver, scratchFolder, startDriver, workloadFile } from './driver.js'

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

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  test(`a run that gets ${signal} while it generates leaves result.partial.json with the files that are complete, and exits with 130`, async () => {
    const folder = scratchFolder('interrupt-generation', true)
    const data = join(folder, 'data', 'train')
    const config = workloadFile(folder, {
      workflow: { train: true },
      dataset: { format: 'npz', data_folder: join(folder, 'data'), num_files_train: 1_000_000, record_length_bytes: 1024 },
      reader: { batch_size: 1 },
    })
    const out = join(folder, 'out')
    const child = startDriver(['run', config, '--generate', '--output', out])
    while (!(fs.existsSync(data) && fs.readdirSync(data).some((name) => name.endsWith('.npz'))))
      await new Promise((resolve) => setTimeout(resolve, 20))
    child.kill(signal)
    const [code] = (await once(child, 'exit')) as [number]
    assert.equal(code, 130)
    assert.deepEqual(fs.readdirSync(out).sort(), ['dlio.log', 'result.partial.json'])
    const { complete, interruption, generation, warnings } = JSON.parse(fs.readFileSync(join(out, 'result.partial.json'), 'utf8'))
    assert.deepEqual([complete, interruption], [false, 'interrupted by a signal while the data set was made'])
    assert.deepEqual(warnings, [])
    const files = fs.readdirSync(data)
    assert.deepEqual([generation.filesWritten, generation.filesTotal], [files.length, 1_000_000])
    assert.equal(
      generation.bytesWritten,
      files.reduce((sum, name) => sum + fs.statSync(join(data, name)).size, 0),
    )
  })

test('a run whose data set does not fit on its disk fails, and its partial result says how far it came', () => {
  // The shell limits the size of files: the same way out of write() as a full disk.
  const folder = scratchFolder('full-disk')
  const config = workloadFile(folder, {
    workflow: { train: true },
    dataset: { format: 'npz', data_folder: join(folder, 'data'), num_files_train: 4, record_length_bytes: 4_000_000 },
    reader: { batch_size: 1 },
  })
  const out = join(folder, 'out')
  const command = `ulimit -f 1000; exec "${process.execPath}" "${bin}" run "${config}" --generate --output "${out}"`
  const { status, stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' })
  assert.equal(status, 1, stderr)
  assert.match(stderr, /^error: .*img_\d_of_4\.npz: cannot write: .*EFBIG/m)
  assert.deepEqual(fs.readdirSync(out).sort(), ['dlio.log', 'result.partial.json'])
  const { complete, interruption, generation } = JSON.parse(fs.readFileSync(join(out, 'result.partial.json'), 'utf8'))
  assert.equal(complete, false)
  assert.match(interruption, /^the data set was not made: .*EFBIG/)
  assert.deepEqual([generation.filesWritten, generation.filesTotal], [0, 4])
})

test('an interrupted generation tells programs how far it came, and that it is only a part', async () => {
  const folder = scratchFolder('interrupt-generate', true)
  const data = join(folder, 'data', 'train')
  const config = workloadFile(folder, {
    dataset: { format: 'npz', data_folder: join(folder, 'data'), num_files_train: 1_000_000, record_length_bytes: 1024 },
  })
  const child = startDriver(['generate', config, '--json', '-q'])
  const heard = Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'exit')])
  while (!(fs.existsSync(data) && fs.readdirSync(data).some((name) => name.endsWith('.npz'))))
    await new Promise((resolve) => setTimeout(resolve, 20))
  child.kill('SIGINT')
  const [stdout, stderr, [code]] = await heard
  assert.equal(code, 130)
  const { complete, interruption, filesWritten, filesTotal } = JSON.parse(stdout)
  assert.deepEqual([complete, filesWritten, filesTotal], [false, fs.readdirSync(data).length, 1_000_000])
  assert.equal(interruption, `interrupted: ${filesWritten} of 1000000 files are complete; --resume goes on from there`)
  assert.equal(stderr, `error: ${interruption}\n`)
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
