// What a run on object storage leaves behind: one section of result.json, of the control plane and of all reader threads.
import type { ObjectReads } from './meter.js'
import type { ObjectReadOptions } from './read-options.js'
import type { ControlRequests } from './types.js'

/** What the control plane knows: where objects were read, what was asked of the storage beside their bytes, and how they were read. */
export interface ObjectsOpened {
  /** Of the data folder, without credentials. */
  readonly uri: string
  readonly requests: Readonly<ControlRequests>
  readonly options: ObjectReadOptions & {
    /** `host:port` of the proxies that objects were read through; absent: none. */
    readonly proxy?: string
  }
}

/** The `objects` section of result.json. `requests.get` counts the GETs of reading too, those that were answered in full. */
export interface ObjectsRecord extends ObjectsOpened, ObjectReads {}

export function objectsRecord({ uri, requests, options }: ObjectsOpened, reads: ObjectReads): ObjectsRecord {
  const reading = reads.endpoints.reduce((sum, endpoint) => sum + endpoint.requests, 0)
  const { endpoints, retries, attempts } = reads
  return { uri, endpoints, requests: { ...requests, get: requests.get + reading }, retries, attempts, options }
}
