// Sends one request and sees its response through: chooses the endpoint, signs, watches the clock, records. Knows nothing of retries.
import { setMaxListeners } from 'node:events'
import type { IoMeter } from '../../meter.js'
import type { ObjectMeter } from '../meter.js'
import type { ObjectReadOptions } from '../read-options.js'
import { createSigner } from '../signing/index.js'
import type { RequestSigner } from '../signing/types.js'
import type { AccessGrant } from '../types.js'
import { connect, TlsMemory } from './connect.js'
import type { BodySink, Connection, Exchange } from './connection.js'
import { Endpoints, type Origin, type Target } from './endpoints.js'
import { HttpFault } from './faults.js'
import type { ResponseHead } from './head.js'
import { faultOfStatus, mostErrorBytes } from './status.js'

/** One request for an object. */
export interface ObjectRequest {
  readonly method: 'GET' | 'HEAD'
  /** Percent-encoded key. */
  readonly key: string
  /** Value of the Range header, or ''. */
  readonly range: string
  /** Value of the If-Match header, or ''. */
  readonly ifMatch: string
  /** Memory for head and body at once, as {@link BodySink.landing}. */
  landing(): Uint8Array | undefined
  /** Where the body goes; undefined where the response is not the object: it then becomes a fault. Throws what ends the request. */
  accept(head: ResponseHead): BodySink | undefined
  /** The request goes to this endpoint. */
  sentTo(url: string): void
  /** The request is on its way, or is over already. */
  started(handle: RequestHandle): void
  /** The response has come in full. Of this and `failed` exactly one is called, once. */
  done(): void
  /** With an HttpFault, or with what `accept` or the sink threw. */
  failed(error: unknown): void
}

/** A request in flight, which can be told that its sink has room again, or be given up. */
export interface RequestHandle {
  proceed(): void
  abort(): void
}

/** Endpoints and path under which the place's objects are asked for. */
export interface Destination {
  readonly endpoints: Endpoints
  readonly pathPrefix: string
}

export interface ClientMeters {
  readonly io: IoMeter
  readonly objects: ObjectMeter
}

export class HttpClient {
  private signer: RequestSigner
  private region: string | undefined
  private readonly tls: TlsMemory
  private home: Destination
  /** All that requests have gone to: the first one, and by origin those that the storage has sent us to. */
  private readonly known = new Map<string, Endpoints>()
  /** Requests in flight, in no order; each knows its place. */
  private readonly active: Running[] = []
  private watch: NodeJS.Timeout | undefined
  private readonly closing = new AbortController()

  constructor(
    private access: AccessGrant,
    readonly options: Pick<ObjectReadOptions, 'connectTimeoutMs' | 'headTimeoutMs' | 'stallTimeoutMs' | 'stallBytes' | 'partBytes'>,
    readonly meters: ClientMeters,
    /** Number of the first endpoint to be used, so that several clients do not begin with the same. */
    start: number,
  ) {
    // Each connection that is being made listens.
    setMaxListeners(0, this.closing.signal)
    this.signer = createSigner(access)
    this.tls = TlsMemory.of(access)
    this.home = { endpoints: new Endpoints(access.endpoints, start, access.proxies), pathPrefix: access.pathPrefix }
    this.known.set('', this.home.endpoints)
  }

  get grant(): AccessGrant {
    return this.access
  }

  /** Takes up new credentials for the same place. */
  renew(grant: AccessGrant): void {
    this.access = grant
    this.signer = createSigner(grant, this.region)
  }

  /** Signs for another region from now on. */
  useRegion(region: string): void {
    this.region = region
    this.signer = createSigner(this.access, region)
  }

  /** A destination elsewhere. Requests that go there count for the first endpoint. */
  destination(url: string, pathPrefix: string): Destination {
    const endpoints = this.known.get(url) ?? new Endpoints([url], 0, this.access.proxies)
    this.known.set(url, endpoints)
    return { endpoints, pathPrefix }
  }

  /** Sends all requests there from now on. */
  moveTo(destination: Destination): void {
    this.home = destination
  }

