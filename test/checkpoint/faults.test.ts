// Whole runs that go wrong: no room, no folder, the wrong number of ranks, an interruption. Nothing half-written may look whole.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { bin, driver, scratchFolder } from '../cli/driver.js'

const model = {
  name: 'small',
  type: 'transformer',
  num_layers: 2,
  parallelism: { zero_stage: 1 },
  transformer: { vocab_size: 8000, hidden_size: 256, ffn_hidden_size: 512, num_attention_heads: 4, num_kv_heads: 4 },
}

function configIn(cwd: string, checkpoint: object = {}): string {
  const path = join(cwd, 'workload.yaml')
  const workload = {
    model,
    framework: 'pytorch',
    workflow: { train: false, checkpoint: true },
    checkpoint: { checkpoint_folder: join(cwd, 'checkpoints'), num_checkpoints_write: 2, num_checkpoints_read: 2, ...checkpoint },
  }
  writeFileSync(path, JSON.stringify(workload)) // JSON is YAML.
  return path
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [entry.name] : []))
}

test('a checkpoint-only run writes, reads back with --verify, and says in result.json how long each took', async () => {
  const cwd = scratchFolder('checkpoint-only', true)
  const out = join(cwd, 'out')
  const { code, stderr } = await driver(['run', configIn(cwd), '--ranks', '2', '--verify', '--output', out])
  assert.equal(code, 0, stderr)
  const { checkpoint, metric, orderDigest } = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8'))
  for (const kind of ['save', 'load']) {
    assert.equal(checkpoint[kind].count, 2)
    assert.equal(checkpoint[kind].durationMs.length, 2)
    assert.ok(checkpoint[kind].slowestDurationMs.every((value: number, i: number) => value >= checkpoint[kind].durationMs[i]))
    assert.ok(metric[`${kind}_checkpoint_io_mean_GB_per_second`] > 0)
  }
  assert.equal(checkpoint.bytesWritten, 2 * checkpoint.save.sizeBytes, 'raw files are the tensors')
  assert.equal(orderDigest, undefined)
  assert.match(stderr, /Checkpoints saved {3}2 of /)
})

test('a run that cannot write a whole file ends with 1, names the file, and leaves no part of it', async () => {
  const cwd = scratchFolder('checkpoint-full', true)
  const config = configIn(cwd)
  // The optimizer's files are larger than 20 MB, the model's is not.
  const { code, stderr } = await new Promise<{ code: number; stderr: string }>((resolve) => {
    const limited = 'ulimit -f 20000; exec "$@"'
    const args = ['-c', limited, 'bash', process.execPath, bin, 'run', config, '--ranks', '2', '--output', join(cwd, 'out'), '-q']
    const child = execFile('bash', args, { timeout: 60_000 }, (_, __, text) => resolve({ code: child.exitCode ?? -1, stderr: text }))
  })
  assert.equal(code, 1, stderr)
  assert.match(stderr, /optim_states\.pt: cannot write: .*\(EFBIG\)/)
  assert.ok(filesBelow(join(cwd, 'checkpoints')).every((name) => /^model_0_model_states\.pt$/.test(name)))
  assert.deepEqual(
    readdirSync(join(cwd, 'out')).filter((name) => name.endsWith('.json')),
    ['result.partial.json'],
  )
})

test('a folder that cannot be written to and ranks that do not fit are told before anything is touched', async () => {
  const cwd = scratchFolder('checkpoint-refused', true)
  const blocked = join(cwd, 'file')
  writeFileSync(blocked, '')
  const refused: [string[], RegExp][] = [
    [
      [`checkpoint.checkpoint_folder=${join(blocked, 'below')}`],
      /checkpoint\.checkpoint_folder = .*file\/below\n.*cannot be written to: ENOTDIR/,
    ],
    [['++model.parallelism.tensor=4'], /Number of processes 2 is not a multiple of model parallelism size: 4\n.*run 4 ranks/],
    [
      ['++checkpoint.mode=subset', '++model.parallelism.data=1'],
      /Comm size: 2 is larger than 3D parallelism size: 1 \(tensor 1 × pipeline 1 × data 1\)/,
    ],
  ]
  for (const [overrides, message] of refused) {
    const { code, stderr } = await driver(['run', configIn(cwd), ...overrides, '--ranks', '2', '--output', join(cwd, 'out'), '-q'])
    assert.equal(code, 2, stderr)
    assert.match(stderr, message)
  }
  assert.equal(existsSync(join(cwd, 'checkpoints')), false)
})

test('more checkpoints to read than there are end the run with 1', async () => {
  const cwd = scratchFolder('checkpoint-missing', true)
  mkdirSync(join(cwd, 'checkpoints', 'global_epoch1_step1'), { recursive: true })
  const { code, stderr } = await driver(['run', configIn(cwd, { num_checkpoints_write: -1 }), '--output', join(cwd, 'out'), '-q'])
  assert.equal(code, 1)
  assert.match(stderr, /Number of checkpoints to be read: 2 is more than the number of checkpoints available: 1 in .*checkpoints;/)
})

test('Ctrl-C in the middle of a checkpoint leaves complete files only, and a partial result', async () => {
  const cwd = scratchFolder('checkpoint-interrupted', true)
  const folder = join(cwd, 'checkpoints')
  const config = configIn(cwd, { num_checkpoints_write: 2000 })
  const child = spawn(process.execPath, [bin, 'run', config, '--ranks', '2', '--output', join(cwd, 'out'), '-q'], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  // Temporary names are hidden ones.
  while (!filesBelow(folder).some((name) => name.startsWith('.') && name.includes('optim')) && child.exitCode === null) await sleep(5)
  child.kill('SIGINT')
  const [code] = await ended
  assert.equal(code, 130)
  const names = new Set(filesBelow(folder))
  for (const name of names) assert.match(name, /^(model_0_model|zero_pp_rank_[01]_mp_rank_0_optim)_states\.pt$/)
  assert.deepEqual(
    readdirSync(join(cwd, 'out')).filter((name) => name.endsWith('.json')),
    ['result.partial.json'],
  )
})
