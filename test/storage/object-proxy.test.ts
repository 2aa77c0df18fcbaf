// Reading objects through an HTTP proxy: the same bytes, the same signatures, and faults of the proxy in words.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { after, afterEach, before, test } from 'node:test'
import fc from 'fast-check'
import { StorageError } from '#src/errors.js'
import { createWindow, IoPort, runAsync } from '#src/storage/io.js'
import { privateMeter } from '#src/storage/meter.js'
import { ObjectMeter } from '#src/storage/object/meter.js'
import { proxyRules } from '#src/storage/object/proxy.js'
import { defaultReadOptions } from '#src/storage/object/read-options.js'
import { SigV4Signer } from '#src/storage/object/signing/sigv4.js'
import { ObjectStorage, type ObjectStorageOptions } from '#src/storage/object/storage.js'
import type { AccessGrant } from '#src/storage/object/types.js'
import { type FaultServer, failWith, startFaultServer, withHeader } from './fault-server.js'
import { type ProxyServerOptions, startProxy, type TestProxy } from './proxy-server.js'
import { readAll } from './read-all.js'
import { type Certificate, createCertificate } from './services.js'

const content = randomBytes(300_000)
const requestBytes = 65_536
let plain: FaultServer
let secure: FaultServer
let certificate: Certificate
let ca: string[]
const closing: (() => unknown)[] = []

before(async () => {
  certificate = createCertificate()
  ca = [readFileSync(certificate.caFile, 'utf8')]
  plain = await startFaultServer()
  secure = await startFaultServer({ tls: { key: certificate.key.toString(), cert: certificate.cert.toString() } })
  for (const { objects } of [plain, secure]) objects.set('k', content)
})
after(() => Promise.all([plain.close(), secure.close()]))
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  for (const server of [plain, secure]) {
    server.fault = () => undefined
    server.requests.length = 0
  }
})

async function proxyWith(options: ProxyServerOptions = {}): Promise<TestProxy> {
  const proxy = await startProxy(options)
  closing.push(() => proxy.close())
  return proxy
}

/** A grant for one of the servers, by the name that the certificate has. */
const grantOf = (server: FaultServer, proxy: string | undefined, changes: Partial<AccessGrant> = {}): AccessGrant => {
  const rules = proxyRules(proxy, {})
  const endpoints = [server === secure ? `https://localhost:${server.port}` : server.url]
  return server.grant({ endpoints, ca, ...(rules && { proxies: rules }), ...changes })
}

const quick = { maxAttempts: 3, budgetMs: 10_000, baseDelayMs: 1, maxDelayMs: 4 }

function open(grant: AccessGrant, changes: Partial<ObjectStorageOptions> = {}) {
  const options: ObjectStorageOptions = { ...defaultReadOptions, access: 'stream', requestBytes, retry: quick, ...changes }
  const meter = new ObjectMeter(grant.endpoints.length)
  const storage = new ObjectStorage(grant, 's3://data/', options, { io: privateMeter(), objects: meter }, () => {})
  closing.unshift(() => storage.close())
  const port = new IoPort(createWindow(options.requestBytes, Math.max(options.partsInFlight, 2)))
  const read = (uri = 's3://data/k') => runAsync(readAll(port, uri, options.requestBytes), storage)
  return { storage, meter, read }
}

async function failure(reading: Promise<Buffer>): Promise<StorageError> {
  try {
    await reading
  } catch (error) {
    assert.ok(error instanceof StorageError, String(error))
    return error
  }
  throw new Error('it was read')
}

