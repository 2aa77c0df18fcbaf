// The head of an HTTP/1.1 response: what GETs of objects need to know, and nothing that a hostile server could make large.
import { HttpFault } from './faults.js'

export const mostHeadBytes = 16 * 1024

export interface ResponseHead {
  readonly status: number
  readonly reason: string
  /** −1 where the head does not say. */
  readonly contentLength: number
  readonly chunked: boolean
  /** Of Content-Range, [begin, end) of `total` bytes; −1 where there is none. For 416 only the total is set. */
  readonly rangeBegin: number
  readonly rangeEnd: number
  readonly rangeTotal: number
  readonly etag: string
  readonly lastModified: string
  /** Whether the connection can be used again, and until when at most after the response (milliseconds; Infinity where the server does not say). */
  readonly keepAlive: boolean
  readonly keepAliveMs: number
  /** Of Retry-After; undefined without one. */
  readonly retryAfterMs: number | undefined
  readonly location: string
  /** x-amz-bucket-region. */
  readonly region: string
  readonly date: string
  readonly contentEncoding: string
}

/** Index behind the blank line that ends the head in bytes [begin, end); −1 where it has not come yet. */
export function findHeadEnd(bytes: Uint8Array, begin: number, end: number): number {
  for (let at = begin + 3; at < end; ) {
    const byte = bytes[at]!
    if (byte === 10) {
      if (bytes[at - 1] === 13 && bytes[at - 2] === 10 && bytes[at - 3] === 13) return at + 1
      at += 2
    } else at += byte === 13 ? 1 : 4
  }
  return -1
}

const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: (.*))?$/
const digits = /^\d{1,15}$/
const contentRange = /^bytes (?:(\d{1,15})-(\d{1,15})|\*)\/(\d{1,15})$/i

const broken = (detail: string) => new HttpFault('badResponse', detail)

/** Parses a head, as latin1 text up to and with its blank line. Throws HttpFault (`badResponse`). */
export function parseHead(text: string, nowMs: number): ResponseHead {
  let lineEnd = text.indexOf('\r\n')
  const { status, reason, isLatest } = statusOf(text.slice(0, lineEnd))
  const head = {
    status,
    reason,
    contentLength: -1,
    chunked: false,
    rangeBegin: -1,
    rangeEnd: -1,
    rangeTotal: -1,
    etag: '',
    lastModified: '',
    keepAlive: isLatest,
    keepAliveMs: Number.POSITIVE_INFINITY,
    retryAfterMs: undefined as number | undefined,
    location: '',
    region: '',
    date: '',
    contentEncoding: '',
  }
  for (;;) {
    const begin = lineEnd + 2
    lineEnd = text.indexOf('\r\n', begin)
    if (lineEnd <= begin) break
    const colon = text.indexOf(':', begin)
    if (colon <= begin || colon > lineEnd) throw broken(`a header line is malformed: ${excerpt(text.slice(begin, lineEnd))}`)
    if (mayMatter(text.charCodeAt(begin), colon - begin)) {
      let valueBegin = colon + 1
      while (isBlank(text.charCodeAt(valueBegin))) valueBegin++
      let valueEnd = lineEnd
      while (valueEnd > valueBegin && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--
      takeHeader(head, text.slice(begin, colon).toLowerCase(), text.slice(valueBegin, valueEnd), nowMs)
    }
  }
  // RFC 9112, 6.3: both at once is how requests are smuggled; a benchmark need not guess.
  if (head.chunked && head.contentLength >= 0) throw broken('the response has both Content-Length and Transfer-Encoding')
  return head
}

/** The usual answers, which make up nearly all of them. */
const usual = new Map(
  [200, 206].flatMap((status) =>
    ['OK', 'Partial Content'].map((reason) => [`HTTP/1.1 ${status} ${reason}`, { status, reason, isLatest: true }]),
  ),
)

function statusOf(line: string): { status: number; reason: string; isLatest: boolean } {
  const known = usual.get(line)
  if (known !== undefined) return known
  const parts = statusLine.exec(line)
  if (parts === null) throw broken(`the response does not begin with an HTTP/1.1 status line but with ${excerpt(line)}`)
  return { status: Number(parts[2]), reason: parts[3] ?? '', isLatest: parts[1] === '1' }
}

/** Lengths of the names that {@link takeHeader} knows, by their first letter: most headers of most responses are passed over by this alone. */
const lengthsByLetter = new Map<number, readonly number[]>()
for (const name of [
  'content-length',
  'transfer-encoding',
  'content-range',
  'etag',
  'last-modified',
  'connection',
  'keep-alive',
  'retry-after',
  'location',
  'x-amz-bucket-region',
  'date',
  'content-encoding',
])
  lengthsByLetter.set(name.charCodeAt(0), [...(lengthsByLetter.get(name.charCodeAt(0)) ?? []), name.length])

const mayMatter = (firstChar: number, length: number) => lengthsByLetter.get(firstChar | 32)?.includes(length) === true
const isBlank = (char: number) => char === 32 || char === 9

type Mutable = { -readonly [Key in keyof ResponseHead]: ResponseHead[Key] }

function takeHeader(head: Mutable, name: string, value: string, nowMs: number): void {
  switch (name) {
    case 'content-length': {
      if (!digits.test(value)) throw broken(`Content-Length is ${excerpt(value)}, not a number of bytes`)
      const length = Number(value)
      if (head.contentLength >= 0 && head.contentLength !== length)
        throw broken(`the response has two values of Content-Length, ${head.contentLength} and ${length}`)
      head.contentLength = length
      return
    }
    case 'transfer-encoding':
      if (value.toLowerCase() !== 'chunked') throw broken(`Transfer-Encoding is ${excerpt(value)}; only chunked was agreed on`)
      head.chunked = true
      return
    case 'content-range': {
      const match = contentRange.exec(value)
      if (match === null) throw broken(`Content-Range is ${excerpt(value)}, not \`bytes BEGIN-END/TOTAL\``)
      head.rangeTotal = Number(match[3])
      if (match[1] === undefined) return
      head.rangeBegin = Number(match[1])
      head.rangeEnd = Number(match[2]) + 1
      return
    }
    case 'etag':
      head.etag = value
      return
    case 'last-modified':
      head.lastModified = value
      return
    case 'connection': {
      if (value === 'keep-alive') {
        head.keepAlive = true
        return
      }
      const tokens = value.toLowerCase().split(/\s*,\s*/)
      if (tokens.includes('close')) head.keepAlive = false
      else if (tokens.includes('keep-alive')) head.keepAlive = true
      return
    }
    case 'keep-alive': {
      const match = /(?:^|[\s,])timeout=(\d{1,9})/i.exec(value)
      if (match !== null) head.keepAliveMs = 1000 * Number(match[1])
      return
    }
    case 'retry-after':
      head.retryAfterMs = retryAfter(value, nowMs)
      return
    case 'location':
      head.location = value
      return
    case 'x-amz-bucket-region':
      head.region = value
      return
    case 'date':
      head.date = value
      return
    case 'content-encoding':
      head.contentEncoding = value
  }
}

/** Seconds, or a date (RFC 9110, 10.2.3); undefined where it is neither. */
export function retryAfter(value: string, nowMs: number): number | undefined {
  if (/^\d{1,9}$/.test(value)) return 1000 * Number(value)
  const atMs = Date.parse(value)
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs)
}

/** A piece of what a server sent, quoted, short and printable. */
export function excerpt(text: string): string {
  const line = text.slice(0, 80).split(/[\r\n]/, 1)[0]!
  return JSON.stringify(line.replace(/[^\x20-\x7e]/g, '?'))
}
