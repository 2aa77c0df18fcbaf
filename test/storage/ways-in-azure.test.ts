// Every way to say who one is at Azure signs for both planes, gives another token when the storage refuses the present one, and says what failed.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { keyOf } from '#src/storage/uri.js'
import { driver, scratchFolder, workloadFile } from '../cli/driver.js'
import { open, read, useBothPlanes, withEnvironment } from './both-planes.js'
import { issuedBearer, type SignIn, type SignInSeen, startSignIn } from './fake-sign-in.js'
import { type FakeStore, startFakeStore } from './fake-store.js'
import { leadTo, startProxy, type TestProxy } from './proxy-server.js'
import { type Certificate, createCertificate, noCredentials } from './services.js'

const folder = scratchFolder('ways-in-azure')
let certificate: Certificate
let store: FakeStore
let authority: SignIn
let machine: SignIn
/** The only way to the authority, whose name is written in the library. */
let proxy: TestProxy

before(async () => {
  certificate = createCertificate()
  store = await startFakeStore('azure', certificate)
  authority = await startSignIn(certificate)
  machine = await startSignIn()
  proxy = await startProxy({ spoilTunnel: leadTo(authority.server), spoilRequest: () => assert.fail('the machine is asked directly') })
})
after(async () => {
  for (const { close } of [store, authority, machine]) close()
  await proxy.close()
})
beforeEach(() => {
  store.reset()
  store.spoil = () => undefined
  authority.reset()
  machine.reset()
  proxy.seen.length = 0
})

let files = 0
function file(text: string, mode = 0o644): string {
  const path = join(folder, `file-${files++}`)
  fs.writeFileSync(path, text, { mode })
  return path
}

const clientSecret = 'client-secret-0123456789abcdef'
const federatedToken = 'ey.federated.0123456789abcdef'
const principal = { AZURE_TENANT_ID: '11111111-1111-1111-1111-111111111111', AZURE_CLIENT_ID: '22222222-2222-2222-2222-222222222222' }

interface Way {
  readonly title: string
  env(): NodeJS.ProcessEnv
  readonly options?: Record<string, unknown>
  /** What the request for a token must have held. */
  readonly asked: (seen: SignInSeen) => void
}

const ways: readonly Way[] = [
  {
    title: 'a service principal with a secret',
    env: () => ({ ...principal, AZURE_CLIENT_SECRET: clientSecret }),
    asked: ({ path, body }) => {
      assert.equal(path.split('?')[0], `/${principal.AZURE_TENANT_ID}/oauth2/v2.0/token`)
      assert.match(body, new RegExp(`client_secret=${clientSecret}`))
    },
  },
  {
    title: 'workload identity',
    env: () => ({ ...principal, AZURE_FEDERATED_TOKEN_FILE: file(federatedToken) }),
    asked: ({ body }) => assert.match(body, new RegExp(`client_assertion=${federatedToken}`)),
  },
]

/** At an endpoint over TLS. */
const optionsOf = ({ options }: { readonly options?: Record<string, unknown> }) => ({
  endpoint_url: store.endpoint,
  account_name: 'fake',
  // The certificate of what stands for the authority is for another name.
  verify_tls: false,
  s3_max_attempts: 1,
  ...options,
})
const environmentOf = ({ env }: Pick<Way, 'env'>): NodeJS.ProcessEnv => ({
  HOME: folder,
  HTTPS_PROXY: proxy.url,
  HTTP_PROXY: proxy.url,
  NO_PROXY: 'localhost',
  ...env(),
})
const isToken = ({ path }: SignInSeen) => path.includes('/oauth2/v2.0/token')

for (const [number, way] of ways.entries())
  test(`${way.title}: its token is that of both planes, and another is fetched once the storage refuses it`, () =>
    withEnvironment(environmentOf(way), async () => {
      const control = await open(store.uri(`c${number}x`), optionsOf(way))
      try {
        const grant = await control.grant()
        const key = keyOf(control.place, 'k')
        await control.put(key, Buffer.from('content'))
        assert.equal((await read(control, key, grant)).toString(), 'content')
        const used = () => [...new Set(store.seen.map(({ request }) => request.headers.authorization))]
        assert.deepEqual(used(), [`Bearer ${issuedBearer(1)}`])
        way.asked(authority.seen.find(isToken)!)
        store.spoil = ({ request }) =>
          request.headers.authorization === `Bearer ${issuedBearer(1)}`
            ? { error: { status: 401, code: 'AuthenticationFailed', message: 'Lifetime validation failed. The token is expired.' } }
            : undefined
        store.reset()
        assert.equal((await read(control, key, grant)).toString(), 'content')
        assert.deepEqual(used(), [`Bearer ${issuedBearer(1)}`, `Bearer ${issuedBearer(2)}`])
        assert.ok(proxy.seen.every(({ target }) => target === 'login.microsoftonline.com:443'))
        assert.ok(proxy.seen.length > 0)
      } finally {
        control.close()
      }
    }))

