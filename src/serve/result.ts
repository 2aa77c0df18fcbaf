// result.json of a real training run: the consumer's own step times, and what the engine read for it.
import { resolve } from 'node:path'
import type { EpochRecord, RunRecord, StepsRecord } from '../metrics/records.js'
import { summarizeRun } from '../metrics/summary.js'
import { workFacts } from '../metrics/work.js'
import { OrderDigest } from '../order/digest.js'
import { cpusAvailable, readHost } from '../output/host.js'
import { buildResult, writeResult } from '../output/result.js'
import { prepareOutputFolder } from '../output/writable.js'
import { packageInfo } from '../package.js'
import { createPlan } from '../plan/plan.js'
import { meterSlot } from '../storage/meter.js'
import type { ServeEngine } from './engine.js'
import type { MeasuredEpoch, Request } from './messages.js'

/** Writes result.json for the epochs that were measured; returns its path. Throws StorageError, ConfigError. */
export function writeMeasuredResult(engine: ServeEngine, { folder, epochs }: Request & { op: 'result' }): string {
  const { workload, plan, options } = engine
  const path = resolve(folder)
  prepareOutputFolder(path)
  const { user, system } = process.cpuUsage()
  const world = { ranks: 1, hosts: 1 }
  const record: RunRecord = {
    beginMs: 1000 * (epochs[0]?.begin ?? 0),
    endMs: 1000 * (epochs.at(-1)?.end ?? 0),
    ranks: [{ rank: 0, epochs: epochs.map(epochRecord) }],
    hosts: [readHost()],
    stepsPerEpoch: plan.train.steps,
    stepsPerEval: plan.valid.steps,
    // Of this rank alone: each rank writes a result of its own.
    samplesPerEpoch: Math.round(plan.train.samplesPerEpoch / plan.world.ranks),
    samplesPerEval: Math.round(plan.valid.samplesPerEpoch / plan.world.ranks),
    io: {
      bytesAsked: engine.total(meterSlot.bytes),
      readCalls: engine.total(meterSlot.readCalls),
      filesOpened: engine.total(meterSlot.filesOpened),
      retries: 0,
      samplesRead: engine.total(meterSlot.samples),
      readsInFlight: engine.readsInFlight,
      requestBytes: engine.requestBytes,
      direct: engine.usesDirect,
      readExtent: 'sample',
    },
    client: {
      cpuSeconds: (user + system) / 1e6,
      wallSeconds: process.uptime(),
      maxRssBytes: 1024 * process.resourceUsage().maxRSS,
      computeLagMeanMs: 0,
      computeLagMaxMs: 0,
      threads: engine.opened.threads,
      cpusAvailable: cpusAvailable(),
    },
    histograms: {},
  }
  const result = buildResult({
    tool: packageInfo(),
    command: options.command,
    workload,
    world: plan.world.ranks === 1 ? world : plan.world,
    record,
    summary: summarizeRun(record, workload),
    work: workFacts(workload),
    warnings: engine.opened.warnings,
    orderDigest: digest(engine, epochs),
  })
  return writeResult(path, result)
}

/** Of the epochs that were trained, all ranks included, as a run's is of all its epochs. */
function digest(engine: ServeEngine, epochs: readonly MeasuredEpoch[]): string {
  const { workload, plan } = engine
  const fresh = createPlan(workload, plan.world, { train: plan.train.files, valid: plan.valid.files })
  const sum = new OrderDigest(fresh)
  for (const { epoch } of epochs) {
    fresh.advance(epoch)
    sum.allRanks(epoch)
  }
  return sum.hex()
}

function epochRecord({ epoch, begin, end, load, step, compute }: MeasuredEpoch): EpochRecord {
  const milliseconds = (seconds: readonly number[]) => Float64Array.from(seconds, (value) => 1000 * value)
  const block: StepsRecord = {
    beginMs: 1000 * begin,
    endMs: 1000 * end,
    loadMs: milliseconds(load),
    procMs: milliseconds(step),
    computeMs: milliseconds(compute),
  }
  return { epoch, beginMs: block.beginMs, trainEndMs: block.endMs, endMs: block.endMs, blocks: [block], checkpoints: [] }
}
