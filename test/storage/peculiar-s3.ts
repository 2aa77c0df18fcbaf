// An object store in memory that speaks S3 as some servers do that are not Amazon's: each peculiarity has been met with.
import { createHash } from 'node:crypto'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Peculiarities {
  /** Refuses requests that are signed for another region, as AWS words it, or with the region in the message only, in quotes of either kind. */
  readonly region?: string
  readonly namesRegion?: 'element' | 'message' | 'inDoubleQuotes'
  /** `first`: knows no list-type=2 and answers as to ListObjects; `refused`: 501; `broken`: 500; `ill`: 500 for both kinds; `endless`: takes no notice of markers either. */
  readonly listing?: 'first' | 'refused' | 'broken' | 'ill' | 'endless'
  readonly mayList?: false
  /** Refuses everything, with this code. */
  readonly refusesAll?: string
  /** Keys are listed percent-encoded, though nobody asked for that. */
  readonly encodesKeys?: true
  /** Multipart uploads are refused with 501. */
  readonly hasMultipart?: false
  /** `terse`: listings without IsTruncated and KeyCount; `verbose`: with all that S3 has, and more; `namespaced`: every element has a prefix. */
  readonly listingForm?: 'terse' | 'verbose' | 'namespaced'
  /** Objects of a page. */
  readonly pageSize?: number
  /** DeleteObjects: `refused` with 501; `md5`: 400 without Content-MD5. */
  readonly deletesMany?: 'refused' | 'md5'
  /** DELETE of what is not there is refused with 404 and no body. */
  readonly missesDeleted?: true
  /** HEAD: `lengthless` answers without Content-Length, `empty` as if every object were, `refused` with 405. */
  readonly head?: 'lengthless' | 'empty' | 'refused'
  readonly etag?: 'none' | 'unquoted' | 'weak' | 'weakForGet'
  /** If-Match: `refused` with 501, `never` matches. */
  readonly ifMatch?: 'refused' | 'never'
  /** `as200`: status 200 with Content-Range; `untold`: status 200 without; `within`: 416 where the range goes on behind the object's end. */
  readonly ranges?: 'as200' | 'untold' | 'ignored' | 'within'
  /** Bodies of objects come in chunks, without Content-Length. */
  readonly chunks?: true
  /** Each response has a Last-Modified of its own, as where replicas answer. */
  readonly hasReplicas?: true
  /** Bodies of errors that are not S3's. */
  readonly errors?: 'html' | 'json' | 'empty'
  /** Requests with headers of x-amz- that are not signed, or that it does not know, are refused. */
  readonly knowsFewHeaders?: true
  /** Where the bucket lies on the server. */
  readonly basePath?: string
  /** Uploads that are completed are not answered but the connection is reset, and are known no more; with or without their object. */
  readonly losesCompletion?: 'answer' | 'object'
  /** Closes the connection after each response. */
  readonly closes?: boolean
  /** `Expect` is refused with 417. */
  readonly refusesExpect?: boolean
  /** x-amz-checksum headers, trailers and chunked bodies are refused. */
  readonly refusesChecksums?: boolean
  /** Parts of an upload may have checksums only as announced at its begin, and must name them at its end. */
  readonly strictChecksums?: true
  /** Sends GETs and HEADs of objects to this origin, with 307 unless another status is given. */
  readonly sendsTo?: string
  readonly sendsBy?: 301 | 307
  /** Where to is not in a header but in the error's words, as a host. */
  readonly sendsByWords?: true
  /** Answers everything with a page for people. */
  readonly isWebSite?: boolean
  /** Last-Modified, Accept-Ranges and Date are left out. */
  readonly terse?: boolean
}

interface Reply {
  /** 0: the connection is reset. */
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer
}

export interface PeculiarS3 {
  readonly endpoint: string
  readonly objects: Map<string, Buffer>
  /** As `METHOD /path?query`. */
  readonly requests: string[]
  peculiarities: Peculiarities
}

const xml = (name: string, content: string) => `<?xml version="1.0" encoding="UTF-8"?><${name}>${content}</${name}>`
const text = (value: string) => value.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')

