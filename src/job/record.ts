// From what the engine measured to the record that metrics and outputs are made from.
import type { EngineResult } from '../engine/run.js'
import type { HostRecord, RunRecord } from '../metrics/records.js'
import { cpusAvailable } from '../output/host.js'
import type { Plan } from '../plan/types.js'

export interface Measured {
  readonly plan: Plan
  readonly engine: EngineResult
  readonly host: HostRecord
  readonly beginMs: number
  readonly endMs: number
}

/** CPU seconds and memory are those of the whole process, generation included if it was part of it. */
export function runRecord({ plan, engine, host, beginMs, endMs }: Measured): RunRecord {
  const { user, system } = process.cpuUsage()
  return {
    beginMs,
    endMs,
    ranks: engine.ranks,
    hosts: [host],
    stepsPerEpoch: plan.train.steps,
    stepsPerEval: plan.valid.steps,
    samplesPerEpoch: plan.train.samplesPerEpoch,
    samplesPerEval: plan.valid.samplesPerEpoch,
    io: engine.io,
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
