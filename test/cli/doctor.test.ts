// `doctor`: each thing that can be wrong is named by the check that it fails, and nothing else is blamed.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { before, describe, type TestContext, test } from 'node:test'
import { createCertificate, type Options, type Service, startAzure, startFront, startGcs, startS3 } from '../storage/services.js'
import { driver, scratchFolder, workloadFile } from './driver.js'

interface Check {
  readonly name: string
  readonly outcome: string
  readonly detail: string
}

const folder = scratchFolder('doctor')
/** Nobody's credentials, endpoints and proxies but a test's own. */
const clean = Object.fromEntries(
  [
    'AWS_ENDPOINT_URL',
    'AWS_ENDPOINT_URL_S3',
    'S3_ENDPOINT_URIS',
    'AWS_ACCESS_KEY_ID',
    'AWS_SECRET_ACCESS_KEY',
    'AWS_CA_BUNDLE',
    'NODE_EXTRA_CA_CERTS',
    'HTTP_PROXY',
    'HTTPS_PROXY',
    'http_proxy',
    'https_proxy',
  ].map((name) => [name, '']),
)

let configurations = 0

/** Time that no busy machine needs. */
const patient = ['--timeout', '100']

/** Runs doctor on a workload whose data lies at `uri`, in no hurry unless `args` say so; returns the outcome of each check by name. */
async function doctor(uri: string, options: Options, more: { args?: string[]; env?: NodeJS.ProcessEnv } = {}) {
  const path = workloadFile(
    folder,
    { framework: 'pytorch', storage: { storage_options: options }, dataset: { data_folder: uri, format: 'npz' } },
    `w${configurations++}.yaml`,
  )
  const run = await driver(['doctor', path, '--json', ...patient, ...(more.args ?? [])], { env: { ...clean, ...more.env } })
  const answer = JSON.parse(run.stdout || '{"checks":[]}') as { ok: boolean; checks: Check[] }
  // Secrets of all providers; the account's name is none.
  for (const secret of Object.entries(options).flatMap(([name, value]) => (/secret|key$/.test(name) ? [String(value)] : [])))
    assert.ok(!`${run.stdout}${run.stderr}`.includes(secret), 'a secret was printed')
  const of = (name: string) => answer.checks.filter((check) => check.name.startsWith(name))
  return {
    ...run,
    ok: answer.ok,
    of,
    failed: answer.checks.filter(({ outcome }) => outcome === 'failed').map(({ name }) => name.split(' ')[0]),
  }
}

const providers: readonly [string, (t: TestContext) => Promise<Service | undefined>][] = [
  ['S3', startS3],
  ['Azure', startAzure],
  ['Google', startGcs],
]

for (const [name, start] of providers)
  describe(`doctor of ${name}`, () => {
    let service: Service | undefined
    before(async (t) => {
      service = await start(t as unknown as TestContext)
    })

    test('all is well: every kind of request is tried, and the scratch object is gone', async (t) => {
      if (service === undefined) return t.skip('no server')
      const run = await doctor(await service.place(), service.options)
      assert.equal(run.code, 0, run.stdout + run.stderr)
      for (const check of ['connect', 'clock', 'credentials', 'LIST', 'PUT', 'range', 'GET', 'DELETE'])
        assert.deepEqual(
          run.of(check).map(({ outcome }) => outcome),
          ['ok'],
          check,
        )
      const again = await doctor(await service.place(), service.options, { args: ['--read-only'] })
      assert.match(again.of('LIST')[0]!.detail, /nothing lies there yet/)
    })

    test('a bucket that is not there fails the requests, not the way there', async (t) => {
      if (service === undefined) return t.skip('no server')
      const place = (await service.place()).replace(/(bucket|container)-\d+/, 'not-there')
      const run = await doctor(place, service.options)
      assert.equal(run.code, 1)
      assert.deepEqual(run.failed, ['LIST', 'PUT'])
      assert.match(run.of('LIST')[0]!.detail, /there is no such/)
      assert.deepEqual(
        run.of('GET').map(({ outcome }) => outcome),
        ['skipped'],
      )
    })
  })

