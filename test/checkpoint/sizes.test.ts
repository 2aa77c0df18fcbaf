import assert from 'node:assert/strict'
import { test } from 'node:test'
import { layOutCrew } from '#src/checkpoint/sizes.js'
import { workloadOf } from './recordings.js'

const crew = (ranks: number, more: object = {}, zeroStage = 1, cores = 4) =>
  layOutCrew(
    workloadOf(
      {
        framework: 'pytorch',
        model: { type: 'transformer', num_layers: 2, parallelism: { zero_stage: zeroStage } },
        workflow: { train: false, checkpoint: true },
        ...more,
      },
      'mlcommons',
    ),
    ranks,
    { begin: 0, end: ranks },
    cores,
  )

const direct = { storage: { storage_type: 'direct_fs' } }
const MiB = 2 ** 20

test('requests are 1 MiB and 512 KiB through the page cache, and 32 MiB past it', () => {
  assert.deepEqual([crew(8).pieceBytes, crew(8).requestBytes], [MiB, MiB / 2])
  assert.deepEqual([crew(8, direct).pieceBytes, crew(8, direct).requestBytes], [32 * MiB, 32 * MiB])
})

test('with many ranks buffers become smaller, so that all of them stay within bounds', () => {
  assert.deepEqual([crew(512).pieceBytes, crew(512).requestBytes], [MiB / 4, MiB / 4])
  assert.deepEqual([crew(64, direct).pieceBytes, crew(64, direct).requestBytes], [16 * MiB, 8 * MiB])
})

test('threads are as many as processors, or as ranks that save; every rank is served once', () => {
  assert.deepEqual(crew(6).threads, [[0, 4], [1, 5], [2], [3]])
  assert.deepEqual(crew(3, {}, 0).threads, [[0, 1, 2]], 'without ZeRO one rank saves')
  assert.equal(crew(3, {}, 0).calls, 4)
})