/** Starts one with the bucket `bucket`. It ends with the process. */
export async function startPeculiarS3(peculiarities: Peculiarities = {}): Promise<PeculiarS3> {
  const objects = new Map<string, Buffer>()
  const requests: string[] = []
  const server = http.createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { status, headers, body } = new Exchange(store, request, Buffer.concat(chunks)).answer()
      response.sendDate = store.peculiarities.terse !== true
      if (status === 0) request.socket.resetAndDestroy()
      else response.writeHead(status, headers).end(request.method === 'HEAD' ? undefined : body)
    })
  })
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (store.peculiarities.refusesExpect === true) response.writeHead(417).end()
    else {
      response.writeContinue()
      server.emit('request', request, response)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  const store: Store = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    requests,
    peculiarities,
    uploads: new Map(),
  }
  return store
}

interface Store extends PeculiarS3 {
  /** Whether the upload begun last announced checksums. */
  announced?: boolean
  readonly uploads: Map<string, Map<number, Buffer>>
}

class Exchange {
  private readonly url: URL
  private readonly key: string
  private readonly bucketPath: string
  constructor(
    private readonly store: Store,
    private readonly request: IncomingMessage,
    private readonly body: Buffer,
  ) {
    this.url = new URL(request.url!, 'http://store')
    this.bucketPath = `${store.peculiarities.basePath ?? ''}/bucket`
    this.key = decodeURIComponent(this.url.pathname).slice(this.bucketPath.length + 1)
  }

  private get odd(): Peculiarities {
    return this.store.peculiarities
  }

  private reply(status: number, headers: Record<string, string>, body: string | Buffer = ''): Reply {
    const connection: Record<string, string> = this.odd.closes === true ? { connection: 'close' } : {}
    return { status, headers: { 'content-length': String(Buffer.byteLength(body)), ...connection, ...headers }, body }
  }

  private refuse(status: number, code: string, more = ''): Reply {
    const { errors } = this.odd
    if (errors === 'empty') return this.reply(status, {})
    if (errors === 'json') return this.reply(status, { 'content-type': 'application/json' }, `{"detail":"refused: ${code}"}`)
    if (errors === 'html')
      return this.reply(
        status,
        { 'content-type': 'text/html' },
        `<html><head><title>no</title></head><body><h1>refused</h1><hr>${code}</body></html>`,
      )
    return this.reply(
      status,
      { 'content-type': 'application/xml' },
      xml('Error', `<Code>${code}</Code>${more || '<Message>words</Message>'}`),
    )
  }

  answer(): Reply {
    const { odd, key, url, request } = this
    if (odd.isWebSite === true)
      return this.reply(200, { 'content-type': 'text/html' }, '<!doctype html><head><meta><title>Hello</title></head>')
    if (odd.refusesAll !== undefined) return this.refuse(403, odd.refusesAll)
    const wrong = this.signedWrong()
    if (wrong !== undefined) return wrong
    if (odd.refusesChecksums === true && this.hasChecksum()) return this.refuse(501, 'NotImplemented')
    if (odd.knowsFewHeaders === true && this.hasStrangeHeader()) return this.refuse(501, 'NotImplemented')
    if (!url.pathname.startsWith(this.bucketPath)) return this.refuse(404, 'NoSuchBucket')
    const isObject = key !== ''
    if (isObject && odd.sendsTo !== undefined && odd.sendsByWords === true)
      return this.refuse(301, 'PermanentRedirect', `<Message>use that endpoint</Message><Endpoint>${new URL(odd.sendsTo).host}</Endpoint>`)
    if (isObject && odd.sendsTo !== undefined && (request.method === 'GET' || request.method === 'HEAD'))
      return this.reply(odd.sendsBy ?? 307, { location: `${odd.sendsTo}${request.url}` })
    if (!isObject) return this.answerForBucket()
    if (request.method === 'GET' || request.method === 'HEAD') return this.give()
    if (request.method === 'DELETE') {
      const was = this.store.objects.delete(key)
      return this.reply(was || odd.missesDeleted !== true ? 204 : 404, {})
    }
    return this.take()
  }

  private signedWrong(): Reply | undefined {
    const { region, namesRegion = 'element' } = this.odd
    const signed = /Credential=[^/]+\/\d+\/([^/]+)\//.exec(this.request.headers.authorization ?? '')?.[1]
    if (region === undefined || signed === region) return undefined
    const quoted = (name: string) => (namesRegion === 'message' ? `'${name}'` : `&#34;${name}&#34;`)
    const told =
      namesRegion === 'element'
        ? `<Message>unexpected scope</Message><Region>${region}</Region>`
        : `<Message>the region ${quoted(signed!)} is wrong; expecting ${quoted(region)}</Message>`
    return this.request.method === 'HEAD' ? this.reply(400, {}) : this.refuse(400, 'AuthorizationHeaderMalformed', told)
  }

