// What the conductor's thread does: make the plan it owns, run it, tell the main thread.
import type { MessagePort } from 'node:worker_threads'
import { Crew, CrewState } from '../checkpoint/crew.js'
import { OnlyCheckpoints, type OnlyOptions } from '../checkpoint/only.js'
import { TrainingCheckpoints } from '../checkpoint/training.js'
import { barrierAt } from '../cluster/gate.js'
import { unpackFiles } from '../dataset/file-lists.js'
import { createPlan } from '../plan/plan.js'
import { Clock } from './clock.js'
import { Conductor } from './conductor.js'
import type { ConductorStart, CrewStart, ThreadMessage } from './messages.js'
import { SharedState, setPhase } from './shared-state.js'
import { TraceWriter } from './trace-writer.js'

export function conductorThread(start: ConductorStart, port: MessagePort): void {
  const files = unpackFiles(start.files, start.workload)
  const plan = createPlan(start.workload, start.world, files, start.permutations)
  const trace = start.tracePart === undefined ? undefined : new TraceWriter(start.tracePart)
  const state = new SharedState(start.layout, start.state)
  const clock = new Clock(start.clockBaseMs)
  const send = (message: ThreadMessage, transfer: readonly ArrayBuffer[] = []) => port.postMessage(message, transfer)
  const crew = start.crew && new Crew(start.crew.ports, new CrewState(start.localRanks.end - start.localRanks.begin, start.crew.crew))
  try {
    if (crew && start.crew && !start.workload.workflow.train) {
      setPhase(state, 'checkpointing')
      new OnlyCheckpoints(onlyOptions(start, start.crew, crew, state, clock, send)).run()
    } else
      new Conductor({
        plan,
        localRanks: start.localRanks,
        gate: start.gate,
        state,
        clock,
        lanesPerRank: start.lanesPerRank,
        threadOfLane: start.threadOfLane,
        send,
        trace,
        checkpoints: crew && start.crew && new TrainingCheckpoints(start.workload, crew, start.crew.sizeBytes, clock, send),
      }).run()
  } finally {
    trace?.close()
    crew?.close()
  }
  port.postMessage({ kind: 'done' } satisfies ThreadMessage)
}

function onlyOptions(
  { workload, gate }: ConductorStart,
  { folder, sizeBytes }: CrewStart,
  crew: Crew,
  state: SharedState,
  clock: Clock,
  send: (message: ThreadMessage) => void,
): OnlyOptions {
  return {
    workload,
    folder,
    sizeBytes,
    crew,
    clock,
    send,
    stopped: () => state.stopped,
    barrier: barrierAt(gate),
    wait: (mostMs) => state.waitForNews(mostMs),
  }
}
