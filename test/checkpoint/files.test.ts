// What is written can be read by us and by Python's zipfile and pickle; damage, fullness and interruption are told, and leave nothing that looks whole.
import assert from 'node:assert/strict'
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Stopped } from '#src/checkpoint/piece-writer.js'
import { LocalPlace } from '#src/checkpoint/place.js'
import { RankCheckpoints } from '#src/checkpoint/rank.js'
import type { Workload } from '#src/config/workload.js'
import { DataError, StorageError } from '#src/errors.js'
import { AsyncLocalStorage } from '#src/storage/local.js'
import { privateMeter } from '#src/storage/meter.js'
import { scratchFolder } from '../cli/driver.js'
import { workloadOf } from './recordings.js'

const model = {
  type: 'transformer',
  num_layers: 2,
  transformer: { vocab_size: 4000, hidden_size: 64, ffn_hidden_size: 130, num_attention_heads: 4, num_kv_heads: 2 },
}

function workload(semantics: 'upstream' | 'mlcommons', more: { model?: object; checkpoint?: object; storage?: object } = {}): Workload {
  const { storage } = more
  return workloadOf(
    {
      framework: 'pytorch',
      model: { ...model, ...more.model },
      workflow: { train: false, checkpoint: true },
      checkpoint: { num_checkpoints_read: 1, ...more.checkpoint },
      ...(storage && { storage }),
    },
    semantics,
  )
}

interface Setting {
  readonly workload: Workload
  readonly verify?: boolean
  readonly pieceBytes?: number
  readonly stopped?: () => boolean
  readonly onWritten?: (bytes: number) => void
  readonly ranks?: number
}

function rankOf(folder: string, setting: Setting): RankCheckpoints {
  return new RankCheckpoints({
    ranks: setting.ranks ?? 1,
    rank: 0,
    folder,
    verify: setting.verify ?? true,
    pieceBytes: setting.pieceBytes ?? 8192,
    requestBytes: 8192,
    place: new LocalPlace(folder, new AsyncLocalStorage(setting.workload.checkpoint.direct, privateMeter())),
    stopped: setting.stopped ?? (() => false),
    onWritten: setting.onWritten ?? (() => {}),
    nowMs: () => performance.now(),
    workload: setting.workload,
  })
}

function filesOf(folder: string): string[] {
  return readdirSync(join(folder, 'global_epoch1_step1')).sort()
}

const stepFile = (folder: string, name: string) => join(folder, 'global_epoch1_step1', name)
const modelFile = 'zero_pp_rank_0_mp_rank_0_model_states.pt'

for (const semantics of ['upstream', 'mlcommons'] as const)
  for (const pieceBytes of [4096, 65_536, 4 << 20])
    test(`${semantics}: what a rank saves in pieces of ${pieceBytes} bytes it loads again, checksums verified`, async () => {
      const folder = scratchFolder('checkpoints', true)
      let written = 0
      const rank = rankOf(folder, { workload: workload(semantics), pieceBytes, onWritten: (bytes) => (written += bytes) })
      const parts = await rank.save(1, 1)
      assert.deepEqual(Object.keys(parts), ['model', 'optimizer'])
      assert.equal(
        written,
        filesOf(folder).reduce((sum, name) => sum + statSync(stepFile(folder, name)).size, 0),
      )
      assert.deepEqual(Object.keys(await rank.load(1, 1)), ['model', 'optimizer'])
    })

test('every saving has contents of its own, and floats are finite', async () => {
  const folder = scratchFolder('checkpoints', true)
  const rank = rankOf(folder, { workload: workload('upstream', { model: { model_datatype: 'bf16' } }) })
  await rank.save(1, 1)
  const first = readFileSync(stepFile(folder, modelFile))
  await rank.save(1, 1)
  const second = readFileSync(stepFile(folder, modelFile))
  assert.equal(first.length, second.length)
  assert.equal(first.equals(second), false)
  // The first tensor: 4000 × 64 elements of two bytes behind the first small members.
  const begin = first.indexOf('archive/data/0') + 64 - ((first.indexOf('archive/data/0') + 0) % 64)
  const tensor = first.subarray(begin + 64, begin + 64 + 400_000)
  const elements = new Uint16Array(tensor.buffer.slice(tensor.byteOffset, tensor.byteOffset + tensor.length))
  assert.ok(elements.every((bits) => (bits & 0x7f80) !== 0x7f80))
  assert.ok(new Set(elements).size > 10_000)
})

test('randomize_tensor: false makes ones of torch files, and nothing of raw ones', async () => {
  const ones = scratchFolder('checkpoints', true)
  await rankOf(ones, { workload: workload('upstream', { checkpoint: { randomize_tensor: false } }) }).save(1, 1)
  const file = readFileSync(stepFile(ones, modelFile)).toString('latin1')
  assert.ok(file.includes('\x00\x3c'.repeat(4000 * 64)), 'half precision')
  assert.ok(
    readFileSync(stepFile(ones, 'zero_pp_rank_0_mp_rank_0_optim_states.pt')).toString('latin1').includes('\x00\x00\x80\x3f'.repeat(320)),
  )
  const raw = scratchFolder('checkpoints', true)
  await rankOf(raw, { workload: workload('mlcommons', { checkpoint: { randomize_tensor: false } }) }).save(1, 1)
  assert.equal(readFileSync(stepFile(raw, modelFile)).toString('latin1').includes('\x00\x3c'.repeat(8)), false)
})

