// Running a plan: start the threads, listen, stop them. The main thread keeps to people; it is never on the path of a byte.
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { CrewState } from '../checkpoint/crew.js'
import type { ObjectFolder } from '../checkpoint/object-place.js'
import type { World as JobWorld } from '../cluster/world.js'
import { packList } from '../dataset/file-lists.js'
import { HangingError, RunError, restoreError } from '../errors.js'
import { LatencyHistogram } from '../metrics/latency.js'
import type { EpochRecord, IoRecord, LatencySummary, RankRecord } from '../metrics/records.js'
import { entryFile } from '../package.js'
import type { Plan } from '../plan/types.js'
import { meterSlot } from '../storage/meter.js'
import { ObjectMeter, type ObjectReads } from '../storage/object/meter.js'
import type { ObjectAccess } from '../storage/object/read-options.js'
import { type CheckpointObjectsRecord, mergeCheckpointObjects } from '../storage/object/record.js'
import type { AccessGrant } from '../storage/object/types.js'
import { GrantKeeper } from './grants.js'
import { objectPieces, readExtent, requestSize, transportOf } from './lanes.js'
import type { CheckpointThreadStart, ConductorStart, ReaderMessage, ReaderThreadStart, RunBase, ThreadMessage } from './messages.js'
import { onceIdle } from './patience.js'
import { layOutThreads } from './pool.js'
import { control, phaseCode, progressSlot, SharedState, timeSlot } from './shared-state.js'
import { type Complete, joinTrace } from './trace-writer.js'

export interface EngineOptions {
  readonly plan: Plan
  /** The job that this process carries ranks of; alone, with all ranks of the plan, unless given. */
  readonly job?: Pick<JobWorld, 'localRanks' | 'gate' | 'wakes'>
  /** The plan's shared permutations. */
  readonly permutations: SharedArrayBuffer
  /** Local path of the data folder. */
  readonly folder: string
  readonly direct: boolean
  /** Where the data folder is a place in an object store; `folder` then is its `rootUri`. */
  readonly objects?: ObjectAccess | undefined
  readonly verify: boolean
  /** Where to write the trace, if wanted. */
  readonly tracePath?: string | undefined
  /** Where checkpoints go, as a local path or URI, and the bytes of a whole one; absent where none are taken. */
  readonly checkpoints?: { readonly folder: string; readonly sizeBytes: number; readonly objects?: ObjectFolder | undefined } | undefined
  /** Adds to a trace what readers cannot know. */
  readonly completeTrace?: Complete | undefined
  /** Told about epochs, blocks and stalls as they happen. */
  readonly onMessage: (message: ThreadMessage) => void
}

export interface EngineResult {
  /** Of this process. */
  readonly ranks: readonly RankRecord[]
  /** False where the run was stopped before its end. */
  readonly complete: boolean
  /** Threads still hang in a read that does not return: the process cannot end by itself. */
  readonly hangs: boolean
  readonly io: IoRecord
  /** Of runs on object storage. */
  readonly objects?: ObjectReads
  /** Whether O_DIRECT requests are smaller than DLIO's because memory is bounded. */
  readonly requestsBounded: boolean
  readonly threads: number
  readonly lanes: number
  readonly computeLagMeanMs: number
  readonly computeLagMaxMs: number
  /** Milliseconds from the start of the process to the first sample; undefined when none was read. */
  readonly firstSampleMs: number | undefined
  /** Of checkpoints in object storage. */
  readonly checkpointObjects?: CheckpointObjectsRecord
  /** Bytes of checkpoint files that were written, framing included. */
  readonly checkpointBytesWritten: number
  readonly latency: LatencySummary | undefined
}

/** Where a running engine is. */
export interface EngineProgress {
  readonly epoch: number
  readonly epochs: number
  readonly evaluating: boolean
  readonly checkpointing: boolean
  /** Bytes of checkpoints written so far. */
  readonly checkpointBytes: number
  readonly step: number
  readonly steps: number
  /** Steps of all ranks that have ended, training and evaluation. */
  readonly stepsDone: number
  /** Of rank 0's training so far; undefined before its first step has ended. */
  readonly auPercent: number | undefined
  readonly bytes: number
  readonly samples: number
}

export interface Engine {
  progress(): EngineProgress
  /** Asks all threads to stop at their next sample. */
  stop(): void
  /** Resolves when everything has ended; rejects with the first error of any thread. */
  readonly finished: Promise<EngineResult>
}

