// Objects behind the I/O seam: reads are answered from GETs whose bodies land in the reader's window.
import { StorageError } from '../../errors.js'
import type { AsyncStorage, IoRequest, Pending, Window } from '../types.js'
import { discarding, Fetch, type FetchEnds } from './fetch.js'
import { type ClientMeters, HttpClient } from './http/client.js'
import { type BodySink, mostLandedHeadBytes } from './http/connection.js'
import { OpenedObject } from './opened.js'
import type { ObjectReadOptions } from './read-options.js'
import { Route } from './route.js'
import { encodeKey } from './signing/keys.js'
import { type ObjectStream, ParallelStream, SerialStream } from './stream.js'
import type { AccessGrant } from './types.js'

/** How objects of a run are asked for. */
export interface ObjectStorageOptions extends ObjectReadOptions {
  /** `stream`: front to back, in plain GETs or parts, as long as a reader reads so; `ranges`: every read is a ranged GET of its own. */
  readonly access: 'stream' | 'ranges'
  /** What a reader asks for at once when it reads front to back. */
  readonly requestBytes: number
}

interface Handle {
  readonly object: OpenedObject
  stream: ObjectStream | undefined
  /** Number of the piece that the stream's reader asks for next. */
  next: number
}

export class ObjectStorage implements AsyncStorage {
  private readonly client: HttpClient
  private readonly route: Route
  private readonly handles: (Handle | undefined)[] = []
  private readonly free: number[] = []
  private readonly keyPrefix: string
  /** Until the service is seen to have none that tells sizes. */
  private hasHead = true
  /** Fetches that are no stream's. */
  private readonly single = new Set<Fetch>()

  constructor(
    grant: AccessGrant,
    /** What URIs begin with; the rest is a key below the grant's place. */
    private readonly rootUri: string,
    private readonly options: ObjectStorageOptions,
    private readonly meters: ClientMeters,
    /** Called when the storage refuses the credentials as expired; answered by {@link renew}. */
    askForGrant: () => void,
    /** Number of the endpoint to begin with, so that threads do not all begin with the same. */
    start = 0,
  ) {
    this.client = new HttpClient(grant, options, meters, start)
    this.route = new Route(this.client, options.retry, askForGrant)
    this.keyPrefix = grant.place.prefix === '' ? '' : `${grant.place.prefix}/`
  }

  /** Takes up new credentials. */
  renew(grant: AccessGrant): void {
    this.route.renew(grant)
  }

  perform(request: IoRequest): number | Pending {
    switch (request.op) {
      case 'open':
        return this.open(request.uri)
      case 'size':
        return this.size(this.handles[request.handle]!.object)
      case 'read':
        return this.read(this.handles[request.handle]!, request)
      case 'close': {
        this.handles[request.handle]!.stream?.abort()
        this.handles[request.handle] = undefined
        this.free.push(request.handle)
        return 0
      }
    }
  }

  /** Closes all connections; requests in flight fail. */
  close(): void {
    for (const handle of this.handles) handle?.stream?.abort()
    for (const fetch of this.single) fetch.abort()
    this.route.close()
    this.client.close()
  }

  /** Nothing is asked of the storage yet. */
  private open(uri: string): number {
    if (!uri.startsWith(this.rootUri)) throw new StorageError(uri, 'open', `it lies outside of ${this.rootUri}`)
    const object = new OpenedObject(uri, this.keyOf(uri))
    const handle = this.free.pop() ?? this.handles.length
    this.handles[handle] = { object, stream: undefined, next: 0 }
    this.meters.io.opened()
    return handle
  }

  private keyOf(uri: string): string {
    try {
      return encodeKey(this.keyPrefix + uri.slice(this.rootUri.length))
    } catch {
      throw new StorageError(uri, 'open', 'its name is not valid Unicode')
    }
  }

  private size(object: OpenedObject): number | Pending {
    return object.size >= 0 ? object.size : { answer: (done, failed) => this.askSize(object).then(done, failed) }
  }

