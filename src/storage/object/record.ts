// What using object storage leaves behind: sections of results, of the control plane and of all threads and processes that took part.
import { LatencyHistogram } from '../../metrics/latency.js'
import type { LatencySummary } from '../../metrics/records.js'
import { placeUri } from '../uri.js'
import { retryCauses } from './http/faults.js'
import type { EndpointRecord, ObjectReads } from './meter.js'
import type { ObjectReadOptions } from './read-options.js'
import type { ControlRequests, ControlRetries, ObjectControl } from './types.js'

/** What the control plane knows: where objects were read, what was asked of the storage beside their bytes, and how they were read. */
export interface ObjectsOpened {
  /** Of the data folder, without credentials. */
  readonly uri: string
  readonly requests: Readonly<ControlRequests>
  /** Requests of the control plane that were sent again, by cause. */
  readonly retries: Readonly<ControlRetries>
  readonly options: ObjectReadOptions & {
    /** `host:port` of the proxies that objects were read through; absent: none. */
    readonly proxy?: string
  }
}

/**
 * The `objects` section of result.json. `requests.get` counts the GETs of reading too, those that were answered in full; `retries` are those
 * of reading and of the control plane.
 */
export interface ObjectsRecord extends ObjectsOpened, ObjectReads {}

/** The section of what was opened and what readers have read through it; requests and retries of both are added up. */
export function objectsRecord({ uri, requests, retries, options }: ObjectsOpened, reads: ObjectReads): ObjectsRecord {
  const { endpoints, attempts } = reads
  return { uri, endpoints, requests: withReads(requests, reads), retries: addRetries([retries, reads.retries]), attempts, options }
}

/** What writing objects took. */
export interface UploadsRecord {
  readonly uri: string
  /** By endpoint: parts and whole objects that were taken. */
  readonly uploads: readonly EndpointRecord[]
  readonly requests: Readonly<ControlRequests>
  readonly retries: ObjectReads['retries']
  /** How many parts and whole objects (and ranges that were read back) took 1, 2, … attempts. */
  readonly attempts: readonly number[]
  /** `partBytes`: larger objects are sent in parts of this size. */
  readonly options: { readonly partBytes: number }
}

/** The `checkpoint.objects` section of result.json. */
export interface CheckpointObjectsRecord extends UploadsRecord {
  /** By endpoint: GETs of reading back, as in `objects`; none where nothing was read. */
  readonly endpoints: readonly EndpointRecord[]
}

/** What a control plane has written so far. */
export function uploadsRecord(control: ObjectControl): UploadsRecord {
  const { endpoints: uploads, retries, attempts } = control.record()
  const { place, requests, partSizeBytes } = control
  return { uri: placeUri(place), uploads, requests: { ...requests }, retries, attempts, options: { partBytes: partSizeBytes } }
}

/** With what was read back. */
export function withReading(written: UploadsRecord, reads: ObjectReads): CheckpointObjectsRecord {
  return {
    ...written,
    endpoints: reads.endpoints,
    requests: withReads(written.requests, reads),
    retries: addRetries([written.retries, reads.retries]),
    attempts: addAttempts([written.attempts, reads.attempts]),
  }
}

/** One record of several: of threads, of processes, all of which ask the same endpoints. Pure. */
export function mergeObjects(parts: readonly ObjectsRecord[]): ObjectsRecord {
  return { ...parts[0]!, ...mergedCounts(parts), endpoints: mergeEndpoints(parts.map(({ endpoints }) => endpoints)) }
}

/** As {@link mergeObjects}. */
export function mergeUploads<Part extends UploadsRecord>(parts: readonly Part[]): Part {
  return { ...parts[0]!, ...mergedCounts(parts), uploads: mergeEndpoints(parts.map(({ uploads }) => uploads)) }
}

/** As {@link mergeObjects}. */
export function mergeCheckpointObjects(parts: readonly CheckpointObjectsRecord[]): CheckpointObjectsRecord {
  return { ...mergeUploads(parts), endpoints: mergeEndpoints(parts.map(({ endpoints }) => endpoints)) }
}

/** All retries of a section. */
export const retriesOf = ({ retries }: Pick<ObjectsRecord, 'retries'>): number => sum(Object.values(retries))

/** One distribution of all requests, whose times stay exact to the width of a bucket: quantiles cannot be averaged. There must be at least one request. */
export function mergeLatencies(summaries: readonly LatencySummary[]): LatencySummary {
  const merged = new LatencyHistogram()
  for (const summary of summaries) merged.add(summary)
  return merged.summarise()!
}

function withReads(requests: Readonly<ControlRequests>, { endpoints }: ObjectReads): ControlRequests {
  return { ...requests, get: requests.get + sum(endpoints.map((endpoint) => endpoint.requests)) }
}

interface Counts {
  readonly requests: Readonly<ControlRequests>
  readonly retries: ObjectReads['retries']
  readonly attempts: readonly number[]
}

function mergedCounts(parts: readonly Counts[]): Counts {
  const kinds = Object.keys(parts[0]!.requests) as (keyof ControlRequests)[]
  return {
    requests: Object.fromEntries(
      kinds.map((kind) => [kind, sum(parts.map(({ requests }) => requests[kind]))]),
    ) as unknown as ControlRequests,
    retries: addRetries(parts.map(({ retries }) => retries)),
    attempts: addAttempts(parts.map(({ attempts }) => attempts)),
  }
}

function mergeEndpoints(parts: readonly (readonly EndpointRecord[])[]): EndpointRecord[] {
  const most = parts.reduce((longest, part) => (part.length > longest.length ? part : longest), [])
  return most.map(({ endpoint }, i) => {
    const total = (key: 'requests' | 'bytes' | 'failures') => sum(parts.map((part) => part[i]?.[key] ?? 0))
    const merged = (key: 'firstByteUs' | 'totalUs') => {
      const summaries = parts.flatMap((part) => part[i]?.[key] ?? [])
      return summaries.length === 0 ? {} : { [key]: mergeLatencies(summaries) }
    }
    return {
      endpoint,
      requests: total('requests'),
      bytes: total('bytes'),
      failures: total('failures'),
      ...merged('firstByteUs'),
      ...merged('totalUs'),
    }
  })
}

function addRetries(parts: readonly ObjectReads['retries'][]): ObjectReads['retries'] {
  const found = retryCauses.filter((cause) => parts.some((part) => part[cause] !== undefined))
  return Object.fromEntries(found.map((cause) => [cause, sum(parts.map((part) => part[cause] ?? 0))]))
}

function addAttempts(parts: readonly (readonly number[])[]): number[] {
  return Array.from({ length: Math.max(...parts.map((part) => part.length)) }, (_, i) => sum(parts.map((part) => part[i] ?? 0)))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
