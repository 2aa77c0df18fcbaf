// An object store in memory that answers as S3 does, and spoils chosen answers: by rule, not by chance, so that a test knows what happened.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import net, { type AddressInfo, type Server, type Socket } from 'node:net'
import tls from 'node:tls'
import type { AccessGrant } from '#src/storage/object/types.js'

export interface SeenRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  /** Number of the connection, and of the request on it, from 0. */
  readonly connection: number
  readonly onConnection: number
}

/** A response before it is put on the wire. */
export interface Answer {
  status: number
  reason: string
  headers: Record<string, string>
  body: Buffer
}

/** What becomes of one response; absent parts are as they should be. */
export interface Fault {
  /** Changes the response, which is then framed by its headers as they stand. */
  readonly edit?: (answer: Answer) => void
  /** Instead of any response. */
  readonly raw?: string
  /** Only so many bytes of the response (head included) are sent, then the connection is ended, reset, or nothing more comes. */
  readonly cutAt?: number
  readonly cutBy?: 'end' | 'reset' | 'silence'
  /** Sends so many bytes at once, one after the other with a pause of `pauseMs`. */
  readonly pieceBytes?: number
  readonly pauseMs?: number
  /** Body in chunks of so many bytes. */
  readonly chunkBytes?: number
  /** Closes the connection after the response, without saying so. */
  readonly closes?: boolean
}

export interface FaultServer {
  readonly url: string
  readonly port: number
  readonly requests: SeenRequest[]
  readonly objects: Map<string, Buffer>
  /** Asked for each request with its number, from 0. */
  fault: (request: SeenRequest, number: number) => Fault | undefined
  readonly connections: number
  /** A grant for objects under `/data/`, to be changed by the test. */
  grant(changes?: Partial<AccessGrant>): AccessGrant
  close(): Promise<void>
}

export interface FaultServerOptions {
  readonly tls?: { readonly key: string; readonly cert: string }
  readonly address?: string
  readonly port?: number
}

export const etagOf = (bytes: Buffer) => `"${createHash('md5').update(bytes).digest('hex')}"`

export async function startFaultServer(options: FaultServerOptions = {}): Promise<FaultServer> {
  const sockets = new Set<Socket>()
  const requests: SeenRequest[] = []
  const objects = new Map<string, Buffer>()
  let connections = 0
  const serve = (socket: Socket) => {
    const connection = connections++
    let onConnection = 0
    let received = ''
    let busy: Promise<void> = Promise.resolve()
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    socket.on('data', (data) => {
      received += data.toString('latin1')
      for (let end = received.indexOf('\r\n\r\n'); end >= 0; end = received.indexOf('\r\n\r\n')) {
        const request = parseRequest(received.slice(0, end), connection, onConnection++)
        received = received.slice(end + 4)
        const number = requests.push(request) - 1
        busy = busy.then(() => respond(socket, request, server.fault(request, number) ?? {}))
      }
    })
  }
  const respond = async (socket: Socket, request: SeenRequest, fault: Fault) => {
    const answer = answerTo(request, objects)
    fault.edit?.(answer)
    const bytes = fault.raw === undefined ? onWire(answer, request.method === 'HEAD', fault.chunkBytes) : Buffer.from(fault.raw, 'latin1')
    const sent = fault.cutAt === undefined ? bytes : bytes.subarray(0, fault.cutAt)
    const pieceBytes = fault.pieceBytes ?? sent.length
    for (let at = 0; at < sent.length && !socket.destroyed; at += pieceBytes) {
      await new Promise<void>((resolve) => socket.write(sent.subarray(at, at + pieceBytes), () => resolve()))
      if (fault.pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.pauseMs))
    }
    if (fault.cutAt !== undefined && fault.cutBy === 'reset') setTimeout(() => reset(socket), 5)
    else if (fault.cutAt !== undefined && fault.cutBy === 'silence') await new Promise(() => {})
    else if (fault.cutAt !== undefined || fault.closes === true) socket.end()
  }
  const listener: Server = options.tls === undefined ? net.createServer(serve) : tls.createServer({ ...options.tls }, serve)
  // Handshakes that clients break off are their business.
  listener.on('tlsClientError', () => {})
  listener.listen(options.port ?? 0, options.address ?? '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const url = `${options.tls === undefined ? 'http' : 'https'}://${options.address ?? '127.0.0.1'}:${port}`
  const server: FaultServer = {
    url,
    port,
    requests,
    objects,
    fault: () => undefined,
    get connections() {
      return connections
    },
    grant: (changes = {}) => ({
      place: { provider: 's3', bucket: 'data', prefix: '' },
      endpoints: [url],
      pathPrefix: '/data/',
      signing: { kind: 'anonymous' },
      headers: {},
      verifyTls: true,
      ...changes,
    }),
    close: async () => {
      for (const socket of sockets) socket.destroy()
      listener.close()
      await once(listener, 'close')
    },
  }
  return server
}