/** How long threads that were asked to end may do nothing; those that give up uploads wait for the store. */
const stopGraceMs = 3000
const uploadGraceMs = 6000

/** Starts a run. Must be called before anything uses libuv's pool, whose size it may set. */
export function startEngine(options: EngineOptions): Engine {
  const { plan } = options
  const { objects, checkpoints } = options
  const localRanks = options.job?.localRanks ?? { begin: 0, end: plan.world.ranks }
  const numRanks = localRanks.end - localRanks.begin
  const extras = { checkpoints: checkpoints !== undefined, objects: transportOf(objects?.grant) }
  const { lanes: layout, crew: crewLayout } = layOutThreads(plan, extras, localRanks)
  const pieces = objects && objectPieces(plan, objects.options)
  const { requestBytes, bounded } = pieces ? { ...pieces, bounded: false } : requestSize(plan, options.direct, layout.mode)
  const state = SharedState.create({ lanes: layout.lanes, threads: layout.threads.length })
  // The conductor sleeps on this word, also while it waits for other processes.
  options.job?.wakes(state.words, control.event)
  const base: RunBase = {
    clockBaseMs: performance.timeOrigin,
    workload: plan.workload,
    world: plan.world,
    localRanks,
    files: { train: packList(plan.train.files), valid: packList(plan.valid.files) },
    layout: state.layout,
    state: state.buffer,
    permutations: options.permutations,
    lanesPerRank: layout.lanesPerRank,
  }
  const threadOfLane = new Array<number>(layout.lanes)
  for (const [thread, lanes] of layout.threads.entries()) for (const lane of lanes.flat()) threadOfLane[lane] = thread
  const traceParts: string[] = []
  const tracePart = (name: string) => {
    if (options.tracePath === undefined) return {}
    const part = `${options.tracePath}.part-${name}`
    traceParts.push(part)
    return { tracePart: part }
  }
  const meterBytes = objects && ObjectMeter.byteLength(objects.grant.endpoints.length)
  const objectMeters = layout.threads.map(() => new SharedArrayBuffer(meterBytes ?? 0))
  const objectReads = (thread: number) =>
    objects && { objects: { grant: objects.grant, options: objects.options, pieces: pieces!.pieces, meter: objectMeters[thread]! } }
  const histograms = layout.threads.map(() => new SharedArrayBuffer(LatencyHistogram.byteLength))
  const crew = CrewState.create(numRanks)
  const channels = crewLayout?.threads.map(() => new MessageChannel()) ?? []
  const starts: (ReaderThreadStart | ConductorStart | CheckpointThreadStart)[] = [
    {
      ...base,
      kind: 'conductor',
      gate: options.job?.gate,
      threadOfLane,
      ...tracePart('ranks'),
      ...(checkpoints && {
        crew: {
          folder: checkpoints.folder,
          sizeBytes: checkpoints.sizeBytes,
          ports: channels.map(({ port1 }) => port1),
          crew: crew.buffer,
        },
      }),
    },
    ...channels.map(
      ({ port2 }, thread): CheckpointThreadStart => ({
        ...base,
        kind: 'checkpoint',
        thread,
        ranks: crewLayout!.threads[thread]!,
        crew: crew.buffer,
        commands: port2,
        folder: checkpoints!.folder,
        objects: checkpoints!.objects,
        verify: options.verify,
        pieceBytes: crewLayout!.pieceBytes,
        requestBytes: crewLayout!.requestBytes,
      }),
    ),
    ...layout.threads.map(
      (lanes, thread): ReaderThreadStart => ({
        ...base,
        kind: 'reader',
        thread,
        lanes,
        histogram: histograms[thread]!,
        read: {
          mode: layout.mode,
          direct: options.direct,
          verify: options.verify,
          requestBytes,
          folder: options.folder,
          ...objectReads(thread),
        },
        ...tracePart(`readers-${thread}`),
      }),
    ),
  ]
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
  const readers: Worker[] = []
  const sendGrant = (grant: AccessGrant) => {
    for (const worker of readers) worker.postMessage({ kind: 'grant', grant } satisfies ReaderMessage)
  }
  const grants = objects && new GrantKeeper(objects, sendGrant, fail)
  const ends = starts.map(
    (start) =>
      new Promise<void>((resolve) => {
        const transferList = portsOf(start)
        const worker = new Worker(`require(${JSON.stringify(entryFile('engine/thread.js'))})`, {
          eval: true,
          workerData: start,
          transferList,
        })
        if (start.kind === 'checkpoint') crewThreads.push(worker)
        if (start.kind === 'reader') readers.push(worker)
        worker.on('message', onMessage)
        worker.on('error', fail)
        worker.on('exit', (code) => {
          const name =
            start.kind === 'reader' ? `reader thread ${start.thread}` : start.kind === 'conductor' ? 'conductor' : 'checkpoint thread'
          if (code !== 0) fail(new RunError(`the ${name} died with exit code ${code}`))
          else if (!state.stopped) fail(new RunError(`the ${name} ended before the run did`))
          resolve()
        })
      }),
  )

  const result = (hangs: boolean): EngineResult => {
    const { progress, times } = state
    const merged = new LatencyHistogram(new SharedArrayBuffer(LatencyHistogram.byteLength), 0)
    for (const histogram of histograms) merged.merge(new LatencyHistogram(histogram, 0))
    const lags = progress[progressSlot.lagCount]!
    const objectMeter = objects && mergeMeters(objects, objectMeters)
    return {
      ranks: Array.from({ length: numRanks }, (_, i) => ({ rank: localRanks.begin + i, epochs: epochs.map((ranks) => ranks[i]!) })),
      complete: conducted && !stopAsked,
      hangs,
      io: {
        bytesAsked: state.total(meterSlot.bytes),
        readCalls: state.total(meterSlot.readCalls),
        filesOpened: state.total(meterSlot.filesOpened),
        retries: objectMeter?.retryCount ?? 0,
        samplesRead: state.total(meterSlot.samples),
        readsInFlight: state.gauge[1]!,
        requestBytes,
        direct: options.direct,
        readExtent: readExtent(plan.workload),
      },
      ...(objects && objectMeter && { objects: objectMeter.record(objects.grant.endpoints) }),
      requestsBounded: bounded,
      threads: layout.threads.length,
      lanes: layout.lanes,
      computeLagMeanMs: lags === 0 ? 0 : progress[progressSlot.lagSumMs]! / lags,
      computeLagMaxMs: progress[progressSlot.lagMaxMs]!,
      firstSampleMs: times[timeSlot.firstSample] === 0 ? undefined : times[timeSlot.firstSample],
      latency: merged.summarise(),
      checkpointBytesWritten: crew.bytesWritten,
      ...(checkpointObjects.length > 0 && { checkpointObjects: mergeCheckpointObjects(checkpointObjects.flat()) }),
    }
  }

  return {
    progress: () => progressOf(state, crew, plan),
    stop: () => {
      stopAsked = true
      endThreads()
    },
    finished: Promise.race([Promise.all(ends).then(() => false), gaveUp.then(() => true)]).then((hangs) => {
      endPatience?.()
      grants?.stop()
      if (options.tracePath !== undefined && !hangs) joinTrace(options.tracePath, traceParts, options.completeTrace)
      if (failure !== undefined) throw hangs ? new HangingError(failure) : failure
      return result(hangs)
    }),
  }
}

