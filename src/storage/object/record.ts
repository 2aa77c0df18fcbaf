// What a run on object storage leaves behind: one section of result.json, of the control plane and of all reader threads.
import { retryCauses } from './http/faults.js'
import type { ObjectReads } from './meter.js'
import type { ObjectReadOptions } from './read-options.js'
import type { ControlRequests, ControlRetries } from './types.js'

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

export function objectsRecord({ uri, requests, retries: asking, options }: ObjectsOpened, reads: ObjectReads): ObjectsRecord {
  const reading = reads.endpoints.reduce((sum, endpoint) => sum + endpoint.requests, 0)
  const { endpoints, attempts } = reads
  const retries = { ...reads.retries }
  for (const cause of retryCauses) if (asking[cause] !== undefined) retries[cause] = (retries[cause] ?? 0) + asking[cause]
  return { uri, endpoints, requests: { ...requests, get: requests.get + reading }, retries, attempts, options }
}

/** All retries of a section. */
export const retriesOf = ({ retries }: Pick<ObjectsRecord, 'retries'>): number =>
  Object.values(retries).reduce((sum, count) => sum + count, 0)