function reset(socket: Socket): void {
  // A TLS socket cannot be reset: it is cut off without the alert that says goodbye.
  if (socket instanceof tls.TLSSocket) socket.destroy()
  else socket.resetAndDestroy()
}

function parseRequest(text: string, connection: number, onConnection: number): SeenRequest {
  const [line = '', ...lines] = text.split('\r\n')
  const [method = '', target = ''] = line.split(' ')
  const headers = Object.fromEntries(lines.map((header) => [header.slice(0, header.indexOf(':')), header.slice(header.indexOf(':') + 2)]))
  return { method, target, headers, connection, onConnection }
}

const errorAnswer = (status: number, code: string, message = 'words', headers: Record<string, string> = {}): Answer => {
  const body = Buffer.from(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`)
  return { status, reason: code, headers: { 'Content-Type': 'application/xml', 'Content-Length': String(body.length), ...headers }, body }
}

/** For {@link Fault.edit}: an error instead of the object. */
export const failWith =
  (...error: Parameters<typeof errorAnswer>) =>
  (answer: Answer) =>
    Object.assign(answer, errorAnswer(...error))

/** For {@link Fault.edit}: one header set, or removed. */
export const withHeader =
  (name: string, value: string | undefined) =>
  ({ headers }: Answer) => {
    if (value === undefined) delete headers[name]
    else headers[name] = value
  }

export const withStatus = (status: number) => (answer: Answer) => {
  answer.status = status
}

function answerTo({ target, headers }: SeenRequest, objects: Map<string, Buffer>): Answer {
  const path = decodeURIComponent(target.split('?', 1)[0]!)
  const object = path.startsWith('/data/') ? objects.get(path.slice('/data/'.length)) : undefined
  if (object === undefined) return errorAnswer(404, 'NoSuchKey', 'The specified key does not exist.')
  const etag = etagOf(object)
  if (headers['if-match'] !== undefined && headers['if-match'] !== etag) return errorAnswer(412, 'PreconditionFailed')
  const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '')
  const common = { ETag: etag, 'Last-Modified': 'Sun, 22 Nov 2026 10:00:00 GMT', 'Accept-Ranges': 'bytes' }
  if (range === null) return { status: 200, reason: 'OK', headers: { ...common, 'Content-Length': String(object.length) }, body: object }
  const begin = Number(range[1])
  if (begin >= object.length) return errorAnswer(416, 'InvalidRange', 'words', { 'Content-Range': `bytes */${object.length}` })
  const end = range[2] === '' ? object.length : Math.min(Number(range[2]) + 1, object.length)
  return {
    status: 206,
    reason: 'Partial Content',
    headers: { ...common, 'Content-Length': String(end - begin), 'Content-Range': `bytes ${begin}-${end - 1}/${object.length}` },
    body: object.subarray(begin, end),
  }
}

function onWire({ status, reason, headers, body }: Answer, isHead: boolean, chunkBytes: number | undefined): Buffer {
  const framed = { ...headers }
  let content = body
  if (chunkBytes !== undefined) {
    delete framed['Content-Length']
    framed['Transfer-Encoding'] = 'chunked'
    const chunks: Buffer[] = []
    for (let at = 0; at < body.length; at += chunkBytes) {
      const chunk = body.subarray(at, at + chunkBytes)
      chunks.push(Buffer.from(`${chunk.length.toString(16)};ext=1\r\n`), chunk, Buffer.from('\r\n'))
    }
    content = Buffer.concat([...chunks, Buffer.from('0\r\nTrailer: x\r\n\r\n')])
  }
  const lines = Object.entries(framed).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = Buffer.from(`HTTP/1.1 ${status} ${reason}\r\n${lines.join('')}\r\n`, 'latin1')
  return isHead ? head : Buffer.concat([head, content])
}
