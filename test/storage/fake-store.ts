// An object store in memory that speaks as S3, Azure or Google does, and spoils the answers that a test chooses. It takes any credentials.
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { type Asked, type Dialect, dialects, json, objectHeaders, type Page, type Provider, type Reply, xml } from './fake-dialects.js'
import type { Certificate, Options } from './services.js'

export type { Asked, Page, Provider, Reply } from './fake-dialects.js'

/** What becomes of one answer; absent parts are as they should be. */
export interface Fault {
  /** An error in the store's own form. */
  readonly error?: { readonly status: number; readonly code: string; readonly message?: string; readonly headers?: Record<string, string> }
  /** Changes a page of a listing. */
  readonly page?: (page: Page) => Page
  /** Changes the answer. Its Content-Length stays that of the body before. */
  readonly edit?: (reply: Reply) => void
  /** Only so many bytes of the body come, and then the end of the connection, a reset, or nothing. */
  readonly cutAt?: number
  readonly cutBy?: 'end' | 'reset' | 'silence'
  /** No answer: the connection is reset, or nothing comes. */
  readonly none?: 'reset' | 'silence'
  /** The body in pieces of so many bytes, with a pause after each. */
  readonly pieceBytes?: number
  readonly pauseMs?: number
}

export interface FakeStore {
  readonly provider: Provider
  readonly endpoint: string
  /** `storage.storage_options` that reach it. */
  readonly options: Options
  /** What nobody may show. */
  readonly secret: string
  /** By bucket, then by key. */
  readonly buckets: Map<string, Map<string, Buffer>>
  readonly seen: Asked[]
  /** Asked for each request, with its number among those of its kind, from 0. */
  spoil: (asked: Asked, number: number) => Fault | undefined
  /** Objects of a page of a listing. */
  pageSize: number
  /** Counts and remembers requests anew. */
  reset(): void
  /** URI of a prefix in the bucket `name`, which is made. */
  uri(name: string, prefix?: string): string
  close(): void
}

const secrets: Readonly<Record<Provider, string>> = {
  s3: 'fake/Secret+0123456789abcdef0123456789abc',
  azure: Buffer.from('fake account key of 32 or more bytes~').toString('base64'),
  gcs: '',
}
const schemes: Readonly<Record<Provider, string>> = { s3: 's3', azure: 'az', gcs: 'gs' }

export async function startFakeStore(provider: Provider, tls?: Certificate): Promise<FakeStore> {
  const dialect = dialects[provider]
  const counts = new Map<string, number>()
  const sockets = new Set<Socket>()
  const uploads = new Map<string, Map<string, Buffer>>()
  const handle = async (request: http.IncomingMessage, response: http.ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const asked = dialect.understand(request)!
    store.seen.push(asked)
    const number = counts.get(asked.kind) ?? 0
    counts.set(asked.kind, number + 1)
    const fault = store.spoil(asked, number) ?? {}
    if (fault.none === 'silence') return
    if (fault.none === 'reset') return void request.socket.resetAndDestroy()
    const reply =
      fault.error === undefined ? answer(store, dialect, uploads, asked, Buffer.concat(chunks), fault) : failed(dialect, fault.error)
    const length = reply.headers['content-length'] ?? String(reply.body.length)
    fault.edit?.(reply)
    await send(request, response, { ...reply, headers: { 'content-length': length, ...reply.headers } }, fault)
  }
  const listen = (request: http.IncomingMessage, response: http.ServerResponse) =>
    void handle(request, response).catch(() => request.socket.destroy())
  const server = tls === undefined ? http.createServer(listen) : https.createServer({ key: tls.key, cert: tls.cert }, listen)
  server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  const { port } = server.address() as AddressInfo
  const endpoint = tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`
  const secret = secrets[provider]
  const store: FakeStore = {
    provider,
    endpoint,
    secret,
    options: {
      endpoint_url: endpoint,
      ...(provider === 's3' ? { access_key_id: 'AKIDFAKE', secret_access_key: secret } : {}),
      ...(provider === 'azure' ? { account_name: 'fake', account_key: secret } : {}),
    },
    buckets: new Map(),
    seen: [],
    spoil: () => undefined,
    pageSize: 1000,
    reset: () => {
      counts.clear()
      store.seen.length = 0
    },
    uri: (name, prefix = 'data') => {
      if (!store.buckets.has(name)) store.buckets.set(name, new Map())
      return `${schemes[provider]}://${name}${prefix === '' ? '' : `/${prefix}`}`
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
  return store
}

