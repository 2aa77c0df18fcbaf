// result.json read back without trust: checked against a schema of what a report shows, so that nothing behind it has to doubt a type.
// The core of zod alone, as the configuration's schema has it: the rest of that library would make every command load more.
import * as z from 'zod/v4/core'
import { DataError } from '../errors.js'
import type { Result } from '../output/result.js'

type Type = z.$ZodType

const real: Type = new z.$ZodNumber({ type: 'number' })
/** Counts, sizes and times. */
const count: Type = new z.$ZodNumber({ type: 'number', checks: [z._gte(0)] })
const text: Type = new z.$ZodString({ type: 'string' })
const flag: Type = new z.$ZodBoolean({ type: 'boolean' })
const optional = (innerType: Type): Type => new z.$ZodOptional({ type: 'optional', innerType })
const nullable = (innerType: Type): Type => new z.$ZodNullable({ type: 'nullable', innerType })
const list = (element: Type): Type => new z.$ZodArray({ type: 'array', element })
const record = (valueType: Type): Type => new z.$ZodRecord({ type: 'record', keyType: new z.$ZodString({ type: 'string' }), valueType })
/** What a report does not show may be there, and anything. */
const fields = (shape: Readonly<Record<string, Type>>): Type =>
  new z.$ZodObject({ type: 'object', shape, catchall: new z.$ZodUnknown({ type: 'unknown' }) })

const perEpoch = list(nullable(real))

const phase = fields({
  auPercent: optional(real),
  auStdevPercent: optional(real),
  auPercentByEpoch: perEpoch,
  samplesPerSecond: optional(real),
  samplesPerSecondStdev: optional(real),
  samplesPerSecondByEpoch: perEpoch,
  bytesPerSecond: optional(real),
  targetAuPercent: real,
  meetsTarget: optional(flag),
  slowestRank: optional(fields({ rank: count, auPercent: real })),
  fastestRank: optional(fields({ rank: count, auPercent: real })),
  epochs: count,
  steps: count,
  samples: count,
  seconds: count,
  overallSamplesPerSecond: optional(count),
  excluded: fields({ startSteps: count, endSteps: count, steps: count, measuredSteps: count }),
  tooFewSteps: optional(fields({ need: count, have: count })),
})

const checkpoint = fields({
  count,
  sizeBytes: count,
  meanSeconds: count,
  slowestMeanSeconds: count,
  bytesPerSecond: optional(count),
  slowestBytesPerSecond: optional(count),
  durationMs: list(count),
  slowestDurationMs: list(count),
})

const latency = fields({
  count,
  meanUs: count,
  minUs: count,
  p50Us: count,
  p90Us: count,
  p99Us: count,
  p999Us: count,
  maxUs: count,
  bucketsUs: optional(list(list(count))),
})

const split = fields({
  wallSeconds: count,
  waitingSeconds: count,
  computingSeconds: count,
  restSeconds: count,
  waitingPercent: count,
  computingPercent: count,
  restPercent: count,
})

const objects = fields({
  uri: text,
  endpoints: list(
    fields({
      endpoint: text,
      requests: count,
      bytes: count,
      failures: count,
      firstByteUs: optional(latency),
      totalUs: optional(latency),
    }),
  ),
  requests: record(count),
  retries: record(count),
  attempts: list(count),
  options: fields({ partBytes: nullable(count), partsInFlight: count }),
})

const schema = fields({
  tool: fields({ name: text, version: text, node: text }),
  command: list(text),
  complete: flag,
  interruption: optional(text),
  startedAt: text,
  endedAt: text,
  workload: fields({ name: text, path: text, format: text, folder: text }),
  configDigest: text,
  settings: fields({ batchSize: count, batchSizeEval: count, recordBytes: count, excludeStartSteps: count, excludeEndSteps: count }),
  semantics: text,
  framework: fields({ name: text, reason: text }),
  honoured: optional(list(text)),
  profile: optional(fields({ framework: text })),
  world: fields({ ranks: count, hosts: count }),
  train: optional(phase),
  evaluation: optional(phase),
  checkpoint: optional(fields({ save: optional(checkpoint), load: optional(checkpoint), bytesWritten: optional(count) })),
  io: fields({
    bytesAsked: count,
    readCalls: count,
    filesOpened: count,
    retries: count,
    samplesRead: count,
    readsInFlight: count,
    requestBytes: count,
    direct: flag,
    readExtent: optional(text),
    bytesPerSecond: optional(count),
  }),
  objects: optional(objects),
  client: fields({
    cpuSeconds: count,
    wallSeconds: count,
    maxRssBytes: count,
    computeLagMeanMs: real,
    computeLagMaxMs: real,
    firstSampleSeconds: optional(real),
    threads: count,
    cpusAvailable: optional(count),
  }),
  hosts: list(fields({ hostname: text, cpuCount: count, cpuModel: optional(text), memoryBytes: count })),
  timeSplit: optional(split),
  measuredTimeSplit: optional(split),
  verdict: fields({ boundBy: text, reason: text, advice: optional(text), clientBusyPercent: optional(real) }),
  orderDigest: optional(text),
  warnings: list(fields({ code: text, message: text })),
  histograms: record(latency),
})

/** Values of a `result.json` that a report shows, all of the types that {@link Result} promises. Errors: DataError naming file and key. */
export function checkedResult(value: unknown, file: string): Result {
  const parsed = z.safeParse(schema, value)
  if (!parsed.success) throw refusal(file, parsed.error.issues)
  const result = parsed.data as Result
  const { histograms, objects } = result
  for (const summary of [
    ...Object.values(histograms),
    ...(objects?.endpoints ?? []).flatMap(({ firstByteUs, totalUs }) => [firstByteUs, totalUs]),
  ])
    if (summary?.bucketsUs?.some((bucket) => bucket.length !== 2))
      throw new DataError(file, 'holds a histogram whose buckets are no pairs of lower bound and count')
  return result
}

function refusal(file: string, issues: readonly z.$ZodIssue[]): DataError {
  const [issue] = issues
  const rule =
    issue?.code === 'invalid_type' ? `must be ${/^[aeiou]/.test(issue.expected) ? 'an' : 'a'} ${issue.expected}` : 'must be at least 0'
  const more = issues.length > 1 ? `, and ${issues.length - 1} more` : ''
  return new DataError(
    file,
    `is no whole result: ${issue?.path.join('.') || 'the file'} ${rule}${more}. Was the file cut short or changed?`,
  )
}
