// Latency distributions for charts and tables: of steps, recorded one by one, and bins that histograms of different runs share.
import type { Job } from '../aggregate/jobs.js'
import { LatencyHistogram } from '../metrics/latency.js'
import type { LatencySummary, StepsRecord } from '../metrics/records.js'
import { largest } from '../metrics/statistics.js'

export type StepTime = 'load' | 'proc'

/** Times of all training steps of all ranks: `load` is waiting for the batch, `proc` the whole step. Undefined where there are none. */
export function stepDistribution(job: Job, time: StepTime): LatencySummary | undefined {
  const histogram = new LatencyHistogram()
  for (const block of blocksOf(job)) for (const ms of timesOf(block, time)) histogram.record(ms * 1000)
  return histogram.summarise()
}

function* blocksOf({ ranks }: Job): Generator<StepsRecord> {
  for (const { record } of ranks) for (const { blocks } of record.epochs) yield* blocks
}

function timesOf({ loadMs, procMs }: StepsRecord, time: StepTime): Float64Array {
  return time === 'load' ? loadMs : procMs
}

/** Several distributions as one: quantiles from the summed buckets. Undefined for none. */
export function mergedDistribution(summaries: readonly LatencySummary[]): LatencySummary | undefined {
  const histogram = new LatencyHistogram()
  for (const summary of summaries) histogram.add(summary)
  return histogram.summarise()
}

/** Bins of equal width on a logarithmic axis, and what share of each distribution lies in them. */
export interface Bins {
  /** log10 of the microseconds at which the first bin begins, and how wide each is. */
  readonly begin: number
  readonly width: number
  /** Percent of the records, per distribution and bin. */
  readonly shares: readonly Float64Array[]
}

const mostBins = 48
/** Wider than any bucket, so that none reaches over more than two bins. */
const narrowestBin = (2 / 32) * Math.log10(2)
/** What is faster counts in a histogram's first bucket. */
const fastestUs = 1

/**
 * Puts the buckets of all distributions into common bins. A bucket across a border counts in both bins, by its parts. Distributions without
 * buckets have no shares. Undefined where none has any.
 */
export function commonBins(summaries: readonly LatencySummary[]): Bins | undefined {
  const filled = summaries.filter(({ bucketsUs }) => bucketsUs !== undefined && bucketsUs.length > 0)
  if (filled.length === 0) return undefined
  const low = Math.log10(Math.max(fastestUs, Math.min(...filled.map(({ minUs }) => minUs))))
  const high = Math.log10(Math.max(fastestUs, ...filled.map(({ maxUs }) => maxUs)))
  const width = Math.max(narrowestBin, (high - low) / mostBins)
  const begin = Math.floor(low / width) * width
  const count = Math.max(1, Math.ceil((high - begin) / width + 1e-9))
  return { begin, width, shares: summaries.map(({ bucketsUs = [] }) => sharesOf(bucketsUs, { begin, width, count })) }
}

function sharesOf(buckets: NonNullable<LatencySummary['bucketsUs']>, bins: { begin: number; width: number; count: number }): Float64Array {
  const shares = new Float64Array(bins.count)
  const total = buckets.reduce((sum, [, records]) => sum + records, 0)
  if (total <= 0) return shares
  const place = (us: number) => Math.min(bins.count, Math.max(0, (Math.log10(Math.max(fastestUs, us)) - bins.begin) / bins.width))
  for (const [lowerUs, records] of buckets) {
    const from = place(lowerUs)
    const to = place(upperUs(lowerUs))
    const percent = (100 * records) / total
    const first = Math.min(bins.count - 1, Math.floor(from))
    if (to <= first + 1) {
      shares[first]! += percent
      continue
    }
    // A bucket is narrower than a bin, so it reaches into the next one at most.
    const part = (first + 1 - from) / (to - from)
    shares[first]! += percent * part
    shares[Math.min(bins.count - 1, first + 1)]! += percent * (1 - part)
  }
  return shares
}

/** Upper bound of the bucket with this lower bound: buckets are 1/32 of an octave's beginning wide. */
function upperUs(lowerUs: number): number {
  return lowerUs + 2 ** Math.floor(Math.log2(Math.max(fastestUs, lowerUs))) / 32
}

/** The course of a run: its steps in equal groups, over all ranks. */
export interface StepCourse {
  /** Number of each group's first step, counted from 1 over all epochs. */
  readonly firstStep: readonly number[]
  readonly medianMs: readonly number[]
  readonly maxMs: readonly number[]
  /** Number of the first step of each epoch. */
  readonly epochBegins: readonly number[]
  readonly steps: number
}

/** Step times in the order in which they were made, in at most `mostGroups` groups. Undefined without steps. */
export function stepCourse(job: Job, mostGroups: number): StepCourse | undefined {
  const epochs = job.ranks.map(({ record }) => record.epochs.map(({ blocks }) => blocks.flatMap(({ procMs }) => [...procMs])))
  const lengths = (epochs[0] ?? []).map((_, e) => largest(epochs.map((rank) => rank[e]?.length ?? 0)))
  const steps = lengths.reduce((sum, length) => sum + length, 0)
  if (steps === 0) return undefined
  const size = Math.ceil(steps / mostGroups)
  const groups: number[][] = Array.from({ length: Math.ceil(steps / size) }, () => [])
  const epochBegins: number[] = []
  let before = 0
  lengths.forEach((length, e) => {
    epochBegins.push(before + 1)
    for (const rank of epochs)
      rank[e]?.forEach((ms, step) => {
        groups[Math.floor((before + step) / size)]!.push(ms)
      })
    before += length
  })
  const sorted = groups.map((group) => group.sort((a, b) => a - b))
  return {
    firstStep: groups.map((_, i) => i * size + 1),
    medianMs: sorted.map((group) => group[Math.floor((group.length - 1) / 2)]!),
    maxMs: sorted.map((group) => group.at(-1)!),
    epochBegins,
    steps,
  }
}
