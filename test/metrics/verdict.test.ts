import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TimeSplit } from '#src/metrics/time-split.js'
import { judge } from '#src/metrics/verdict.js'
import { client } from './samples.js'

/** Shares of a second of wall time. */
function split(waitingPercent: number, computingPercent: number): TimeSplit {
  const restPercent = 100 - waitingPercent - computingPercent
  return {
    wallSeconds: 1,
    waitingSeconds: waitingPercent / 100,
    computingSeconds: computingPercent / 100,
    restSeconds: restPercent / 100,
    waitingPercent,
    computingPercent,
    restPercent,
  }
}

/** A client whose usable processors were busy for this share. */
const busy = (percent: number, threads = 4) => ({
  ...client,
  threads,
  cpuSeconds: (percent / 100) * client.wallSeconds * Math.min(4, threads),
})

test('little waiting and little else is bound by compute, however busy the client', () => {
  assert.equal(judge(split(2, 96), busy(95), 4).boundBy, 'compute')
  assert.equal(judge(split(10, 88), undefined, 4).boundBy, 'compute')
})

test('waiting with idle processors is bound by storage', () => {
  const verdict = judge(split(40, 58), busy(20), 4)
  assert.equal(verdict.boundBy, 'storage')
  assert.match(verdict.reason, /waited for data 40 % of the measured time while the client's 4 usable processors were 20 % busy/)
})

test('waiting with busy processors is bound by the client', () => {
  const verdict = judge(split(40, 58), busy(90), 4)
  assert.equal(verdict.boundBy, 'client')
  assert.match(verdict.advice!, /fewer accelerators/)
})

test('a single reader that never rests is the limit although other processors are idle, and more readers are the advice', () => {
  const verdict = judge(split(40, 58), busy(97, 1), 4)
  assert.equal(verdict.boundBy, 'client')
  assert.match(verdict.advice!, /read_threads/)
})

test('only processors that the process may use count', () => {
  const onOneCore = { ...client, cpuSeconds: 9.5, cpusAvailable: 1 }
  assert.equal(judge(split(40, 58), onOneCore, 4).boundBy, 'client')
  assert.equal(judge(split(40, 58), { ...onOneCore, cpusAvailable: 4 }, 4).boundBy, 'storage')
})

test('in between, storage and client share the blame', () => {
  assert.equal(judge(split(40, 58), busy(70), 4).boundBy, 'mixed')
})

test('time at barriers is told from waiting for data', () => {
  const verdict = judge(split(3, 60), busy(10), 4)
  assert.equal(verdict.boundBy, 'mixed')
  assert.match(verdict.reason, /37 % at barriers/)
})

test('without the client’s CPU time waiting has no known cause, and without training there is no verdict', () => {
  assert.equal(judge(split(40, 58), undefined, 4).boundBy, 'unknown')
  assert.equal(judge(undefined, busy(10), 4).boundBy, 'unknown')
})
