import assert from 'node:assert/strict'
import { test } from 'node:test'
import { savesAfterEpoch, savesAfterStep, trainingCheckpoints } from '#src/checkpoint/schedule.js'
import { workloadOf } from './recordings.js'

const scheduled = (checkpoint: object, workflow: object = {}) =>
  workloadOf({ framework: 'pytorch', workflow: { checkpoint: true, ...workflow }, dataset: { format: 'npz' }, checkpoint }, 'upstream')

const epochsOf = (checkpoint: object) => [1, 2, 3, 4, 5, 6].filter((epoch) => savesAfterEpoch(scheduled(checkpoint), epoch))
const stepsOf = (checkpoint: object) => [1, 2, 3, 4, 5, 6, 7, 8].filter((step) => savesAfterStep(scheduled(checkpoint), step))

test('without settings every epoch ends with a checkpoint and no step does', () => {
  assert.deepEqual([epochsOf({}), stepsOf({})], [[1, 2, 3, 4, 5, 6], []])
})

test('the first epoch is checkpoint_after_epoch, and every epochs_between_checkpoints after it', () => {
  assert.deepEqual(epochsOf({ checkpoint_after_epoch: 2, epochs_between_checkpoints: 2 }), [2, 4, 6])
  assert.deepEqual(epochsOf({ checkpoint_after_epoch: 2, epochs_between_checkpoints: 0 }), [2], 'an interval of 0 comes once')
  assert.deepEqual(epochsOf({ checkpoint_after_epoch: 7 }), [], 'later than the last epoch: none')
  assert.deepEqual(epochsOf({ checkpoint_after_epoch: 0 }), [], 'no epoch is number 0')
})

test('steps_between_checkpoints turns epochs off, with 0 altogether', () => {
  assert.deepEqual([epochsOf({ steps_between_checkpoints: 3 }), stepsOf({ steps_between_checkpoints: 3 })], [[], [3, 6]])
  assert.deepEqual([epochsOf({ steps_between_checkpoints: 0 }), stepsOf({ steps_between_checkpoints: 0 })], [[], []])
})

test('the number of checkpoints is that of the schedule', () => {
  for (const checkpoint of [
    {},
    { checkpoint_after_epoch: 2, epochs_between_checkpoints: 2 },
    { checkpoint_after_epoch: 9 },
    { epochs_between_checkpoints: 0 },
  ])
    assert.equal(trainingCheckpoints(scheduled(checkpoint), 6, 8), epochsOf(checkpoint).length)
  for (const steps_between_checkpoints of [0, 3, 8, 9])
    assert.equal(trainingCheckpoints(scheduled({ steps_between_checkpoints }), 6, 8), 6 * stepsOf({ steps_between_checkpoints }).length)
})

test('nothing is saved where workflow.checkpoint is off', () => {
  const off = scheduled({ steps_between_checkpoints: 1 }, { checkpoint: false })
  assert.equal(savesAfterStep(off, 1), false)
  assert.equal(savesAfterEpoch(scheduled({}, { checkpoint: false }), 1), false)
  assert.equal(trainingCheckpoints(off, 2, 8), 0)
})
