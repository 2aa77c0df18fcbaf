// From what the engine measured to the record that metrics and outputs are made from.
import type { GenerationRecord } from '../dataset/generation-record.js'
import type { EngineResult } from '../engine/result.js'
import type { EpochRecord, HostRecord, RunRecord } from '../metrics/records.js'
import { cpusAvailable } from '../output/host.js'
import type { Plan } from '../plan/types.js'
import { type ObjectsOpened, objectsRecord, retriesOf } from '../storage/object/record.js'

export interface Measured {
  readonly plan: Plan
  readonly engine: EngineResult
  readonly host: HostRecord
  readonly beginMs: number
  readonly endMs: number
  /** /proc/meminfo at the start of each epoch. */
  readonly meminfo: ReadonlyMap<number, HostRecord['meminfo']>
  /** Of runs on object storage. */
  readonly objects?: ObjectsOpened | undefined
  /** Of jobs that made their data set first. */
  readonly generation?: GenerationRecord | undefined
}

/** CPU seconds and memory are those of the whole process, generation included if it was part of it. */
export function runRecord({ plan, engine, host, beginMs, endMs, meminfo, objects, generation }: Measured): RunRecord {
  const { user, system } = process.cpuUsage()
  const opened = objects && engine.objects && objectsRecord(objects, engine.objects)
  return {
    beginMs,
    endMs,
    ranks: engine.ranks.map((rank) => ({ ...rank, epochs: rank.epochs.map((epoch) => withMemory(epoch, meminfo.get(epoch.epoch))) })),
    hosts: [host],
    stepsPerEpoch: plan.train.steps,
    stepsPerEval: plan.valid.steps,
    samplesPerEpoch: plan.train.samplesPerEpoch,
    samplesPerEval: plan.valid.samplesPerEpoch,
    ...(generation && { generation }),
    io: opened ? { ...engine.io, retries: retriesOf(opened) } : engine.io,
    ...(opened && { objects: opened }),
    ...(engine.checkpointObjects && { checkpointObjects: engine.checkpointObjects }),
    ...(engine.checkpointBytesWritten > 0 ? { checkpointBytesWritten: engine.checkpointBytesWritten } : {}),
    client: {
      cpuSeconds: (user + system) / 1e6,
      wallSeconds: process.uptime(),
      maxRssBytes: 1024 * process.resourceUsage().maxRSS,
      computeLagMeanMs: engine.computeLagMeanMs,
      computeLagMaxMs: engine.computeLagMaxMs,
      ...(engine.firstSampleMs === undefined ? {} : { firstSampleSeconds: engine.firstSampleMs / 1000 }),
      threads: engine.threads,
      cpusAvailable: cpusAvailable(),
    },
    histograms: engine.latency === undefined ? {} : { sampleReadUs: engine.latency },
  }
}

/** What the system told at the start of the epoch; nothing where it has no such file. */
function withMemory(epoch: EpochRecord, meminfo: HostRecord['meminfo'] = {}): EpochRecord {
  return Object.keys(meminfo).length === 0 ? epoch : { ...epoch, meminfo }
}