/** Generates and reads a small data set in a process of its own: the library keeps the tokens of a machine for all of its process. */
async function run(uri: string, env: NodeJS.ProcessEnv): Promise<void> {
  const path = workloadFile(folder, {
    framework: 'pytorch',
    workflow: { generate_data: true, train: true },
    storage: { storage_options: { ...optionsOf({}), instance_metadata: true } },
    dataset: { data_folder: uri, format: 'npz', num_files_train: 3, record_length_bytes: 512 },
    reader: { batch_size: 1, read_threads: 1 },
    train: { epochs: 1, computation_time: 0 },
  })
  const args = ['run', path, '--verify', '--quiet', '--output', join(folder, `out-${files++}`)]
  const ran = await driver(args, { env: { ...noCredentials, ...environmentOf({ env: () => env }) } })
  assert.equal(ran.code, 0, ran.stderr)
}

const machines: readonly [string, () => NodeJS.ProcessEnv, (seen: SignInSeen) => void][] = [
  [
    'the managed identity of a service',
    () => ({ IDENTITY_ENDPOINT: `${machine.url}/identity`, IDENTITY_HEADER: 'machine-header' }),
    ({ headers, path }) => {
      assert.equal(headers['x-identity-header'], 'machine-header')
      assert.match(path, /resource=https%3A%2F%2Fstorage\.azure\.com/)
    },
  ],
  [
    'the managed identity of a machine',
    () => ({ AZURE_POD_IDENTITY_AUTHORITY_HOST: machine.url, AZURE_CLIENT_ID: principal.AZURE_CLIENT_ID }),
    ({ headers, path }) => {
      assert.equal(headers.metadata, 'true')
      assert.match(path, new RegExp(`^/metadata/identity/oauth2/token/?\\?.*client_id=${principal.AZURE_CLIENT_ID}`))
    },
  ],
]
for (const [title, env, asked] of machines)
  test(`${title} gives the token of both planes, asked directly`, async () => {
    await run(store.uri(`machine-${files++}`), env())
    for (const { request } of store.seen) assert.match(request.headers.authorization!, /^Bearer issued-bearer-number-\d+-/)
    assert.ok(['put', 'list', 'get'].every((kind) => store.seen.some((seen) => seen.kind === kind)))
    asked(machine.seen[0]!)
    assert.deepEqual(proxy.seen, [])
  })

test('with an endpoint the machine is not asked', async () => {
  const env = { IDENTITY_ENDPOINT: `${machine.url}/identity`, IDENTITY_HEADER: 'machine-header', PATH: folder }
  await assert.rejects(
    withEnvironment(environmentOf({ env: () => env }), async () => (await open(store.uri('none'), optionsOf({}))).grant()),
    /cannot find credentials for: no credentials in the environment; az login: Azure CLI could not be found/,
  )
  assert.deepEqual(machine.seen, [])
})

test('who has signed in with Azure’s tool is known to both planes', async () => {
  const bin = join(folder, 'bin')
  fs.mkdirSync(bin)
  const token = JSON.stringify({ accessToken: issuedBearer(7), expires_on: Math.floor(Date.now() / 1000) + 3600, tokenType: 'Bearer' })
  fs.writeFileSync(join(bin, 'az'), `#!/bin/sh\necho '${token}'\n`, { mode: 0o755 })
  const env = environmentOf({ env: () => ({ PATH: `${bin}:/usr/bin:/bin` }) })
  await useBothPlanes(store.uri('az-login'), optionsOf({}), env)
  for (const { request } of store.seen) assert.equal(request.headers.authorization, `Bearer ${issuedBearer(7)}`)
})

interface Broken {
  readonly title: string
  env(): NodeJS.ProcessEnv
  readonly fault?: SignIn['fault']
  readonly options?: Record<string, unknown>
  readonly says: RegExp
}
/** A careless authority repeats what it was sent. */
const denial = ({ path, body }: SignInSeen) =>
  path.includes('/oauth2/v2.0/token')
    ? {
        status: 401,
        body: JSON.stringify({
          error: 'invalid_client',
          error_description: `AADSTS7000215: Invalid ${new URLSearchParams(body).get('client_secret') ?? new URLSearchParams(body).get('client_assertion')} provided.\r\nTrace ID: 1`,
        }),
      }
    : undefined

