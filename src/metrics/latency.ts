// Latencies of the hot path: a log-linear histogram in memory that threads share, without allocation and without locks.
import type { LatencySummary } from './records.js'

const subBucketBits = 5
/** Buckets per octave. A bucket is at most 1/32 of its lower bound wide, so its middle is at most 1.6 % off. */
const subBuckets = 1 << subBucketBits
const octaves = 32 // 1 µs to 2^32 µs, 71 minutes
const bucketCount = octaves * subBuckets
const headerBytes = 4 * Float64Array.BYTES_PER_ELEMENT
const largestUs = 2 ** 32 - 1

// Places in the header.
const countAt = 0
const sumAt = 1
const minAt = 2
const maxAt = 3

/** Index of the bucket of a latency in [1, largestUs]. */
function bucketOf(us: number): number {
  // Below 2^26 µs the fraction still counts: 1.5 µs and 1.8 µs are different latencies.
  if (us < 1 << 26) {
    const thirtySeconds = (us * subBuckets) | 0
    const exponent = 31 - Math.clz32(thirtySeconds) - subBucketBits
    return exponent * subBuckets + (thirtySeconds >>> exponent) - subBuckets
  }
  const whole = us >>> 0
  const exponent = 31 - Math.clz32(whole)
  return exponent * subBuckets + (whole >>> (exponent - subBucketBits)) - subBuckets
}

/** Lower bound of a bucket in microseconds; its upper bound is the lower one of the next. */
function lowerBoundUs(bucket: number): number {
  const exponent = Math.floor(bucket / subBuckets)
  return 2 ** exponent * (1 + (bucket % subBuckets) / subBuckets)
}

/**
 * Counts latencies between 1 µs and an hour with a relative error of at most 1.6 %; what is outside counts as nearest bucket, and exactly
 * in minimum, maximum and mean. Each histogram has one writer; others may read or {@link merge} it at any time and see, at worst, all but the
 * record being written. The memory must be zeroed, as new shared memory is.
 */
export class LatencyHistogram {
  /** Bytes of one histogram; a multiple of 8. */
  static readonly byteLength = headerBytes + bucketCount * Uint32Array.BYTES_PER_ELEMENT
  readonly #header: Float64Array
  readonly #counts: Uint32Array

  /** `byteOffset` is a multiple of 8. */
  constructor(memory: SharedArrayBuffer | ArrayBuffer = new ArrayBuffer(LatencyHistogram.byteLength), byteOffset = 0) {
    this.#header = new Float64Array(memory, byteOffset, 4)
    this.#counts = new Uint32Array(memory, byteOffset + headerBytes, bucketCount)
  }

  get count(): number {
    return this.#header[countAt]!
  }

  /** Records one latency in microseconds, fractions welcome. Allocates nothing. A negative one (a clock that stepped back) counts as 0. */
  record(us: number): void {
    const header = this.#header
    const value = us > 0 ? us : 0
    if (header[countAt] === 0 || value < header[minAt]!) header[minAt] = value
    if (value > header[maxAt]!) header[maxAt] = value
    header[sumAt]! += value
    header[countAt]! += 1
    this.#counts[bucketOf(value < 1 ? 1 : value > largestUs ? largestUs : value)]! += 1
  }

  /** Adds another histogram's records to this one's. */
  merge(other: LatencyHistogram): void {
    if (other.count === 0) return
    const mine = this.#header
    const theirs = other.#header
    if (mine[countAt] === 0 || theirs[minAt]! < mine[minAt]!) mine[minAt] = theirs[minAt]!
    if (theirs[maxAt]! > mine[maxAt]!) mine[maxAt] = theirs[maxAt]!
    mine[sumAt]! += theirs[sumAt]!
    mine[countAt]! += theirs[countAt]!
    for (let bucket = 0; bucket < bucketCount; bucket++) this.#counts[bucket]! += other.#counts[bucket]!
  }

  /** Adds the records of a summary with buckets, of this or another process. */
  add({ count, meanUs, minUs, maxUs, bucketsUs = [] }: LatencySummary): void {
    const header = this.#header
    if (header[countAt] === 0 || minUs < header[minAt]!) header[minAt] = minUs
    if (maxUs > header[maxAt]!) header[maxAt] = maxUs
    header[sumAt]! += meanUs * count
    header[countAt]! += count
    for (const [lowerUs, records] of bucketsUs) this.#counts[bucketOf(lowerUs)]! += records
  }

  /** Quantiles and filled buckets; undefined where nothing was recorded. */
  summarise(): LatencySummary | undefined {
    const [count = 0, sumUs = 0, minUs = 0, maxUs = 0] = this.#header
    if (count === 0) return undefined
    const bucketsUs: [number, number][] = []
    this.#counts.forEach((records, bucket) => {
      if (records > 0) bucketsUs.push([lowerBoundUs(bucket), records])
    })
    const quantileUs = (fraction: number) => {
      let remaining = Math.ceil(fraction * count)
      let bucket = 0
      while (bucket < bucketCount - 1) {
        remaining -= this.#counts[bucket]!
        if (remaining <= 0) break
        bucket++
      }
      const middleUs = (lowerBoundUs(bucket) + lowerBoundUs(bucket + 1)) / 2
      return Math.min(maxUs, Math.max(minUs, middleUs))
    }
    return {
      count,
      meanUs: sumUs / count,
      minUs,
      p50Us: quantileUs(0.5),
      p90Us: quantileUs(0.9),
      p99Us: quantileUs(0.99),
      p999Us: quantileUs(0.999),
      maxUs,
      bucketsUs,
    }
  }
}
