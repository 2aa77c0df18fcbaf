// What a run has measured: gathered, while it runs and at its end, from the memory of its threads.
import type { CrewState } from '../checkpoint/crew.js'
import { LatencyHistogram } from '../metrics/latency.js'
import type { EpochRecord, IoRecord, LatencySummary, RankRecord } from '../metrics/records.js'
import type { Plan } from '../plan/types.js'
import { meterSlot } from '../storage/meter.js'
import { ObjectMeter, type ObjectReads } from '../storage/object/meter.js'
import { type CheckpointObjectsRecord, mergeCheckpointObjects } from '../storage/object/record.js'
import type { Assembly, EngineOptions } from './assembly.js'
import { readExtent } from './lanes.js'
import { phaseCode, progressSlot, type SharedState, timeSlot } from './shared-state.js'

export interface EngineResult {
  /** Of this process. */
  readonly ranks: readonly RankRecord[]
  /** False where the run was stopped before its end, or failed. */
  readonly complete: boolean
  /** What the run failed with: the first error of any thread. */
  readonly failure?: Error
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

/** What threads have told. */
export interface Told {
  /** Of each epoch, its record of each rank. */
  readonly epochs: readonly (readonly EpochRecord[])[]
  readonly checkpointObjects: readonly CheckpointObjectsRecord[]
}

/** The result of a run whose threads have ended, or hang. */
export function engineResult(
  { direct, objects, plan }: EngineOptions,
  { crew, histograms, layout, localRanks, objectMeters, requestBytes, requestsBounded, state }: Assembly,
  { checkpointObjects, epochs }: Told,
  end: Pick<EngineResult, 'complete' | 'hangs' | 'failure'>,
): EngineResult {
  const { progress, times } = state
  const merged = new LatencyHistogram(new SharedArrayBuffer(LatencyHistogram.byteLength), 0)
  for (const histogram of histograms) merged.merge(new LatencyHistogram(histogram, 0))
  const lags = progress[progressSlot.lagCount]!
  const objectMeter = objects && mergeMeters(objects.grant.endpoints.length, objectMeters)
  const ranks = Array.from({ length: localRanks.end - localRanks.begin }, (_, i) => localRanks.begin + i)
  return {
    ...end,
    ranks: ranks.map((rank, i) => ({ rank, epochs: epochs.map((ranksOf) => ranksOf[i]!) })),
    io: {
      bytesAsked: state.total(meterSlot.bytes),
      readCalls: state.total(meterSlot.readCalls),
      filesOpened: state.total(meterSlot.filesOpened),
      retries: objectMeter?.retryCount ?? 0,
      samplesRead: state.total(meterSlot.samples),
      readsInFlight: state.gauge[1]!,
      requestBytes,
      direct,
      readExtent: readExtent(plan.workload),
    },
    ...(objects && objectMeter && { objects: objectMeter.record(objects.grant.endpoints) }),
    requestsBounded,
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

function mergeMeters(endpoints: number, memories: readonly SharedArrayBuffer[]): ObjectMeter {
  const merged = new ObjectMeter(endpoints)
  for (const memory of memories) merged.merge(new ObjectMeter(endpoints, memory))
  return merged
}

/** Where a run is. */
export function progressOf(state: SharedState, crew: CrewState, plan: Plan): EngineProgress {
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
