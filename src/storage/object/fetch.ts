// Fetching one range of an object, or all of it: checks that responses are the answer to what was asked, goes on where a broken one stopped,
// and says who failed and why when that is given up.
import { DlDriverError, StorageError } from '../../errors.js'
import { type FailedAttempt, type Retrying, type Verdict, withRetry } from '../wrappers/retry.js'
import type { HttpClient, ObjectRequest, RequestHandle } from './http/client.js'
import type { BodySink } from './http/connection.js'
import { HttpFault } from './http/faults.js'
import type { ResponseHead } from './http/head.js'
import type { OpenedObject } from './opened.js'
import type { FetchRoute, Route } from './route.js'

/** Who is told how a fetch goes on. */
export interface FetchEnds {
  /** The head of a response has come: the object's size is known, or known not to be told. */
  sizeKnown?(): void
  /** All bytes are in the sink, or the object has ended. */
  fetched(): void
  /** With a StorageError. */
  fetchFailed(error: unknown): void
}

/**
 * Fetches bytes [begin, end) of an object into a sink; `end` −1 means to its end, `whole` without a Range header. HEAD fetches only the
 * object's size, which stays −1 where the service has no HEAD.
 */
export class Fetch implements ObjectRequest, BodySink, Retrying {
  readonly method: 'GET' | 'HEAD'
  range = ''
  ifMatch = ''
  /** File offset of the next byte. */
  private at: number
  /** File offset at which the present response's body ends; −1 where it does not say. */
  private bodyEnd = -1
  private handle: RequestHandle | undefined
  private url = ''
  private aborted = false
  private beginMs = 0
  /** Of the attempt under way, once one has failed. */
  private again: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | undefined
  private way: FetchRoute | undefined
  /** What came for a range at the object's begin told nothing of the object's size: the whole object is asked for. */
  private asksPlainly = false
  /** That has just come. */
  private turnsPlain = false

  constructor(
    private readonly client: HttpClient,
    private readonly route: Route,
    private readonly object: OpenedObject,
    private readonly begin: number,
    private readonly end: number,
    private readonly sink: BodySink,
    /** Whether the first request asks for the whole object, as DLIO does. */
    private readonly whole: boolean,
    private readonly ends: FetchEnds,
    method: 'GET' | 'HEAD' = 'GET',
  ) {
    this.method = method
    this.at = begin
  }

  get key(): string {
    return this.object.key
  }

  start(): void {
    this.beginMs = performance.now()
    this.attempt()
  }

  /** The sink has room again. */
  proceed(): void {
    this.handle?.proceed()
  }

  /** Gives it up: `run` rejects soon, and nothing is written to the sink any more. */
  abort(): void {
    this.aborted = true
    this.handle?.abort()
    this.way?.wake()
  }

  private attempt(): void {
    const plain = this.method === 'HEAD' || ((this.whole || this.asksPlainly) && this.at === 0)
    this.range = plain ? '' : `bytes=${this.at}-${this.lastByte()}`
    this.ifMatch = this.route.sendsIfMatch ? this.object.ifMatch : ''
    this.client.send(this, this.way?.destination)
  }

  sentTo(url: string): void {
    this.url = url
  }

  started(handle: RequestHandle): void {
    this.handle = handle
    if (this.aborted) handle.abort()
  }

  done(): void {
    if (this.method === 'GET') {
      if (this.bodyEnd < 0) this.object.ends(this.at)
      else if (this.at < this.bodyEnd) {
        this.failed(new HttpFault('shortBody', `the body ended ${this.bodyEnd - this.at} bytes early`))
        return
      }
    }
    if (this.again === undefined) this.finish(1)
    else this.again.resolve()
  }

  failed(error: unknown): void {
    if (this.again !== undefined) {
      this.again.reject(error)
      return
    }
    this.way = this.route.begin()
    const next = () =>
      new Promise<void>((resolve, reject) => {
        this.again = { resolve, reject }
        if (this.aborted) reject(error)
        // All had come before the last response broke off.
        else if (this.bodyEnd >= 0 && this.at === this.bodyEnd && this.at > this.begin) resolve()
        else this.attempt()
      })
    withRetry({ error, beginMs: this.beginMs }, next, this.route.policy, this).then(
      (attempts) => this.finish(attempts),
      (final) => this.ends.fetchFailed(final),
    )
  }

