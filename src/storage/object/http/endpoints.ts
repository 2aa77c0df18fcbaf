// Where requests go: all endpoints in turn, all addresses of each (or of the proxy before it) in turn, over kept connections. An address that fails is left alone for a while.
import dns from 'node:dns'
import { isIP } from 'node:net'
import { type ProxyRules, type ProxyServer, proxyFor } from '../proxy.js'
import type { Connection } from './connection.js'
import { HttpFault } from './faults.js'
import { wantsCredentials } from './tunnel.js'

/** One address of one endpoint, or of the proxy that it is reached through, with its unused connections, the last used on top. */
export class Target {
  readonly idle: Connection[] = []
  asideUntilMs = 0
  private asideMs = 0
  constructor(
    readonly origin: Origin,
    readonly address: string,
  ) {}

  /** It failed: other addresses are taken for a second, and for twice as long each time it fails again. */
  setAside(nowMs: number): void {
    if (nowMs < this.asideUntilMs) return
    this.asideMs = Math.min(Math.max(2 * this.asideMs, 1000), 30_000)
    this.asideUntilMs = nowMs + this.asideMs
  }

  works(): void {
    this.asideMs = 0
    this.asideUntilMs = 0
  }

  /** A connection that can be used at once. */
  takeIdle(nowMs: number): Connection | undefined {
    for (;;) {
      const connection = this.idle.pop()
      if (connection === undefined || (!connection.isDead && nowMs < connection.usableUntilMs)) return connection
      connection.fail(new HttpFault('staleConnection', 'kept longer than the server keeps it'))
    }
  }
}

/** How long addresses of a name are used before the name is looked up again. */
const resolveAgainMs = 30_000

/** One endpoint. */
export class Origin {
  readonly isTls: boolean
  readonly hostname: string
  readonly port: number
  /** Value of the Host header. */
  readonly host: string
  /** What the target of a request begins with: nothing, or the endpoint itself where a proxy sends the request on. */
  readonly targetBegin: string
  /** Header lines for the proxy, which are not signed. */
  readonly proxyLines: string
  private targets: Target[] = []
  private next: number
  /** While its name could not be resolved. */
  private unknownUntilMs = 0
  private resolvedAtMs = Number.NEGATIVE_INFINITY
  private resolving: Promise<void> | undefined

  constructor(
    readonly url: string,
    /** Its number among the endpoints, for who counts. */
    readonly index: number,
    /** Spreads the first requests of several threads. */
    start: number,
    /** What requests to it go through. */
    readonly proxy?: ProxyServer | undefined,
  ) {
    const { protocol, hostname, port, host } = new URL(url)
    this.isTls = protocol === 'https:'
    this.hostname = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
    this.port = port === '' ? (this.isTls ? 443 : 80) : Number(port)
    this.host = host
    this.next = start
    const isSentOn = proxy !== undefined && !this.isTls
    this.targetBegin = isSentOn ? `http://${host}` : ''
    this.proxyLines = isSentOn && proxy.authorization !== '' ? `proxy-authorization: ${proxy.authorization}\r\n` : ''
  }

  /** A fault of a request to it: with a proxy on the way nobody can say whose it is, but it can be said that there is one. */
  told(fault: HttpFault): HttpFault {
    const { proxy } = this
    if (proxy === undefined) return fault
    const words = fault.facts.status === 407 ? wantsCredentials(proxy) : `through the proxy ${proxy.host}`
    return new HttpFault(fault.kind, `${fault.detail}; ${words}`, fault.facts)
  }

  get isResolved(): boolean {
    return this.targets.length > 0
  }

  get addresses(): number {
    return this.targets.length
  }

  /** Monotonic time until which all its addresses are set aside; 0 where one is not. */
  asideUntilMs(nowMs: number): number {
    let soonest = this.targets.length === 0 ? this.unknownUntilMs : Number.POSITIVE_INFINITY
    for (const { asideUntilMs } of this.targets) if (asideUntilMs < soonest) soonest = asideUntilMs
    return soonest <= nowMs ? 0 : soonest
  }

  /** The address whose turn it is, once the name is resolved. */
  choose(nowMs: number): Target {
    const { targets } = this
    if (nowMs - this.resolvedAtMs > resolveAgainMs) this.resolve().catch(() => {})
    let best = targets[this.next++ % targets.length]!
    for (let i = 1; i < targets.length && best.asideUntilMs > nowMs; i++) {
      const other = targets[this.next++ % targets.length]!
      if (other.asideUntilMs < best.asideUntilMs) best = other
    }
    return best
  }

  /** Looks the name up. Addresses known before stay when that fails later. Throws HttpFault (`dns`). */
  resolve(): Promise<void> {
    this.resolving ??= this.lookUp()
      .catch((error) => {
        this.unknownUntilMs = performance.now() + resolveAgainMs
        throw error
      })
      .finally(() => {
        this.resolving = undefined
      })
    return this.resolving
  }

  private async lookUp(): Promise<void> {
    // Behind a proxy the endpoint's name is the proxy's matter.
    const addresses = await (this.proxy === undefined ? addressesOf(this.hostname) : addressesOf(this.proxy.hostname, 'the proxy '))
    const known = new Map(this.targets.map((target) => [target.address, target]))
    this.targets = addresses.map((address) => known.get(address) ?? new Target(this, address))
    this.resolvedAtMs = performance.now()
    for (const target of known.values())
      if (!this.targets.includes(target)) for (const connection of target.idle.splice(0)) connection.fail(closing())
  }

  close(): void {
    for (const target of this.targets) for (const connection of target.idle.splice(0)) connection.fail(closing())
  }
}

const closing = () => new HttpFault('reset', 'closed')

async function addressesOf(hostname: string, what = ''): Promise<string[]> {
  if (isIP(hostname) !== 0) return [hostname]
  try {
    const answers = await dns.promises.lookup(hostname, { all: true, verbatim: true })
    return [...new Set(answers.map(({ address }) => address))]
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const detail = code === 'EAI_AGAIN' ? 'the name service does not answer' : 'no such host'
    throw new HttpFault('dns', `cannot resolve ${what}${hostname}: ${detail}`, { code, retries: code === 'EAI_AGAIN' })
  }
}

/** All endpoints of a place. */
export class Endpoints {
  readonly origins: readonly Origin[]
  private next: number

  constructor(urls: readonly string[], start: number, proxies?: ProxyRules) {
    this.origins = urls.map((url, i) => new Origin(url, i, start, proxyFor(proxies, url)))
    this.next = start
  }

  /** The endpoint whose turn it is; one whose addresses all fail only where that is true of every one. */
  choose(nowMs: number): Origin {
    const { origins } = this
    let best = origins[this.next++ % origins.length]!
    if (origins.length === 1) return best
    let bestUntilMs = best.asideUntilMs(nowMs)
    for (let i = 1; i < origins.length && bestUntilMs > 0; i++) {
      const other = origins[this.next++ % origins.length]!
      const untilMs = other.asideUntilMs(nowMs)
      if (untilMs < bestUntilMs) {
        best = other
        bestUntilMs = untilMs
      }
    }
    return best
  }

  close(): void {
    for (const origin of this.origins) origin.close()
  }
}