test('without TLS the proxy is asked for whole URLs, and the signature is that of the endpoint', async () => {
  const proxy = await proxyWith()
  const keys = { region: 'r-1', accessKeyId: 'A', secretAccessKey: 'S' } as const
  const { read } = open(grantOf(plain, proxy.url, { signing: { kind: 'sigv4', ...keys } }))
  for (let i = 0; i < 3; i++) assert.deepEqual(await read(), content)
  assert.deepEqual(
    proxy.seen.map(({ method, target }) => [method, target]),
    Array.from({ length: 3 }, () => ['GET', `${plain.url}/data/k`]),
  )
  assert.equal(proxy.connections, 1)
  const { headers, target } = plain.requests[0]!
  assert.equal(target, '/data/k')
  assert.equal(headers.host, `127.0.0.1:${plain.port}`)
  const [, y, mo, d, h, mi, s] = /^(....)(..)(..)T(..)(..)(..)Z$/.exec(headers['x-amz-date']!)!
  const nowMs = Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`)
  const lines = new SigV4Signer({ kind: 'sigv4', ...keys }, {}).headers({
    method: 'GET',
    host: headers.host!,
    path: '/data/k',
    range: '',
    ifMatch: '',
    nowMs,
  })
  assert.ok(lines.includes(headers.authorization!), lines)
})

test('with TLS the proxy opens a tunnel, which is kept for the next object', async () => {
  const proxy = await proxyWith()
  const { read, meter } = open(grantOf(secure, proxy.url))
  for (let i = 0; i < 3; i++) assert.deepEqual(await read(), content)
  assert.deepEqual(
    proxy.seen.map(({ method, target }) => [method, target]),
    [['CONNECT', `localhost:${secure.port}`]],
  )
  await new Promise(setImmediate)
  const { endpoints, retries } = meter.record([secure.url])
  assert.deepEqual([endpoints[0]!.requests, endpoints[0]!.bytes, retries], [3, 3 * content.length, {}])
})

test('a proxy may be reached over TLS itself, with and without TLS behind it', async () => {
  const proxy = await proxyWith({ tls: certificate, credentials: 'ann:password' })
  const url = proxy.url.replace('//', '//ann:password@')
  for (const server of [plain, secure]) assert.deepEqual(await open(grantOf(server, url)).read(), content)
  assert.deepEqual(
    proxy.seen.map(({ method }) => method),
    ['GET', 'CONNECT'],
  )
  const untrusted = await failure(open(grantOf(plain, url, { ca: [] })).read())
  assert.match(untrusted.message, /TLS with the proxy localhost:\d+ failed: .*name yours with AWS_CA_BUNDLE/)
})

test('the endpoint’s name is resolved by the proxy, never here', async () => {
  const proxy = await proxyWith({ hosts: { 'storage.invalid': '127.0.0.1' } })
  const grant = grantOf(plain, proxy.url, { endpoints: [`http://storage.invalid:${plain.port}`] })
  assert.deepEqual(await open(grant).read(), content)
  assert.equal(plain.requests[0]!.headers.host, `storage.invalid:${plain.port}`)
})

test('credentials go to the proxy alone', async () => {
  const proxy = await proxyWith({ credentials: 'ann:p@ss' })
  const url = proxy.url.replace('//', '//ann:p%40ss@')
  for (const server of [plain, secure]) {
    assert.deepEqual(await open(grantOf(server, url)).read(), content)
    assert.equal(server.requests[0]!.headers['proxy-authorization'], undefined)
  }
  assert.deepEqual(new Set(proxy.seen.map(({ headers }) => headers['proxy-authorization'])), new Set([`Basic ${btoa('ann:p@ss')}`]))
})

test('through a tunnel the bytes are those stored for any size, piece, part and framing', async () => {
  const proxy = await proxyWith()
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 200_000 }),
      fc.integer({ min: 1000, max: 70_000 }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom(undefined, 9000),
      fc.constantFrom(undefined, 1000, 40_000),
      async (size, pieceSize, partsInFlight, pieceBytes, chunkBytes) => {
        secure.objects.set('x', content.subarray(0, size))
        secure.fault = () => ({ ...(pieceBytes && { pieceBytes }), ...(chunkBytes && { chunkBytes }) })
        const parts = partsInFlight > 1 ? { partBytes: pieceSize, partsInFlight } : {}
        const { read, storage } = open(grantOf(secure, proxy.url), { requestBytes: pieceSize, ...parts })
        assert.deepEqual(await read('s3://data/x'), content.subarray(0, size))
        storage.close()
      },
    ),
    { numRuns: 15 },
  )
})

test('through a tunnel a body that breaks is gone on with where it broke', async () => {
  const proxy = await proxyWith()
  secure.fault = (_, number) => (number === 0 ? { cutAt: 100_000, cutBy: 'reset' } : undefined)
  const { read, meter } = open(grantOf(secure, proxy.url))
  assert.deepEqual(await read(), content)
  assert.match(secure.requests[1]!.headers.range!, /^bytes=\d{5}-299999$/)
  assert.deepEqual(meter.record([secure.url]).retries, { shortBody: 1 })
})

