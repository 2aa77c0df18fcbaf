// result.json read back without trust: checked against a schema of what a report shows, so that nothing behind it has to doubt a type.
import * as z from 'zod'
import { DataError } from '../errors.js'
import type { Result } from '../output/result.js'

const count = z.number().min(0)
const text = z.string()
const perEpoch = z.array(z.number().nullable())

const phase = z.looseObject({
  auPercent: z.number().optional(),
  auStdevPercent: z.number().optional(),
  auPercentByEpoch: perEpoch,
  samplesPerSecond: z.number().optional(),
  samplesPerSecondStdev: z.number().optional(),
  samplesPerSecondByEpoch: perEpoch,
  bytesPerSecond: z.number().optional(),
  targetAuPercent: z.number(),
  meetsTarget: z.boolean().optional(),
  slowestRank: z.object({ rank: count, auPercent: z.number() }).optional(),
  fastestRank: z.object({ rank: count, auPercent: z.number() }).optional(),
  epochs: count,
  steps: count,
  samples: count,
  seconds: count,
  overallSamplesPerSecond: count.optional(),
  excluded: z.object({ startSteps: count, endSteps: count, steps: count, measuredSteps: count }),
  tooFewSteps: z.object({ need: count, have: count }).optional(),
})

const checkpoint = z.looseObject({
  count,
  sizeBytes: count,
  meanSeconds: count,
  slowestMeanSeconds: count,
  bytesPerSecond: count.optional(),
  slowestBytesPerSecond: count.optional(),
  durationMs: z.array(count),
  slowestDurationMs: z.array(count),
})

const latency = z.looseObject({
  count,
  meanUs: count,
  minUs: count,
  p50Us: count,
  p90Us: count,
  p99Us: count,
  p999Us: count,
  maxUs: count,
  bucketsUs: z.array(z.tuple([count, count])).optional(),
})

const split = z.looseObject({
  wallSeconds: count,
  waitingSeconds: count,
  computingSeconds: count,
  restSeconds: count,
  waitingPercent: count,
  computingPercent: count,
  restPercent: count,
})

const objects = z.looseObject({
  uri: text,
  endpoints: z.array(
    z.looseObject({
      endpoint: text,
      requests: count,
      bytes: count,
      failures: count,
      firstByteUs: latency.optional(),
      totalUs: latency.optional(),
    }),
  ),
  requests: z.record(text, count),
  retries: z.record(text, count),
  attempts: z.array(count),
  options: z.looseObject({ partBytes: count.nullable(), partsInFlight: count }),
})

const schema = z.looseObject({
  tool: z.looseObject({ name: text, version: text, node: text }),
  command: z.array(text),
  complete: z.boolean(),
  interruption: text.optional(),
  startedAt: text,
  endedAt: text,
  workload: z.looseObject({ name: text, path: text, format: text, folder: text }),
  configDigest: text,
  settings: z.looseObject({ batchSize: count, batchSizeEval: count, recordBytes: count, excludeStartSteps: count, excludeEndSteps: count }),
  semantics: text,
  framework: z.looseObject({ name: text, reason: text }),
  profile: z.looseObject({ framework: text }).optional(),
  world: z.looseObject({ ranks: count, hosts: count }),
  train: phase.optional(),
  evaluation: phase.optional(),
  checkpoint: z.looseObject({ save: checkpoint.optional(), load: checkpoint.optional(), bytesWritten: count.optional() }).optional(),
  io: z.looseObject({
    bytesAsked: count,
    readCalls: count,
    filesOpened: count,
    retries: count,
    samplesRead: count,
    readsInFlight: count,
    requestBytes: count,
    direct: z.boolean(),
    readExtent: text.optional(),
    bytesPerSecond: count.optional(),
  }),
  objects: objects.optional(),
  client: z.looseObject({
    cpuSeconds: count,
    wallSeconds: count,
    maxRssBytes: count,
    computeLagMeanMs: z.number(),
    computeLagMaxMs: z.number(),
    firstSampleSeconds: z.number().optional(),
    threads: count,
    cpusAvailable: count.optional(),
  }),
  hosts: z.array(z.looseObject({ hostname: text, cpuCount: count, cpuModel: text.optional(), memoryBytes: count })),
  timeSplit: split.optional(),
  measuredTimeSplit: split.optional(),
  verdict: z.looseObject({ boundBy: text, reason: text, advice: text.optional(), clientBusyPercent: z.number().optional() }),
  orderDigest: text.optional(),
  warnings: z.array(z.looseObject({ code: text, message: text })),
  histograms: z.record(text, latency),
})

/** Values of a `result.json` that a report shows, all of the types that {@link Result} promises. Errors: DataError naming file and key. */
export function checkedResult(value: unknown, file: string): Result {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data as unknown as Result
  const [issue] = parsed.error.issues
  const more = parsed.error.issues.length - 1
  const problem = `${issue!.path.join('.') || 'the file'}: ${issue!.message}${more > 0 ? ` (and ${more} more)` : ''}`
  throw new DataError(file, `is not a complete result of this version: ${problem}. Was the file cut short, or changed?`)
}
