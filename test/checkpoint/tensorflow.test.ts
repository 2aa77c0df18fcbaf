// TensorFlow's own files: byte for byte what TensorFlow made of the same numbers.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { LocalPlace } from '#src/checkpoint/place.js'
import { RankCheckpoints } from '#src/checkpoint/rank.js'
import { bundleIndex, bundleTail, checkpointList } from '#src/checkpoint/tensorflow.js'
import { crc32c } from '#src/formats/checksums.js'
import { planCheckpoints } from '#src/job/checkpoints.js'
import { AsyncLocalStorage } from '#src/storage/local.js'
import { privateMeter } from '#src/storage/meter.js'
import { scratchFolder } from '../cli/driver.js'
import { workloadOf } from './recordings.js'

interface Vector {
  readonly elements: number
  readonly index: string
  readonly tail: string
  readonly list: string
}

const { vectors } = JSON.parse(readFileSync(join('test', 'golden', 'tensorflow-checkpoints.json'), 'utf8')) as { vectors: Vector[] }

for (const { elements, index, tail, list } of vectors)
  test(`index, object graph and list of a variable of ${elements} bytes are TensorFlow's`, () => {
    const content = Uint8Array.from({ length: elements }, (_, i) => i % 251)
    assert.equal(Buffer.from(bundleIndex(elements, crc32c(content))).toString('hex'), index)
    assert.equal(Buffer.from(bundleTail()).toString('hex'), tail)
    assert.equal(Buffer.from(checkpointList('model_states-0.pb')).toString(), list)
  })

function rankOf(folder: string): RankCheckpoints {
  const model = { name: 'flat', model_size_bytes: 5000 }
  return new RankCheckpoints({
    workload: workloadOf({ framework: 'tensorflow', model, workflow: { train: false, checkpoint: true } }, 'mlcommons'),
    ranks: 1,
    rank: 0,
    folder,
    verify: true,
    pieceBytes: 4096,
    requestBytes: 4096,
    place: new LocalPlace(folder, new AsyncLocalStorage(false, privateMeter())),
    stopped: () => false,
    onWritten: () => {},
    nowMs: () => performance.now(),
  })
}

test('the flat blob is saved in TensorFlow’s three files and loaded again; damage is named', async () => {
  const folder = scratchFolder('tf-checkpoint', true)
  const rank = rankOf(folder)
  assert.deepEqual(Object.keys(await rank.save(1, 1)), ['blob'])
  const step = join(folder, 'global_epoch1_step1')
  const data = join(step, 'model_states-0.pb-1.data-00000-of-00001')
  assert.deepEqual(readdirSync(step).sort(), ['checkpoint', 'model_states-0.pb-1.data-00000-of-00001', 'model_states-0.pb-1.index'])
  await rank.load(1, 1)
  const bytes = readFileSync(data)
  assert.equal(bytes.length, 5188)
  bytes[1234]! ^= 1
  writeFileSync(data, bytes)
  await assert.rejects(rank.load(1, 1), /CRC-32C [0-9a-f]{8}, which is not what .*\.index says/)
  truncateSync(data, 5000)
  await assert.rejects(rank.load(1, 1), /data-00000-of-00001: has 5000 bytes, the configuration's state 5188/)
})

test('layers and optimizer states of TensorFlow are refused, as DLIO cannot load them', () => {
  const model = { type: 'transformer', num_layers: 2 }
  const layered = workloadOf({ framework: 'tensorflow', model, workflow: { train: false, checkpoint: true } }, 'mlcommons')
  assert.throws(() => planCheckpoints(layered, 1), /layers and optimizer states are written for PyTorch only/)
})