describe('doctor of S3 with something wrong', () => {
  let service: Service | undefined
  before(async (t) => {
    service = await startS3(t as unknown as TestContext)
  })
  const check = (title: string, body: (service: Service) => Promise<void>) =>
    test(title, async (t) => (service === undefined ? t.skip('no server') : body(service)))

  check('an unresolvable host fails resolve, and everything else needs it', async ({ options }) => {
    const run = await doctor('s3://bucket/data', { ...options, endpoint_url: 'http://no-such-host.invalid:9000' })
    assert.deepEqual(run.failed, ['resolve'])
    assert.match(run.of('LIST')[0]!.detail, /needs resolve no-such-host\.invalid:9000/)
  })

  check('a port that nobody listens at fails connect', async ({ options }) => {
    const run = await doctor('s3://bucket/data', { ...options, endpoint_url: 'http://127.0.0.1:9' })
    assert.deepEqual(run.failed, ['connect'])
    assert.match(run.of('connect')[0]!.detail, /nothing listens there \(ECONNREFUSED\)/)
  })

  check('an unknown certificate authority fails tls and tells how to trust it; trusted, all is well', async (s3) => {
    const certificate = createCertificate()
    const front = await startFront(s3.endpoint, certificate)
    const options = { ...s3.options, endpoint_url: front.endpoint }
    const run = await doctor(await s3.place(), options)
    assert.deepEqual(run.failed, ['tls'])
    assert.match(run.of('tls')[0]!.detail, /trust its authority with AWS_CA_BUNDLE/)
    const trusted = await doctor(await s3.place(), options, { env: { AWS_CA_BUNDLE: certificate.caFile } })
    assert.equal(trusted.code, 0, trusted.stdout)
    assert.match(trusted.of('tls')[0]!.detail, /^TLSv1\.\d, certificate of test CA, \d+ days left$/)
  })

  check('https:// to a port without TLS says so', async ({ options, endpoint }) => {
    const run = await doctor('s3://bucket/data', { ...options, endpoint_url: endpoint.replace('http:', 'https:') })
    assert.deepEqual(run.failed, ['tls'])
    assert.match(run.of('tls')[0]!.detail, /no TLS port: write http:\/\//)
  })

  check('a clock beyond what signatures allow fails, and a smaller difference warns', async (s3) => {
    for (const [seconds, outcome, words] of [
      [-7200, 'failed', /2\d{2}|7\d{3} s ahead of the server’s.*signed requests are refused/],
      [300, 'warning', /(2\d\d|30[01]) s behind the server’s/],
    ] as const) {
      const front = await startFront(s3.endpoint, undefined, (request, response) => {
        if (request.method !== 'HEAD' || request.url !== '/') return false
        response.writeHead(200, { date: new Date(Date.now() + seconds * 1000).toUTCString() }).end()
        return true
      })
      const run = await doctor(await s3.place(), { ...s3.options, endpoint_url: front.endpoint })
      assert.equal(run.of('clock')[0]!.outcome, outcome, run.stdout)
      assert.match(run.of('clock')[0]!.detail, words)
    }
  })

  check('credentials that may not write fail PUT alone; --read-only does not ask for it', async (s3) => {
    const place = await s3.place()
    const front = await startFront(s3.endpoint, undefined, (request, response) => {
      if (request.method !== 'PUT') return false
      request.resume()
      response
        .writeHead(403, { 'content-type': 'application/xml' })
        .end('<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>')
      return true
    })
    const options = { ...s3.options, endpoint_url: front.endpoint }
    const run = await doctor(place, options)
    assert.deepEqual(run.failed, ['PUT'])
    assert.match(run.of('PUT')[0]!.detail, /access denied.*HTTP 403 \(AccessDenied\)/)
    const reading = await doctor(place, options, { args: ['--read-only'] })
    assert.equal(reading.code, 0, reading.stdout)
  })

  check('a server that changes bytes is caught by the range', async (s3) => {
    const front = await startFront(s3.endpoint, undefined, (request, response) => {
      if (request.method !== 'GET' || request.headers.range === undefined) return false
      const [, begin, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.range)!
      const length = Number(end) - Number(begin) + 1
      response.writeHead(206, { 'content-length': length, 'content-range': `bytes ${begin}-${end}/100000` }).end(Buffer.alloc(length))
      return true
    })
    const run = await doctor(await s3.place(), { ...s3.options, endpoint_url: front.endpoint })
    assert.deepEqual(run.failed, ['range'])
    assert.match(run.of('range')[0]!.detail, /came back changed/)
    assert.deepEqual(
      run.of('DELETE').map(({ outcome }) => outcome),
      ['ok'],
    )
  })

  check('a server that takes connections and never answers ends in words, not in a hang', async ({ options }) => {
    const server = createServer(() => {})
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    server.unref()
    const run = await doctor(
      's3://bucket/data',
      { ...options, endpoint_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
      { args: ['--timeout', '1'] },
    )
    assert.equal(run.code, 1)
    assert.match(run.of('clock')[0]!.detail, /no answer/)
    // Without --timeout it takes five.
    const usual = await driver(['doctor', '--help'])
    assert.match(usual.stdout, /--timeout <seconds>[^-]*\(default: 5\)/)
  })

  check('several endpoints are each looked at', async (s3) => {
    const options = { ...s3.options, endpoint_url: `${s3.endpoint},http://127.0.0.1:9` }
    const run = await doctor(await s3.place(), options)
    assert.deepEqual(
      run.of('connect').map(({ outcome }) => outcome),
      ['ok', 'failed'],
    )
  })

  check('no credentials are a failed check that says where they may come from', async ({ endpoint }) => {
    const home = { HOME: folder, AWS_SHARED_CREDENTIALS_FILE: '/dev/null', AWS_CONFIG_FILE: '/dev/null' }
    const run = await doctor('s3://bucket/data', { endpoint_url: endpoint }, { env: home })
    assert.deepEqual(run.failed, ['credentials'])
    assert.match(run.of('credentials')[0]!.detail, /no credentials were found; set AWS_ACCESS_KEY_ID/)
  })
})

describe('doctor of this machine', () => {
  const machine = async (args: string[]) => {
    const run = await driver(['doctor', ...args, '--json'], { env: clean })
    const { checks } = JSON.parse(run.stdout) as { checks: Check[] }
    return { ...run, of: (name: string) => checks.find((check) => check.name === name)! }
  }

  test('limits, memory and libraries are told without a target', async () => {
    const run = await machine([])
    assert.equal(run.code, 0, run.stdout)
    for (const name of ['node', 'processors', 'memory', 'open files', 'MPI']) assert.ok(run.of(name).detail.length > 0, name)
    const people = await driver(['doctor'])
    assert.match(people.stdout, /^this machine\n {2}ok {4}node /)
  })

  test('a folder is tried with O_DIRECT and left as it was', async () => {
    const data = join(folder, 'data')
    fs.mkdirSync(data)
    const run = await machine([data])
    assert.equal(run.code, 0, run.stdout)
    assert.equal(run.of('folder').outcome, 'ok')
    assert.match(run.of('O_DIRECT').detail, /works here|refuses it/)
    assert.deepEqual(fs.readdirSync(data), [])
  })

  test('a configuration without its data fails, and one that generates does not', async () => {
    const absent = workloadFile(
      folder,
      { framework: 'pytorch', dataset: { data_folder: join(folder, 'absent'), format: 'npz' } },
      'absent.yaml',
    )
    assert.match((await machine([absent])).of('folder').detail, /does not exist; generate/)
    assert.equal((await machine([absent])).code, 1)
    assert.equal((await machine([absent, 'workflow.generate_data=True'])).code, 0)
  })

  test('more readers than files may be open are a failure with the limit to set', async () => {
    const many = workloadFile(
      folder,
      { framework: 'pytorch', reader: { read_threads: 1000 }, dataset: { data_folder: folder, format: 'npz' } },
      'many.yaml',
    )
    const check = (await machine([many, '--ranks', '1000000'])).of('open files')
    assert.equal(check.outcome, 'failed', check.detail)
    assert.match(check.detail, /ulimit -n \d+/)
  })

  test('an unknown scheme ends with 2', async () => {
    const run = await driver(['doctor', 'ftp://host/x'])
    assert.equal(run.code, 2)
    assert.match(run.stderr, /unknown scheme ftp:\/\//)
  })
})
