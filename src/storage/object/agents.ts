// Connections of the control plane: kept alive, with the certificates to trust, through a proxy where one applies.
import http, { type ClientRequest } from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import tls from 'node:tls'
import type { HttpFault } from './http/faults.js'
import { authority, connectToProxy, openTunnel } from './http/tunnel.js'
import { type ProxyRules, type ProxyServer, proxyFor } from './proxy.js'

export interface Agents {
  readonly http: http.Agent
  readonly https: https.Agent
  close(): void
}

/** Certificates that servers and proxies may have, as Node's TLS takes them. */
export function trustOf({ ca, verifyTls }: { readonly ca?: readonly string[]; readonly verifyTls: boolean }): tls.ConnectionOptions {
  return {
    // What is given replaces Node's own, so those are given too.
    ...(ca !== undefined && ca.length > 0 ? { ca: [...tls.rootCertificates, ...ca] } : {}),
    ...(verifyTls ? {} : { rejectUnauthorized: false }),
  }
}

/** What connections depend on. */
interface AgentSettings {
  readonly ca?: readonly string[]
  readonly verifyTls: boolean
  readonly proxies?: ProxyRules
  readonly connectTimeoutMs: number
}

/** Agents that decide for each request which way it takes. */
export function createAgents(settings: AgentSettings): Agents {
  const trust = trustOf(settings)
  const pool = { keepAlive: true, maxSockets: 256 }
  const { proxies, connectTimeoutMs } = settings
  if (proxies === undefined) return closing(new http.Agent(pool), new https.Agent({ ...pool, ...trust }))
  const way = { proxies, trust, timeoutMs: connectTimeoutMs }
  return closing(new ForwardedAgent(pool, way), new TunnelAgent({ ...pool, ...trust }, way))
}

const closing = (plain: http.Agent, secure: https.Agent): Agents => ({
  http: plain,
  https: secure,
  close: () => [plain, secure].map((agent) => agent.destroy()),
})

interface Way {
  readonly proxies: ProxyRules
  readonly trust: tls.ConnectionOptions
  readonly timeoutMs: number
}

/** Host and port of a request, as Node hands them to agents. */
interface Hop {
  readonly host: string
  readonly port: number | string
}
type Created = (error: Error | null, socket: Duplex) => void
/** What Node's agents have and its types do not tell: the way of every request into an agent. */
type Adding = { addRequest(request: ClientRequest, options: Hop): void }
type Creating = { createConnection(options: object, created: Created): Duplex }

const wayOf = (rules: ProxyRules, scheme: string, { host, port }: Hop): ProxyServer | undefined =>
  proxyFor(rules, `${scheme}//${authority(host, Number(port))}`)

/** Plain HTTP: a proxy is asked for the whole URL. */
class ForwardedAgent extends http.Agent {
  constructor(
    options: http.AgentOptions,
    private readonly way: Way,
  ) {
    super(options)
  }

  addRequest(request: ClientRequest, options: Hop): void {
    const proxy = wayOf(this.way.proxies, 'http:', options)
    if (proxy !== undefined) addressWhole(request, proxy)
    ;(http.Agent.prototype as unknown as Adding).addRequest.call(this, request, options)
  }

  override createConnection(options: object, created?: Created): Duplex | undefined {
    const proxy = wayOf(this.way.proxies, 'http:', options as Hop)
    if (proxy === undefined) return (http.Agent.prototype as unknown as Creating).createConnection.call(this, options, created!)
    return later(connectToProxy({ proxy, address: proxy.hostname, ...this.way }), created!, (socket) => socket)
  }
}

/** What Node keeps of a request that was not sent yet. */
interface Unsent {
  _header: string | null
  _implicitHeader(): void
  outputData: unknown[]
  outputSize: number
}

/** Makes the target of a request its whole URL and adds the credentials of the proxy. */
function addressWhole(request: ClientRequest, { authorization }: ProxyServer): void {
  const unsent = request as unknown as Unsent
  // With `Expect` the head, and nothing else, waits for the connection by now.
  const made = unsent._header
  unsent._header = null
  request.path = `http://${request.getHeader('host')}${request.path}`
  if (authorization !== '') request.setHeader('proxy-authorization', authorization)
  if (made === null) return
  unsent.outputData.length = 0
  unsent.outputSize = 0
  unsent._implicitHeader()
}

/** TLS: a proxy is asked for a tunnel. */
class TunnelAgent extends https.Agent {
  constructor(
    options: https.AgentOptions,
    private readonly way: Way,
  ) {
    super(options)
  }

  override createConnection(options: object, created?: Created): Duplex | undefined {
    const hop = options as Hop
    const proxy = wayOf(this.way.proxies, 'https:', hop)
    const create = (more: object) =>
      (https.Agent.prototype as unknown as Creating).createConnection.call(this, { ...options, ...more }, created!)
    if (proxy === undefined) return create({})
    const to = authority(hop.host, Number(hop.port))
    return later(openTunnel({ proxy, address: proxy.hostname, to, ...this.way }), created!, (socket) => create({ socket }))
  }
}

/** Creates a connection that is not there at once. */
function later(opening: Promise<Socket>, created: Created, create: (socket: Socket) => Duplex): undefined {
  opening.then(
    (socket) => created(null, create(socket)),
    // The name of the hint is the AWS SDK's.
    ({ detail, facts, retries }: HttpFault) =>
      created(
        Object.assign(new Error(detail), { code: facts.code ?? 'ProxyFailed', ...(retries ? { $retryable: {} } : {}) }),
        undefined as never,
      ),
  )
}
