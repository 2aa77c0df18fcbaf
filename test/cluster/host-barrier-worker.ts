// The second process of a host's barrier, played by a thread: passes it as often as it is told.
import { workerData } from 'node:worker_threads'
import { HostBarrier, type HostGate } from '#src/cluster/host-gate.js'

const { gate, rounds } = workerData as { gate: HostGate; rounds: number }
const barrier = new HostBarrier(gate)
for (let round = 0; round < rounds; round++) {
  barrier.arrive()
  // So long that a test whose waiters nobody wakes does not end.
  while (!barrier.isOpen) barrier.wait(3_600_000)
}
