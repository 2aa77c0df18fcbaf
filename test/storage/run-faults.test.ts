// What goes wrong between a run and an object store, for each store, as the user sees it: one message that says what, where and why, an exit code,
// and no result. What passes is sent again and counted.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { PageTurner } from '#src/storage/object/control.js'
import type { RetryCause } from '#src/storage/object/http/faults.js'
import { driver, scratchFolder, workloadFile } from '../cli/driver.js'
import { type Asked, type FakeStore, type Fault, type Provider, startFakeStore } from './fake-store.js'
import { createCertificate, noCredentials } from './services.js'

const folder = scratchFolder('run-faults')
const files = 8
let runs = 0
const quick = { s3_max_attempts: 3, retry_base_delay_ms: 1, retry_max_delay_ms: 4 }
/** For servers that say nothing; too short for others on a busy machine. */
const impatient = { head_timeout_ms: 400, stall_timeout_ms: 400, request_timeout_ms: 700 }

async function run(store: FakeStore, uri: string, { args = [] as string[], options = {}, env = {}, numFiles = files } = {}) {
  const workload = {
    framework: 'pytorch',
    workflow: { train: true },
    storage: { storage_options: { ...store.options, ...quick, ...options } },
    dataset: { data_folder: uri, format: 'npz', num_files_train: numFiles, record_length_bytes: 512 },
    reader: { batch_size: 1, read_threads: 2 },
    train: { epochs: 1, computation_time: 0 },
  }
  const output = join(folder, `out-${runs++}`)
  const path = workloadFile(folder, workload, `w${runs}.yaml`)
  const ran = await driver(['run', path, '--output', output, '--json', '--quiet', ...args], { env: { ...noCredentials, ...env } })
  const left = fs.existsSync(output) ? fs.readdirSync(output) : []
  return { ...ran, output, left, result: ran.stdout === '' ? undefined : (JSON.parse(ran.stdout) as Result) }
}

type Spoil = (asked: Asked, number: number, provider: Provider) => Fault | undefined
const onGet =
  (fault: Fault): Spoil =>
  ({ kind }) =>
    kind === 'get' ? fault : undefined
const onList =
  (fault: Fault): Spoil =>
  ({ kind }) =>
    kind === 'list' ? fault : undefined
/** `spoil` for the first request of its kind only. */
const once =
  (spoil: Spoil): Spoil =>
  (asked, number, provider) =>
    number === 0 ? spoil(asked, number, provider) : undefined

const error = (status: number, code: string, message?: string, headers?: Record<string, string>): Fault => ({
  error: { status, code, ...(message === undefined ? {} : { message }), ...(headers === undefined ? {} : { headers }) },
})
const busy = (provider: Provider) => error(503, { s3: 'SlowDown', azure: 'ServerBusy', gcs: 'backendError' }[provider])
const denied = (provider: Provider) =>
  error(403, { s3: 'AccessDenied', azure: 'AuthorizationPermissionMismatch', gcs: 'forbidden' }[provider])
const expired = (provider: Provider) =>
  ({
    s3: error(400, 'ExpiredToken', 'The provided token has expired.'),
    azure: error(403, 'AuthenticationFailed', 'Signed expiry time must be after signed start time'),
    gcs: error(401, 'authError', 'Invalid Credentials'),
  })[provider]
const body = (change: (bytes: Buffer) => Buffer): Fault => ({
  edit: (reply) => {
    reply.body = change(Buffer.from(reply.body))
    reply.headers['content-length'] = String(reply.body.length)
  },
})
const instead = (text: string, type: string): Fault => ({
  edit: (reply) => {
    reply.body = Buffer.from(text)
    reply.headers = { 'content-type': type, 'content-length': String(reply.body.length) }
  },
})

interface Case {
  readonly what: string
  readonly spoil?: Spoil
  readonly says: RegExp
  readonly options?: object
  readonly args?: string[]
  readonly bucket?: string
  /** The cause that the partial result counts retries of. */
  readonly retried?: RetryCause
}

const list = /error: \S+\/data\/train\/: cannot list/.source
const read = /error: \S+\/data\/train\/img_\d_of_8\.npz: cannot read: GET( of bytes=\d+-\d*)? at http:\S+/.source
const says = (where: string, why: string) => new RegExp(`^${where}.*${why}`)