  /** Sends a request; at once where a kept connection is free. Calls back, never from within. */
  send(request: ObjectRequest, elsewhere?: Destination): void {
    const destination = elsewhere ?? this.home
    const nowMs = performance.now()
    const origin = destination.endpoints.choose(nowMs)
    request.sentTo(origin.url)
    if (origin.isResolved) {
      const target = origin.choose(nowMs)
      const connection = target.takeIdle(nowMs)
      if (connection !== undefined) {
        this.sendOn(request, connection, target, destination)
        return
      }
    }
    this.connected(origin, destination.endpoints).then(
      ({ connection, target }) => this.sendOn(request, connection, target, destination),
      (error) => request.failed(error),
    )
  }

  private sendOn(request: ObjectRequest, connection: Connection, target: Target, { pathPrefix }: Destination): void {
    if (this.closing.signal.aborted) {
      connection.fail(abortion)
      request.failed(abortion)
      return
    }
    const running = new Running(this, request, this.textOf(request, target.origin, pathPrefix), connection, target)
    running.place = this.active.push(running) - 1
    this.watch ??= this.startWatch()
    this.meters.io.readStarts()
    connection.send(running)
    request.started(running)
  }

  close(): void {
    this.closing.abort()
    clearInterval(this.watch)
    this.watch = undefined
    for (const endpoints of this.known.values()) endpoints.close()
    for (const running of [...this.active]) running.abort()
  }

  /** A request is over: `bytes` came in. */
  ended({ place }: Running, bytes: number): void {
    const last = this.active.pop()!
    if (last.place !== place) {
      this.active[place] = last
      last.place = place
    }
    this.meters.io.readEnds(bytes)
  }

  private textOf(request: ObjectRequest, { host, targetBegin, proxyLines }: Origin, pathPrefix: string): string {
    const { method, key, range, ifMatch } = request
    const path = pathPrefix + key
    const { signer } = this
    const headers = signer.headers({ method, host, path, range, ifMatch, nowMs: Date.now() })
    return `${method} ${targetBegin}${path}${signer.query} HTTP/1.1\r\nhost: ${host}\r\n${proxyLines}${range === '' ? '' : `range: ${range}\r\n`}${ifMatch === '' ? '' : `if-match: ${ifMatch}\r\n`}${headers}\r\n`
  }

  /** A new connection to an address of the endpoint; each of its addresses is tried before that is a fault. */
  private async connected(origin: Origin, endpoints: Endpoints): Promise<{ connection: Connection; target: Target }> {
    if (!origin.isResolved) await resolve(origin, endpoints)
    let fault: unknown
    for (let i = 0; i < origin.addresses; i++) {
      const target = origin.choose(performance.now())
      try {
        return { connection: await connect(target, this.tls, this.options.connectTimeoutMs, this.closing.signal), target }
      } catch (error) {
        target.setAside(performance.now())
        fault = error
      }
    }
    this.meters.objects.failed(origin.index)
    throw fault
  }

  /** One timer for all requests: a timer each would cost more than some requests. */
  private startWatch(): NodeJS.Timeout {
    const { headTimeoutMs, stallTimeoutMs } = this.options
    const periodMs = Math.min(Math.max(Math.min(headTimeoutMs, stallTimeoutMs) / 8, 5), 1000)
    let lastMs = performance.now()
    let wasLate = false
    return setInterval(() => {
      const nowMs = performance.now()
      // Where this thread itself could not run, answers may have come that it has not looked at yet.
      wasLate = nowMs - lastMs > 2 * periodMs && !wasLate
      lastMs = nowMs
      if (wasLate) return
      for (const running of [...this.active]) running.check(nowMs)
      if (this.active.length > 0) return
      clearInterval(this.watch)
      this.watch = undefined
    }, periodMs)
  }
}

async function resolve(origin: Origin, { origins }: Endpoints): Promise<void> {
  try {
    await origin.resolve()
  } catch (error) {
    // Another endpoint may have a name that is known.
    if (error instanceof HttpFault && origins.length > 1) throw new HttpFault(error.kind, error.detail, { ...error.facts, retries: true })
    throw error
  }
}

/** One request on one connection. */
class Running implements Exchange, RequestHandle {
  readonly isHead: boolean
  /** Its index among the client's requests in flight. */
  place = -1
  private readonly beginMs = performance.now()
  private headMs = 0
  /** The connection may serve others by now. */
  private isOver = false
  private refusal: { head: ResponseHead; text: ErrorText } | undefined
  /** Since when, and from how many bytes on, the present stretch of the body is watched. */
  private stretchMs = this.beginMs
  private stretchBytes = 0

