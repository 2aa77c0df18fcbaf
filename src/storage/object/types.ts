// Contracts of object storage: the control plane (official SDKs, main thread) resolves who we are and where; the data plane (own HTTP over
// sockets, reader threads) fetches bytes with what it was granted. A grant is plain data, since it crosses threads.
import type { RetryCause } from './http/faults.js'
import type { ObjectReads } from './meter.js'
import type { ProxyRules } from './proxy.js'

/** A bucket (S3, GCS) or container (Azure) and the prefix of a dataset in it. */
export interface ObjectPlace {
  readonly provider: 's3' | 'azure' | 'gcs'
  /** Azure only; otherwise absent. */
  readonly account?: string
  readonly bucket: string
  /** Key prefix without leading or trailing slash; '' is the whole bucket. */
  readonly prefix: string
}

/** How a request is signed. Secrets: never logged, never serialised beyond a message between threads. */
export type Signing =
  | { readonly kind: 'anonymous' }
  | {
      readonly kind: 'sigv4'
      readonly region: string
      readonly accessKeyId: string
      readonly secretAccessKey: string
      readonly sessionToken?: string
    }
  /** Azure SharedKey; `key` is the base64 of the account key. */
  | { readonly kind: 'sharedKey'; readonly account: string; readonly key: string }
  /** Appended to every query string, without the question mark. */
  | { readonly kind: 'sas'; readonly query: string }
  | { readonly kind: 'bearer'; readonly token: string }

/** What a reader thread needs to GET objects of one place by itself. */
export interface AccessGrant {
  readonly place: ObjectPlace
  /** Origins, for example `http://127.0.0.1:9000`; requests go to all of them in turn, and to all addresses of each. */
  readonly endpoints: readonly string[]
  /** An object's path is this and its percent-encoded key: `/bucket/` (path style, GCS), `/` (virtual host), `/account/container/`. */
  readonly pathPrefix: string
  readonly signing: Signing
  /** When the credentials stop working (Unix time); a new grant is sent before. Absent: never. */
  readonly expiresAtMs?: number
  /** Sent with every request, for example `x-ms-version`. */
  readonly headers: Readonly<Record<string, string>>
  /** Certificates (PEM) trusted in addition to Node's own. */
  readonly ca?: readonly string[]
  readonly verifyTls: boolean
  /** Which requests go through an HTTP proxy, perhaps with its password; absent: none. */
  readonly proxies?: ProxyRules
}

export interface ListedObject {
  readonly key: string
  readonly sizeBytes: number
  readonly etag?: string
}

/** An upload in progress. Nothing is visible under its key before `complete`. */
export interface ObjectUpload {
  /** Appends; the bytes may be reused once the promise is fulfilled. */
  append(bytes: Uint8Array): Promise<void>
  /**
   * Makes the object visible and checks its size.
   * @param head the first bytes of the object where it was begun with `headLast`: at least as many as a part has
   */
  complete(head?: Uint8Array): Promise<void>
  /**
   * Gives the upload up, within three seconds whether the store answers or not: what is on its way may arrive for a moment and is cancelled then,
   * and the store is told to drop what it has. Whoever waits for `append` or `complete` gets an error.
   */
  abort(): Promise<void>
}

export interface UploadOptions {
  /** What is appended follows on a head that is known only at the end, and given to `complete`. Only where `takesHeadLast`. */
  readonly headLast?: boolean
  /** Parts on their way at once, where the provider takes them in any order and this is fewer than it would send. */
  readonly partsInFlight?: number
}

/** Requests of the control plane so far, by what was asked. A page is one `list`, a part of an upload one `put`. */
export interface ControlRequests {
  list: number
  head: number
  get: number
  put: number
  delete: number
}

/** Requests of the control plane that were sent again, by cause. */
export type ControlRetries = Partial<Record<RetryCause, number>>

/** The control plane of one place, over the provider's SDK. All errors are StorageError with object, endpoint and cause, without secrets. */
export interface ObjectControl {
  readonly place: ObjectPlace
  /** For messages. */
  readonly endpoint: string
  readonly requests: Readonly<ControlRequests>
  readonly retries: Readonly<ControlRetries>
  /** What was recorded so far: requests that brought bytes, by endpoint, their times and attempts; with `retries`. */
  record(): ObjectReads
  /** Smallest part of a large upload but the last, in bytes; smaller objects are put in one request. */
  readonly partSizeBytes: number
  /** Whether the parts of an upload may come in any order. */
  readonly takesHeadLast: boolean
  /** Credentials and endpoints as they are now; refreshes what is about to expire. */
  grant(): Promise<AccessGrant>
  /** Pages of objects below `prefix` (a whole key prefix, the place's own included), in key order. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<readonly ListedObject[]>
  /** Undefined where there is no such object. `wantedBytes`: what it should have, where that is known. */
  head(key: string, wantedBytes?: number): Promise<ListedObject | undefined>
  /** Bytes [begin, end) of an object, or all of it; for looking at single objects, not for runs. */
  get(key: string, range?: { readonly begin: number; readonly end: number }): Promise<Uint8Array>
  /** Writes an object in one request and checks its size. Aborting `signal` cancels it, where the provider's library can. */
  put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>
  upload(key: string, options?: UploadOptions): Promise<ObjectUpload>
  /** Objects that do not exist count as deleted. */
  delete(keys: readonly string[]): Promise<void>
  /** Closes idle connections; a process ends without it too. */
  close(): void
}