function failed(dialect: Dialect, { status, code, message = 'words of the server', headers }: NonNullable<Fault['error']>): Reply {
  const reply = dialect.error(status, code, message)
  return { ...reply, headers: { ...reply.headers, ...headers } }
}

async function send(request: http.IncomingMessage, response: http.ServerResponse, reply: Reply, fault: Fault): Promise<void> {
  response.writeHead(reply.status, reply.headers)
  if (request.method === 'HEAD') return void response.end()
  const sent = fault.cutAt === undefined ? reply.body : reply.body.subarray(0, fault.cutAt)
  const pieceBytes = fault.pieceBytes ?? Math.max(1, sent.length)
  if (fault.cutAt !== undefined) response.flushHeaders()
  for (let at = 0; at < sent.length && !response.destroyed; at += pieceBytes) {
    await new Promise<void>((resolve) => response.write(sent.subarray(at, at + pieceBytes), () => resolve()))
    if (fault.pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.pauseMs))
  }
  if (fault.cutAt === undefined) response.end()
  else if (fault.cutBy === 'reset') setTimeout(() => request.socket.resetAndDestroy(), 5)
  else if (fault.cutBy !== 'silence') request.socket.end()
}

const done = (headers: Record<string, string> = {}, status = 200): Reply => ({ status, headers, body: Buffer.alloc(0) })

function answer(
  store: FakeStore,
  dialect: Dialect,
  uploads: Map<string, Map<string, Buffer>>,
  asked: Asked,
  body: Buffer,
  fault: Fault,
): Reply {
  const { provider } = store
  const bucket = store.buckets.get(asked.bucket)
  if (bucket === undefined) {
    if (asked.bucket === '') return dialect.error(400, 'InvalidRequest', 'no bucket')
    return dialect.error(404, { s3: 'NoSuchBucket', azure: 'ContainerNotFound', gcs: 'notFound' }[provider], 'The bucket does not exist.')
  }
  const { kind, key, query } = asked
  const object = bucket.get(key)
  switch (kind) {
    case 'list':
      return dialect.page((fault.page ?? ((page) => page))(pageOf(bucket, asked, store.pageSize)), asked)
    case 'head':
      return object === undefined ? missing(dialect, provider) : dialect.head(key, object, asked)
    case 'get':
      return object === undefined ? missing(dialect, provider) : ranged(dialect, asked, object)
    case 'delete':
      if (provider === 's3' && query.has('delete')) {
        for (const [, name] of body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)) bucket.delete(unescaped(name!))
        return xml(200, '<DeleteResult></DeleteResult>')
      }
      if (query.has('uploadId')) return done({}, 204)
      return bucket.delete(key) ? done({}, provider === 'azure' ? 202 : 204) : missing(dialect, provider)
    case 'put':
      return put(store, uploads, bucket, asked, body)
    case 'other':
      return done()
  }
}

