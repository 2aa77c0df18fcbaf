// Records made by hand, for tests.
import type { Figures } from '#src/metrics/formulas.js'
import type { EpochRecord, HostRecord, RunRecord, StepsRecord } from '#src/metrics/records.js'
import type { MetricSettings } from '#src/metrics/settings.js'
import type { SummaryInput } from '#src/metrics/summary.js'

/** Steps from times in seconds; load is what is left of proc. */
export function stepsOf(beginSeconds: number, endSeconds: number, procSeconds: number[], computeSeconds: number[]): StepsRecord {
  const ms = (list: number[]) => Float64Array.from(list, (value) => value * 1000)
  return {
    beginMs: beginSeconds * 1000,
    endMs: endSeconds * 1000,
    loadMs: ms(procSeconds.map((value, i) => value - computeSeconds[i]!)),
    procMs: ms(procSeconds),
    computeMs: ms(computeSeconds),
  }
}

export function epochOf(epoch: number, blocks: readonly StepsRecord[], more: Partial<EpochRecord> = {}): EpochRecord {
  const beginMs = blocks[0]?.beginMs ?? 0
  const endMs = blocks.at(-1)?.endMs ?? beginMs
  return { epoch, beginMs, trainEndMs: endMs, endMs, blocks, checkpoints: [], ...more }
}

export const host: HostRecord = {
  hostname: 'host0',
  cpuCount: 4,
  processorName: 'x86_64',
  cpuinfo: { 'model name': 'A processor', 'power management': '' },
  meminfo: { MemTotal: '8388608 kB' },
  memoryBytes: 8 * 2 ** 30,
}

export const settings: MetricSettings = {
  trains: true,
  evaluates: false,
  checkpoints: false,
  batchSize: 4,
  batchSizeEval: 1,
  recordBytes: 65_536,
  excludeStartSteps: 1,
  excludeEndSteps: 0,
  targetAuPercent: 90,
}

export const client: RunRecord['client'] = {
  cpuSeconds: 1,
  wallSeconds: 10,
  maxRssBytes: 100 << 20,
  computeLagMeanMs: 0.1,
  computeLagMaxMs: 0.5,
  firstSampleSeconds: 0.2,
  threads: 4,
}

export const io: RunRecord['io'] = {
  bytesAsked: 1e9,
  readCalls: 1000,
  filesOpened: 100,
  retries: 0,
  samplesRead: 100,
  readsInFlight: 4,
  requestBytes: 262_144,
  direct: false,
}

/** The records of ranks, each a list of epochs. */
export function inputOf(ranks: readonly (readonly EpochRecord[])[], stepsPerEpoch: number, stepsPerEval = 0): SummaryInput {
  return {
    beginMs: 0,
    endMs: 200_000,
    ranks: ranks.map((epochs, rank) => ({ rank, epochs })),
    hosts: [host],
    stepsPerEpoch,
    stepsPerEval,
  }
}

/** The two ranks of the worked example in docs/metrics.md. */
export const workedExample = [
  stepsOf(100, 107, [2, 1, 1, 1.5, 1], [0.5, 0.5, 0.5, 0.5, 0.5]),
  stepsOf(100, 107, [1, 1, 2, 1, 1], [0.5, 0.6, 0.5, 0.5, 0.4]),
] as const

export function figuresOf(auPercent: number, samplesPerSecond: number, steps: number): Figures {
  return { auPercent, samplesPerSecond, steps, measuredSteps: steps }
}