/** Faults that stay: the run fails with 1 and says so. */
const failing: readonly Case[] = [
  {
    what: 'a storm of 503 on objects',
    spoil: ({ kind }, _, p) => (kind === 'get' ? busy(p) : undefined),
    says: says(read, 'status 503.*\\[throttled, 3 attempts'),
    retried: 'throttled',
  },
  {
    what: 'a storm of 503 on the listing',
    spoil: ({ kind }, _, p) => (kind === 'list' ? busy(p) : undefined),
    says: says(list, 'asks to slow down.*HTTP 503, 3 attempts'),
  },
  {
    what: 'a storm of 429 on the listing',
    spoil: onList(error(429, 'TooManyRequests')),
    says: says(list, 'asks to slow down.*HTTP 429, 3 attempts'),
  },
  {
    what: 'a listing that is to be asked for again in an hour',
    spoil: onList(error(503, 'SlowDown', 'later', { 'retry-after': '3600' })),
    says: says(list, 'HTTP 503, the next attempt would begin after the 120 s that retries may take'),
  },
  { what: 'objects whose requests are reset', spoil: onGet({ none: 'reset' }), says: says(read, '\\[reset, 3 attempts'), retried: 'reset' },
  { what: 'a listing whose requests are reset', spoil: onList({ none: 'reset' }), says: says(list, 'connection was closed.*3 attempts') },
  {
    what: 'bodies that end early',
    spoil: onGet({ cutAt: 100 }),
    says: says(read, 'within the body, \\d+ bytes early \\[shortBody, 3 attempts'),
    retried: 'shortBody',
  },
  {
    what: 'objects that have become shorter than their content',
    spoil: onGet(body((bytes) => bytes.subarray(0, 300))),
    says: /^error: \S+img_\d_of_8\.npz: is truncated: it has 300 bytes/,
  },
  { what: 'objects without content', spoil: onGet(body(() => Buffer.alloc(0))), says: /^error: \S+img_\d_of_8\.npz: is empty/ },
  {
    what: 'a corrupted body under --verify',
    spoil: onGet(body((bytes) => bytes.fill(bytes[400]! ^ 1, 400, 401))),
    args: ['--verify'],
    says: /^error: \S+img_\d_of_8\.npz: member x\.npy has CRC-32 .* damaged/,
  },
  {
    what: 'bodies that trickle',
    spoil: onGet({ pieceBytes: 1, pauseMs: 100 }),
    options: impatient,
    says: says(read, 'the body brought \\d+ bytes within 0\\.4 s.*\\[timeout, 3 attempts'),
  },
  {
    what: 'a server that does not answer GETs',
    spoil: onGet({ none: 'silence' }),
    options: impatient,
    says: says(read, 'no response within 0\\.4 s \\[timeout, 3 attempts'),
    retried: 'timeout',
  },
  {
    what: 'a server that does not answer listings',
    spoil: onList({ none: 'silence' }),
    options: impatient,
    says: says(list, 'no answer in time.*3 attempts'),
  },
  {
    what: 'credentials that expire within the run',
    spoil: ({ kind }, number, p) => (kind === 'get' && number > 3 ? expired(p) : undefined),
    says: says(read, 'the credentials have expired.*\\[expired, 2 attempts'),
  },
  {
    what: 'a listing that fails on page 7',
    spoil: ({ kind, from }) => (kind === 'list' && from === 6 ? error(500, 'InternalError') : undefined),
    says: says(list, '\\(page 7\\).*HTTP 500, 3 attempts'),
  },
  { what: 'a bucket that is not there', bucket: 'another', says: says(list, 'there is no such.*HTTP 404') },
  {
    what: 'no permission to list',
    spoil: ({ kind }, _, p) => (kind === 'list' ? denied(p) : undefined),
    says: says(list, 'access denied: these credentials may not do this.*HTTP 403 \\('),
  },
  {
    what: 'no permission to read',
    spoil: ({ kind }, _, p) => (kind === 'get' ? denied(p) : undefined),
    says: says(read, 'status 403.*these credentials may not read it'),
  },
  {
    what: 'a wrong secret key',
    spoil: onGet(error(403, 'SignatureDoesNotMatch')),
    says: says(read, 'status 403.*refuses the signature; check the secret key, the region, and the clock'),
  },
  {
    what: 'a host name that does not resolve',
    options: { endpoint_url: 'http://no-such-host.invalid' },
    says: says(list, 'host name cannot be resolved'),
  },
  {
    what: 'a port where nobody listens',
    options: { endpoint_url: 'http://127.0.0.1:9' },
    says: says(list, 'nothing listens there.*3 attempts'),
  },
  {
    what: 'a listing cut in half',
    spoil: onList(body((bytes) => bytes.subarray(0, bytes.length / 2))),
    says: says(list, 'is not what this kind of storage says'),
  },
  {
    what: 'a listing whose connection ends within it',
    spoil: onList({ cutAt: 120 }),
    options: impatient,
    says: says(list, '(connection was closed|no answer in time|breaks off).*3 attempts'),
  },
  {
    what: 'a page for people where a listing should be',
    spoil: onList(instead('<html><body>Log in</body></html>', 'text/html')),
    says: says(list, 'is not what this kind of storage says'),
  },
  {
    what: 'an empty answer where a listing should be',
    spoil: onList(instead('', 'application/xml')),
    says: says(list, 'is not what this kind of storage says'),
  },
  {
    what: 'an error in an answer with status 200 where a listing should be',
    spoil: onList(instead('<Error><Code>SlowDown</Code><Message>m</Message></Error>', 'application/xml')),
    says: says(list, '(is not what this kind of storage says|asks to slow down).*3 attempts'),
  },
  {
    what: 'a listing that gives the same token for ever',
    spoil: onList({ page: ({ objects }) => ({ objects, next: '0' }) }),
    says: says(list, '\\(page 2\\): the server sends the same page again'),
  },
  {
    what: 'a listing that goes in a circle',
    spoil: ({ kind, from }) => (kind === 'list' ? { page: ({ objects }) => ({ objects, next: from === 0 ? '1' : '0' }) } : undefined),
    says: says(list, '\\(page 3\\): the server sends the same page again'),
  },
]