const unescaped = (text: string): string =>
  text.replace(/&(?:lt|gt|quot|amp|apos|#(x?[0-9a-fA-F]+));/g, (entity, code: string | undefined) =>
    code === undefined
      ? { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&amp;': '&', '&apos;': "'" }[entity]!
      : String.fromCodePoint(code.startsWith('x') ? Number.parseInt(code.slice(1), 16) : Number(code)),
  )

function missing(dialect: Dialect, provider: Provider): Reply {
  return dialect.error(404, { s3: 'NoSuchKey', azure: 'BlobNotFound', gcs: 'notFound' }[provider], 'The object does not exist.')
}

function pageOf(bucket: Map<string, Buffer>, { key: prefix, from }: Asked, pageSize: number): Page {
  const all = [...bucket].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const objects = all.slice(from, from + pageSize)
  return { objects, ...(from + pageSize < all.length ? { next: String(from + pageSize) } : {}) }
}

function ranged(dialect: Dialect, { request }: Asked, bytes: Buffer): Reply {
  const headers = objectHeaders(bytes)
  const match = /^bytes=(\d+)-(\d*)$/.exec(String(request.headers.range ?? request.headers['x-ms-range'] ?? ''))
  if (match === null) return { status: 200, headers, body: bytes }
  const begin = Number(match[1])
  const end = match[2] === '' ? bytes.length : Math.min(Number(match[2]) + 1, bytes.length)
  if (begin >= bytes.length) {
    const reply = dialect.error(416, 'InvalidRange', 'the range is not satisfiable')
    return { ...reply, headers: { ...reply.headers, 'content-range': `bytes */${bytes.length}` } }
  }
  return {
    status: 206,
    headers: { ...headers, 'content-range': `bytes ${begin}-${end - 1}/${bytes.length}` },
    body: bytes.subarray(begin, end),
  }
}

/** One request, multi-part (S3), blocks (Azure) or a resumable session (Google). */
function put(store: FakeStore, uploads: Map<string, Map<string, Buffer>>, bucket: Map<string, Buffer>, asked: Asked, body: Buffer): Reply {
  const { key, query, request } = asked
  const uploadId = query.get('uploadId') ?? query.get('upload_id') ?? `${asked.bucket}/${key}`
  const parts = uploads.get(uploadId) ?? new Map<string, Buffer>()
  uploads.set(uploadId, parts)
  const stored = (bytes: Buffer) => {
    bucket.set(key, bytes)
    uploads.delete(uploadId)
    return bytes
  }
  if (query.has('uploads'))
    return xml(200, `<InitiateMultipartUploadResult><UploadId>upload-${uploads.size}</UploadId></InitiateMultipartUploadResult>`)
  const part = query.get('partNumber') ?? (query.get('comp') === 'block' ? query.get('blockid') : null)
  if (part !== null) {
    parts.set(part, body)
    return done({ etag: `"${part}"` }, store.provider === 's3' ? 200 : 201)
  }
  if (query.has('uploadId') || query.get('comp') === 'blocklist') {
    const names = [...body.toString().matchAll(/<(?:PartNumber|Latest)>([^<]*)</g)].map(([, name]) => parts.get(name!)!)
    stored(Buffer.concat(names))
    return store.provider === 's3'
      ? xml(200, '<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>')
      : done({}, 201)
  }
  if (query.get('uploadType') === 'resumable') return resumable(store, parts, asked, body, stored)
  if (query.get('uploadType') === 'multipart') {
    const boundary = /boundary="?([^";]+)/.exec(String(request.headers['content-type']))![1]!
    const media = body.indexOf('\r\n\r\n', body.indexOf(`--${boundary}`, 4)) + 4
    const bytes = stored(Buffer.from(body.subarray(media, body.lastIndexOf(`\r\n--${boundary}`))))
    return json(200, { name: key, bucket: asked.bucket, size: String(bytes.length) })
  }
  return done(objectHeaders(stored(body)), store.provider === 'azure' ? 201 : 200)
}

function resumable(store: FakeStore, parts: Map<string, Buffer>, asked: Asked, body: Buffer, stored: (bytes: Buffer) => Buffer): Reply {
  const { key, bucket, request } = asked
  if (request.method === 'POST')
    return done({
      location: `${store.endpoint}/upload/storage/v1/b/${bucket}/o?uploadType=resumable&name=${encodeURIComponent(key)}&upload_id=s${store.seen.length}`,
    })
  const said = /bytes (?:(\d+)-\d+|\*)\/(\d+|\*)/.exec(String(request.headers['content-range'] ?? ''))
  if (said?.[1] !== undefined || said === null) parts.set(String(parts.size), body)
  const all = Buffer.concat([...parts.values()])
  if (said !== null && said[2] === '*') return done({ range: `bytes=0-${all.length - 1}` }, 308)
  stored(all)
  return json(200, { name: key, bucket, size: String(all.length) })
}
