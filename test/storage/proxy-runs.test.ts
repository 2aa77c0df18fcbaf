// Whole commands through an HTTP proxy: the work of a run without one, on both planes, and no credentials in anything that is left behind.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { afterEach, before, describe, type TestContext, test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { driver, type Outcome, scratchFolder, workloadFile } from '../cli/driver.js'
import { dropIn } from '../cli/drop-in.js'
import { type ProxyServerOptions, startProxy, type TestProxy } from './proxy-server.js'
import { createCertificate, type Options, type Service, startAzure, startFront, startGcs, startS3 } from './services.js'

const folder = scratchFolder('proxy-runs')
/** No credentials, endpoints or proxies of whoever runs the tests. */
const clean = Object.fromEntries(
  Object.keys(process.env).flatMap((name) => (/^(AWS_|S3_|AZURE_|GOOGLE_|STORAGE_)|_proxy$/i.test(name) ? [[name, '']] : [])),
)
const user = 'ann'
const password = 'pr0xy-pass%2Fword'
const credentials = `${user}:${decodeURIComponent(password)}`
let runs = 0
const open: TestProxy[] = []
afterEach(async () => {
  for (const proxy of open.splice(0)) await proxy.close()
})

async function proxyWith(options: ProxyServerOptions = {}): Promise<TestProxy & { readonly full: string }> {
  const proxy = await startProxy({ credentials, ...options })
  open.push(proxy)
  return Object.assign(proxy, { full: proxy.url.replace('//', `//${user}:${password}@`) })
}

const workload = (uri: string, options: Options, more: object = {}) => ({
  framework: 'pytorch',
  workflow: { generate_data: true, train: true },
  storage: { storage_options: options },
  dataset: { data_folder: uri, format: 'npz', num_files_train: 6, num_samples_per_file: 2, record_length_bytes: 20_000 },
  reader: { batch_size: 2, read_threads: 2 },
  train: { epochs: 2, computation_time: 0 },
  ...more,
})

