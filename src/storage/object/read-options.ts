// How objects are read: what the configuration decides, plain data that goes to every reader thread with the grant.
import type { RetryPolicy } from '../wrappers/retry.js'
import type { AccessGrant } from './types.js'

export interface ObjectReadOptions {
  /** Size of the ranged GETs that an object is read in; null: one plain GET an object, as DLIO does. */
  readonly partBytes: number | null
  /** Parts of one reader that are in flight at once. 1 where `partBytes` is null. */
  readonly partsInFlight: number
  readonly connectTimeoutMs: number
  /** From the request to the end of the response's head. */
  readonly headTimeoutMs: number
  /** Within every such time a body must bring `stallBytes`, or its end. */
  readonly stallTimeoutMs: number
  readonly stallBytes: number
  readonly retry: RetryPolicy
}

/** What holds where the configuration says nothing. */
export const defaultReadOptions: ObjectReadOptions = {
  partBytes: null,
  partsInFlight: 1,
  connectTimeoutMs: 10_000,
  headTimeoutMs: 30_000,
  stallTimeoutMs: 30_000,
  stallBytes: 64 * 1024,
  retry: { maxAttempts: 10, budgetMs: 120_000, baseDelayMs: 100, maxDelayMs: 10_000 },
}

/** A run on object storage: what the engine is started with. */
export interface ObjectAccess {
  /** The data folder as its files are named, for example `s3://bucket/prefix/`: what is behind it is a key below the grant's place. */
  readonly rootUri: string
  readonly grant: AccessGrant
  readonly options: ObjectReadOptions
  /** Asks the control plane for credentials as they are now; called before they expire and when the storage refuses them as expired. */
  readonly renew: () => Promise<AccessGrant>
}
