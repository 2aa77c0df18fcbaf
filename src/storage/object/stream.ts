// An object read front to back. Its pieces lie in a ring of places in the reader's window: while the reader looks at one, the next are filled,
// by one GET after the other, or by several ranged GETs at once.
import { strideOf } from '../io.js'
import type { Pending, Window } from '../types.js'
import { Fetch, type FetchEnds } from './fetch.js'
import type { HttpClient } from './http/client.js'
import type { BodySink } from './http/connection.js'
import type { OpenedObject } from './opened.js'
import type { Route } from './route.js'

interface Waiter {
  readonly piece: number
  readonly done: (bytes: number) => void
  readonly failed: (error: unknown) => void
}

/** As an answer it is the piece that was read last. */
export abstract class ObjectStream implements Pending {
  /** Pieces that have a place in the window. */
  protected readonly places: number
  private readonly stride: number
  /** By place: bytes of a response's head that lie before its piece. */
  private readonly headBytes: number[]
  /** The piece that the reader has, or waits for; the ones before are no longer needed. */
  protected wanted = 0
  private waiter: Waiter | undefined
  private failure: { readonly error: unknown } | undefined

  constructor(
    protected readonly client: HttpClient,
    protected readonly route: Route,
    protected readonly object: OpenedObject,
    private readonly window: Window,
    readonly pieceBytes: number,
    mostPlaces: number,
  ) {
    this.stride = strideOf(pieceBytes)
    this.places = Math.max(1, Math.min(mostPlaces, Math.floor(window.bytes.length / this.stride)))
    this.headBytes = new Array<number>(this.places).fill(0)
  }

  /** Answers with piece `piece`, which is the one that was read last or the next one. */
  read(piece: number): number | Pending {
    this.wanted = piece
    if (this.failure !== undefined) throw this.failure.error
    this.goOn()
    return this.has(piece) ? this.show(piece) : this
  }

  answer(done: (bytes: number) => void, failed: (error: unknown) => void): void {
    this.waiter = { piece: this.wanted, done, failed }
  }

  /** Gives up what is in flight; nothing is written to the window any more. */
  abstract abort(): void

  /** Starts or continues what can be. */
  protected abstract goOn(): void
  /** Whether a piece has come in full, or the object ends before or within it. */
  protected abstract has(piece: number): boolean

  private baseOf(piece: number): number {
    const place = piece % this.places
    return place * this.stride + this.headBytes[place]!
  }

  /** Memory of a piece from its byte `from` on. */
  protected memory(piece: number, from: number): Uint8Array {
    if (from === 0) this.beginsBehind(piece, 0)
    const base = this.baseOf(piece)
    return this.window.bytes.subarray(base + from, base + this.pieceBytes)
  }

  /** Memory of a piece of which nothing has come, for a response's head with the piece behind it; undefined where a window has no room for both. */
  protected landingOf(piece: number): Uint8Array | undefined {
    const begin = (piece % this.places) * this.stride
    return begin + this.stride <= this.window.bytes.length ? this.window.bytes.subarray(begin, begin + this.pieceBytes) : undefined
  }

  /** The piece begins behind so many bytes of a head. */
  protected beginsBehind(piece: number, headBytes: number): void {
    this.headBytes[piece % this.places] = headBytes
  }

  /** To be called when more pieces may have come. */
  protected progress(): void {
    const { waiter } = this
    if (waiter === undefined || !this.has(waiter.piece)) return
    this.waiter = undefined
    waiter.done(this.show(waiter.piece))
  }

  protected fail(error: unknown): void {
    this.failure ??= { error }
    const { waiter } = this
    this.waiter = undefined
    waiter?.failed(error)
  }

  private show(piece: number): number {
    const { window, pieceBytes } = this
    const bytes = Math.min(Math.max(this.object.size < 0 ? pieceBytes : this.object.size - piece * pieceBytes, 0), pieceBytes)
    window.begin = this.baseOf(piece)
    window.end = window.begin + bytes
    return bytes
  }
}

