// What settings of checkpoints come to in either DLIO, and what is said about those that do something else than they say.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadWorkload } from '#src/config/load.js'
import type { Semantics } from '#src/config/workload.js'
import { scratchFolder } from '../cli/driver.js'

const cwd = scratchFolder('checkpoint-settings')

function load(semantics: Semantics, checkpoint: object, more: object = {}) {
  writeFileSync(
    join(cwd, 'w.yaml'),
    JSON.stringify({ framework: 'pytorch', workflow: { train: false, checkpoint: true }, checkpoint, ...more }),
  )
  const { workload, warnings } = loadWorkload({ config: './w.yaml', cwd, overrides: [], semantics })
  return { checkpoint: workload.checkpoint, codes: warnings.map(({ code }) => code) }
}

test('files are flushed always as MLCommons’ DLIO does, and under upstream where fsync says so; each says what differs', () => {
  const fsync = (semantics: Semantics, checkpoint: object) => {
    const loaded = load(semantics, checkpoint)
    return [loaded.checkpoint.fsync, ...loaded.codes]
  }
  assert.deepEqual(fsync('mlcommons', {}), [true])
  assert.deepEqual(fsync('mlcommons', { fsync: true }), [true])
  assert.deepEqual(fsync('mlcommons', { fsync: false }), [true, 'checkpoint-fsync'])
  assert.deepEqual(fsync('upstream', {}), [false])
  assert.deepEqual(fsync('upstream', { fsync: true }), [true, 'checkpoint-fsync'])
})

test('counts and pauses below 0 are none, and the folder lies below the storage root', () => {
  const { checkpoint } = load('upstream', { checkpoint_folder: 'c/', time_between_checkpoints: -1 }, { storage: { storage_root: '/data' } })
  assert.deepEqual([checkpoint.numCheckpointsWrite, checkpoint.numCheckpointsRead, checkpoint.pauseSeconds], [0, 0, 0])
  assert.equal(checkpoint.folder, '/data/c')
})

test('Python mechanisms and merged memory have no effect, and are told', () => {
  const { codes } = load('upstream', { checkpoint_mechanism_classname: 'a.B', randomize_tensor: false, ksm: { await_time: 1 } })
  assert.deepEqual(codes.sort(), ['checkpoint-ksm', 'checkpoint-mechanism'])
})
