// What is recorded of requests: by a reader thread, or of what the control plane sends; in shared memory that others may look at any time.
import { LatencyHistogram } from '../../metrics/latency.js'
import type { LatencySummary } from '../../metrics/records.js'
import { type RetryCause, retryCauses } from './http/faults.js'

/** Requests by the number of attempts that their bytes took: 1, 2, … and this many or more. */
const attemptSlots = 16
const endpointSlots = 3
const histogramsOfEndpoint = 2

/** Of one endpoint: requests that were answered in full. */
export interface EndpointRecord {
  readonly endpoint: string
  readonly requests: number
  readonly bytes: number
  /** Requests that failed, whether retried or not. */
  readonly failures: number
  /** From the request to the end of the response's head. */
  readonly firstByteUs?: LatencySummary
  /** From the request to the end of its body. */
  readonly totalUs?: LatencySummary
}

/** What reading objects took, or writing them. */
export interface ObjectReads {
  readonly endpoints: readonly EndpointRecord[]
  /** Retries by cause; causes that did not occur are absent. */
  readonly retries: Readonly<Partial<Record<RetryCause, number>>>
  /** How many ranges of objects, or parts, took 1, 2, … attempts; the last entry is of all that took as many or more. */
  readonly attempts: readonly number[]
}

export class ObjectMeter {
  private readonly retries: Float64Array
  private readonly attempts: Float64Array
  private readonly counts: Float64Array
  private readonly histograms: readonly LatencyHistogram[]

  static byteLength(endpoints: number): number {
    return (
      8 * (retryCauses.length + attemptSlots + endpointSlots * endpoints) + histogramsOfEndpoint * endpoints * LatencyHistogram.byteLength
    )
  }

  constructor(
    readonly endpoints: number,
    memory: SharedArrayBuffer | ArrayBuffer = new ArrayBuffer(ObjectMeter.byteLength(endpoints)),
  ) {
    this.retries = new Float64Array(memory, 0, retryCauses.length)
    this.attempts = new Float64Array(memory, 8 * retryCauses.length, attemptSlots)
    this.counts = new Float64Array(memory, 8 * (retryCauses.length + attemptSlots), endpointSlots * endpoints)
    const base = 8 * (retryCauses.length + attemptSlots + endpointSlots * endpoints)
    this.histograms = Array.from(
      { length: histogramsOfEndpoint * endpoints },
      (_, i) => new LatencyHistogram(memory, base + i * LatencyHistogram.byteLength),
    )
  }

  /** A request that was answered in full. */
  answered(endpoint: number, firstByteMs: number, totalMs: number, bytes: number): void {
    this.counts[endpointSlots * endpoint]! += 1
    this.counts[endpointSlots * endpoint + 1]! += bytes
    this.histograms[histogramsOfEndpoint * endpoint]!.record(1000 * firstByteMs)
    this.histograms[histogramsOfEndpoint * endpoint + 1]!.record(1000 * totalMs)
  }

  /** A part or an object that the storage has taken. */
  accepted(endpoint: number, totalMs: number, bytes: number): void {
    this.counts[endpointSlots * endpoint]! += 1
    this.counts[endpointSlots * endpoint + 1]! += bytes
    this.histograms[histogramsOfEndpoint * endpoint + 1]!.record(1000 * totalMs)
  }

  failed(endpoint: number): void {
    this.counts[endpointSlots * endpoint + 2]! += 1
  }

  retried(cause: RetryCause): void {
    this.retries[retryCauses.indexOf(cause)]! += 1
  }

  /** A range has come in full after this many attempts. */
  completed(attempts: number): void {
    this.attempts[Math.min(attempts, attemptSlots) - 1]! += 1
  }

  /** Adds another thread's records. */
  merge(other: ObjectMeter): void {
    for (const key of ['retries', 'attempts', 'counts'] as const) for (let i = 0; i < this[key].length; i++) this[key][i]! += other[key][i]!
    for (const [i, histogram] of this.histograms.entries()) histogram.merge(other.histograms[i]!)
  }

  get retryCount(): number {
    return this.retries.reduce((sum, count) => sum + count, 0)
  }

  /** The records as they go into results, endpoints named by `urls`. */
  record(urls: readonly string[]): ObjectReads {
    const retries: Partial<Record<RetryCause, number>> = {}
    for (const [i, cause] of retryCauses.entries()) if (this.retries[i]! > 0) retries[cause] = this.retries[i]!
    const mostAttempts = this.attempts.findLastIndex((count) => count > 0)
    return {
      endpoints: urls.map((endpoint, i) => {
        const [requests = 0, bytes = 0, failures = 0] = this.counts.subarray(endpointSlots * i, endpointSlots * (i + 1))
        const firstByteUs = this.histograms[histogramsOfEndpoint * i]!.summarise()
        const totalUs = this.histograms[histogramsOfEndpoint * i + 1]!.summarise()
        return {
          endpoint,
          requests,
          bytes,
          failures,
          ...(firstByteUs === undefined ? {} : { firstByteUs }),
          ...(totalUs === undefined ? {} : { totalUs }),
        }
      }),
      retries,
      attempts: [...this.attempts.subarray(0, mostAttempts + 1)],
    }
  }
}
