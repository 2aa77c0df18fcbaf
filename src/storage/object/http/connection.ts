// One kept connection: requests go out one after the other, bodies come in straight to where they are wanted. Where that is known as the request
// goes out, head and body come in one read, and the body stays where it landed. Other bytes that follow a head or a chunk's length in the same
// packet, or that come while there is no room, pass through the connection's own small memory and are copied.
import type { Socket } from 'node:net'
import { HttpFault } from './faults.js'
import { excerpt, findHeadEnd, mostHeadBytes, parseHead, type ResponseHead } from './head.js'

/** Where a body's bytes go. */
export interface BodySink {
  /** Memory for the next bytes of the body; undefined where there is no room now: the connection then waits for {@link Connection.proceed}. */
  space(): Uint8Array | undefined
  /** `byteLength` bytes have been put to the begin of what {@link space} gave last. Throws what ends the exchange. */
  filled(byteLength: number): void
  /** Memory for a response's head with the begin of its body behind it; undefined, as where this is absent: the head comes for itself. */
  landing?(): Uint8Array | undefined
  /** The body's first `byteLength` bytes lie in what {@link landing} gave, behind `headBytes` others. Throws what ends the exchange. */
  landed?(headBytes: number, byteLength: number): void
}

/** A longer head does not stay where it landed: there is no more room for it. */
export const mostLandedHeadBytes = 4096

/** A request and what becomes of its response. Of `ends` and `fails` exactly one is called, once. */
export interface Exchange {
  readonly request: string
  readonly isHead: boolean
  /** As of the sink that the body of a good response goes to. Asked once, after the request was sent. */
  landing(): Uint8Array | undefined
  /** The head of the final response: says where its body goes. Throws what ends the exchange (and the connection). */
  begins(head: ResponseHead, nowMs: number): BodySink
  ends(nowMs: number): void
  fails(error: Error): void
}

/** First piece of memory that a head is read into. What of it is body has to be copied, so it is small. */
const headPieceBytes = 1024
const mostInterimResponses = 8
/** More than a TLS record or a socket's read can bring while the connection stands still. */
const mostHeldBytes = 4 << 20
const longestChunkLine = 1024

type State = 'idle' | 'head' | 'body' | 'chunkLine' | 'chunkData' | 'chunkEnd' | 'trailer' | 'dead'

export class Connection {
  private socket!: Socket
  private state: State = 'idle'
  private exchange: Exchange | undefined
  private head: ResponseHead | undefined
  private sink: BodySink | undefined
  /** Bytes of the body, or of the present chunk, that are still to come. */
  private left = 0
  /** Own memory, for heads and all that is not pure body; bytes [begin, end) of it are not consumed yet. */
  private own = Buffer.allocUnsafeSlow(headPieceBytes)
  private begin = 0
  private end = 0
  /** Whether the memory that was handed to the socket last is the sink's. */
  private direct = false
  /** The memory that was handed to the socket last, where a head is to land in it. */
  private landing: Uint8Array | undefined
  /** Bytes of the body that have landed behind the head at hand. */
  private landedBytes = 0
  /** Monotonic time of the last bytes. */
  private nowMs = 0
  private stands = false
  private interim = 0
  /** Responses that this connection has brought. */
  served = 0
  /** Monotonic time until which it may be used again. */
  usableUntilMs = Number.POSITIVE_INFINITY
  /** Bytes received since the request, for those who watch. */
  received = 0
  /** Bytes of the body among them. */
  bodyBytes = 0
  headArrived = false
  /** Called when the connection cannot be used any more. */
  onDead: () => void = () => {}

  /** What the socket is made with. */
  readonly onread = {
    buffer: () => this.nextMemory(),
    callback: (byteLength: number) => this.take(byteLength),
  }

  /** Takes up a socket that was made with {@link onread} and is connected. */
  attach(socket: Socket): void {
    this.socket = socket
    socket.on('error', (error: NodeJS.ErrnoException) => this.fail(brokenBy(error, this.headArrived)))
    socket.on('end', () => this.fail(this.endedEarly()))
    socket.on('close', () => this.fail(this.endedEarly()))
  }

  get isDead(): boolean {
    return this.state === 'dead'
  }

  get stalledByReader(): boolean {
    return this.stands
  }

  /** Sends a request. The connection is idle. */
  send(exchange: Exchange): void {
    this.exchange = exchange
    this.state = 'head'
    this.interim = 0
    this.received = 0
    this.bodyBytes = 0
    this.headArrived = false
    this.socket.write(exchange.request, 'latin1')
  }

  /** There is room in the sink again. */
  proceed(): void {
    if (!this.stands) return
    this.stands = false
    this.nowMs = performance.now()
    this.run()
    if (!this.stands && this.state !== 'dead') this.socket.resume()
  }

