// Tunnels through an HTTP proxy to a server behind it (CONNECT, RFC 9110 section 9.3.6), for the readers and for the SDKs alike.
import net, { isIP, type Socket } from 'node:net'
import tls from 'node:tls'
import type { ProxyServer } from '../proxy.js'
import { connectFault } from './connect-fault.js'
import { HttpFault } from './faults.js'
import { excerpt, findHeadEnd, mostHeadBytes, parseHead, type ResponseHead } from './head.js'
import { awaiting } from './pending.js'

export interface TunnelOptions {
  readonly proxy: ProxyServer
  /** Address of the proxy, or its name. */
  readonly address: string
  /** `name:port` of the server behind it, which the proxy resolves. */
  readonly to: string
  /** Certificates that the proxy itself may have, where it is reached over TLS. */
  readonly trust: tls.ConnectionOptions
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** A connection to the server behind the proxy, on which nothing was said yet. Throws HttpFault (`connect`, `tls`, `timeout`, `badResponse`). */
export async function openTunnel(options: TunnelOptions): Promise<Socket> {
  const { proxy, timeoutMs, signal } = options
  const beginMs = performance.now()
  const socket = await connectToProxy(options)
  const leftMs = Math.max(1, timeoutMs - (performance.now() - beginMs))
  const name = `the proxy ${proxy.host}`
  const waiting = {
    timeoutMs: leftMs,
    signal,
    broken: (error: NodeJS.ErrnoException) =>
      new HttpFault('connect', `${name} broke the connection: ${error.message}`, { code: error.code }),
    closed: () =>
      new HttpFault('connect', `${name} closed the connection without an answer to CONNECT ${options.to}`, { code: 'ECONNRESET' }),
    late: () =>
      new HttpFault('timeout', `${name} did not answer CONNECT ${options.to} within ${timeoutMs / 1000} s`, { code: 'ETIMEDOUT' }),
  }
  return awaiting<Socket>(socket, waiting, (ready, fail) => {
    const answer = new ConnectAnswer()
    const onReadable = () => {
      try {
        for (let piece: Buffer | null = socket.read(); piece !== null; piece = socket.read()) {
          const head = answer.take(piece)
          if (head === undefined) continue
          if (head.status < 300) ready(socket)
          else fail(refusal(head, options))
          return
        }
      } catch (error) {
        const { kind, detail, facts } = error as HttpFault
        fail(new HttpFault(kind, `${name}: ${detail}`, facts))
      }
    }
    const onEnd = () => fail(waiting.closed())
    socket.on('readable', onReadable).on('end', onEnd)
    const authorization = proxy.authorization === '' ? '' : `proxy-authorization: ${proxy.authorization}\r\n`
    socket.write(`CONNECT ${options.to} HTTP/1.1\r\nhost: ${options.to}\r\n${authorization}\r\n`, 'latin1')
    return () => socket.off('readable', onReadable).off('end', onEnd)
  })
}

/** What of a name and a port goes behind CONNECT. */
export const authority = (hostname: string, port: number): string => `${isIP(hostname) === 6 ? `[${hostname}]` : hostname}:${port}`

/** A connection to the proxy itself. Throws HttpFault (`connect`, `tls`, `timeout`). */
export function connectToProxy({ proxy, address, trust, timeoutMs, signal }: Omit<TunnelOptions, 'to'>): Promise<Socket> {
  const { hostname, port, isTls } = proxy
  const name = `the proxy ${proxy.host}`
  const socket = isTls
    ? tls.connect({ host: address, port, ...(isIP(hostname) === 0 ? { servername: hostname } : {}), ...trust })
    : net.connect({ host: address, port, noDelay: true })
  const waiting = {
    timeoutMs,
    signal,
    broken: (error: NodeJS.ErrnoException) => connectFault(error, name, isTls),
    closed: () => new HttpFault('connect', `${name} closed the connection at once`),
    late: () => new HttpFault('timeout', `no connection to ${name} within ${timeoutMs / 1000} s`, { code: 'ETIMEDOUT' }),
  }
  return awaiting<Socket>(socket, waiting, (ready) => {
    socket.once(isTls ? 'secureConnect' : 'connect', () => ready(socket))
  })
}

/** The answer to CONNECT, in a bounded piece of memory. */
class ConnectAnswer {
  private readonly bytes = Buffer.alloc(mostHeadBytes)
  private end = 0

  /** The final head, once it has come. Throws HttpFault (`badResponse`). */
  take(piece: Buffer): ResponseHead | undefined {
    const taken = piece.copy(this.bytes, this.end)
    this.end += taken
    for (;;) {
      const headEnd = findHeadEnd(this.bytes, 0, this.end)
      if (headEnd < 0) {
        if (taken < piece.length || this.end === mostHeadBytes)
          throw new HttpFault('badResponse', `the head of its answer to CONNECT is longer than ${mostHeadBytes} bytes`)
        return undefined
      }
      const head = parseHead(this.bytes.toString('latin1', 0, headEnd), Date.now())
      this.bytes.copyWithin(0, headEnd, this.end)
      this.end -= headEnd
      if (head.status < 200) continue
      // In a tunnel the client speaks first: what comes before is not the server's.
      if (head.status < 300 && (this.end > 0 || taken < piece.length))
        throw new HttpFault('badResponse', 'bytes follow on its answer to CONNECT that nobody had asked for')
      return head
    }
  }
}

/** What a proxy says instead of opening a tunnel. Its own troubles may pass, its prohibitions do not. */
function refusal({ status, reason, retryAfterMs }: ResponseHead, { proxy, to }: TunnelOptions): HttpFault {
  const said = `status ${status}${reason === '' ? '' : ` ${excerpt(reason)}`}`
  if (status === 407)
    return new HttpFault('connect', `${wantsCredentials(proxy)} (${said})`, { code: 'ProxyAuthentication', retries: false })
  return new HttpFault('connect', `the proxy ${proxy.host} refuses CONNECT ${to}: ${said}`, {
    code: 'ProxyRefused',
    retries: status >= 500 || status === 429,
    retryAfterMs,
  })
}

/** Status 407 in words. */
export function wantsCredentials({ host, authorization }: ProxyServer): string {
  return authorization === ''
    ? `the proxy ${host} wants credentials: write them into its URL (http://USER:PASSWORD@${host})`
    : `the proxy ${host} does not take the credentials in its URL`
}