  constructor(
    private readonly client: HttpClient,
    private readonly what: ObjectRequest,
    readonly request: string,
    private readonly connection: Connection,
    private readonly target: Target,
  ) {
    this.isHead = what.method === 'HEAD'
  }

  landing(): Uint8Array | undefined {
    return this.what.landing()
  }

  begins(head: ResponseHead, nowMs: number): BodySink {
    this.headMs = nowMs
    this.stretchMs = nowMs
    const sink = this.what.accept(head)
    if (sink !== undefined) return sink
    this.refusal = { head, text: new ErrorText() }
    return this.refusal.text
  }

  ends(nowMs: number): void {
    const { client, target, connection, refusal, headMs, beginMs } = this
    this.isOver = true
    if (!connection.isDead) target.idle.push(connection)
    target.works()
    if (refusal !== undefined) {
      client.ended(this, 0)
      client.meters.objects.failed(target.origin.index)
      this.what.failed(target.origin.told(faultOfStatus(refusal, client.grant, Date.now())))
      return
    }
    const bytes = connection.bodyBytes
    client.ended(this, bytes)
    client.meters.objects.answered(target.origin.index, headMs - beginMs, nowMs - beginMs, bytes)
    this.what.done()
  }

  fails(error: Error): void {
    const { client, target, connection, refusal } = this
    this.isOver = true
    client.ended(this, refusal === undefined ? connection.bodyBytes : 0)
    client.meters.objects.failed(target.origin.index)
    const kind = error instanceof HttpFault && error !== abortion && !this.isStale(error) ? error.kind : undefined
    if (kind === 'reset' || kind === 'shortBody' || kind === 'timeout') target.setAside(performance.now())
    const explained = this.explain(error)
    this.what.failed(explained instanceof HttpFault && explained !== abortion ? target.origin.told(explained) : explained)
  }

  /** The server closed a kept connection while the request was on its way: nothing was received, nothing is wrong with the address. */
  private isStale(error: Error): boolean {
    return error instanceof HttpFault && error.kind === 'reset' && this.connection.served > 0 && this.connection.received === 0
  }

  private explain(error: Error): Error {
    if (error === abortion) return error
    if (this.isStale(error)) return new HttpFault('staleConnection', 'the server closed a kept connection as the request was sent')
    // A refusal whose explanation breaks off is the refusal all the same.
    return this.refusal === undefined ? error : faultOfStatus(this.refusal, this.client.grant, Date.now())
  }

  check(nowMs: number): void {
    const { connection, client, headMs, beginMs } = this
    const { headTimeoutMs, stallTimeoutMs, stallBytes } = client.options
    if (headMs === 0) {
      if (nowMs - beginMs > headTimeoutMs)
        connection.fail(new HttpFault('timeout', `no response within ${headTimeoutMs / 1000} s`, { code: 'ETIMEDOUT' }))
      return
    }
    if (connection.stalledByReader || connection.received - this.stretchBytes >= stallBytes) {
      this.stretchMs = nowMs
      this.stretchBytes = connection.received
    } else if (nowMs - this.stretchMs > stallTimeoutMs)
      connection.fail(
        new HttpFault(
          'timeout',
          `the body brought ${connection.received - this.stretchBytes} bytes within ${stallTimeoutMs / 1000} s, at least ${stallBytes} are asked for`,
          { code: 'ETIMEDOUT' },
        ),
      )
  }

  proceed(): void {
    if (!this.isOver) this.connection.proceed()
  }

  abort(): void {
    if (!this.isOver) this.connection.fail(abortion)
  }
}

/** What a request that was given up fails with; nobody is told. */
const abortion = new HttpFault('reset', 'given up', { retries: false })

/** Keeps the begin of a body that explains an error. */
class ErrorText implements BodySink {
  private readonly bytes = Buffer.alloc(4096)
  private readonly spill = Buffer.alloc(4096)
  private kept = 0
  private seen = 0

  space(): Uint8Array {
    return this.kept < this.bytes.length ? this.bytes.subarray(this.kept) : this.spill
  }

  filled(byteLength: number): void {
    this.seen += byteLength
    if (this.kept < this.bytes.length) this.kept += byteLength
    if (this.seen > mostErrorBytes) throw new HttpFault('badResponse', `an error's explanation is longer than ${mostErrorBytes} bytes`)
  }

  toString(): string {
    return this.bytes.toString('utf8', 0, this.kept)
  }
}
