// Running a plan: start the threads, listen, stop them. The main thread keeps to people; it is never on the path of a byte.
import { type MessagePort, Worker } from 'node:worker_threads'
import { HangingError, RunError, restoreError } from '../errors.js'
import type { EpochRecord } from '../metrics/records.js'
import { entryFile } from '../package.js'
import type { CheckpointObjectsRecord } from '../storage/object/record.js'
import type { AccessGrant } from '../storage/object/types.js'
import { assemble, type EngineOptions, type ThreadStart } from './assembly.js'
import { GrantKeeper } from './grants.js'
import type { ReaderMessage, ThreadMessage } from './messages.js'
import { onceIdle } from './patience.js'
import { type EngineProgress, type EngineResult, engineResult, progressOf } from './result.js'
import { control } from './shared-state.js'
import { joinTrace } from './trace-writer.js'

export interface Engine {
  progress(): EngineProgress
  /** Asks all threads to stop at their next sample. */
  stop(): void
  /** Resolves when everything has ended, with the error that ended it where there was one. */
  readonly finished: Promise<EngineResult>
}

/** How long threads that were asked to end may do nothing; those that give up uploads wait for the store. */
const stopGraceMs = 3000
const uploadGraceMs = 6000

/** Starts a run. Must be called before anything uses libuv's pool, whose size it may set. */
export function startEngine(options: EngineOptions): Engine {
  const { checkpoints, objects, plan } = options
  const assembly = assemble(options)
  const { crew, state } = assembly
  // The conductor sleeps on this word, also while it waits for other processes.
  options.job?.wakes(state.words, control.event)
  const epochs: (readonly EpochRecord[])[] = []
  const checkpointObjects: CheckpointObjectsRecord[] = []
  let conducted = false
  let stopAsked = false
  let failure: Error | undefined
  let endPatience: (() => void) | undefined
  let giveUp: () => void
  const gaveUp = new Promise<void>((resolve) => {
    giveUp = resolve
  })
  const crewThreads: Worker[] = []
  const readers: Worker[] = []
  /** Asks threads to end, and waits for them only so long: a read on dead storage may never return. */
  const endThreads = () => {
    state.stop()
    for (const worker of crewThreads.splice(0)) worker.postMessage('end')
    endPatience ??= onceIdle(checkpoints?.objects === undefined ? stopGraceMs : uploadGraceMs, giveUp)
  }
  const fail = (error: Error) => {
    failure ??= error
    endThreads()
  }
  const sendGrant = (grant: AccessGrant) => {
    for (const worker of readers) worker.postMessage({ kind: 'grant', grant } satisfies ReaderMessage)
  }
  const grants = objects && new GrantKeeper(objects, sendGrant, fail)
  const onMessage = (message: ThreadMessage) => {
    if (message.kind === 'failed') fail(restoreError(message.error))
    else if (message.kind === 'epochEnds') epochs.push(message.ranks)
    else if (message.kind === 'grantWanted') grants?.wanted()
    else if (message.kind === 'checkpointObjects') checkpointObjects[message.thread] = message.record
    else if (message.kind === 'done') {
      conducted = true
      endThreads()
    }
    options.onMessage(message)
  }
  const ends = assembly.starts.map(
    (start) =>
      new Promise<void>((resolve) => {
        const worker = startThread(start)
        if (start.kind === 'checkpoint') crewThreads.push(worker)
        if (start.kind === 'reader') readers.push(worker)
        worker.on('message', onMessage)
        worker.on('error', fail)
        worker.on('exit', (code) => {
          if (code !== 0) fail(new RunError(`the ${nameOf(start)} died with exit code ${code}`))
          else if (!state.stopped) fail(new RunError(`the ${nameOf(start)} ended before the run did`))
          resolve()
        })
      }),
  )
  return {
    progress: () => progressOf(state, crew, plan),
    stop: () => {
      stopAsked = true
      endThreads()
    },
    finished: Promise.race([Promise.all(ends).then(() => false), gaveUp.then(() => true)]).then((hangs) => {
      endPatience?.()
      grants?.stop()
      if (options.tracePath !== undefined && !hangs) joinTrace(options.tracePath, assembly.traceParts, options.completeTrace)
      const error = failure && hangs ? new HangingError(failure) : failure
      const complete = conducted && !stopAsked && error === undefined
      return engineResult(options, assembly, { epochs, checkpointObjects }, { complete, hangs, ...(error && { failure: error }) })
    }),
  }
}

function startThread(start: ThreadStart): Worker {
  return new Worker(`require(${JSON.stringify(entryFile('engine/thread.js'))})`, {
    eval: true,
    workerData: start,
    transferList: portsOf(start),
  })
}

function nameOf(start: ThreadStart): string {
  if (start.kind === 'reader') return `reader thread ${start.thread}`
  return start.kind === 'conductor' ? 'conductor' : 'checkpoint thread'
}

/** Channels are handed over, not copied. */
function portsOf(start: ThreadStart): MessagePort[] {
  if (start.kind === 'checkpoint') return [start.commands]
  return start.kind === 'conductor' ? [...(start.crew?.ports ?? [])] : []
}