  private async askSize(object: OpenedObject): Promise<number> {
    if (this.hasHead) {
      await this.fetch(object, 0, -1, noBody, 'HEAD')
      if (object.size >= 0) return object.size
    }
    // Its Content-Range tells the size; an empty object answers with status 416.
    await this.fetch(object, 0, 1, discarding)
    // A HEAD of an empty object tells nothing either.
    if (object.size > 0) this.hasHead = false
    return object.size
  }

  private fetch(object: OpenedObject, begin: number, end: number, sink: BodySink, method: 'GET' | 'HEAD' = 'GET'): Promise<void> {
    return new Promise((fetched, fetchFailed) => this.fetchAlone(object, begin, end, sink, { fetched, fetchFailed }, method))
  }

  /** A fetch that is no stream's. */
  private fetchAlone(object: OpenedObject, begin: number, end: number, sink: BodySink, ends: FetchEnds, method: 'GET' | 'HEAD'): void {
    const fetched = () => {
      this.single.delete(fetch)
      ends.fetched()
    }
    const fetchFailed = (error: unknown) => {
      this.single.delete(fetch)
      ends.fetchFailed(error)
    }
    const fetch = new Fetch(this.client, this.route, object, begin, end, sink, false, { fetched, fetchFailed }, method)
    this.single.add(fetch)
    fetch.start()
  }

  private read(handle: Handle, { byteOffset, byteLength, window }: IoRequest): number | Pending {
    const { requestBytes, access } = this.options
    if (access === 'stream' && byteLength === requestBytes && byteOffset === handle.next * requestBytes) {
      handle.stream ??= this.startStream(handle, window)
      if (handle.stream !== undefined) return handle.stream.read(handle.next++)
    }
    return this.readRange(handle, byteOffset, byteLength, window)
  }

  /** A stream begins at the begin of an object only. */
  private startStream({ object, next }: Handle, window: Window): ObjectStream | undefined {
    if (next !== 0) return undefined
    const { requestBytes, partBytes, partsInFlight } = this.options
    return partsInFlight > 1
      ? new ParallelStream(this.client, this.route, object, window, requestBytes, partsInFlight)
      : new SerialStream(this.client, this.route, object, window, requestBytes, partBytes)
  }

  /** Exactly the bytes asked, by a request of their own; a stream that is under way ends. */
  private readRange(handle: Handle, byteOffset: number, byteLength: number, window: Window): number | Pending {
    const { object } = handle
    handle.stream?.abort()
    handle.stream = undefined
    handle.next = -1
    window.begin = 0
    window.end = 0
    if (byteLength === 0 || (object.size >= 0 && byteOffset >= object.size)) return 0
    return {
      answer: (done, fetchFailed) => {
        const sink = new RangeSink(window, byteLength)
        const fetched = () => done(sink.show())
        this.fetchAlone(object, byteOffset, byteOffset + byteLength, sink, { fetched, fetchFailed }, 'GET')
      },
    }
  }
}

/** A read of its own into a window, behind the response's head where both come at once. */
class RangeSink implements BodySink {
  private begin = 0
  private got = 0

  constructor(
    private readonly window: Window,
    private readonly byteLength: number,
  ) {}

  landing(): Uint8Array | undefined {
    const { window, byteLength, got } = this
    return got === 0 && window.bytes.length >= mostLandedHeadBytes + byteLength
      ? window.bytes.subarray(0, mostLandedHeadBytes + byteLength)
      : undefined
  }

  landed(headBytes: number, byteLength: number): void {
    this.begin = headBytes
    this.got = byteLength
  }

  space(): Uint8Array | undefined {
    const { window, begin, got, byteLength } = this
    return got < byteLength ? window.bytes.subarray(begin + got, begin + byteLength) : undefined
  }

  filled(byteLength: number): void {
    this.got += byteLength
  }

  /** Shows the reader what has come. */
  show(): number {
    this.window.begin = this.begin
    this.window.end = this.begin + this.got
    return this.got
  }
}

/** HEAD brings none. */
const noBody: BodySink = { space: () => undefined, filled: () => {} }