/** Faults that pass: the run goes on, and counts them. */
const passing: readonly { what: string; spoil: Spoil; retries: object }[] = [
  { what: 'one 503', spoil: once(onGet(error(503, 'x'))), retries: { throttled: 1 } },
  { what: 'one 429', spoil: once(onGet(error(429, 'x'))), retries: { throttled: 1 } },
  { what: 'one 400 RequestTimeout', spoil: once(onGet(error(400, 'RequestTimeout'))), retries: { timeout: 1 } },
  {
    what: 'one 500 on an object and one on the listing',
    spoil: once(({ kind }) => (kind === 'put' ? undefined : error(500, 'x'))),
    retries: { serverError: 2 },
  },
  {
    what: 'a throttled listing that asks to wait for a second',
    spoil: once(onList(error(503, 'x', 'm', { 'retry-after': '1' }))),
    retries: { throttled: 1 },
  },
  { what: 'a reset listing', spoil: once(onList({ none: 'reset' })), retries: { reset: 1 } },
  { what: 'a page that is no listing', spoil: once(onList(instead('{}', 'application/json'))), retries: { badResponse: 1 } },
]

for (const provider of ['s3', 'azure', 'gcs'] as const)
  describe(`a run on ${provider}`, () => {
    let store: FakeStore
    let uri: string
    before(async () => {
      store = await startFakeStore(provider)
      store.pageSize = 1
      uri = store.uri('bucket')
      const made = await run(store, uri, { args: ['--generate'] })
      assert.equal(made.code, 0, made.stderr)
    })
    const spoiled = (spoil: Spoil = () => undefined) => {
      store.reset()
      store.spoil = (asked, number) => spoil(asked, number, provider)
    }

    for (const { what, spoil, says, options, args, bucket, retried } of failing)
      test(`${what}: one message, exit code 1, and no result`, async () => {
        spoiled(spoil)
        const ran = await run(store, bucket === undefined ? uri : uri.replace('bucket', bucket), {
          ...(options === undefined ? {} : { options }),
          ...(args === undefined ? {} : { args }),
        })
        assert.equal(ran.code, 1, ran.stderr)
        assert.match(ran.stderr, says)
        assert.equal(ran.stderr.trim().split('\n').length, 1, ran.stderr)
        assert.equal(ran.stdout, '')
        assert.deepEqual(
          ran.left.filter((name) => /result\.json|summary\.json/.test(name)),
          [],
        )
        if (retried === undefined) return
        const { complete, interruption, objects } = JSON.parse(fs.readFileSync(join(ran.output, 'result.partial.json'), 'utf8')) as Result
        assert.equal(complete, false)
        assert.equal(`error: ${interruption!.replace('the run failed: ', '')}\n`, ran.stderr)
        // Two of the object that the run failed with, beside those of the other reader's.
        assert.ok(objects!.retries[retried]! >= 2, JSON.stringify(objects!.retries))
      })

    for (const { what, spoil, retries } of passing)
      test(`${what}: all samples are read, and the retries are counted by cause`, async () => {
        spoiled(spoil)
        const ran = await run(store, uri)
        assert.equal(ran.code, 0, ran.stderr)
        const { io, objects } = ran.result!
        assert.deepEqual([io.samplesRead, objects!.retries], [files, retries])
        assert.equal(
          io.retries,
          Object.values(retries).reduce((sum, count) => sum + count, 0),
        )
        // S3's older listing is `other` to the store, which has none.
        const listings = store.seen.filter(
          ({ kind, key, request }) => kind === 'list' || (kind === 'other' && key === '' && request.method === 'GET'),
        )
        assert.deepEqual([objects!.requests.list, objects!.requests.get], [listings.length, files])
      })

    test('a connection that breaks at each byte of an object: every object arrives whole', async () => {
      const [[, bytes]] = store.buckets.get('bucket')! as unknown as [[string, Buffer]]
      const many = store.uri('every-byte')
      const bucket = store.buckets.get('every-byte')!
      for (let i = 0; i < bytes.length; i++) bucket.set(`data/train/img_${String(i).padStart(4, '0')}.npz`, bytes)
      store.pageSize = 1000
      const broken = new Set<string>()
      spoiled(({ kind, key }) => {
        if (kind !== 'get' || broken.has(key)) return undefined
        broken.add(key)
        const cutAt = Number(/img_(\d+)/.exec(key)?.[1])
        return { cutAt, cutBy: cutAt % 2 === 0 ? 'end' : 'reset' }
      })
      const ran = await run(store, many, { args: ['--verify'], numFiles: bytes.length })
      store.pageSize = 1
      assert.equal(ran.code, 0, ran.stderr)
      const { io, objects } = ran.result!
      assert.equal(io.samplesRead, bytes.length)
      assert.equal(io.retries, bytes.length)
      assert.equal(objects!.attempts[1], bytes.length)
    })

    test('names that no generator makes: they are data like others, and control characters do not reach the terminal', async () => {
      const names = [
        'data/train/',
        'data/train/../x.npz',
        'data/train/\u001b[31m\u0007.npz',
        'data/train//.npz',
        'elsewhere.npz',
        `data/train/${'x'.repeat(3000)}.npz`,
      ]
      const page = { objects: names.map((key) => [key, Buffer.alloc(9)] as const) }
      spoiled(({ kind }) => (kind === 'list' ? { page: () => page } : undefined))
      const ran = await run(store, uri, { numFiles: 1 })
      assert.equal(ran.code, 1, ran.stderr)
      assert.match(ran.stderr, /^error: \S+\\u001b\[31m\\u0007\.npz: cannot read/)
    })
  })

test('a listing without objects is followed for long, but not for ever', () => {
  const turner = new PageTurner({ place: { provider: 's3', bucket: 'bucket', prefix: '' }, endpoint: 'http://store' }, 'data/train/')
  const follow = () => {
    for (let page = 0; page < 100_000; page++) turner.turn([], String(page))
  }
  assert.throws(
    follow,
    /^StorageError: s3:\/\/bucket\/data\/train\/: cannot list \(page 10001\): the server sends more than 10000 pages without/,
  )
})

test('a server whose certificate nobody trusts: each store says so, and how to trust it', async () => {
  const certificate = createCertificate()
  for (const provider of ['s3', 'azure', 'gcs'] as const) {
    const store = await startFakeStore(provider, certificate)
    const uri = store.uri('bucket')
    const ran = await run(store, uri)
    assert.equal(ran.code, 1)
    assert.match(ran.stderr, says(list, "the server's certificate is not trusted; trust its certificate authority with AWS_CA_BUNDLE"))
    const trusting = await run(store, uri, { args: ['--generate'], env: { AWS_CA_BUNDLE: certificate.caFile } })
    assert.equal(trusting.code, 0, trusting.stderr)
    store.close()
  }
})