const broken: readonly Broken[] = [
  {
    title: 'a secret that the authority refuses',
    env: () => ({ ...principal, AZURE_CLIENT_SECRET: clientSecret }),
    fault: denial,
    says: /cannot find credentials for: the service principal 2222[-2]* \(AZURE_CLIENT_SECRET\): AADSTS7000215: Invalid \(hidden\) provided\.; /,
  },
  {
    title: 'a federated token that the authority refuses',
    env: () => ({ ...principal, AZURE_FEDERATED_TOKEN_FILE: file(federatedToken) }),
    fault: denial,
    says: /workload identity 2222[-2]* \(AZURE_FEDERATED_TOKEN_FILE, \S*file-\d+\): AADSTS7000215: Invalid \(hidden\) provided/,
  },
  {
    title: 'a federated token that is not there',
    env: () => ({ ...principal, AZURE_FEDERATED_TOKEN_FILE: '/none/token' }),
    says: /AZURE_FEDERATED_TOKEN_FILE, \/none\/token\): ENOENT/,
  },
  {
    title: 'half of a service principal',
    env: () => ({ AZURE_CLIENT_SECRET: clientSecret, AZURE_CLIENT_ID: principal.AZURE_CLIENT_ID }),
    says: /AZURE_CLIENT_SECRET is set without AZURE_TENANT_ID and AZURE_CLIENT_ID/,
  },
  {
    title: 'an authority whose certificate is for another name',
    env: () => ({ ...principal, AZURE_CLIENT_SECRET: clientSecret }),
    get options() {
      return { verify_tls: true, ca_bundle: certificate.caFile }
    },
    says: /the service principal .*: ERR_TLS_CERT_ALTNAME_INVALID, /,
  },
  {
    title: 'a proxy that is not there',
    env: () => ({ ...principal, AZURE_CLIENT_SECRET: clientSecret, HTTPS_PROXY: 'http://127.0.0.1:1' }),
    says: /the service principal .*: .*the proxy 127\.0\.0\.1:1/,
  },
]
for (const { title, env, fault, options = {}, says } of broken)
  test(`${title}: one error, which names the source and no secret`, async () => {
    authority.fault = fault
    await assert.rejects(
      withEnvironment(environmentOf({ env }), async () => (await open(store.uri('broken'), optionsOf({ options }))).grant()),
      ({ message }: Error) => {
        assert.match(message, says)
        assert.ok(!message.includes('\n') && !message.includes(clientSecret) && !message.includes(federatedToken), message)
        return true
      },
    )
  })

const key = Buffer.from('fake account key of 32 or more bytes~').toString('base64')
const signature = `sv=2021-12-02&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00:00:00Z&sig=${encodeURIComponent('c2lnbmF0dXJl')}`
const connections: readonly [string, string, string, RegExp][] = [
  ['a key and BlobEndpoint', `AccountName=fake;AccountKey=${key};BlobEndpoint=STORE/fake`, 'fake', /^SharedKey fake:/],
  ['a signature, and the account in the URL only', `BlobEndpoint=STORE/fake/;SharedAccessSignature=?${signature}`, 'fake', /^undefined$/],
  ['UseDevelopmentStorage=true, at an endpoint', 'UseDevelopmentStorage=true', 'devstoreaccount1', /^SharedKey devstoreaccount1:/],
]
for (const [title, text, account, authorization] of connections)
  test(`a connection string with ${title} is that of both planes`, async () => {
    const connection_string = text.replace('STORE', store.endpoint)
    const endpoint = text.includes('BlobEndpoint') ? { endpoint_url: null } : {}
    const uri = store.uri(`connection-${files++}`)
    const { pathPrefix } = await useBothPlanes(uri, { ...optionsOf({}), account_name: null, connection_string, ...endpoint }, {})
    assert.ok(pathPrefix.startsWith(`/${account}/`), pathPrefix)
    for (const { request } of store.seen) assert.match(String(request.headers.authorization), authorization)
  })

test('a connection string of the emulator leads to its port on this machine, or where it says', async () => {
  const lead = async (connection_string: string) => {
    const control = await withEnvironment({}, () => open('az://container/x', { connection_string }))
    const { endpoints, pathPrefix } = await control.grant()
    return [...endpoints, pathPrefix]
  }
  assert.deepEqual(await lead('UseDevelopmentStorage=true'), ['http://127.0.0.1:10000', '/devstoreaccount1/container/'])
  assert.deepEqual(await lead('UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://box'), [
    'http://box:10000',
    '/devstoreaccount1/container/',
  ])
})