  private finish(attempts: number): void {
    this.client.meters.objects.completed(attempts)
    this.ends.fetched()
  }

  /** Last byte to ask for, as a Range header has it; '' for an open end. */
  private lastByte(): string {
    const { end, object } = this
    if (end < 0) return object.size < 0 ? '' : String(object.size - 1)
    return String((object.size < 0 ? end : Math.min(end, object.size)) - 1)
  }

  accept(head: ResponseHead): BodySink | undefined {
    const { status } = head
    if (status === 412 || (status === 501 && this.ifMatch !== '')) this.doubtIfMatch(status)
    if (this.method === 'HEAD') {
      // A service that has no HEAD, or does not say without a body what is malformed (the region signed for): the object's size stays unknown.
      if (status === 400 || status === 405 || status === 501) return discarding
      return status === 200 ? this.takeHeadResponse(head) : undefined
    }
    if (status === 416 && this.range !== '') return this.takeNoRange(head)
    if (status !== 200 && status !== 206) return undefined
    if (head.contentEncoding !== '' && !isAsStored(head.contentEncoding))
      throw new HttpFault('badResponse', `the object comes encoded (${head.contentEncoding}), so its bytes are not those stored`, {
        retries: false,
      })
    if (this.range === '' && !this.asksPlainly) this.takeWhole(head)
    else if (head.rangeBegin >= 0) this.takeRange(head)
    else this.takeWholeForRange(head)
    if (this.object.plainly) this.route.sendsIfMatch = false
    this.ends.sizeKnown?.()
    return this
  }

  /** Some servers have no If-Match, or never find it true: whether the object has changed is then seen by what comes without it. */
  private doubtIfMatch(status: number): never {
    if (this.ifMatch === '') throw this.object.changed(`its ETag is another one now (status ${status})`)
    this.object.plainly = true
    throw new HttpFault('badResponse', `the server refuses If-Match (status ${status})`)
  }

  private takeHeadResponse(head: ResponseHead): BodySink {
    // Without Content-Length it stays unknown too; and 0 is what some servers say of every object.
    if (head.contentLength > 0) this.object.pin(head, head.contentLength)
    return this
  }

  private takeWhole(head: ResponseHead): void {
    if (head.status !== 200) throw new HttpFault('badResponse', `status ${head.status} where the whole object was asked for`)
    this.object.pin(head, head.contentLength)
    this.bodyEnd = head.contentLength
  }

  private takeRange(head: ResponseHead): void {
    const { rangeBegin, rangeEnd, rangeTotal, contentLength } = head
    const said = `Content-Range bytes ${rangeBegin}-${rangeEnd - 1}/${rangeTotal}`
    const askedEnd = this.end < 0 ? rangeTotal : Math.min(this.end, rangeTotal)
    // Some services answer a range behind the end with an empty 206.
    const isEmpty = contentLength === 0 && this.at >= rangeTotal
    if (!isEmpty && (rangeBegin !== this.at || rangeEnd !== askedEnd))
      throw new HttpFault('badResponse', `${this.range} was asked for, the answer is ${said}`)
    if (!isEmpty && contentLength >= 0 && contentLength !== rangeEnd - rangeBegin)
      throw new HttpFault('badResponse', `Content-Length is ${contentLength}, ${said} makes ${rangeEnd - rangeBegin}`)
    this.object.pin(head, rangeTotal)
    this.bodyEnd = isEmpty ? this.at : rangeEnd
  }

  /** The whole object where a range was asked for: right only if the range is the whole object. */
  private takeWholeForRange(head: ResponseHead): void {
    if (head.status === 206) throw new HttpFault('badResponse', 'status 206 without Content-Range')
    // Some servers send the range, and do not say that it is one.
    if (this.range !== '' && this.at === 0 && this.object.size < 0 && head.contentLength === this.end)
      this.askPlainly(`status 200 without Content-Range for ${this.range}, and no byte more`)
    const fits = this.at === 0 && head.contentLength >= 0 && (this.end < 0 || head.contentLength <= this.end)
    if (!fits)
      throw new HttpFault(
        'badResponse',
        `the server ignores ranges: ${this.range || 'a range'} was asked for, the answer is the whole object (status 200)${head.contentLength < 0 ? '' : ` of ${head.contentLength} bytes`}; ${this.wayAroundRanges()}`,
        { retries: false },
      )
    this.object.pin(head, head.contentLength)
    this.bodyEnd = head.contentLength
  }