test('each endpoint goes its own way, and so does where a redirect leads', async () => {
  const proxy = await proxyWith()
  const rules = proxyRules(undefined, { HTTP_PROXY: proxy.url, NO_PROXY: `127.0.0.1:${plain.port}` })!
  const other = await startFaultServer()
  closing.push(() => other.close())
  other.objects.set('k', content)
  const both = open(plain.grant({ endpoints: [plain.url, other.url], proxies: rules }))
  for (let i = 0; i < 4; i++) assert.deepEqual(await both.read(), content)
  assert.deepEqual(
    proxy.seen.map(({ target }) => target),
    [`${other.url}/data/k`, `${other.url}/data/k`],
  )
  plain.fault = () => ({ edit: failWith(307, 'TemporaryRedirect', 'words', { Location: `${other.url}/data/k` }) })
  assert.deepEqual(await open(plain.grant({ proxies: rules })).read(), content)
  assert.equal(proxy.seen.length, 3)
})

test('status 407 says that the proxy wants credentials, or does not take these, and is not asked again', async () => {
  const proxy = await proxyWith({ credentials: 'ann:right-password' })
  for (const server of [plain, secure]) {
    proxy.seen.length = 0
    const without = await failure(open(grantOf(server, proxy.url)).read())
    assert.match(without.message, /the proxy 127\.0\.0\.1:\d+ wants credentials: write them into its URL/)
    const wrong = await failure(open(grantOf(server, proxy.url.replace('//', '//ann:wrong-password@'))).read())
    assert.match(wrong.message, /the proxy 127\.0\.0\.1:\d+ does not take the credentials in its URL/)
    assert.doesNotMatch(`${wrong.message} ${wrong.stack}`, /wrong-password/)
    assert.equal(proxy.seen.length, 2)
  }
})