test('a file that was there is replaced whole, and what a killed run left is removed', async () => {
  const folder = scratchFolder('checkpoints', true)
  const step = join(folder, 'global_epoch1_step1')
  mkdirSync(step)
  writeFileSync(join(step, modelFile), 'old')
  const tag = /tmp-([0-9a-f]{8})-/.exec((await import('#src/dataset/complete-file.js')).temporaryPath('x'))![1]
  writeFileSync(join(step, `.${modelFile}.tmp-${tag}-999999999`), 'left behind')
  await rankOf(folder, { workload: workload('upstream') }).save(1, 1)
  assert.deepEqual(filesOf(folder), [modelFile, 'zero_pp_rank_0_mp_rank_0_optim_states.pt'])
  assert.notEqual(readFileSync(join(step, modelFile), 'latin1'), 'old')
})

test('a run that is stopped leaves the files that are complete and nothing of the one under way', async () => {
  const folder = scratchFolder('checkpoints', true)
  let written = 0
  const rank = rankOf(folder, {
    workload: workload('upstream'),
    stopped: () => written > 1_600_000,
    onWritten: (bytes) => (written += bytes),
  })
  await assert.rejects(rank.save(1, 1), Stopped)
  assert.deepEqual(readdirSync(join(folder, 'global_epoch1_step1')), [modelFile])
})

test('O_DIRECT files have the same bytes on disk as others', { skip: !directWorks() }, async (t) => {
  const folder = join(process.cwd(), '.cache', `direct-${process.pid}`)
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(folder, { recursive: true })
  for (const semantics of ['upstream', 'mlcommons'] as const) {
    const direct = workload(semantics, { storage: { storage_type: 'direct_fs' } })
    assert.equal(direct.checkpoint.direct, true)
    const rank = rankOf(folder, { workload: direct })
    await rank.save(1, 1)
    const plain = scratchFolder('checkpoints', true)
    await rankOf(plain, { workload: workload(semantics) }).save(1, 1)
    for (const name of filesOf(plain)) assert.equal(statSync(stepFile(folder, name)).size, statSync(stepFile(plain, name)).size)
    await rank.load(1, 1)
  }
})

/** Whether the file system of the checkout takes O_DIRECT, as tmpfs of older kernels does not. */
function directWorks(): boolean {
  mkdirSync('.cache', { recursive: true })
  const probe = join('.cache', `direct-probe-${process.pid}`)
  try {
    closeSync(openSync(probe, constants.O_WRONLY | constants.O_CREAT | constants.O_DIRECT))
    return true
  } catch {
    return false
  } finally {
    rmSync(probe, { force: true })
  }
}

async function saved(semantics: 'upstream' | 'mlcommons'): Promise<{ rank: RankCheckpoints; file: string; folder: string }> {
  const folder = scratchFolder('checkpoints', true)
  const rank = rankOf(folder, { workload: workload(semantics) })
  await rank.save(1, 1)
  return { rank, folder, file: stepFile(folder, modelFile) }
}

function damage(file: string, byteOffset: number): void {
  const handle = openSync(file, 'r+')
  writeSync(handle, Buffer.from([0xff, 0x00, 0xff, 0x00, 0x55]), 0, 5, byteOffset)
  closeSync(handle)
}

for (const semantics of ['upstream', 'mlcommons'] as const)
  test(`${semantics}: a byte that is not what was written is found with --verify, and named`, async () => {
    const { rank, file } = await saved(semantics)
    damage(file, 100_000)
    await assert.rejects(
      rank.load(1, 1),
      (error: DataError) => error instanceof DataError && error.uri === file && /CRC-32|what was written/.test(error.message),
    )
  })

test('files that are cut off, foreign, missing or of another model are named', async () => {
  const cases: [string, (file: string) => void, RegExp][] = [
    ['upstream', (file) => truncateSync(file, 300_000), /no end of a zip archive|truncated/],
    ['upstream', (file) => writeFileSync(file, 'hello, world'), /no file of torch\.save/],
    ['upstream', (file) => truncateSync(file, 0), /no file of torch\.save.* 0 bytes/],
    ['mlcommons', (file) => truncateSync(file, 300_000), /has 300000 bytes, the configuration's state/],
  ]
  for (const [semantics, spoil, message] of cases) {
    const { rank, file } = await saved(semantics as 'upstream')
    spoil(file)
    await assert.rejects(
      rank.load(1, 1),
      (error: DataError) => error instanceof DataError && error.uri === file && message.test(error.message),
    )
  }
  const { folder } = await saved('upstream')
  const other = rankOf(folder, { workload: workload('upstream', { model: { model_datatype: 'fp32' } }) })
  await assert.rejects(other.load(1, 1), /data\/0 has 512000 bytes, the configuration's tensor 1024000 \(256000 × fp32\)/)
  const missing = rankOf(folder, { workload: workload('upstream') })
  await assert.rejects(missing.load(1, 2), (error: StorageError) => error instanceof StorageError && error.code === 'ENOENT')
})

test('archives that torch wrote are read, whichever members beside the tensors they have', async () => {
  const folder = scratchFolder('checkpoints', true)
  const { recordings } = await import('./recordings.js')
  const recording = recordings().find(({ id }) => id.startsWith('01'))!
  mkdirSync(join(folder, 'global_epoch1_step1'))
  for (const path of Object.keys(recording.files))
    if (path.includes('step1/')) writeFileSync(join(folder, path.replace('checkpoints/', '')), readFileSync(join(recording.folder, path)))
  const rank = rankOf(folder, { workload: recording.workload })
  assert.deepEqual(Object.keys(await rank.load(1, 1)), ['blob', 'model', 'optimizer'])
})