  /** Ends the connection, and with it the exchange on it. */
  fail(error: Error): void {
    if (this.state === 'dead') return
    this.state = 'dead'
    this.socket?.destroy()
    const { exchange } = this
    this.exchange = undefined
    this.sink = undefined
    this.landing = undefined
    this.onDead()
    exchange?.fails(error)
  }

  private endedEarly(): HttpFault {
    if (!this.headArrived) return new HttpFault('reset', 'the server closed the connection before its response was through')
    return new HttpFault('shortBody', `the server closed the connection within the body, ${this.missing()}`)
  }

  private missing(): string {
    return this.state === 'body' ? `${this.left} bytes early` : 'before its last chunk'
  }

  /** Memory for the next bytes of the socket; never empty. */
  private nextMemory(): Uint8Array {
    this.direct = false
    this.landing = this.state === 'head' && this.begin === this.end ? this.exchange!.landing() : undefined
    if (this.landing !== undefined) return this.landing
    const pure = this.state === 'body' || this.state === 'chunkData'
    if (pure && !this.stands && this.begin === this.end) {
      const space = this.sink!.space()
      if (space !== undefined) {
        this.direct = true
        // Memory behind the body's end is given too: a read that is not filled up tells the event loop that there is no more, for less.
        return this.state === 'body' || space.length <= this.left ? space : space.subarray(0, this.left)
      }
      this.stand()
    }
    if (this.begin === this.end) {
      this.begin = 0
      this.end = 0
      return this.own
    }
    if (this.end === this.own.length) this.enlarge(this.own.length)
    return this.own.subarray(this.end)
  }

  /** Takes no more bytes until {@link proceed}. */
  private stand(): void {
    this.stands = true
    this.socket.pause()
  }

  /** Makes room for at least so many bytes behind what is held. */
  private enlarge(byteLength: number): void {
    const larger = Buffer.allocUnsafeSlow(this.end - this.begin + Math.max(byteLength, 15 * headPieceBytes))
    this.own.copy(larger, 0, this.begin, this.end)
    this.end -= this.begin
    this.begin = 0
    this.own = larger
  }

  /** The socket has brought bytes; false where it should bring no more for now. */
  private take(byteLength: number): boolean {
    if (this.state === 'dead') return false
    this.received += byteLength
    this.nowMs = performance.now()
    if (this.landing !== undefined) this.takeLanding(this.landing, byteLength)
    else if (this.direct) {
      this.direct = false
      if (byteLength > this.left) {
        this.fail(new HttpFault('badResponse', 'the server sends more than its response has'))
        return false
      }
      this.left -= byteLength
      this.bodyBytes += byteLength
      try {
        this.sink!.filled(byteLength)
      } catch (error) {
        this.fail(error as Error)
      }
      // Whoever was told may have given it up, too.
      if (!this.isAlive()) return false
      if (this.left > 0) return true
    } else {
      this.end += byteLength
      if (this.end - this.begin > mostHeldBytes) {
        this.fail(new HttpFault('badResponse', 'the server sends more than was asked for'))
        return false
      }
    }
    this.run()
    return !this.stands && this.isAlive()
  }

  /** A head, or the begin of one, came to where the body is to lie. Own memory is empty. */
  private takeLanding(memory: Uint8Array, byteLength: number): void {
    const headEnd = findHeadEnd(memory, 0, Math.min(byteLength, mostLandedHeadBytes))
    const kept = headEnd < 0 ? byteLength : headEnd
    this.begin = 0
    this.end = 0
    this.hold(memory.subarray(0, kept))
    this.landing = memory
    this.landedBytes = byteLength - kept
    this.run()
    this.landing = undefined
  }

  /** Appends to the own memory. */
  private hold(bytes: Uint8Array): void {
    if (bytes.length > this.own.length - this.end) this.enlarge(bytes.length)
    this.own.set(bytes, this.end)
    this.end += bytes.length
  }

  /** What has landed behind the head goes on as body: it stays where it is, if that is where it belongs. */
  private takeLanded(headBytes: number): void {
    const { landedBytes, sink } = this
    this.landedBytes = 0
    if (this.state !== 'body' || sink?.landed === undefined) {
      this.hold(this.landing!.subarray(headBytes, headBytes + landedBytes))
      return
    }
    if (landedBytes > this.left) throw new HttpFault('badResponse', 'the server sends more than its response has')
    this.left -= landedBytes
    this.bodyBytes += landedBytes
    sink.landed(headBytes, landedBytes)
    if (this.left === 0 && this.isAlive()) this.finish()
  }

  private isAlive(): boolean {
    return this.state !== 'dead'
  }

  /** Goes as far as the bytes at hand reach. */
  private run(): void {
    try {
      while (this.step());
    } catch (error) {
      this.fail(error as Error)
    }
  }

