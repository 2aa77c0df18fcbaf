// A thread that saves and loads the checkpoints of some ranks, all of them at once on its event loop.
import type { MessagePort } from 'node:worker_threads'
import { Clock } from '../engine/clock.js'
import type { CheckpointThreadStart, ThreadMessage } from '../engine/messages.js'
import { SharedState } from '../engine/shared-state.js'
import { serializeError } from '../errors.js'
import { AsyncLocalStorage } from '../storage/local.js'
import { privateMeter } from '../storage/meter.js'
import { type CrewCommand, CrewState } from './crew.js'
import { Stopped } from './piece-writer.js'
import { RankCheckpoints } from './rank.js'

/** Runs until the main thread says `end`. */
export function checkpointThread(start: CheckpointThreadStart, port: MessagePort): Promise<void> {
  const { workload, world, localRanks, commands } = start
  const state = new SharedState(start.layout, start.state)
  const clock = new Clock(start.clockBaseMs)
  const crew = new CrewState(localRanks.end - localRanks.begin, start.crew)
  const storage = new AsyncLocalStorage(workload.checkpoint.direct, privateMeter())
  const ranks = start.ranks.map((rank) => ({
    rank,
    checkpoints: new RankCheckpoints({
      workload,
      ranks: world.ranks,
      rank: localRanks.begin + rank,
      folder: start.folder,
      verify: start.verify,
      pieceBytes: start.pieceBytes,
      requestBytes: start.requestBytes,
      storage,
      stopped: () => state.stopped,
      onWritten: (bytes) => crew.written(rank, bytes),
      nowMs: () => clock.nowMs(),
    }),
  }))
  for (const { checkpoints } of ranks) checkpoints.prepare()

  const running = new Set<Promise<void>>()
  const handle = async (rank: number, checkpoints: RankCheckpoints, command: CrewCommand, beginMs: number): Promise<void> => {
    try {
      const parts = await checkpoints[command.kind](command.epoch, command.step)
      crew.answer(rank, command.id, { beginMs, endMs: clock.nowMs(), parts })
      state.signal()
    } catch (error) {
      if (!(error instanceof Stopped)) port.postMessage({ kind: 'failed', error: serializeError(error) } satisfies ThreadMessage)
    }
  }
  commands.on('message', (command: CrewCommand) => {
    const beginMs = clock.nowMs()
    for (const { rank, checkpoints } of ranks) {
      const done = handle(rank, checkpoints, command, beginMs).finally(() => running.delete(done))
      running.add(done)
    }
  })
  port.postMessage({ kind: 'ready' } satisfies ThreadMessage)
  return new Promise((resolve) =>
    port.once('message', () => {
      commands.close()
      // What is under way ends at its next piece, and removes what it has begun.
      void Promise.all(running).then(() => resolve())
    }),
  )
}
