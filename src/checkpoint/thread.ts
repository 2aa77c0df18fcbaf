// A thread that saves and loads the checkpoints of some ranks, all of them at once on its event loop.
import type { MessagePort } from 'node:worker_threads'
import { Clock } from '../engine/clock.js'
import type { CheckpointThreadStart, ThreadMessage } from '../engine/messages.js'
import { SharedState } from '../engine/shared-state.js'
import { serializeError } from '../errors.js'
import { lazily } from '../package.js'
import { AsyncLocalStorage } from '../storage/local.js'
import { privateMeter } from '../storage/meter.js'
import { type CrewCommand, CrewState } from './crew.js'
import type { ObjectCheckpoints, ObjectFolder } from './object-place.js'
import { Stopped } from './piece-writer.js'
import { LocalPlace } from './place.js'
import { RankCheckpoints } from './rank.js'

/** Runs until the main thread says `end`. */
export async function checkpointThread(start: CheckpointThreadStart, port: MessagePort): Promise<void> {
  const { workload, world, localRanks, commands } = start
  const state = new SharedState(start.layout, start.state)
  const clock = new Clock(start.clockBaseMs)
  const crew = new CrewState(localRanks.end - localRanks.begin, start.crew)
  const fail = (error: unknown) => port.postMessage({ kind: 'failed', error: serializeError(error) } satisfies ThreadMessage)
  const objects = start.objects && (await openObjects(start, start.objects, fail))
  const place = objects ?? new LocalPlace(start.folder, new AsyncLocalStorage(workload.checkpoint.direct, privateMeter()))
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
      place,
      stopped: () => state.stopped,
      onWritten: (bytes) => crew.written(rank, bytes),
      nowMs: () => clock.nowMs(),
    }),
  }))
  for (const { checkpoints } of ranks) checkpoints.prepare()

  const running = new Set<Promise<void>>()
  const handle = async (rank: number, checkpoints: RankCheckpoints, command: CrewCommand, beginMs: number): Promise<void> => {
    try {
      const parts = command.kind === 'count' ? {} : await checkpoints[command.kind](command.epoch, command.step)
      if (command.kind === 'count') crew.tellFound(rank, await place.count(workload.checkpoint.numCheckpointsRead))
      crew.answer(rank, command.id, { beginMs, endMs: clock.nowMs(), parts })
      state.signal()
    } catch (error) {
      // What fails once the run was stopped has failed because of that, or too late to matter.
      if (!(error instanceof Stopped) && !state.stopped) fail(error)
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
      objects?.stop()
      const tell = () =>
        objects && port.postMessage({ kind: 'checkpointObjects', thread: start.thread, record: objects.record() } satisfies ThreadMessage)
      // Now already, for a store that does not answer any more.
      tell()
      void Promise.all(running).then(() => {
        tell()
        objects?.close()
        resolve()
        // A provider's library may sleep before its next attempt, which would keep the thread.
        setImmediate(() => process.exit(0))
      })
    }),
  )
}

function openObjects(start: CheckpointThreadStart, folder: ObjectFolder, fail: (error: unknown) => void): Promise<ObjectCheckpoints> {
  const { requestBytes, workload } = start
  const reads = workload.checkpoint.numCheckpointsRead > 0
  const { ObjectCheckpoints } = lazily<typeof import('./object-place.js')>('checkpoint/object-place.js')
  return ObjectCheckpoints.open({ ...folder, requestBytes, reads, fail })
}