  /** One step of the response; false where more bytes, or room for them, are needed. */
  private step(): boolean {
    switch (this.state) {
      case 'idle':
        if (this.begin < this.end) throw new HttpFault('badResponse', 'the server sent bytes that nobody had asked for')
        return false
      case 'head':
        return this.takeHead()
      case 'body':
      case 'chunkData':
        return this.passBody()
      case 'chunkLine': {
        const line = this.takeLine()
        if (line === undefined) return false
        const size = /^([0-9a-fA-F]{1,12})\s*(?:;.*)?$/.exec(line)
        if (size === null) throw new HttpFault('badResponse', `the length of a chunk is ${excerpt(line)}`)
        this.left = Number.parseInt(size[1]!, 16)
        this.state = this.left === 0 ? 'trailer' : 'chunkData'
        return true
      }
      case 'chunkEnd': {
        const line = this.takeLine()
        if (line === undefined) return false
        if (line !== '') throw new HttpFault('badResponse', `a chunk goes on behind its length with ${excerpt(line)}`)
        this.state = 'chunkLine'
        return true
      }
      case 'trailer': {
        const line = this.takeLine()
        if (line === undefined) return false
        if (line === '') this.finish()
        return true
      }
      case 'dead':
        return false
    }
  }

  private takeHead(): boolean {
    const headEnd = findHeadEnd(this.own, this.begin, Math.min(this.end, this.begin + mostHeadBytes))
    if (headEnd < 0) {
      if (this.end - this.begin >= mostHeadBytes)
        throw new HttpFault('badResponse', `the response's head is longer than ${mostHeadBytes} bytes`)
      return false
    }
    const head = parseHead(this.own.toString('latin1', this.begin, headEnd), Date.now())
    const headBytes = headEnd - this.begin
    this.begin = headEnd
    if (head.status < 200) this.passInterim(head)
    else this.beginBody(head)
    if (this.landedBytes > 0 && this.isAlive()) this.takeLanded(headBytes)
    return true
  }

  private passInterim({ status }: ResponseHead): void {
    if (status === 101) throw new HttpFault('badResponse', 'the server wants to speak another protocol (status 101)')
    if (++this.interim > mostInterimResponses)
      throw new HttpFault('badResponse', `more than ${mostInterimResponses} interim responses (status ${status})`)
  }

  private beginBody(head: ResponseHead): void {
    this.head = head
    this.headArrived = true
    this.sink = this.exchange!.begins(head, this.nowMs)
    if (this.exchange!.isHead || head.status === 204 || head.status === 304) this.finish()
    else if (head.chunked) this.state = 'chunkLine'
    else if (head.contentLength < 0)
      throw new HttpFault('badResponse', `the response (status ${head.status}) tells no length, so nobody can know whether it is whole`)
    else {
      this.left = head.contentLength
      this.state = 'body'
      if (this.left === 0) this.finish()
    }
  }

  /** Copies body bytes from the own memory to the sink; false where more bytes or more room are needed. */
  private passBody(): boolean {
    while (this.left > 0) {
      if (this.begin === this.end) return false
      const space = this.sink!.space()
      if (space === undefined) {
        this.stand()
        return false
      }
      const n = Math.min(this.left, this.end - this.begin, space.length)
      space.set(this.own.subarray(this.begin, this.begin + n))
      this.begin += n
      this.left -= n
      this.bodyBytes += n
      this.sink!.filled(n)
      if (!this.isAlive()) return false
    }
    if (this.state === 'chunkData') this.state = 'chunkEnd'
    else this.finish()
    return true
  }

  /** The next line of the own memory without its end; undefined where it has not all come yet. */
  private takeLine(): string | undefined {
    const at = this.own.subarray(this.begin, this.end).indexOf('\r\n')
    if (at < 0) {
      if (this.end - this.begin > longestChunkLine) throw new HttpFault('badResponse', 'a line of a chunked body is too long')
      return undefined
    }
    const line = this.own.toString('latin1', this.begin, this.begin + at)
    this.begin += at + 2
    return line
  }

  private finish(): void {
    const { exchange, head } = this
    this.exchange = undefined
    this.sink = undefined
    this.head = undefined
    this.served++
    this.state = 'idle'
    // Half a second for the way: a request must not cross the server's closing.
    this.usableUntilMs = this.nowMs + head!.keepAliveMs - 500
    // Bytes behind the response are nobody's: what comes next could not be told apart from them.
    const kept = head!.keepAlive && head!.keepAliveMs > 500 && this.begin === this.end && this.landedBytes === 0
    if (!kept) this.fail(new HttpFault('reset', 'not to be used again'))
    exchange!.ends(this.nowMs)
  }
}

/** A fault out of a socket's error. */
export function brokenBy(error: NodeJS.ErrnoException, headArrived: boolean): HttpFault {
  return new HttpFault(
    headArrived ? 'shortBody' : 'reset',
    `the connection broke${headArrived ? ' within the body' : ''}: ${error.message}`,
    {
      code: error.code,
    },
  )
}
