// What the threads of a run are started with: how many there are, what each does, and the memory that they share.
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { CrewState } from '../checkpoint/crew.js'
import type { ObjectFolder } from '../checkpoint/object-place.js'
import type { CrewLayout } from '../checkpoint/sizes.js'
import type { World as JobWorld, RankRange } from '../cluster/world.js'
import { packList } from '../dataset/file-lists.js'
import { LatencyHistogram } from '../metrics/latency.js'
import type { Plan } from '../plan/types.js'
import { ObjectMeter } from '../storage/object/meter.js'
import type { ObjectAccess } from '../storage/object/read-options.js'
import { type LaneLayout, objectPieces, requestSize, transportOf } from './lanes.js'
import type { CheckpointThreadStart, ConductorStart, ReaderThreadStart, RunBase, ThreadMessage } from './messages.js'
import { layOutThreads } from './pool.js'
import { SharedState } from './shared-state.js'
import type { Complete } from './trace-writer.js'

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

export type ThreadStart = ReaderThreadStart | ConductorStart | CheckpointThreadStart

export interface Assembly {
  readonly localRanks: RankRange
  readonly layout: LaneLayout
  readonly state: SharedState
  readonly crew: CrewState
  /** One of each thread. */
  readonly starts: readonly ThreadStart[]
  /** Memory of each reader thread's {@link LatencyHistogram}. */
  readonly histograms: readonly SharedArrayBuffer[]
  /** Memory of each reader thread's {@link ObjectMeter}; empty where none is needed. */
  readonly objectMeters: readonly SharedArrayBuffer[]
  /** Files that the threads write their parts of the trace to. */
  readonly traceParts: readonly string[]
  readonly requestBytes: number
  /** Whether requests are smaller than DLIO's because memory is bounded. */
  readonly requestsBounded: boolean
}

/** Lays out the run of a plan. Must be called before anything uses libuv's pool, whose size it may set. */
export function assemble(options: EngineOptions): Assembly {
  const { checkpoints, job, objects, plan } = options
  const localRanks = job?.localRanks ?? { begin: 0, end: plan.world.ranks }
  const extras = { checkpoints: checkpoints !== undefined, objects: transportOf(objects?.grant) }
  const { lanes: layout, crew: crewLayout } = layOutThreads(plan, extras, localRanks)
  const pieces = objects && objectPieces(plan, objects.options)
  const { requestBytes, bounded } = pieces ? { ...pieces, bounded: false } : requestSize(plan, options.direct, layout.mode)
  const state = SharedState.create({ lanes: layout.lanes, threads: layout.threads.length })
  const crew = CrewState.create(localRanks.end - localRanks.begin)
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
  const channels = crewLayout?.threads.map(() => new MessageChannel()) ?? []
  const readers = readerStarts(options, base, layout, { requestBytes, pieces: pieces?.pieces ?? 0 })
  const conductor = conductorStart(options, base, layout, { ports: channels.map(({ port1 }) => port1), crew: crew.buffer })
  const crewPorts = channels.map(({ port2 }) => port2)
  return {
    localRanks,
    layout,
    state,
    crew,
    starts: [conductor, ...(crewLayout ? crewStarts(options, base, crewLayout, { ports: crewPorts, crew: crew.buffer }) : []), ...readers],
    histograms: readers.map(({ histogram }) => histogram),
    objectMeters: readers.flatMap(({ read }) => read.objects?.meter ?? []),
    traceParts: [conductor, ...readers].flatMap(({ tracePart }) => tracePart ?? []),
    requestBytes,
    requestsBounded: bounded,
  }
}

interface CrewMemory {
  readonly ports: readonly MessagePort[]
  readonly crew: SharedArrayBuffer
}

function conductorStart(
  { checkpoints, job, tracePath }: EngineOptions,
  base: RunBase,
  layout: LaneLayout,
  { ports, crew }: CrewMemory,
): ConductorStart {
  const threadOfLane = new Array<number>(layout.lanes)
  for (const [thread, lanes] of layout.threads.entries()) for (const lane of lanes.flat()) threadOfLane[lane] = thread
  return {
    ...base,
    kind: 'conductor',
    gate: job?.gate,
    threadOfLane,
    ...tracePart(tracePath, 'ranks'),
    ...(checkpoints && { crew: { folder: checkpoints.folder, sizeBytes: checkpoints.sizeBytes, ports, crew } }),
  }
}

function crewStarts(
  { checkpoints, verify }: EngineOptions,
  base: RunBase,
  { pieceBytes, requestBytes, threads }: CrewLayout,
  { ports, crew }: CrewMemory,
): CheckpointThreadStart[] {
  const { folder, objects } = checkpoints!
  const shared = { ...base, kind: 'checkpoint' as const, crew, folder, objects, verify, pieceBytes, requestBytes }
  return threads.map((ranks, thread) => ({ ...shared, thread, ranks, commands: ports[thread]! }))
}

function readerStarts(
  { direct, folder, objects, tracePath, verify }: EngineOptions,
  base: RunBase,
  { mode, threads }: LaneLayout,
  { pieces, requestBytes }: { readonly pieces: number; readonly requestBytes: number },
): ReaderThreadStart[] {
  const read = { mode, direct, verify, requestBytes, folder }
  const ofObjects = () =>
    objects && {
      objects: {
        grant: objects.grant,
        options: objects.options,
        pieces,
        meter: new SharedArrayBuffer(ObjectMeter.byteLength(objects.grant.endpoints.length)),
      },
    }
  return threads.map((lanes, thread) => ({
    ...base,
    kind: 'reader',
    thread,
    lanes,
    histogram: new SharedArrayBuffer(LatencyHistogram.byteLength),
    read: { ...read, ...ofObjects() },
    ...tracePart(tracePath, `readers-${thread}`),
  }))
}

/** A thread's part of the trace, where one is wanted. */
function tracePart(path: string | undefined, name: string): { tracePart?: string } {
  return path === undefined ? {} : { tracePart: `${path}.part-${name}` }
}