/** One GET after the other (mostly there is only one) writes all pieces. */
export class SerialStream extends ObjectStream implements BodySink, FetchEnds {
  private fetch: Fetch | undefined
  /** File offset of the next byte. */
  private at = 0
  private ended = false

  constructor(
    client: HttpClient,
    route: Route,
    object: OpenedObject,
    window: Window,
    pieceBytes: number,
    private readonly partBytes: number | null,
  ) {
    super(client, route, object, window, pieceBytes, 2)
  }

  protected goOn(): void {
    if (this.fetch !== undefined) this.fetch.proceed()
    else if (!this.ended) this.startFetch()
  }

  private startFetch(): void {
    const { client, route, object, at, partBytes } = this
    this.fetch = new Fetch(client, route, object, at, partBytes === null ? -1 : at + partBytes, this, partBytes === null, this)
    this.fetch.start()
  }

  fetched(): void {
    this.fetch = undefined
    this.ended = this.partBytes === null || (this.object.size >= 0 && this.at >= this.object.size)
    // The next part begins as soon as there is room for its begin.
    if (!this.ended && this.hasRoom()) this.startFetch()
    this.progress()
  }

  fetchFailed(error: unknown): void {
    this.fail(error)
  }

  /** The last piece is there when its response is over: whoever has it may close the object, and the connection is to be kept. */
  protected has(piece: number): boolean {
    return this.ended || (this.at >= (piece + 1) * this.pieceBytes && this.at !== this.object.size)
  }

  private hasRoom(): boolean {
    return Math.floor(this.at / this.pieceBytes) < this.wanted + this.places
  }

  space(): Uint8Array | undefined {
    if (!this.hasRoom()) return undefined
    const piece = Math.floor(this.at / this.pieceBytes)
    return this.memory(piece, this.at - piece * this.pieceBytes)
  }

  filled(byteLength: number): void {
    this.at += byteLength
    this.progress()
  }

  landing(): Uint8Array | undefined {
    return this.at % this.pieceBytes === 0 && this.hasRoom() ? this.landingOf(this.at / this.pieceBytes) : undefined
  }

  landed(headBytes: number, byteLength: number): void {
    this.beginsBehind(this.at / this.pieceBytes, headBytes)
    this.filled(byteLength)
  }

  abort(): void {
    this.fetch?.abort()
  }
}

/** Each piece comes by a ranged GET of its own, several at once. */
export class ParallelStream extends ObjectStream {
  private readonly flying = new Map<number, Fetch>()
  private launched = 0

  constructor(client: HttpClient, route: Route, object: OpenedObject, window: Window, pieceBytes: number, partsInFlight: number) {
    super(client, route, object, window, pieceBytes, partsInFlight)
  }

  protected goOn(): void {
    // How many parts there are is known with the first answer.
    const last = this.object.size < 0 ? 1 : Math.max(1, Math.ceil(this.object.size / this.pieceBytes))
    while (this.launched < Math.min(last, this.wanted + this.places)) this.launch(this.launched++)
  }

  private launch(piece: number): void {
    const { client, route, object, pieceBytes } = this
    const begin = piece * pieceBytes
    let from = 0
    const sink: BodySink = {
      space: () => (from < pieceBytes ? this.memory(piece, from) : undefined),
      filled: (byteLength) => {
        from += byteLength
      },
      landing: () => (from === 0 ? this.landingOf(piece) : undefined),
      landed: (headBytes, byteLength) => {
        this.beginsBehind(piece, headBytes)
        from += byteLength
      },
    }
    const fetch = new Fetch(client, route, object, begin, begin + pieceBytes, sink, false, {
      sizeKnown: () => this.goOn(),
      fetched: () => {
        this.flying.delete(piece)
        this.progress()
      },
      fetchFailed: (error) => this.fail(error),
    })
    this.flying.set(piece, fetch)
    fetch.start()
  }

  protected has(piece: number): boolean {
    const { size } = this.object
    return (piece < this.launched && !this.flying.has(piece)) || (size >= 0 && piece * this.pieceBytes >= size)
  }

  abort(): void {
    for (const fetch of this.flying.values()) fetch.abort()
  }
}
