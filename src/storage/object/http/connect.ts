// Opening connections: TCP or TLS, with a time limit, and what failed in words.
import { readFileSync } from 'node:fs'
import net, { isIP } from 'node:net'
import tls from 'node:tls'
import type { AccessGrant } from '../types.js'
import { Connection } from './connection.js'
import type { Target } from './endpoints.js'
import { HttpFault } from './faults.js'

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
  const connection = new Connection()
  const name = isIP(origin.hostname) === 0 ? origin.hostname : undefined
  return new Promise((resolve, reject) => {
    const base = { host: address, port: origin.port, noDelay: true, onread: connection.onread }
    // The types know `onread` for plain sockets only; `tls.connect` hands it on to the same class.
    const socket: net.Socket = origin.isTls
      ? tls.connect({
          ...base,
          secureContext: memory.secureContext,
          rejectUnauthorized: memory.verifies,
          ...(name === undefined ? {} : { servername: name }),
          ...(memory.sessions.has(origin.url) && { session: memory.sessions.get(origin.url)! }),
        } as tls.ConnectionOptions)
      : net.connect(base as unknown as net.NetConnectOpts)
    const end = () => {
      clearTimeout(timer)
      socket.off('error', onError).off('close', onClose)
      signal.removeEventListener('abort', onClose)
    }
    const fail = (fault: HttpFault) => {
      end()
      // A socket that is being destroyed may still report an error.
      socket.on('error', () => {})
      socket.destroy()
      reject(fault)
    }
    const onError = (error: NodeJS.ErrnoException) => fail(connectFault(error, address, origin.isTls))
    const onClose = () => fail(new HttpFault('connect', `${address} closed the connection at once`))
    const timer = setTimeout(
      () => fail(new HttpFault('timeout', `no connection to ${address} within ${timeoutMs / 1000} s`, { code: 'ETIMEDOUT' })),
      timeoutMs,
    )
    socket.on('error', onError).on('close', onClose)
    signal.addEventListener('abort', onClose)
    socket.once(origin.isTls ? 'secureConnect' : 'connect', () => {
      end()
      if (origin.isTls) socket.on('session', (session: Buffer) => memory.sessions.set(origin.url, session))
      connection.attach(socket)
      resolve(connection)
    })
  })
}

/** Codes of failures that another attempt may not meet again, TLS or not. */
const transient = new Set(['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EPIPE', 'EADDRNOTAVAIL', 'ENETDOWN'])

function connectFault(error: NodeJS.ErrnoException, address: string, isTls: boolean): HttpFault {
  const { code } = error
  if (code === 'EMFILE') return new HttpFault('connect', 'too many open files in this process; raise `ulimit -n`', { code, retries: false })
  if (code !== undefined && transient.has(code)) return new HttpFault('connect', `no connection to ${address}: ${error.message}`, { code })
  if (!isTls) return new HttpFault('connect', `no connection to ${address}: ${error.message}`, { code, retries: false })
  return new HttpFault('tls', `TLS with ${address} failed: ${error.message}${tlsRemedy(code)}`, { code, retries: false })
}

function tlsRemedy(code: string | undefined): string {
  switch (code) {
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return '; its certificate is not from a known authority: name yours with AWS_CA_BUNDLE or NODE_EXTRA_CA_CERTS'
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return '; the certificate is for another name than the endpoint has'
    case 'CERT_HAS_EXPIRED':
      return '; its certificate has expired'
    default:
      return ''
  }
}
