// Every way in which a storage can fail one request: what is retried and counted, what is an error and how it reads. Nothing hangs, nothing is
// empty, no part of an object counts as the object.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { StorageError } from '#src/errors.js'
import { createWindow, IoPort, runAsync } from '#src/storage/io.js'
import { privateMeter } from '#src/storage/meter.js'
import type { RetryCause } from '#src/storage/object/http/faults.js'
import { ObjectMeter } from '#src/storage/object/meter.js'
import { defaultReadOptions } from '#src/storage/object/read-options.js'
import { ObjectStorage, type ObjectStorageOptions } from '#src/storage/object/storage.js'
import type { AccessGrant } from '#src/storage/object/types.js'
import { type Fault, type FaultServer, failWith, startFaultServer, withHeader, withStatus } from './fault-server.js'
import { readAll } from './read-all.js'

const content = randomBytes(40_000)
const requestBytes = 16_384
let server: FaultServer

before(async () => {
  server = await startFaultServer()
  server.objects.set('k', content)
})
after(() => server.close())

interface Outcome {
  readonly bytes?: Buffer
  readonly error?: unknown
  readonly retries: Partial<Record<RetryCause, number>>
  readonly attempts: readonly number[]
}

interface Trial {
  readonly options?: Partial<ObjectStorageOptions>
  readonly grant?: AccessGrant
  readonly uri?: string
  /** Called with the storage, which may be given other credentials, when credentials are asked for. */
  readonly askForGrant?: (storage: ObjectStorage) => void
}

/** Reads object `k` front to back, with answers spoiled by `fault`. */
async function read(fault: (number: number, server: FaultServer) => Fault | undefined, trial: Trial = {}): Promise<Outcome> {
  server.requests.length = 0
  server.fault = (_, number) => fault(number, server)
  const grant = trial.grant ?? server.grant()
  const meter = new ObjectMeter(grant.endpoints.length)
  const options: ObjectStorageOptions = {
    ...defaultReadOptions,
    access: 'stream',
    requestBytes,
    headTimeoutMs: 20_000,
    stallTimeoutMs: 20_000,
    connectTimeoutMs: 20_000,
    retry: { maxAttempts: 4, budgetMs: 5000, baseDelayMs: 1, maxDelayMs: 4 },
    ...trial.options,
  }
  const storage: ObjectStorage = new ObjectStorage(grant, 's3://data/', options, { io: privateMeter(), objects: meter }, () =>
    trial.askForGrant?.(storage),
  )
  const port = new IoPort(createWindow(options.requestBytes, Math.max(options.partsInFlight, 2)))
  let bytes: Buffer | undefined
  let error: unknown
  try {
    bytes = await runAsync(readAll(port, trial.uri ?? 's3://data/k', options.requestBytes), storage)
  } catch (thrown) {
    error = thrown
  }
  await new Promise(setImmediate)
  storage.close()
  const { retries, attempts } = meter.record(grant.endpoints)
  return { ...(bytes === undefined ? {} : { bytes }), ...(error === undefined ? {} : { error }), retries, attempts }
}

const onlyFirst = (fault: Fault) => (number: number) => (number === 0 ? fault : undefined)
const always = (fault: Fault) => () => fault

function assertFails(outcome: Outcome, pattern: RegExp): void {
  assert.ok(outcome.error instanceof StorageError, `not a StorageError: ${outcome.error}`)
  assert.match(outcome.error.message, pattern)
  assert.equal(outcome.bytes, undefined)
}

/** A storage that streams objects as runs do by default, for tests that read through it more than once, or not to the end. */
function streaming(grant: AccessGrant = server.grant()): { storage: ObjectStorage; meter: ObjectMeter } {
  const meter = new ObjectMeter(grant.endpoints.length)
  const options = { ...defaultReadOptions, access: 'stream', requestBytes } as const
  return { storage: new ObjectStorage(grant, 's3://data/', options, { io: privateMeter(), objects: meter }, () => {}), meter }
}

