// How requests and answers of the three object stores look on the wire, as much of it as the program and the SDKs use.
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

export type Provider = 's3' | 'azure' | 'gcs'

/** A request as the store understands it. */
export interface Asked {
  readonly kind: 'list' | 'head' | 'get' | 'put' | 'delete' | 'other'
  readonly bucket: string
  /** Of an object; of a listing its prefix. */
  readonly key: string
  /** Of a listing: how many objects the pages before it had. */
  readonly from: number
  readonly query: URLSearchParams
  readonly request: IncomingMessage
}

export interface Reply {
  status: number
  headers: Record<string, string>
  body: Buffer
}

export interface Page {
  readonly objects: readonly (readonly [key: string, bytes: Buffer])[]
  /** What to send for the next page; absent on the last. */
  readonly next?: string
}

export interface Dialect {
  /** Undefined for what is no request of this kind of store. */
  understand(request: IncomingMessage): Asked | undefined
  page(page: Page, asked: Asked): Reply
  error(status: number, code: string, message: string): Reply
  /** The answer to a request for an object's size. */
  head(key: string, bytes: Buffer, asked: Asked): Reply
}

export const etagOf = (bytes: Buffer): string => `"${createHash('md5').update(bytes).digest('hex')}"`
const modified = 'Sun, 22 Nov 2026 10:00:00 GMT'
export const objectHeaders = (bytes: Buffer) => ({ etag: etagOf(bytes), 'last-modified': modified, 'x-ms-blob-type': 'BlockBlob' })

const escaped = (text: string): string => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)
export const xml = (status: number, body: string): Reply => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>${body}`),
})
export const json = (status: number, value: unknown): Reply => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(JSON.stringify(value)),
})

const methods: Readonly<Record<string, Asked['kind']>> = { GET: 'get', HEAD: 'head', PUT: 'put', DELETE: 'delete' }
const urlOf = (request: IncomingMessage) => new URL(request.url!, 'http://store')
/** `/bucket/key`, behind `skip` parts. */
function split(pathname: string, skip: number): { bucket: string; key: string } {
  const parts = pathname.slice(1).split('/').slice(skip)
  return { bucket: decodeURIComponent(parts[0] ?? ''), key: decodeURIComponent(parts.slice(1).join('/')) }
}
const bare = (bytes: Buffer): Reply => ({
  status: 200,
  headers: { ...objectHeaders(bytes), 'content-length': String(bytes.length) },
  body: Buffer.alloc(0),
})

const s3: Dialect = {
  understand(request) {
    const { pathname, searchParams: query } = urlOf(request)
    const place = split(pathname, 0)
    if (query.get('list-type') === '2')
      return { kind: 'list', ...place, key: query.get('prefix') ?? '', from: Number(query.get('continuation-token') ?? 0), query, request }
    const kind = query.has('delete') ? 'delete' : request.method === 'POST' ? 'put' : methods[request.method!]
    return { kind: place.key === '' && kind !== 'delete' ? 'other' : (kind ?? 'other'), ...place, from: 0, query, request }
  },
  page({ objects, next }, { bucket }) {
    const rows = objects.map(
      ([key, bytes]) =>
        `<Contents><Key>${escaped(key)}</Key><Size>${bytes.length}</Size><ETag>${escaped(etagOf(bytes))}</ETag><LastModified>2026-11-22T10:00:00.000Z</LastModified></Contents>`,
    )
    const more = `<IsTruncated>${next !== undefined}</IsTruncated>${next === undefined ? '' : `<NextContinuationToken>${escaped(next)}</NextContinuationToken>`}`
    return xml(
      200,
      `<ListBucketResult><Name>${bucket}</Name><KeyCount>${objects.length}</KeyCount>${more}${rows.join('')}</ListBucketResult>`,
    )
  },
  error: (status, code, message) => xml(status, `<Error><Code>${code}</Code><Message>${escaped(message)}</Message></Error>`),
  head: (_, bytes) => bare(bytes),
}

const azure: Dialect = {
  understand(request) {
    const { pathname, searchParams: query } = urlOf(request)
    const place = split(pathname, 1)
    if (query.get('comp') === 'list')
      return { kind: 'list', ...place, key: query.get('prefix') ?? '', from: Number(query.get('marker') ?? 0), query, request }
    return { kind: place.key === '' ? 'other' : (methods[request.method!] ?? 'other'), ...place, from: 0, query, request }
  },
  page({ objects, next }, { bucket }) {
    const rows = objects.map(
      ([key, bytes]) =>
        `<Blob><Name>${escaped(key)}</Name><Properties><Last-Modified>${modified}</Last-Modified><Etag>${escaped(etagOf(bytes))}</Etag><Content-Length>${bytes.length}</Content-Length><Content-Type>application/octet-stream</Content-Type><BlobType>BlockBlob</BlobType></Properties></Blob>`,
    )
    return xml(
      200,
      `<EnumerationResults ServiceEndpoint="http://store/" ContainerName="${bucket}"><Blobs>${rows.join('')}</Blobs><NextMarker>${escaped(next ?? '')}</NextMarker></EnumerationResults>`,
    )
  },
  error(status, code, message) {
    const reply = xml(status, `<Error><Code>${code}</Code><Message>${escaped(message)}</Message></Error>`)
    reply.headers['x-ms-error-code'] = code
    return reply
  },
  head: (_, bytes) => bare(bytes),
}

const gcsObject = (bucket: string, key: string, bytes: Buffer) => ({
  kind: 'storage#object',
  name: key,
  bucket,
  size: String(bytes.length),
  etag: etagOf(bytes).slice(1, 9),
  updated: '2026-11-22T10:00:00.000Z',
})

const gcs: Dialect = {
  understand(request) {
    const { pathname, searchParams: query } = urlOf(request)
    const parts = pathname.slice(1).split('/')
    if (parts[0] !== 'storage' && parts[0] !== 'upload')
      return { kind: methods[request.method!] ?? 'other', ...split(pathname, 0), from: 0, query, request }
    const at = parts.indexOf('b')
    const bucket = decodeURIComponent(parts[at + 1] ?? '')
    if (parts[0] === 'upload') return { kind: 'put', bucket, key: query.get('name') ?? '', from: 0, query, request }
    const key = decodeURIComponent(parts.slice(at + 3).join('/'))
    if (parts[at + 2] !== 'o') return { kind: 'other', bucket, key: '', from: 0, query, request }
    if (key === '')
      return { kind: 'list', bucket, key: query.get('prefix') ?? '', from: Number(query.get('pageToken') ?? 0), query, request }
    const kind = request.method === 'GET' && query.get('alt') !== 'media' ? 'head' : (methods[request.method!] ?? 'other')
    return { kind, bucket, key, from: 0, query, request }
  },
  page: ({ objects, next }, { bucket }) =>
    json(200, {
      kind: 'storage#objects',
      ...(next === undefined ? {} : { nextPageToken: next }),
      items: objects.map(([key, bytes]) => gcsObject(bucket, key, bytes)),
    }),
  error: (status, code, message) => json(status, { error: { code: status, message, errors: [{ reason: code, message }] } }),
  head: (key, bytes, { request }) => (request.method === 'HEAD' ? bare(bytes) : json(200, gcsObject('bucket', key, bytes))),
}

export const dialects: Readonly<Record<Provider, Dialect>> = { s3, azure, gcs }