  private hasChecksum(): boolean {
    const { headers } = this.request
    const encoded = String(headers['content-encoding'] ?? '').includes('aws-chunked') || headers['transfer-encoding'] !== undefined
    return (
      encoded ||
      Object.keys(headers).some(
        (name) => name.startsWith('x-amz-checksum') || name === 'x-amz-sdk-checksum-algorithm' || name === 'x-amz-trailer',
      )
    )
  }

  private hasStrangeHeader(): boolean {
    const { headers } = this.request
    const signed = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? '')?.[1]?.split(';') ?? []
    const known = /^x-amz-(?:content-sha256|date|user-agent)$/
    return Object.keys(headers).some((name) => name.startsWith('x-amz-') && !(signed.includes(name) && known.test(name)))
  }

  private answerForBucket(): Reply {
    const { url, request, odd } = this
    if (request.method === 'HEAD') return this.reply(200, {})
    if (request.method === 'POST' && url.searchParams.has('delete')) return this.deleteMany()
    if (url.searchParams.has('location')) return this.reply(200, {}, xml('LocationConstraint', odd.region ?? ''))
    return this.list()
  }

  private list(): Reply {
    const { url, odd, store } = this
    if (odd.mayList === false) return this.refuse(403, 'AccessDenied')
    const isSecond = url.searchParams.get('list-type') === '2'
    if (isSecond && odd.listing === 'refused') return this.refuse(501, 'NotImplemented')
    if (odd.listing === 'ill' || (isSecond && odd.listing === 'broken')) return this.refuse(500, 'InternalError')
    const tells = isSecond && odd.listing === undefined
    const behind = odd.listing === 'endless' ? '' : (url.searchParams.get(tells ? 'continuation-token' : 'marker') ?? '')
    const prefix = url.searchParams.get('prefix') ?? ''
    const keys = [...store.objects.keys()].filter((key) => key.startsWith(prefix) && key > behind).sort()
    const page = keys.slice(0, odd.pageSize ?? 1000)
    const isTruncated = page.length < keys.length
    const more =
      odd.listingForm === 'verbose'
        ? '<LastModified>2026-11-22T10:00:00Z</LastModified><ETag>&quot;0&quot;</ETag><Owner><ID>o</ID></Owner><StorageClass/><Extra a="b"/>'
        : ''
    const contents = page.map(
      (key) =>
        `<Contents><Key>${text(odd.encodesKeys === true ? encodeURIComponent(key).replaceAll('%20', '+') : key)}</Key><Size>${store.objects.get(key)!.length}</Size>${more}</Contents>`,
    )
    const encoding = odd.encodesKeys === true ? '<EncodingType>url</EncodingType>' : ''
    const next = tells && isTruncated ? `<NextContinuationToken>${text(page.at(-1)!)}</NextContinuationToken>` : ''
    const truncated = odd.listingForm === 'terse' ? '<Name>bucket</Name>' : `<IsTruncated>${isTruncated}</IsTruncated>`
    const counted = odd.listingForm === 'verbose' ? `<!-- page --><Name>bucket</Name><Prefix/><KeyCount>${page.length}</KeyCount>` : ''
    const listing = xml('ListBucketResult', `${truncated}${counted}${next}${encoding}${contents.join('')}`)
    return this.reply(
      200,
      { 'content-type': 'application/xml' },
      odd.listingForm === 'namespaced' ? listing.replace(/<(\/?)(?=\w)/g, '<$1s3:') : listing,
    )
  }

  private deleteMany(): Reply {
    const { odd, request, store } = this
    if (odd.deletesMany === 'refused') return this.refuse(501, 'NotImplemented')
    if (odd.deletesMany === 'md5' && request.headers['content-md5'] === undefined) return this.refuse(400, 'InvalidRequest')
    for (const [, key] of this.body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)) store.objects.delete(key!)
    return this.reply(200, {}, xml('DeleteResult', ''))
  }

  private etagOf(bytes: Buffer): Record<string, string> {
    const { etag } = this.odd
    const digest = createHash('md5').update(bytes).digest('hex')
    if (etag === 'none') return {}
    if (etag === 'unquoted') return { etag: digest }
    return { etag: etag === 'weak' || (etag === 'weakForGet' && this.request.method === 'GET') ? `W/"${digest}"` : `"${digest}"` }
  }

  private give(): Reply {
    const { odd, request, store, key } = this
    const object = store.objects.get(key)
    if (object === undefined) return this.refuse(404, 'NoSuchKey')
    const second = odd.hasReplicas === true ? 10 + (store.requests.length % 50) : '00'
    const common = { ...this.etagOf(object), ...(odd.terse === true ? {} : { 'last-modified': `Sun, 22 Nov 2026 10:00:${second} GMT` }) }
    if (request.method === 'HEAD' && odd.head === 'refused') return this.refuse(405, 'MethodNotAllowed')
    if (request.method === 'HEAD' && odd.head === 'lengthless') {
      const { 'content-length': _, ...lengthless } = this.reply(200, common).headers
      return { status: 200, headers: { ...lengthless, 'transfer-encoding': 'chunked' }, body: '' }
    }
    if (request.method === 'HEAD' && odd.head === 'empty') return this.reply(200, common)
    if (request.headers['if-match'] !== undefined && odd.ifMatch !== undefined)
      return odd.ifMatch === 'refused' ? this.refuse(501, 'NotImplemented') : this.refuse(412, 'PreconditionFailed')
    const range = odd.ranges === 'ignored' ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
    if (range === null) return this.bring(200, { ...common, 'content-length': String(object.length) }, object)
    const begin = Number(range[1])
    if (begin >= object.length) return this.refuse(416, 'InvalidRange')
    const end = range[2] === '' ? object.length : Math.min(Number(range[2]) + 1, object.length)
    if (odd.ranges === 'within' && range[2] !== '' && Number(range[2]) >= object.length) return this.refuse(416, 'InvalidRange')
    const status = odd.ranges === 'as200' || odd.ranges === 'untold' ? 200 : 206
    if (odd.ranges === 'untold') return this.bring(200, common, object.subarray(begin, end))
    return this.bring(status, { ...common, 'content-range': `bytes ${begin}-${end - 1}/${object.length}` }, object.subarray(begin, end))
  }

  /** A body of an object, with its length or in chunks. */
  private bring(status: number, headers: Record<string, string>, body: Buffer): Reply {
    const reply = this.reply(status, headers, body)
    if (this.odd.chunks !== true || this.request.method === 'HEAD') return reply
    const { 'content-length': _, ...lengthless } = reply.headers
    return { ...reply, headers: { ...lengthless, 'transfer-encoding': 'chunked' } }
  }

  private take(): Reply {
    const { store, key, body, url, request } = this
    const uploadId = url.searchParams.get('uploadId') ?? ''
    const parts = store.uploads.get(uploadId)
    if (request.method === 'POST' && url.searchParams.has('uploads')) {
      if (this.odd.hasMultipart === false) return this.refuse(501, 'NotImplemented')
      const id = `upload-${store.requests.length}`
      store.uploads.set(id, new Map())
      this.store.announced = request.headers['x-amz-checksum-algorithm'] !== undefined
      return this.reply(200, {}, xml('InitiateMultipartUploadResult', `<UploadId>${id}</UploadId>`))
    }
    if (parts === undefined && uploadId !== '') return this.refuse(404, 'NoSuchUpload')
    if (parts === undefined) {
      store.objects.set(key, body)
      return this.reply(200, this.etagOf(body))
    }
    const crc = request.headers['x-amz-checksum-crc32']
    const isStrict = this.odd.strictChecksums === true
    if (isStrict && request.method === 'PUT' && (crc !== undefined) !== store.announced) return this.refuse(400, 'InvalidRequest')
    if (isStrict && request.method === 'POST' && store.announced !== body.includes('<ChecksumCRC32>'))
      return this.refuse(400, 'InvalidPart')
    if (request.method === 'PUT') {
      parts.set(Number(url.searchParams.get('partNumber')), body)
      return this.reply(200, { ...this.etagOf(body), ...(crc === undefined ? {} : { 'x-amz-checksum-crc32': String(crc) }) })
    }
    const inOrder = [...parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes)
    // As S3 has it, and those that want all parts but the last of one size.
    const [{ length: partBytes }] = inOrder as [Buffer]
    if (inOrder.slice(0, -1).some(({ length }) => length < 5 << 20 || length !== partBytes)) return this.refuse(400, 'EntityTooSmall')
    if (inOrder.at(-1)!.length > partBytes) return this.refuse(400, 'InvalidPart')
    store.uploads.delete(uploadId)
    if (this.odd.losesCompletion !== 'object') store.objects.set(key, Buffer.concat(inOrder))
    if (this.odd.losesCompletion !== undefined) return this.reply(0, {})
    return this.reply(200, {}, xml('CompleteMultipartUploadResult', '<ETag>"x"</ETag>'))
  }
}
