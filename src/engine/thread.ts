// Entry point of every worker thread of a run.
import { parentPort, workerData } from 'node:worker_threads'
import { serializeError } from '../errors.js'
import type { CheckpointThreadStart, ConductorStart, ReaderThreadStart, ThreadMessage } from './messages.js'

const start = workerData as ReaderThreadStart | ConductorStart | CheckpointThreadStart
const port = parentPort!

async function run(): Promise<void> {
  if (start.kind === 'conductor') (await import('./conductor-thread.js')).conductorThread(start, port)
  else if (start.kind === 'checkpoint') await (await import('../checkpoint/thread.js')).checkpointThread(start, port)
  else await (await import('./reader-thread.js')).readerThread(start, port)
}

run().then(
  () => {
    if (start.kind !== 'conductor') port.postMessage({ kind: 'ended' } satisfies ThreadMessage)
    port.close()
  },
  (error) => {
    port.postMessage({ kind: 'failed', error: serializeError(error) } satisfies ThreadMessage)
    port.close()
  },
)