/** Channels are handed over, not copied. */
function portsOf(start: ReaderThreadStart | ConductorStart | CheckpointThreadStart): MessagePort[] {
  if (start.kind === 'checkpoint') return [start.commands]
  return start.kind === 'conductor' ? [...(start.crew?.ports ?? [])] : []
}

function mergeMeters({ grant }: ObjectAccess, memories: readonly SharedArrayBuffer[]): ObjectMeter {
  const merged = new ObjectMeter(grant.endpoints.length)
  for (const memory of memories) merged.merge(new ObjectMeter(grant.endpoints.length, memory))
  return merged
}

function progressOf(state: SharedState, crew: CrewState, plan: Plan): EngineProgress {
  const { progress } = state
  const computeMs = progress[progressSlot.computeMs]!
  const wallMs = progress[progressSlot.wallMs]!
  return {
    epoch: progress[progressSlot.epoch]!,
    epochs: plan.epochs,
    evaluating: progress[progressSlot.phase] === phaseCode.valid,
    checkpointing: progress[progressSlot.phase] === phaseCode.checkpointing,
    checkpointBytes: crew.bytesWritten,
    step: progress[progressSlot.step]!,
    steps: progress[progressSlot.steps]!,
    stepsDone: progress[progressSlot.stepsDone]!,
    auPercent: wallMs > 0 ? (100 * computeMs) / wallMs : undefined,
    bytes: state.total(meterSlot.bytes),
    samples: state.total(meterSlot.samples),
  }
}