test('a proxy that nobody runs, or whose name is unknown, is named', async () => {
  for (const server of [plain, secure]) {
    const { message } = await failure(open(grantOf(server, 'http://127.0.0.1:9')).read())
    assert.match(message, /no connection to the proxy 127\.0\.0\.1:9: connect ECONNREFUSED .*\[connect, 3 attempts/)
    const unknown = await failure(open(grantOf(server, 'http://no-such-proxy.invalid:3128')).read())
    assert.match(unknown.message, /cannot resolve the proxy no-such-proxy\.invalid: /)
  }
})

/** `patienceMs`: what waits for nothing that comes must end soon, what waits for an answer must have it, on a busy machine as well. */
const answers: readonly [rule: string, spoil: ProxyServerOptions['spoilTunnel'], message: RegExp, asked: number, patienceMs?: number][] = [
  [
    'a prohibition ends it at once',
    say('HTTP/1.1 403 Forbidden\r\n\r\n'),
    /the proxy \S+ refuses CONNECT localhost:\d+: status 403 "Forbidden" \[connect\]/,
    1,
  ],
  [
    'a proxy in trouble is asked again',
    say('HTTP/1.1 503 Busy\r\n\r\n'),
    /refuses CONNECT localhost:\d+: status 503 "Busy" \[connect, 3 attempts/,
    3,
  ],
  ['silence is a time-out', () => true, /the proxy \S+ did not answer CONNECT localhost:\d+ within 0\.3 s \[timeout, 3 attempts/, 3, 300],
  ['an answer that trickles is a time-out', trickle, /did not answer CONNECT localhost:\d+ within 0\.3 s \[timeout/, 3, 300],
  [
    'closing without an answer is told',
    hangUp,
    /the proxy \S+ closed the connection without an answer to CONNECT localhost:\d+ \[connect/,
    3,
  ],
  [
    'a huge head is not read',
    say(`HTTP/1.1 200 OK\r\n${'X-Long: yyyyyyyyyyyyyyyyyyyyy\r\n'.repeat(2000)}\r\n`),
    /the proxy \S+: the head of its answer to CONNECT is longer than 16384 bytes \[badResponse/,
    3,
  ],
  ['an endless line is not read', say('x'.repeat(200_000)), /the head of its answer to CONNECT is longer than 16384 bytes/, 3],
  [
    'what is no HTTP is told',
    say('SSH-2.0-OpenSSH_9.2\r\n\r\n'),
    /the proxy \S+: the response does not begin with an HTTP\/1\.1 status line but with "SSH-2\.0/,
    3,
  ],
  [
    'bytes behind the answer are nobody’s',
    say('HTTP/1.1 200 OK\r\n\r\nsurprise'),
    /the proxy \S+: bytes follow on its answer to CONNECT that nobody had asked for/,
    3,
  ],
  [
    'a tunnel to something that is no TLS server is told',
    say('HTTP/1.1 200 OK\r\n\r\n', 'no TLS here, surely not'),
    /TLS with localhost:\d+ through the proxy \S+ failed/,
    1,
  ],
]

function say(text: string, later?: string): ProxyServerOptions['spoilTunnel'] {
  return (socket) => {
    socket.write(text, 'latin1')
    if (later !== undefined) socket.once('data', () => socket.end(later))
    return true
  }
}
function trickle(socket: net.Socket): boolean {
  const timer = setInterval(() => socket.write('X'), 10)
  socket.write('HTTP/1.1 200 OK\r\nX-Slow: ')
  socket.on('close', () => clearInterval(timer))
  return true
}
function hangUp(socket: net.Socket): boolean {
  socket.end()
  return true
}

for (const [rule, spoilTunnel, message, asked, patienceMs = 20_000] of answers)
  test(`of a proxy’s answers to CONNECT: ${rule}`, async () => {
    const proxy = await proxyWith({ spoilTunnel: spoilTunnel! })
    const error = await failure(open(grantOf(secure, proxy.url), { connectTimeoutMs: patienceMs }).read())
    assert.match(error.message, message)
    assert.match(error.message, new RegExp(`^s3://data/k: cannot read: GET at https://localhost:${secure.port}: `))
    assert.equal(proxy.seen.length, asked)
  })

test('an answer to CONNECT that comes slowly, in pieces and after interim ones is taken', async () => {
  const parts = [
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHT',
    'TP/1.1 200 Connection established\r\nVia: te',
    'st\r\n\r',
    '\n',
  ]
  const proxy = await proxyWith({
    spoilTunnel: (socket) => {
      void (async () => {
        for (const part of parts) {
          socket.write(part)
          await new Promise((resolve) => setTimeout(resolve, 30))
        }
        const onward = net.connect(secure.port, '127.0.0.1')
        onward.on('error', () => {})
        onward.pipe(socket)
        socket.pipe(onward)
      })()
      return true
    },
  })
  assert.deepEqual(await open(grantOf(secure, proxy.url)).read(), content)
})

test('what fails behind the proxy, or at it, is told with the proxy on the way', async () => {
  const proxy = await proxyWith({ spoilRequest: (_, response) => !!response.writeHead(504, { 'content-length': 0 }).end() })
  const gateway = await failure(open(grantOf(plain, proxy.url)).read())
  assert.match(gateway.message, /status 504 .*; through the proxy 127\.0\.0\.1:\d+ \[serverError, 3 attempts/)
  const good = await proxyWith()
  const absent = await failure(open(grantOf(secure, good.url)).read('s3://data/absent'))
  assert.match(absent.message, /status 404 .*; through the proxy 127\.0\.0\.1:\d+ \[badResponse\]/)
})

test('a proxy that closes a connection after a response costs an uncounted attempt, as a server does', async () => {
  const proxy = await proxyWith()
  secure.fault = (request) => (request.onConnection === 1 ? { cutAt: 0, cutBy: 'reset' } : undefined)
  const { read, meter } = open(grantOf(secure, proxy.url))
  for (let i = 0; i < 3; i++) assert.deepEqual(await read(), content)
  assert.deepEqual(meter.record([secure.url]).retries, { staleConnection: 2 })
  secure.fault = () => ({ edit: withHeader('Connection', 'close') })
  const before = proxy.seen.length
  for (let i = 0; i < 3; i++) assert.deepEqual(await read(), content)
  assert.equal(proxy.seen.length - before, 2)
})

test('a reader that is closed while the proxy does not answer leaves no connection', async () => {
  let take: (socket: net.Socket) => void
  const asked = new Promise<net.Socket>((resolve) => {
    take = resolve
  })
  const proxy = await proxyWith({
    spoilTunnel: (socket) => {
      take(socket)
      return true
    },
  })
  const { read, storage } = open(grantOf(secure, proxy.url))
  read().catch(() => {})
  const socket = await asked
  const closed = new Promise((resolve) => socket.on('end', resolve).resume())
  storage.close()
  await closed
})