  /** What to do about a server without ranges. */
  private wayAroundRanges(): string {
    if (this.whole) return 'an answer broke off before, and without ranges the rest cannot be asked for'
    if (this.end - this.begin === this.client.options.partBytes)
      return 'leave out storage.storage_options.part_size, so that objects are read whole'
    return 'what is read in pieces (single samples, footers, checkpoints) takes ranges: use a format that is read whole, --semantics mlcommons and no profile, or another server'
  }

  /** The range lies behind the end of the object. */
  private takeNoRange(head: ResponseHead): BodySink {
    const { at, object } = this
    // Some servers refuse ranges that go on behind the end; such an object is short, but not empty.
    if (head.rangeTotal < 0 && at === 0 && this.range !== 'bytes=0-0' && object.size < 0)
      this.askPlainly(`status 416 for ${this.range}, without the object's size`)
    const size = head.rangeTotal >= 0 ? head.rangeTotal : at === 0 ? 0 : object.size
    if (size > at || (object.size >= 0 && at < object.size))
      throw new HttpFault('badResponse', `status 416 for ${this.range} of an object of ${Math.max(size, object.size)} bytes`)
    if (size >= 0) object.pin(head, size)
    this.bodyEnd = at
    this.ends.sizeKnown?.()
    return discarding
  }

  private askPlainly(why: string): never {
    this.asksPlainly = true
    this.turnsPlain = true
    throw new HttpFault('badResponse', why)
  }

  landing(): Uint8Array | undefined {
    return this.sink.landing?.()
  }

  landed(headBytes: number, byteLength: number): void {
    this.advance(byteLength)
    this.sink.landed!(headBytes, byteLength)
  }

  space(): Uint8Array | undefined {
    return this.sink.space()
  }

  filled(byteLength: number): void {
    this.advance(byteLength)
    this.sink.filled(byteLength)
  }

  private advance(byteLength: number): void {
    this.at += byteLength
    if (this.bodyEnd >= 0 && this.at > this.bodyEnd) throw new HttpFault('badResponse', 'the body is longer than its head says')
  }

  judge({ error }: FailedAttempt): Verdict {
    if (this.aborted || !(error instanceof HttpFault)) return { next: 'giveUp' }
    // Nothing is wrong with the server, which is asked in another way.
    if (this.turnsPlain) {
      this.turnsPlain = false
      return { next: 'again' }
    }
    return this.way!.judge(error, this.url, this.key)
  }

  retries({ error }: FailedAttempt): void {
    this.client.meters.objects.retried((error as HttpFault).kind)
  }

  sleep(durationMs: number): Promise<void> {
    return this.way!.sleep(durationMs)
  }

  giveUp({ error, attempts, elapsedMs }: FailedAttempt, reason: string | undefined): unknown {
    if (error instanceof DlDriverError || !(error instanceof HttpFault)) return error
    const often = attempts === 1 ? '' : `, ${attempts} attempts in ${(elapsedMs / 1000).toFixed(1)} s`
    return new StorageError(
      this.object.uri,
      this.method === 'HEAD' ? 'ask the size' : 'read',
      `${this.method}${this.range === '' ? '' : ` of ${this.range}`} at ${this.url}: ${error.detail} [${error.kind}${often}]${reason === undefined ? '' : `; ${reason}`}`,
      error.facts.code,
    )
  }
}

/** Whether a body is what is stored: `aws-chunked` was the upload's encoding, which some stores keep and hand out. */
const isAsStored = (encodings: string) => encodings.split(',').every((encoding) => /^(?:identity|aws-chunked)?$/i.test(encoding.trim()))

const scrap = new Uint8Array(16 * 1024)
/** Takes a body that nobody wants. */
export const discarding: BodySink = { space: () => scrap, filled: () => {} }