/** Faults that go by: the object arrives whole, and the retry is counted by its cause. */
const passing: readonly (readonly [rule: string, fault: Fault, cause: RetryCause])[] = [
  ['503 SlowDown', { edit: failWith(503, 'SlowDown') }, 'throttled'],
  ['429', { edit: failWith(429, 'TooManyRequests') }, 'throttled'],
  ['500', { edit: failWith(500, 'InternalError') }, 'serverError'],
  ['502 with words that are not XML', { raw: 'HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nbad' }, 'serverError'],
  ['a status of 503 whose body breaks off', { edit: failWith(503, 'SlowDown'), cutAt: 120, cutBy: 'reset' }, 'throttled'],
  ['no answer', { cutAt: 0, cutBy: 'silence' }, 'timeout'],
  ['half a head, then silence', { cutAt: 30, cutBy: 'silence' }, 'timeout'],
  ['half a body, then silence', { cutAt: 20_000, cutBy: 'silence' }, 'timeout'],
  ['a body that trickles', { pieceBytes: 100, pauseMs: 10 }, 'timeout'],
  ['a connection closed before any answer', { cutAt: 0 }, 'reset'],
  ['a connection reset within the head', { cutAt: 40, cutBy: 'reset' }, 'reset'],
  ['a head that is no HTTP', { raw: 'SSH-2.0-OpenSSH_9.2\r\n\r\n' }, 'badResponse'],
  ['a head longer than 16 KiB', { edit: withHeader('X-Long', 'x'.repeat(20_000)) }, 'badResponse'],
  ['an endless head', { raw: `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(5000)}` }, 'badResponse'],
  ['a Content-Length that is no number', { edit: withHeader('Content-Length', '-5') }, 'badResponse'],
  ['two lengths at once', { edit: withHeader('Transfer-Encoding', 'chunked') }, 'badResponse'],
  ['no length at all', { edit: withHeader('Content-Length', undefined), closes: true }, 'badResponse'],
  ['206 where no range was asked for', { edit: withStatus(206) }, 'badResponse'],
  ['101', { raw: 'HTTP/1.1 101 Switching Protocols\r\n\r\n' }, 'badResponse'],
  ['chunks without lengths', { raw: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n' }, 'badResponse'],
]
for (const [rule, fault, cause] of passing) {
  test(`${rule}: the request is sent again, counted as ${cause}, and the object arrives whole`, async () => {
    const { bytes, error, retries, attempts } = await read(
      onlyFirst(fault),
      cause === 'timeout' ? { options: { headTimeoutMs: 400, stallTimeoutMs: 400 } } : {},
    )
    assert.equal(error, undefined)
    assert.deepEqual(bytes, content)
    assert.deepEqual([retries, attempts], [{ [cause]: 1 }, [0, 1]])
  })
}

test('304 and 204 are no objects', async () => {
  for (const status of [304, 204]) assertFails(await read(always({ edit: withStatus(status) })), new RegExp(`status ${status}`))
})

test('wherever the connection breaks, in head or body, the object arrives whole and what was there is not asked again', async () => {
  const small = content.subarray(0, 150)
  server.objects.set('small', small)
  const whole = (await headBytes()) + small.length
  for (let cutAt = 0; cutAt < whole; cutAt++) {
    const outcome = await read(onlyFirst({ cutAt, cutBy: cutAt % 3 === 0 ? 'reset' : 'end' }), { uri: 's3://data/small' })
    assert.deepEqual(outcome.bytes, small, `cut at byte ${cutAt}: ${outcome.error}`)
    const got = Math.max(0, cutAt - (whole - small.length))
    assert.deepEqual(outcome.retries, { [cutAt < whole - small.length ? 'reset' : 'shortBody']: 1 }, `cut at byte ${cutAt}`)
    assert.equal(server.requests[1]!.headers.range, got === 0 ? undefined : `bytes=${got}-149`)
    assert.equal(server.requests[1]!.headers['if-match'] !== undefined, cutAt >= whole - small.length)
  }
})

async function headBytes(): Promise<number> {
  const socket = net.connect(server.port, '127.0.0.1')
  server.fault = () => ({ closes: true })
  socket.write('GET /data/small HTTP/1.1\r\n\r\n')
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).indexOf('\r\n\r\n') + 4
}

test('parts that break are fetched again each for itself', async () => {
  // By where they end: what is asked for again begins later.
  const broken = new Set<string>()
  const first = (number: number): Fault | undefined => {
    const end = /-(\d+)$/.exec(server.requests[number]!.headers.range!)![1]!
    return broken.size < broken.add(end).size ? { cutAt: 3000, cutBy: 'reset' } : undefined
  }
  const { bytes, retries } = await read(first, { options: { requestBytes: 8000, partBytes: 8000, partsInFlight: 3 } })
  assert.deepEqual(bytes, content)
  assert.deepEqual(retries, { shortBody: 5 })
})

test('chunked bodies, interim responses and connections that end with their response are taken as they are', async () => {
  for (const chunkBytes of [1000, 7, 40_000]) {
    const { bytes, retries } = await read(always({ chunkBytes, pieceBytes: 9973 }), {
      options: { headTimeoutMs: 5000, stallTimeoutMs: 5000 },
    })
    assert.deepEqual(bytes, content)
    assert.deepEqual(retries, {})
  }
  const interim = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n'
  const whole = `${interim}HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "e"\r\nConnection: close\r\n\r\nabcde`
  const { bytes, retries } = await read(always({ raw: whole, closes: true }))
  assert.deepEqual([bytes?.toString(), retries], ['abcde', {}])
})

test('a chunked body that ends early is gone on with where it broke off', async () => {
  const { bytes, retries } = await read((number) => ({ chunkBytes: 1000, ...(number < 2 && { cutAt: 9000 }) }))
  assert.deepEqual(bytes, content)
  assert.deepEqual(retries, { shortBody: 2 })
  assert.match(server.requests[2]!.headers.range!, /^bytes=1[67]\d\d\d-39999$/)
})

test('a kept connection that the server has closed meanwhile costs one uncounted attempt, which is recorded', async () => {
  const grant = server.grant()
  const { storage, meter } = streaming(grant)
  const port = new IoPort(createWindow(requestBytes, 2))
  server.fault = (request) => (request.onConnection === 1 ? { cutAt: 0, cutBy: 'reset' } : undefined)
  for (let i = 0; i < 3; i++) assert.deepEqual(await runAsync(readAll(port, 's3://data/k', requestBytes), storage), content)
  await new Promise(setImmediate)
  storage.close()
  const { retries, attempts } = meter.record(grant.endpoints)
  assert.deepEqual([retries, attempts], [{ staleConnection: 2 }, [3]])
})

test('a connection is not used longer than the server says it keeps it', async () => {
  const first = server.connections
  const { storage } = streaming()
  const port = new IoPort(createWindow(requestBytes, 2))
  server.fault = () => ({ edit: withHeader('Keep-Alive', 'timeout=0') })
  for (let i = 0; i < 2; i++) await runAsync(readAll(port, 's3://data/k', requestBytes), storage)
  storage.close()
  assert.equal(server.connections - first, 2)
})

test('a storm of 503 ends with an error that names object, endpoint, cause and attempts, after pauses that grow', async () => {
  const outcome = await read(always({ edit: failWith(503, 'SlowDown', 'Please reduce your request rate.') }))
  assertFails(
    outcome,
    /^s3:\/\/data\/k: cannot read: GET at http:\/\/127\.0\.0\.1:\d+: status 503 SlowDown, "Please reduce your request rate\." \[throttled, 4 attempts in \d+\.\d s\]; 4 attempts are used up \(SlowDown\)$/,
  )
  assert.equal(server.requests.length, 4)
  assert.deepEqual(outcome.retries, { throttled: 3 })
})

test('Retry-After is honoured, and an hour of it ends the run at once rather than keep it waiting', async () => {
  const soon = await read(onlyFirst({ edit: failWith(503, 'SlowDown', 'words', { 'Retry-After': '1' }) }))
  assert.deepEqual(soon.bytes, content)
  const outcome = await read(always({ edit: failWith(503, 'SlowDown', 'words', { 'Retry-After': '3600' }) }))
  assertFails(outcome, /the next attempt would begin after the 5 s that retries may take/)
  assert.equal(server.requests.length, 1)
})

test('credentials that expire within a run are renewed and the object arrives; where no others come, the error says so', async () => {
  const token = (text: string) => server.grant({ signing: { kind: 'bearer', token: text } })
  const refused = (_: number, { requests }: FaultServer): Fault | undefined =>
    requests.at(-1)!.headers.authorization === 'Bearer old'
      ? { edit: failWith(400, 'ExpiredToken', 'The provided token has expired.') }
      : undefined
  const renewed = await read(refused, { grant: token('old'), askForGrant: (storage) => setTimeout(() => storage.renew(token('new')), 5) })
  assert.deepEqual(renewed.bytes, content)
  assert.deepEqual(renewed.retries, { expired: 1 })
  const same = await read(refused, { grant: token('old'), askForGrant: (storage) => storage.renew(token('old')) })
  assertFails(same, /status 400 ExpiredToken, "The provided token has expired\.": the credentials have expired.* \[expired, 2 attempts/)
  assert.doesNotMatch(String((same.error as Error).stack), /Bearer old/)
})

test('no permission is an error at once, in the service’s words', async () => {
  assertFails(
    await read(always({ edit: failWith(403, 'AccessDenied', 'Access Denied') })),
    /status 403 AccessDenied, "Access Denied": these credentials may not read it/,
  )
  assert.equal(server.requests.length, 1)
})

test('a wrong clock is named with its difference', async () => {
  const date = new Date(Date.now() - 7_200_000).toUTCString()
  const outcome = await read(always({ edit: failWith(403, 'RequestTimeTooSkewed', 'words', { Date: date }) }))
  assertFails(outcome, /the clocks differ by 7[12]\d\d s: set the clock of this machine/)
})

test('an object that changes while it is read is an error, by its ETag, its length or a failed precondition', async () => {
  const parts = { options: { requestBytes: 8000, partBytes: 8000, partsInFlight: 1 } }
  const second = (fault: Fault) => (number: number) => (number === 1 ? fault : undefined)
  assertFails(
    await read(second({ edit: withHeader('ETag', '"other"') }), parts),
    /changed while it was read: its ETag was "[0-9a-f]+" and now is "other"/,
  )
  assertFails(
    await read(second({ edit: withHeader('Content-Range', 'bytes 8000-15999/50000') }), parts),
    /changed while it was read: it had 40000 bytes and now has 50000/,
  )
  assertFails(
    await read((number) => (number >= 1 ? { edit: failWith(412, 'PreconditionFailed') } : undefined), parts),
    /changed while it was read: its ETag is another one now/,
  )
  const edited = (number: number) => (number === 1 ? failWith(412, 'PreconditionFailed') : withHeader('ETag', '"other"'))
  assertFails(
    await read((number) => (number >= 1 ? { edit: edited(number) } : undefined), parts),
    /changed while it was read: its ETag was "[0-9a-f]+" and now is "other"/,
  )
})

test('a server that has no If-Match, or never finds it true, is asked without once it has given the same object so', async () => {
  for (const [status, code] of [
    [501, 'NotImplemented'],
    [412, 'PreconditionFailed'],
  ] as const) {
    const refusing = (number: number): Fault | undefined =>
      server.requests[number]!.headers['if-match'] === undefined ? undefined : { edit: failWith(status, code) }
    const { bytes, retries } = await read(refusing, { options: { requestBytes: 8000, partBytes: 8000, partsInFlight: 1 } })
    assert.deepEqual(bytes, content)
    assert.deepEqual(retries, { badResponse: 1 })
    assert.equal(server.requests.length, 6)
  }
})

test('an ETag is the same with and without quotes, and weak or strong', async () => {
  const tags = ['"abc"', 'abc', 'W/"abc"', '"abc"']
  const parts = { options: { requestBytes: 8000, partBytes: 8000, partsInFlight: 1 } }
  const spelt = (number: number) => ({ edit: withHeader('ETag', tags[number % 4]) })
  server.fault = () => undefined
  const { bytes, retries } = await read((number) => {
    delete (server.requests[number]!.headers as Record<string, string>)['if-match']
    return spelt(number)
  }, parts)
  assert.deepEqual([bytes, retries], [content, {}])
})

test('an answer to another range than was asked for is refused', async () => {
  const parts = { options: { requestBytes: 8000, partBytes: 8000, partsInFlight: 1 } }
  for (const [range, pattern] of [
    ['bytes 0-7998/40000', /Content-Range bytes 0-7998\/40000/],
    ['bytes 1-8000/40000', /bytes=0-7999 was asked for, the answer is Content-Range bytes 1-8000\/40000/],
    ['bytes 0-7999/*', /Content-Range is "bytes 0-7999\/\*"/],
    ['items 0-1/2', /Content-Range is "items 0-1\/2"/],
  ] as const)
    assertFails(await read(always({ edit: withHeader('Content-Range', range) }), parts), pattern)
})

test('a server that ignores ranges is refused unless the object is no longer than the range', async () => {
  const ignore: Fault = {
    edit: (answer) => Object.assign(answer, { status: 200, headers: { 'Content-Length': '40000', ETag: '"e"' }, body: content }),
  }
  const asked =
    /GET of bytes=0-7999 at http:\S+: the server ignores ranges: bytes=0-7999 was asked for, the answer is the whole object \(status 200\) of 40000 bytes; /
  for (const [options, remedy] of [
    [
      { requestBytes: 8000, partBytes: 8000, partsInFlight: 2 },
      /leave out storage\.storage_options\.part_size, so that objects are read whole \[badResponse\]/,
    ],
    [{ requestBytes: 8000, partBytes: 8000, partsInFlight: 1 }, /leave out storage\.storage_options\.part_size/],
    [
      { requestBytes: 8000, access: 'ranges' },
      /use a format that is read whole, --semantics mlcommons and no profile, or another server \[badResponse\]/,
    ],
  ] as const) {
    const refused = await read(always(ignore), { options })
    assertFails(refused, asked)
    assertFails(refused, remedy)
    assert.deepEqual(refused.retries, {}, 'it will not be otherwise at the next attempt')
  }
  const { bytes } = await read(always(ignore), { options: { requestBytes: 50_000, partBytes: 50_000, partsInFlight: 2 } })
  assert.deepEqual(bytes, content)
  // As rclone's server answers ranges.
  const statusOnly = await read(always({ edit: withStatus(200) }), {
    options: { requestBytes: 8000, partBytes: 8000, partsInFlight: 2 },
  })
  assert.deepEqual(statusOnly.bytes, content)
})

test('where an answer breaks off and the server ignores ranges, that is said at once', async () => {
  let answers = 0
  const whole: Fault['edit'] = (answer) => {
    answers++
    Object.assign(answer, { status: 200, headers: { 'Content-Length': '40000', ETag: '"e"' }, body: content })
  }
  const result = await read((number) => (number === 0 ? { cutAt: 12_000 } : { edit: whole }))
  assertFails(result, /the server ignores ranges: .* an answer broke off before, and without ranges the rest cannot be asked for/)
  assert.equal(answers, 1)
})

test('redirects are followed, with another region signed for; tokens are not carried to other hosts', async () => {
  const other = await startFaultServer()
  other.objects.set('k', content)
  const to = (status: number): Fault => ({
    edit: failWith(status, 'TemporaryRedirect', 'words', { Location: `${other.url}/data/k`, 'x-amz-bucket-region': 'eu-west-9' }),
  })
  const signing = { kind: 'sigv4', region: 'us-east-1', accessKeyId: 'A', secretAccessKey: 'S' } as const
  for (const status of [301, 307]) {
    const { bytes, retries } = await read(always(to(status)), { grant: server.grant({ signing }) })
    assert.deepEqual(bytes, content)
    assert.deepEqual(retries, { redirect: 1 })
    assert.match(other.requests.at(-1)!.headers.authorization!, /\/eu-west-9\/s3\/aws4_request/)
  }
  const seen = other.requests.length
  assertFails(await read(always(to(307)), { grant: server.grant({ signing: { kind: 'bearer', token: 'secret' } }) }), /status 307/)
  assert.equal(other.requests.length, seen)
  const loop = await read(always({ edit: failWith(307, 'TemporaryRedirect', 'words', { Location: `${server.url}/data/k` }) }))
  assertFails(loop, /status 307/)
  await other.close()
})

test('an encoded body is refused, since its bytes are not those stored', async () => {
  assertFails(await read(always({ edit: withHeader('Content-Encoding', 'gzip') })), /the object comes encoded \(gzip\)/)
  assertFails(await read(always({ edit: withHeader('Content-Encoding', 'aws-chunked,gzip') })), /the object comes encoded/)
})

test('the encoding of an upload, which some stores hand out, changes nothing', async () => {
  for (const encoding of ['aws-chunked', 'aws-chunked,', 'Identity, AWS-Chunked']) {
    const { bytes } = await read(always({ edit: withHeader('Content-Encoding', encoding) }))
    assert.deepEqual(bytes, content)
  }
})

test('a host name that does not resolve, and a port where nobody listens, are named', async () => {
  const unknown = server.grant({ endpoints: ['http://no-such-host.invalid:9'] })
  assertFails(await read(() => undefined, { grant: unknown }), /cannot resolve no-such-host\.invalid: .* \[dns/)
  const nobody = server.grant({ endpoints: ['http://127.0.0.1:9'] })
  const outcome = await read(() => undefined, { grant: nobody })
  assertFails(outcome, /no connection to 127\.0\.0\.1: connect ECONNREFUSED .* \[connect, 4 attempts .*\(ECONNREFUSED\)/)
})

test('where one endpoint of two does not answer, the other gives the object', async () => {
  const grant = server.grant({ endpoints: ['http://127.0.0.1:1', server.url] })
  const { bytes, retries } = await read(() => undefined, { grant })
  assert.deepEqual(bytes, content)
  assert.deepEqual(retries, { connect: 1 })
})

test('several endpoints get the same number of requests', async () => {
  const servers = await Promise.all([startFaultServer(), startFaultServer(), startFaultServer()])
  for (const { objects } of servers) objects.set('k', content)
  const grant = server.grant({ endpoints: servers.map(({ url }) => url) })
  const { storage } = streaming(grant)
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      const port = new IoPort(createWindow(requestBytes, 2))
      for (let i = 0; i < 15; i++) assert.deepEqual(await runAsync(readAll(port, 's3://data/k', requestBytes), storage), content)
    }),
  )
  storage.close()
  assert.deepEqual(
    servers.map(({ requests }) => requests.length),
    [40, 40, 40],
  )
  for (const one of servers) await one.close()
})

test('TLS takes certificates of the authority that was named and refuses others, in words', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tls-'))
  const make = (name: string, subject: string, alternatives: string) =>
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
        '-subj',
        subject,
        '-addext',
        `subjectAltName=${alternatives}`,
        '-keyout',
        join(folder, `${name}.key`),
        '-out',
        join(folder, `${name}.pem`),
      ],
      { stdio: 'ignore' },
    )
  make('good', '/CN=localhost', 'IP:127.0.0.1,DNS:localhost')
  make('other', '/CN=elsewhere', 'DNS:elsewhere.example')
  const pem = (name: string) => readFileSync(join(folder, name), 'utf8')
  const secure = await startFaultServer({ tls: { key: pem('good.key'), cert: pem('good.pem') } })
  const elsewhere = await startFaultServer({ tls: { key: pem('other.key'), cert: pem('other.pem') } })
  secure.objects.set('k', content)
  elsewhere.objects.set('k', content)
  const trust = (name: string) => ({ ca: [pem(`${name}.pem`)] })
  try {
    assert.deepEqual((await read(() => undefined, { grant: secure.grant(trust('good')) })).bytes, content)
    assert.deepEqual((await read(() => undefined, { grant: secure.grant({ verifyTls: false }) })).bytes, content)
    assertFails(
      await read(() => undefined, { grant: secure.grant() }),
      /TLS with 127\.0\.0\.1 failed: .*; its certificate is not from a known authority: name yours with AWS_CA_BUNDLE or NODE_EXTRA_CA_CERTS \[tls\]/,
    )
    assertFails(
      await read(() => undefined, { grant: elsewhere.grant(trust('other')) }),
      /the certificate is for another name than the endpoint has/,
    )
    secure.fault = (_, number) => (number % 2 === 0 ? { cutAt: 20_000, cutBy: 'reset' } : undefined)
    const { bytes, retries } = await read(() => undefined, { grant: secure.grant(trust('good')), options: { requestBytes: 4096 } })
    assert.deepEqual(bytes, content)
    assert.equal(retries.shortBody, 1)
  } finally {
    await secure.close()
    await elsewhere.close()
    rmSync(folder, { recursive: true })
  }
})

test('a closed storage gives up what is under way, whatever it waits for', async () => {
  for (const fault of [
    { cutAt: 0, cutBy: 'silence' },
    { edit: failWith(503, 'SlowDown', 'words', { 'Retry-After': '4' }) },
    { cutAt: 20_000, cutBy: 'silence' },
    { edit: failWith(400, 'ExpiredToken', 'words') },
  ] as const) {
    server.fault = () => fault
    const before = timers()
    const { storage } = streaming()
    const port = new IoPort(createWindow(requestBytes, 2))
    const reading = runAsync(readAll(port, 's3://data/k', requestBytes), storage)
    setTimeout(() => storage.close(), 30)
    await assert.rejects(reading, StorageError)
    // A thread that has nothing else to do ends.
    assert.equal(timers(), before)
  }
})

const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
