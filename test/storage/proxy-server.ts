// An HTTP proxy on this machine: sends plain requests on, opens tunnels, asks for credentials, knows names that nobody else knows, and spoils
// chosen tunnels.
import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import net, { type AddressInfo, type Socket } from 'node:net'
import type { Certificate } from './services.js'

export interface ProxyServerOptions {
  /** `user:password` that it asks for. */
  readonly credentials?: string
  /** It is reached over TLS. */
  readonly tls?: Certificate
  /** Addresses of names, for all others the name itself. */
  readonly hosts?: Readonly<Record<string, string>>
  /** Does something else with the connection than opening a tunnel, by returning true. */
  readonly spoilTunnel?: (socket: Socket, target: string) => boolean
  /** Answers a plain request itself, by returning true. */
  readonly spoilRequest?: (request: http.IncomingMessage, response: http.ServerResponse) => boolean
}

export interface ProxySeen {
  readonly method: string
  /** As on the request line. */
  readonly target: string
  readonly headers: http.IncomingHttpHeaders
}

export interface TestProxy {
  /** `host:port`. */
  readonly host: string
  /** Without credentials. */
  readonly url: string
  /** Plain requests and CONNECTs, those that were refused as well. */
  readonly seen: ProxySeen[]
  readonly connections: number
  close(): Promise<void>
}

/** Hop-by-hop: not for the server. */
const own = ['proxy-authorization', 'proxy-connection', 'connection', 'keep-alive']

export async function startProxy(options: ProxyServerOptions = {}): Promise<TestProxy> {
  const seen: ProxySeen[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  const agent = new http.Agent({ keepAlive: true })
  const wanted = options.credentials === undefined ? undefined : `Basic ${Buffer.from(options.credentials).toString('base64')}`
  const note = ({ method, url, headers }: http.IncomingMessage) => seen.push({ method: method!, target: url!, headers })
  const isKnown = ({ headers }: http.IncomingMessage) => wanted === undefined || headers['proxy-authorization'] === wanted
  const addressOf = (name: string) => options.hosts?.[name] ?? name
  const sendOn = (request: http.IncomingMessage, response: http.ServerResponse) => {
    note(request)
    if (!isKnown(request)) {
      request.resume()
      response.writeHead(407, { 'proxy-authenticate': 'Basic realm="test"', 'content-length': 0 }).end()
      return
    }
    if (options.spoilRequest?.(request, response)) return
    if (!/^http:\/\//.test(request.url!)) {
      response.writeHead(400, { 'content-length': 0 }).end()
      return
    }
    const { hostname, port, pathname, search } = new URL(request.url!)
    // The path as it came, since it was signed.
    const path = request.url!.slice(request.url!.indexOf('/', 'http://'.length)) || `${pathname}${search}`
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !own.includes(name)))
    const onward = http.request({ host: addressOf(hostname), port, method: request.method, path, headers, agent }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => (response.headersSent ? response.destroy() : response.writeHead(502, { 'content-length': 0 }).end()))
    // A client that is gone sends no end.
    response.on('close', () => onward.destroy())
    request.pipe(onward)
  }
  const openTunnel = (request: http.IncomingMessage, socket: Socket, head: Buffer) => {
    note(request)
    socket.on('error', () => {})
    if (!isKnown(request)) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="test"\r\nContent-Length: 0\r\n\r\n')
      return
    }
    if (options.spoilTunnel?.(socket, request.url!)) return
    const [, name = '', port] = /^\[?(.+?)\]?:(\d+)$/.exec(request.url!) ?? []
    const onward = net.connect(Number(port), addressOf(name), () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      if (head.length > 0) onward.write(head)
      onward.pipe(socket)
      socket.pipe(onward)
    })
    onward.on('error', () => {
      if (onward.connecting) socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n')
      else socket.destroy()
    })
    socket.on('close', () => onward.destroy())
  }
  const server =
    options.tls === undefined ? http.createServer(sendOn) : https.createServer({ key: options.tls.key, cert: options.tls.cert }, sendOn)
  server.on('connect', openTunnel)
  server.on('connection', (socket: Socket) => {
    connections++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  const { port } = server.address() as AddressInfo
  const host = `${options.tls === undefined ? '127.0.0.1' : 'localhost'}:${port}`
  return {
    host,
    url: `${options.tls === undefined ? 'http' : 'https'}://${host}`,
    seen,
    get connections() {
      return connections
    },
    close: async () => {
      agent.destroy()
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** For a proxy all of whose tunnels end at one server. */
export const leadTo = (server: net.Server) => (socket: Socket) => {
  const onward = net.connect((server.address() as AddressInfo).port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
  socket.on('close', () => onward.destroy())
  onward
    .on('error', () => {})
    .pipe(socket)
    .pipe(onward)
  return true
}
