// The barrier of processes of one host, whose processes are played by mappings of one page in this one.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { HostBarrier, type HostGate, shareHostGate } from '#src/cluster/host-gate.js'

const onLinux = { skip: process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch) }

/** What each of several processes gets that share a gate. `sees`: what reaches process 1 of process 0's broadcast. */
function share(processes: number, hosts = 1, sees = (value: unknown) => value): Promise<(HostGate | undefined)[]> {
  let broadcasts!: (value: unknown) => void
  const first = new Promise((resolve) => {
    broadcasts = resolve
  })
  const given: unknown[] = []
  let complete!: () => void
  const all = new Promise<void>((resolve) => {
    complete = resolve
  })
  const world = (process: number) => ({
    process,
    processes,
    hosts,
    broadcast: async <Value>(value: Value): Promise<Value> => {
      if (process === 0) broadcasts(value)
      const page = await first
      return (process === 1 ? sees(page) : page) as Value
    },
    allGather: async <Value>(value: Value): Promise<Value[]> => {
      if (given.push(value) === processes) complete()
      await all
      return given as Value[]
    },
  })
  return Promise.all(Array.from({ length: processes }, (_, process) => shareHostGate(world(process))))
}

async function shared(processes: number): Promise<HostGate[]> {
  const gates = await share(processes)
  return gates.map((gate) => {
    assert.ok(gate, 'this machine has a /dev/shm')
    return gate
  })
}

test('the barrier of a host opens when the last of its processes arrives, round after round', onLinux, async () => {
  const barriers = (await shared(70)).map((gate) => new HostBarrier(gate))
  for (let round = 0; round < 3; round++) {
    for (const barrier of barriers) {
      barrier.arrive()
      assert.equal(barrier.isOpen, barrier === barriers.at(-1))
    }
    assert.ok(barriers.every(({ isOpen }) => isOpen))
  }
})

test('who waits at the barrier of a host is woken by the last that arrives', onLinux, async () => {
  const [own, other] = (await shared(2)) as [HostGate, HostGate]
  const rounds = 300
  const worker = new Worker(new URL('./host-barrier-worker.js', import.meta.url), { workerData: { gate: other, rounds } })
  const ended = once(worker, 'exit')
  const barrier = new HostBarrier(own)
  for (let round = 0; round < rounds; round++) {
    barrier.arrive()
    while (!barrier.isOpen) barrier.wait(3_600_000)
  }
  assert.deepEqual(await ended, [0])
})

test('who waits at the barrier of a host leaves it when the run is stopped', onLinux, async () => {
  const [own] = (await shared(2)) as [HostGate, HostGate]
  let asked = 0
  assert.equal(
    new HostBarrier(own).pass(() => ++asked > 1),
    false,
  )
})

test('the page of a barrier leaves no file behind', onLinux, async () => {
  let path = ''
  await share(2, 1, (page) => {
    path = (page as { path: string }).path
    return page
  })
  assert.match(path, /^\/dev\/shm\/dl-driver-/)
  assert.ok(!readdirSync('/dev/shm').includes(path.slice('/dev/shm/'.length)))
})

test('where one process does not see the page of the others, or there are several hosts, no process gets a gate of the host', async () => {
  const absent = (page: unknown) => page && { ...page, path: '/dev/shm/dl-driver-of-another-container' }
  assert.deepEqual(await share(3, 1, absent), [undefined, undefined, undefined])
  const foreign = (page: unknown) => page && { ...page, nonce: new Uint8Array(16) }
  assert.deepEqual(await share(3, 1, foreign), [undefined, undefined, undefined])
  assert.deepEqual(await share(2, 2), [undefined, undefined])
})
