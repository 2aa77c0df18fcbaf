// What a reader thread does: make its lanes and the storage they read from, and drive them (drive.ts) until the run is stopped.
import type { MessagePort } from 'node:worker_threads'
import type { Workload } from '../config/workload.js'
import { fixedSampleBytes } from '../dataset/dims.js'
import { unpackFiles } from '../dataset/file-lists.js'
import { getFormat } from '../formats/index.js'
import type { ReaderOptions } from '../formats/types.js'
import { LatencyHistogram } from '../metrics/latency.js'
import { lazily } from '../package.js'
import { createPlan } from '../plan/plan.js'
import { createWindow } from '../storage/io.js'
import { AsyncLocalStorage, LocalStorage } from '../storage/local.js'
import { IoMeter, meterSlot } from '../storage/meter.js'
import { ObjectMeter } from '../storage/object/meter.js'
import type { ObjectStorage } from '../storage/object/storage.js'
import { Clock } from './clock.js'
import { driveBlocking, driveOnEventLoop } from './drive.js'
import { usesGenerators } from './generator-files.js'
import { Lane, type LaneContext } from './lane.js'
import { readExtent } from './lanes.js'
import type { ObjectReads, ReaderMessage, ReaderThreadStart, ThreadMessage } from './messages.js'
import { SharedState, timeSlot } from './shared-state.js'
import { TraceWriter } from './trace-writer.js'
import { Turnstile } from './turnstile.js'

/** Runs until the run is stopped. Errors of a lane are thrown to the caller. */
export async function readerThread(start: ReaderThreadStart, port: MessagePort): Promise<void> {
  const state = new SharedState(start.layout, start.state)
  const clock = new Clock(start.clockBaseMs)
  const counters = state.meter(start.thread)
  const meter = new IoMeter(counters, state.gauge)
  const files = unpackFiles(start.files, start.workload)
  const plan = createPlan(start.workload, start.world, files, start.permutations)
  const histogram = new LatencyHistogram(start.histogram, 0)
  const trace = start.tracePart === undefined ? undefined : new TraceWriter(start.tracePart)
  const context: LaneContext = {
    plan,
    workload: start.workload,
    state,
    clock,
    format: getFormat(start.workload.dataset.format),
    readerOptions: readerOptions(start),
    folder: start.read.folder.endsWith('/') ? start.read.folder : `${start.read.folder}/`,
    trace,
    turnstile: new Turnstile(state, plan, clock),
    samplesRead: (count, durationMs) => {
      if (state.times[timeSlot.firstSample] === 0) state.times[timeSlot.firstSample] = clock.nowMs()
      counters[meterSlot.samples]! += count
      histogram.record(1000 * durationMs)
    },
  }
  const { mode, requestBytes, direct } = start.read
  // Blocking lanes of a thread take turns, so they can share one window as long as none keeps bytes from turn to turn.
  const shared = mode === 'blocking' && context.format.kind === 'sample' ? createWindow(requestBytes) : undefined
  const pieces = start.read.objects?.pieces ?? 1
  const rankOf = (lane: number) => start.localRanks.begin + Math.floor(lane / start.lanesPerRank)
  const createLane = (lane: number) =>
    new Lane(context, lane, rankOf(lane), lane % start.lanesPerRank, shared ?? createWindow(requestBytes, pieces))
  const groups = start.lanes.map((group) => group.map(createLane))
  const storage = start.read.objects === undefined ? undefined : openObjects(start, start.read.objects, meter, port)
  port.postMessage({ kind: 'ready' } satisfies ThreadMessage)
  try {
    if (mode === 'blocking') driveBlocking(groups.flat(), state, start.thread, new LocalStorage(direct, meter))
    else await driveOnEventLoop(groups, state, start.thread, storage ?? new AsyncLocalStorage(direct, meter), port)
  } finally {
    storage?.close()
    trace?.close()
  }
}

function openObjects(
  { thread, read, workload }: ReaderThreadStart,
  { grant, options, meter: memory }: ObjectReads,
  io: IoMeter,
  port: MessagePort,
): ObjectStorage {
  const { requestBytes, folder } = read
  // Whole files and streams are read front to back; a format that knows its way asks for just the bytes it needs.
  const access = readExtent(workload) === 'file' || getFormat(workload.dataset.format).kind === 'stream' ? 'stream' : 'ranges'
  const objects = new ObjectMeter(grant.endpoints.length, memory)
  const askForGrant = () => port.postMessage({ kind: 'grantWanted' } satisfies ThreadMessage)
  const module = lazily<typeof import('../storage/object/storage.js')>('storage/object/storage.js')
  const storage = new module.ObjectStorage(grant, folder, { ...options, access, requestBytes }, { io, objects }, askForGrant, thread)
  port.on('message', (message: ReaderMessage) => storage.renew(message.grant))
  return storage
}

function readerOptions({ workload, read }: ReaderThreadStart): ReaderOptions {
  const { dataset, reader } = workload
  const extent = readExtent(workload)
  return {
    extent,
    requestBytes: read.requestBytes,
    verify: read.verify,
    samplesPerFile: dataset.numSamplesPerFile,
    elementType: dataset.recordElementType,
    keepOpen: extent === 'upstream' && (reader.keepsFilesOpen || usesGenerators(workload)),
    sampleBytes: fixedSampleBytes(workload),
    columns: columnsOf(workload.storage.options),
  }
}

/** `storage_options.columns` of MLCommons' DLIO: the columns of parquet files that are read. */
function columnsOf({ columns }: Workload['storage']['options']): readonly string[] | undefined {
  return Array.isArray(columns) && columns.length > 0 ? columns.map(String) : undefined
}
