// What the conductor's thread does: make the plan it owns, run it, tell the main thread.
import type { MessagePort } from 'node:worker_threads'
import { unpackList } from '../dataset/file-lists.js'
import { computedFiles } from '../dataset/naming.js'
import { createPlan } from '../plan/plan.js'
import { Clock } from './clock.js'
import { Conductor } from './conductor.js'
import type { ConductorStart, ThreadMessage } from './messages.js'
import { SharedState } from './shared-state.js'
import { TraceWriter } from './trace-writer.js'

export function conductorThread(start: ConductorStart, port: MessagePort): void {
  const computed = computedFiles(start.workload)
  const files = { train: unpackList(start.files.train, computed.train), valid: unpackList(start.files.valid, computed.valid) }
  const plan = createPlan(start.workload, start.world, files, start.permutations)
  const trace = start.tracePart === undefined ? undefined : new TraceWriter(start.tracePart)
  const conductor = new Conductor({
    plan,
    state: new SharedState(start.layout, start.state),
    clock: new Clock(start.clockBaseMs),
    lanesPerRank: start.lanesPerRank,
    threadOfLane: start.threadOfLane,
    send: (message: ThreadMessage, transfer: readonly ArrayBuffer[] = []) => port.postMessage(message, transfer),
    trace,
  })
  try {
    conductor.run()
  } finally {
    trace?.close()
  }
  port.postMessage({ kind: 'done' } satisfies ThreadMessage)
}
