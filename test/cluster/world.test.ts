import assert from 'node:assert/strict'
import { test } from 'node:test'
import { barrierAt, createGate, GateKeeper } from '#src/cluster/gate.js'
import { soloWorld } from '#src/cluster/world.js'

test('a process alone carries all ranks, and meets nobody', async () => {
  const world = soloWorld(3)
  assert.deepEqual(world.localRanks, { begin: 0, end: 3 })
  assert.deepEqual([world.process, world.processes, world.ranks, world.hosts], [0, 1, 3, 1])
  await world.barrier()
  assert.deepEqual(await world.gather('a'), ['a'])
  assert.deepEqual(await world.allGather({ b: 1 }), [{ b: 1 }])
  assert.equal(await world.broadcast(7), 7)
  assert.deepEqual(await world.reduce([1, 2], 'sum'), [1, 2])
  assert.equal(barrierAt(world.gate).isOpen, true)
  assert.equal(
    barrierAt(world.gate).pass(() => false),
    true,
  )
})

test('a barrier of processes stays shut until its keeper opens it, once for each arrival', () => {
  const gate = createGate()
  const barrier = barrierAt(gate)
  const keeper = new GateKeeper(gate)
  assert.equal(keeper.isAwaited, false)
  for (let round = 0; round < 3; round++) {
    const bell = keeper.bell
    barrier.arrive()
    assert.notEqual(keeper.bell, bell)
    assert.equal(barrier.isOpen, false)
    assert.equal(keeper.isAwaited, true)
    keeper.open()
    assert.equal(barrier.isOpen, true)
    assert.equal(keeper.isAwaited, false)
  }
})

test('a thread that waits at a barrier leaves it when the run is stopped', () => {
  let asked = 0
  assert.equal(
    barrierAt(createGate()).pass(() => ++asked > 1),
    false,
  )
})
