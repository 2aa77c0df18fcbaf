// Opening connections: TCP or TLS, straight or through a proxy, with a time limit, and what failed in words.
import { readFileSync } from 'node:fs'
import net, { isIP } from 'node:net'
import tls from 'node:tls'
import type { ProxyServer } from '../proxy.js'
import type { AccessGrant } from '../types.js'
import { connectFault } from './connect-fault.js'
import { Connection } from './connection.js'
import type { Target } from './endpoints.js'
import { HttpFault } from './faults.js'
import { awaiting, type Waiting } from './pending.js'
import { authority, openTunnel } from './tunnel.js'

/** What TLS connections of one client share: trusted certificates, and a session for each endpoint, so that handshakes are short. */
export class TlsMemory {
  private context: tls.SecureContext | undefined
  readonly sessions = new Map<string, Buffer>()
  constructor(
    private readonly ca: readonly string[] | undefined,
    readonly verifies: boolean,
  ) {}

  static of({ ca, verifyTls }: AccessGrant): TlsMemory {
    return new TlsMemory(ca, verifyTls)
  }

  get secureContext(): tls.SecureContext {
    this.context ??= tls.createSecureContext(
      this.ca === undefined || this.ca.length === 0 ? {} : { ca: [...tls.rootCertificates, ...extraCertificates(), ...this.ca] },
    )
    return this.context
  }

  /** What a TLS connection to a server is made with. */
  options({ hostname, url }: Hop): tls.ConnectionOptions {
    return {
      ...this.trust,
      ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
      ...(this.sessions.has(url) && { session: this.sessions.get(url)! }),
    }
  }

  get trust(): tls.ConnectionOptions {
    return { secureContext: this.secureContext, rejectUnauthorized: this.verifies }
  }

  keepSession(socket: net.Socket, { url }: Hop): void {
    socket.on('session', (session: Buffer) => this.sessions.set(url, session))
  }
}

/** Who is at the other end of a connection: an endpoint, or a proxy. */
interface Hop {
  readonly hostname: string
  readonly port: number
  readonly url: string
}

/** What Node trusts by NODE_EXTRA_CA_CERTS, which it forgets once other certificates are named. */
function extraCertificates(): string[] {
  const path = process.env.NODE_EXTRA_CA_CERTS
  if (path === undefined || path === '') return []
  try {
    return [readFileSync(path, 'utf8')]
  } catch {
    // Node itself warns of such a file at its start and goes on.
    return []
  }
}

/** Connects to an address, unless `signal` is aborted before. Throws HttpFault (`connect`, `tls`, `timeout`). */
export function connect(target: Target, memory: TlsMemory, timeoutMs: number, signal: AbortSignal): Promise<Connection> {
  const { origin, address } = target
  const { proxy } = origin
  if (proxy !== undefined && origin.isTls) return connectThrough(proxy, target, memory, timeoutMs, signal)
  const hop = proxy ?? origin
  const name = proxy === undefined ? address : `the proxy ${proxy.host}`
  const connection = new Connection()
  const base = { host: address, port: hop.port, noDelay: true, onread: connection.onread }
  // The types know `onread` for plain sockets only; `tls.connect` hands it on to the same class.
  const socket: net.Socket = hop.isTls
    ? tls.connect({ ...base, ...memory.options(hop) } as tls.ConnectionOptions)
    : net.connect(base as unknown as net.NetConnectOpts)
  return awaiting<Connection>(socket, waitingFor(name, hop.isTls, timeoutMs, signal), (ready) => {
    socket.once(hop.isTls ? 'secureConnect' : 'connect', () => {
      if (hop.isTls) memory.keepSession(socket, hop)
      connection.attach(socket)
      ready(connection)
    })
  })
}

/** TLS with an endpoint through a tunnel, within one time limit for all of it. */
async function connectThrough(
  proxy: ProxyServer,
  { origin, address }: Target,
  memory: TlsMemory,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Connection> {
  const endMs = performance.now() + timeoutMs
  const to = authority(origin.hostname, origin.port)
  const tunnel = await openTunnel({ proxy, address, to, trust: memory.trust, timeoutMs, signal })
  const connection = new Connection()
  const socket = tls.connect({ socket: tunnel, ...memory.options(origin) })
  const waiting = waitingFor(`${to} through the proxy ${proxy.host}`, true, timeoutMs, signal)
  return awaiting<Connection>(socket, { ...waiting, timeoutMs: Math.max(1, endMs - performance.now()) }, (ready) => {
    socket.once('secureConnect', () => {
      memory.keepSession(socket, origin)
      connection.attach(socket)
      feed(connection, socket)
      ready(connection)
    })
  })
}

/** Over a tunnel Node hands no bytes to `onread`, so they are copied. */
function feed(connection: Connection, socket: net.Socket): void {
  const { buffer, callback } = connection.onread
  socket.on('data', (bytes: Buffer) => {
    for (let at = 0; at < bytes.length && !connection.isDead; ) {
      const memory = buffer()
      const piece = bytes.subarray(at, at + memory.length)
      memory.set(piece)
      at += piece.length
      callback(piece.length)
    }
  })
}

function waitingFor(name: string, isTls: boolean, timeoutMs: number, signal: AbortSignal): Waiting {
  return {
    timeoutMs,
    signal,
    broken: (error) => connectFault(error, name, isTls),
    closed: () => new HttpFault('connect', `${name} closed the connection at once`),
    late: () => new HttpFault('timeout', `no connection to ${name} within ${timeoutMs / 1000} s`, { code: 'ETIMEDOUT' }),
  }
}