async function run(
  config: object,
  args: string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<Outcome & { output: string; result: Result }> {
  const output = join(folder, `out-${runs++}`)
  const path = workloadFile(folder, config, `w${runs}.yaml`)
  const ran = await driver(['run', path, '--output', output, '--json', ...args], { env: { ...clean, ...env } })
  return { ...ran, output, result: ran.stdout === '' ? (undefined as never) : (JSON.parse(ran.stdout) as Result) }
}

/** The endpoint by a name that only the proxy knows, so that nothing can go past it. */
const hidden = (endpoint: string, name: string) => endpoint.replace(/127\.0\.0\.1|localhost/, name)

/** Name, server, host name to give it, and whether it is asked over TLS. */
const providers: readonly [string, (t: TestContext) => Promise<Service | undefined>, string, readonly boolean[]][] = [
  // moto takes names for buckets.
  ['S3', startS3, '127.0.0.1', [false, true]],
  ['Azure', startAzure, '127.0.0.1', [true]],
  // The emulator sends uploads in parts on to a URL without TLS.
  ['Google', startGcs, 'storage.invalid', [false]],
]

for (const [name, start, host, schemes] of providers)
  describe(`${name} through a proxy`, () => {
    let service: Service | undefined
    before(async (t) => {
      service = await start(t as unknown as TestContext)
    })

    test('generating, listing, reading with --verify and uploads in parts do the work of a run without', async (t) => {
      if (service === undefined) return t.skip('no server')
      const { endpoint, options } = service
      // One object larger than two parts.
      const large = { dataset: { format: 'npz', num_files_train: 2, num_samples_per_file: 3, record_length_bytes: 4_500_000 } }
      const direct = await run(workload(await service.place(), options), ['--verify'])
      assert.equal(direct.code, 0, direct.stderr)
      assert.doesNotMatch(direct.stderr, /through the proxy/)
      for (const tls of schemes) {
        const certificate = tls ? createCertificate() : undefined
        // The certificate is for localhost.
        const front = certificate && (await startFront(endpoint, certificate))
        const proxy = await proxyWith({ hosts: { 'storage.invalid': '127.0.0.1' } })
        const there = { ...options, endpoint_url: front?.endpoint ?? hidden(endpoint, host), multipart_part_size: 5 * 2 ** 20 }
        const env = { [tls ? 'HTTPS_PROXY' : 'http_proxy']: proxy.full, AWS_CA_BUNDLE: certificate?.caFile ?? '' }
        const ran = await run(workload(await service.place(), there), ['--verify'], env)
        assert.equal(ran.code, 0, ran.stderr)
        const facts = ({ orderDigest, io, train }: Result) => [orderDigest, io.samplesRead, io.bytesAsked, train?.steps]
        assert.deepEqual(facts(ran.result), facts(direct.result))
        assert.equal(
          ran.stderr.match(new RegExp(`reached through the proxy ${proxy.host}, which is part of what is measured`, 'g'))?.length,
          1,
        )
        assert.equal((ran.result.objects!.options as { proxy?: string }).proxy, proxy.host)
        if (tls) assert.ok(proxy.seen.every(({ method }) => method === 'CONNECT'))
        else assert.ok(proxy.seen.filter(({ method, target }) => method === 'GET' && target.includes('.npz')).length >= 12)
        // Nothing went past it: the front has no other client.
        if (front) assert.ok(front.requests.filter((line) => line.startsWith('GET') && line.includes('.npz')).length >= 12)
        const place = await service.place()
        const parts = await run(workload(place, there, { dataset: { ...large.dataset, data_folder: place } }), ['--verify'], env)
        assert.equal(parts.code, 0, parts.stderr)
        assert.equal(parts.result.io.samplesRead, 2 * 2 * 3)
      }
    })

    test('storage_options.proxy does the same, NO_PROXY exempts the endpoint from the environment’s proxies alone', async (t) => {
      if (service === undefined) return t.skip('no server')
      const { options } = service
      const place = await service.place()
      const proxy = await proxyWith()
      const byOption = await run(workload(place, { ...options, proxy: proxy.full }), [], { NO_PROXY: '*' })
      assert.equal(byOption.code, 0, byOption.stderr)
      const seen = proxy.seen.length
      assert.ok(seen > 12, String(seen))
      for (const NO_PROXY of ['127.0.0.0/8', `127.0.0.1:${new URL(String(options.endpoint_url)).port}`]) {
        const past = await run(workload(place, options, { workflow: { train: true } }), [], { HTTP_PROXY: proxy.full, NO_PROXY })
        assert.equal(past.code, 0, past.stderr)
        assert.doesNotMatch(past.stderr, /through the proxy/)
        assert.equal((past.result.objects!.options as { proxy?: string }).proxy, undefined)
      }
      // A proxy for endpoints with TLS is not for one without.
      const other = await run(workload(place, options, { workflow: { train: true } }), [], { HTTPS_PROXY: proxy.full })
      assert.equal(other.code, 0, other.stderr)
      assert.equal(proxy.seen.length, seen)
    })

    test('doctor goes the same way and says so; a proxy that wants credentials fails its own check', async (t) => {
      if (service === undefined) return t.skip('no server')
      const certificate = createCertificate()
      const front = await startFront(service.endpoint, certificate)
      for (const tls of schemes) {
        const endpoint = tls ? front.endpoint : service.endpoint
        const proxy = await proxyWith()
        const place = await service.place()
        const path = workloadFile(folder, workload(place, { ...service.options, endpoint_url: endpoint }), `d${runs++}.yaml`)
        const doctor = async (url: string) => {
          const env = { ...clean, HTTP_PROXY: url, HTTPS_PROXY: url, AWS_CA_BUNDLE: certificate.caFile }
          const ran = await driver(['doctor', path, '--json', '--timeout', '100'], { env })
          const { checks } = JSON.parse(ran.stdout) as { checks: { name: string; outcome: string; detail: string }[] }
          return { ...ran, checks, failed: checks.filter(({ outcome }) => outcome === 'failed') }
        }
        const well = await doctor(proxy.full)
        assert.equal(well.code, 0, well.stdout)
        assert.match(well.checks.find((check) => check.name.startsWith('proxy'))!.detail, new RegExp(`through the proxy ${proxy.host}`))
        for (const kind of ['LIST', 'PUT', 'range', 'GET', 'DELETE'])
          assert.equal(well.checks.find((check) => check.name === kind)!.outcome, 'ok', kind)
        const asks = proxy.seen.length
        assert.ok(asks > 1, String(asks))
        const refused = await doctor(proxy.url)
        assert.deepEqual(
          refused.failed.map(({ name }) => name.split(' ')[0]),
          ['proxy'],
          refused.stdout,
        )
        assert.match(refused.failed[0]!.detail, /wants credentials: write them into its URL/)
        assert.doesNotMatch(well.stdout + well.stderr, /pr0xy-pass/)
      }
    })

    test('a proxy that refuses, asks for credentials or is not there ends the run in words that name it', async (t) => {
      if (service === undefined) return t.skip('no server')
      const certificate = createCertificate()
      const front = await startFront(service.endpoint, certificate)
      const place = await service.place()
      for (const tls of schemes) {
        const endpoint = tls ? front.endpoint : service.endpoint
        const options = { ...service.options, endpoint_url: endpoint, s3_max_attempts: 1, connect_timeout_ms: 20_000 }
        const proxy = await proxyWith({
          spoilTunnel: (socket) => !!socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'),
          spoilRequest: (request, response) => !!response.writeHead(403, { 'content-length': 0 }).end(request.resume() && ''),
        })
        const fails = async (url: string) => {
          const env = { HTTP_PROXY: url, HTTPS_PROXY: url, AWS_CA_BUNDLE: certificate.caFile }
          const ran = await run(workload(place, options, { workflow: { train: true } }), [], env)
          assert.equal(ran.code, 1, ran.stderr)
          assert.doesNotMatch(ran.stderr, /pr0xy-pass/)
          return ran.stderr
        }
        assert.match(await fails(proxy.full), new RegExp(`403.*the proxy ${proxy.host}|the proxy ${proxy.host}.*403`))
        assert.match(
          await fails(proxy.url),
          new RegExp(`wants credentials.*the proxy ${proxy.host}|the proxy ${proxy.host}.*wants credentials`),
        )
        // Of those that the system gives out it could have given this one to somebody else by now.
        assert.match(await fails(proxy.full.replace(/:\d+$/, ':9')), /the proxy 127\.0\.0\.1:9.*ECONNREFUSED/)
      }
    })
  })

test('a bucket in the host name is asked for by that name, which only the proxy resolves', async (t) => {
  const service = await startS3(t)
  if (service === undefined) return
  const place = await service.place()
  const host = `${place.split('/')[2]}.s3.invalid`
  const proxy = await proxyWith({ hosts: { [host]: '127.0.0.1' } })
  const endpoint = hidden(service.endpoint, 's3.invalid')
  const options = { ...service.options, endpoint_url: endpoint, s3_force_path_style: false, proxy: proxy.full }
  const ran = await run(workload(place, options), ['--verify'])
  assert.equal(ran.code, 0, ran.stderr)
  assert.equal(ran.result.io.samplesRead, 2 * 12)
  const { port } = new URL(endpoint)
  assert.ok(proxy.seen.every(({ target, headers }) => target.startsWith(`http://${host}:${port}/`) && headers.host === `${host}:${port}`))
  assert.deepEqual(
    ran.result.objects!.endpoints.map((one) => one.endpoint),
    [`http://${host}:${port}`],
  )
})

describe('what a run through a proxy leaves behind', () => {
  let service: Service | undefined
  before(async (t) => {
    service = await startS3(t as unknown as TestContext)
  })

  test('the proxy’s password is in nothing that is printed or written, given as an option, as an override or by the environment', async (t) => {
    if (service === undefined) return t.skip('no server')
    const place = await service.place()
    const proxy = await proxyWith()
    const output = join(folder, 'secrets')
    const out = (name: string) => ['--output', join(output, name)]
    const path = workloadFile(folder, workload(place, service.options), `s${runs++}.yaml`)
    const optional = workloadFile(folder, workload(place, { ...service.options, proxy: proxy.full }), `s${runs++}.yaml`)
    const override = `storage.storage_options.proxy=${proxy.full}`
    const wrong = `storage.storage_options.proxy=${proxy.full.replace('http:', 'socks5:')}`
    const gone = `storage.storage_options.proxy=${proxy.full.replace(/:\d+$/, ':9')}`
    const environment = { HTTP_PROXY: proxy.full }
    const said: string[] = []
    const commands: [expected: number, args: string[], env?: NodeJS.ProcessEnv][] = [
      [0, ['run', optional, ...out('option'), '--json', '-v', '--trace', join(output, 'trace.json')]],
      [0, ['run', path, override, ...out('override'), '-v']],
      [0, ['run', path, ...out('environment'), '-v'], environment],
      [1, ['run', path, gone, 'storage.storage_options.s3_max_attempts=1', ...out('gone'), '-v']],
      [2, ['run', path, wrong, ...out('wrong'), '-v']],
      [2, ['run', path, ...out('wrong-environment'), '-v'], { HTTP_PROXY: proxy.full.replace('http:', 'socks5:') }],
      [0, ['validate', optional, '--json']],
      [0, ['validate', optional]],
      [2, ['validate', path, wrong]],
      [0, ['plan', optional, '--json']],
      [0, ['doctor', optional, '--timeout', '100']],
    ]
    for (const [expected, args, env] of commands) {
      const ran = await driver(args, { env: { ...clean, ...env } })
      said.push(`${args[0]} ${ran.stdout}${ran.stderr}`)
      assert.equal(ran.code, expected, said.at(-1))
    }
    assert.match(said[3]!, /the proxy 127\.0\.0\.1:9/)
    assert.match(said[5]!, /the environment's HTTP_PROXY must begin with http:\/\/ or https:\/\/, not socks5:/)
    const cwd = join(folder, 'drop-in')
    fs.mkdirSync(join(cwd, 'workload'), { recursive: true })
    fs.copyFileSync(path, join(cwd, 'workload', 'mine.yaml'))
    const dropped = await dropIn(
      cwd,
      ['--config-dir', cwd, 'workload=mine', `++workload.${override}`, '++workload.train.epochs=1', '++workload.model.name=mine'],
      clean,
    )
    assert.equal(dropped.code, 0, dropped.stdout + dropped.stderr)
    said.push(`drop-in ${dropped.stdout}${dropped.stderr}`)
    const key = '++workload.storage.storage_options.secret_access_key=other-secret-key'
    for (const more of [['--cfg', 'all'], ['--cfg', 'job', '--resolve'], ['++workload.train.epochs=none']]) {
      const told = await dropIn(
        cwd,
        ['--config-dir', cwd, 'workload=mine', `++workload.${override}`, key, '++workload.model.name=mine', ...more],
        clean,
      )
      said.push(`drop-in ${more} ${told.stdout}${told.stderr}`)
      assert.match(said.at(-1)!, /secret_access_key[=:] ?'?\(hidden\)/)
    }
    const written = [output, cwd].flatMap((root) =>
      fs
        .readdirSync(root, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name)),
    )
    for (const name of ['result.json', 'trace.json', 'dlio.log', '.hydra/overrides.yaml', '.hydra/config.yaml'])
      assert.ok(
        written.some((file) => file.endsWith(name)),
        `${name} is among ${written}`,
      )
    for (const file of written) said.push(`${file} ${fs.readFileSync(file, 'latin1')}`)
    const forms = [password, decodeURIComponent(password), Buffer.from(credentials).toString('base64'), 'other-secret-key']
    for (const text of said) for (const form of forms) assert.ok(!text.includes(form), `${text.slice(0, 200)}… shows the password`)
  })

  test('checkpoints are written and read back through the proxy, whole, and the run says so once', async (t) => {
    if (service === undefined) return t.skip('no server')
    const certificate = createCertificate()
    const front = await startFront(service.endpoint, certificate)
    for (const endpoint of [service.endpoint, front.endpoint]) {
      const place = await service.place()
      const proxy = await proxyWith()
      const config = {
        model: { name: 'flat', model_size_bytes: 3 * 2 ** 20 },
        framework: 'pytorch',
        workflow: { train: false, checkpoint: true },
        storage: { storage_options: { ...service.options, endpoint_url: endpoint, proxy: proxy.full } },
        checkpoint: { checkpoint_folder: `${place}/checkpoints`, num_checkpoints_write: 1, num_checkpoints_read: 1 },
      }
      const ran = await run(config, ['--verify'], { AWS_CA_BUNDLE: certificate.caFile })
      assert.equal(ran.code, 0, ran.stderr)
      assert.equal(ran.stderr.match(new RegExp(`through the proxy ${proxy.host}, which is part of what is measured`, 'g'))?.length, 1)
      assert.ok(proxy.seen.length > 3)
      const without = await run({ ...config, storage: { storage_options: { ...config.storage.storage_options, proxy: proxy.url } } })
      assert.equal(without.code, 2, without.stderr)
      assert.match(without.stderr, /cannot be written to: .*proxy.* wants credentials/)
    }
  })
})
