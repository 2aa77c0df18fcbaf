import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HttpFault } from '#src/storage/object/http/faults.js'
import { findHeadEnd, parseHead } from '#src/storage/object/http/head.js'

const head = (...lines: string[]) => parseHead(`${['HTTP/1.1 200 OK', ...lines].join('\r\n')}\r\n\r\n`, Date.UTC(2026, 0, 1))

test('names are read whatever their case, values without the blanks around them, and other headers are passed over', () => {
  const { contentLength, etag, rangeBegin, rangeEnd, rangeTotal, region } = head(
    'Server: x',
    'CONTENT-LENGTH:\t 12 ',
    'eTag:"a b"',
    'Content-Range: bytes 5-16/40',
    'x-amz-id-2: content-length: 99',
    'X-Amz-Bucket-Region: eu-west-1',
  )
  assert.deepEqual([contentLength, etag, rangeBegin, rangeEnd, rangeTotal, region], [12, '"a b"', 5, 17, 40, 'eu-west-1'])
})

test('a connection is kept as version, Connection and Keep-Alive say', () => {
  const kept = (version: string, ...lines: string[]) =>
    parseHead(`HTTP/1.${version} 200 OK\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`, 0)
  assert.equal(kept('1').keepAlive, true)
  assert.equal(kept('0').keepAlive, false)
  assert.equal(kept('0', 'Connection: Keep-Alive').keepAlive, true)
  assert.equal(kept('1', 'Connection: foo, Close').keepAlive, false)
  assert.equal(kept('1', 'Keep-Alive: max=5, timeout=7').keepAliveMs, 7000)
  assert.equal(kept('1').keepAliveMs, Number.POSITIVE_INFINITY)
})

test('Retry-After is seconds or a date, and nothing where it is neither', () => {
  assert.equal(head('Retry-After: 3').retryAfterMs, 3000)
  assert.equal(head('Retry-After: Thu, 01 Jan 2026 00:01:00 GMT').retryAfterMs, 60_000)
  assert.equal(head('Retry-After: Wed, 31 Dec 2025 00:00:00 GMT').retryAfterMs, 0)
  assert.equal(head('Retry-After: soon').retryAfterMs, undefined)
})

for (const [lines, message] of [
  [['Content-Length: 5', 'Transfer-Encoding: chunked'], /both Content-Length and Transfer-Encoding/],
  [['Content-Length: 5', 'Content-Length: 6'], /two values of Content-Length, 5 and 6/],
  [['Content-Length: 0x5'], /Content-Length is "0x5", not a number of bytes/],
  [['Content-Length: 99999999999999999999'], /not a number of bytes/],
  [['Transfer-Encoding: gzip, chunked'], /Transfer-Encoding is "gzip, chunked"/],
  [['Content-Range: bytes 1-2'], /Content-Range is "bytes 1-2"/],
  [['no colon'], /a header line is malformed: "no colon"/],
] as const)
  test(`${lines.join(' and ')} is refused in words`, () => {
    assert.throws(
      () => head(...lines),
      (error) => error instanceof HttpFault && error.kind === 'badResponse' && message.test(error.detail),
    )
  })

test('a status line of another protocol is refused, and shown as printable text', () => {
  assert.throws(() => parseHead('HTTP/2 200\r\n\r\n', 0), /status line but with "HTTP\/2 200"/)
  assert.throws(() => parseHead('\x00\x1b[31m\r\n\r\n', 0), /with "\?\?\[31m"/)
})

test('the end of a head is found wherever it lies, and not before it has come', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('\r', '\n', 'a', '\r\n', 'bc', '\r\n\r'), { maxLength: 40 }), fc.nat(5), (parts, before) => {
      const text = parts.join('')
      const bytes = Buffer.from('x'.repeat(before) + text, 'latin1')
      const at = text.indexOf('\r\n\r\n')
      assert.equal(findHeadEnd(bytes, before, bytes.length), at < 0 ? -1 : before + at + 4)
    }),
    { numRuns: 500 },
  )
})
