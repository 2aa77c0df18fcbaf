// Every way to say who one is at Google gives the token of both planes, another one when the storage refuses it, and says what failed.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import fs from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { keyOf } from '#src/storage/uri.js'
import { driver, scratchFolder, workloadFile } from '../cli/driver.js'
import { open, read, useBothPlanes, withEnvironment } from './both-planes.js'
import { issuedBearer, type SignIn, type SignInSeen, startSignIn } from './fake-sign-in.js'
import { type FakeStore, startFakeStore } from './fake-store.js'
import { leadTo, startProxy, type TestProxy } from './proxy-server.js'
import { createCertificate, noCredentials } from './services.js'

const folder = scratchFolder('ways-in-gcs')
let store: FakeStore
let google: SignIn
let machine: SignIn
/** The only way to Google, whose names are written in the library. */
let proxy: TestProxy

before(async () => {
  store = await startFakeStore('gcs')
  google = await startSignIn(createCertificate())
  machine = await startSignIn()
  proxy = await startProxy({ spoilTunnel: leadTo(google.server), spoilRequest: () => assert.fail('machine and store are asked directly') })
})
after(async () => {
  for (const { close } of [store, google, machine]) close()
  await proxy.close()
})
beforeEach(() => {
  store.reset()
  store.spoil = () => undefined
  google.reset()
  machine.reset()
  proxy.seen.length = 0
})

let files = 0
function file(content: string | object): string {
  const path = join(folder, `file-${files++}`)
  fs.writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

const subject = 'ey.subject.0123456789abcdef'
const refreshToken = 'refresh-token-0123456789abcdef'
const clientSecret = 'client-secret-0123456789abcdef'
const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
})
const serviceAccount = {
  type: 'service_account',
  project_id: 'p',
  private_key_id: 'k',
  private_key: privateKey,
  client_email: 'a@p.iam.gserviceaccount.com',
  client_id: '1',
}
const user = { type: 'authorized_user', client_id: 'c', client_secret: clientSecret, refresh_token: refreshToken }
const external = (source: object, more: object = {}) => ({
  type: 'external_account',
  audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
  subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  token_url: 'https://sts.googleapis.com/v1/token',
  credential_source: source,
  ...more,
})
const impersonation = 'https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken'

interface Way {
  readonly title: string
  content(): object
  /** Hosts that are asked for it. */
  readonly hosts: readonly string[]
  readonly asked: (seen: readonly SignInSeen[]) => void
}
const ways: readonly Way[] = [
  {
    title: 'a service account',
    content: () => serviceAccount,
    hosts: ['www.googleapis.com'],
    asked: ([first]) => assert.match(first!.body, /assertion/),
  },
  {
    title: 'a user who has signed in with gcloud',
    content: () => user,
    hosts: ['oauth2.googleapis.com'],
    asked: ([first]) => assert.match(first!.body, new RegExp(`refresh_token=${refreshToken}`)),
  },
  {
    title: 'an external account whose subject token lies in a file',
    content: () => external({ file: file(subject), format: { type: 'text' } }),
    hosts: ['sts.googleapis.com'],
    asked: ([first]) => assert.match(first!.body, new RegExp(`subject_token=${subject}`)),
  },
  {
    title: 'an external account whose subject token another service gives',
    content: () =>
      external({
        url: `${machine.url}/subject`,
        headers: { 'x-who': 'me' },
        format: { type: 'json', subject_token_field_name: 'AccessKeyId' },
      }),
    hosts: ['sts.googleapis.com'],
    asked: ([first]) => {
      assert.match(first!.body, /subject_token=AKIDISSUED\d/)
      assert.equal(machine.seen[0]!.headers['x-who'], 'me')
    },
  },
  {
    title: 'an external account that impersonates a service account',
    content: () => external({ file: file(subject) }, { service_account_impersonation_url: impersonation }),
    hosts: ['sts.googleapis.com', 'iamcredentials.googleapis.com'],
    asked: (seen) =>
      assert.equal(
        seen.find(({ path }) => path.endsWith(':generateAccessToken'))!.headers.authorization!.slice(0, 20),
        'Bearer issued-bearer',
      ),
  },
  {
    title: 'a user who impersonates a service account',
    content: () => ({
      type: 'impersonated_service_account',
      source_credentials: user,
      delegates: [],
      service_account_impersonation_url: impersonation,
    }),
    hosts: ['oauth2.googleapis.com', 'iamcredentials.googleapis.com'],
    asked: (seen) => assert.ok(seen.some(({ path }) => path.endsWith(':generateAccessToken'))),
  },
]

const optionsOf = (more: Record<string, unknown>) => ({
  endpoint_url: store.endpoint,
  // The certificate of what stands for Google is for another name.
  verify_tls: false,
  s3_max_attempts: 1,
  ...more,
})
const environment = (env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  HOME: folder,
  HTTPS_PROXY: proxy.url,
  NO_PROXY: 'localhost,127.0.0.1',
  ...env,
})

for (const [number, way] of ways.entries())
  test(`${way.title}: its token is that of both planes, and another is fetched once the storage refuses it`, () =>
    withEnvironment(environment(), async () => {
      const control = await open(store.uri(`b${number}`), optionsOf({ credentials_file: file(way.content()) }))
      try {
        const grant = await control.grant()
        const key = keyOf(control.place, 'k')
        await control.put(key, Buffer.from('content'))
        store.spoil = ({ request }) =>
          request.headers.authorization === sent[0]
            ? { error: { status: 401, code: 'authError', message: 'Invalid Credentials' } }
            : undefined
        const sent: string[] = []
        assert.equal((await read(control, key, grant)).toString(), 'content')
        const used = () => [...new Set(store.seen.map(({ request }) => request.headers.authorization!))]
        assert.equal(used().length, 1)
        assert.match(used()[0]!, /^Bearer issued-bearer-number-\d-/)
        way.asked(google.seen)
        sent.push(used()[0]!)
        assert.equal((await read(control, key, grant)).toString(), 'content')
        assert.equal(used().length, 2)
        assert.match(used()[1]!, /^Bearer issued-bearer-number-\d-/)
        assert.deepEqual(new Set(proxy.seen.map(({ target }) => target)), new Set(way.hosts.map((host) => `${host}:443`)))
      } finally {
        control.close()
      }
    }))

/** Generates and reads a small data set in a process of its own: the library asks only once whether there is a machine to be asked. */
async function run(options: Record<string, unknown>, env: NodeJS.ProcessEnv) {
  const path = workloadFile(folder, {
    framework: 'pytorch',
    workflow: { generate_data: true, train: true },
    storage: { storage_options: optionsOf(options) },
    dataset: { data_folder: store.uri(`run-${files++}`), format: 'npz', num_files_train: 3, record_length_bytes: 512 },
    reader: { batch_size: 1, read_threads: 1 },
    train: { epochs: 1, computation_time: 0 },
  })
  const args = ['run', path, '--verify', '--quiet', '--output', join(folder, `out-${files++}`)]
  return driver(args, { env: { ...noCredentials, ...environment(env) } })
}
const authorizations = () => [...new Set(store.seen.map(({ request }) => request.headers.authorization))]

test('the machine gives the token of both planes, asked directly, where it is to be asked', async () => {
  const env = { GCE_METADATA_HOST: machine.url.slice('http://'.length), HTTP_PROXY: proxy.url, NO_PROXY: 'localhost' }
  // The store is reached through the proxy, which sends on nothing: its own address is no machine's.
  const ran = await run({ instance_metadata: true }, { ...env, NO_PROXY: new URL(store.endpoint).host })
  assert.equal(ran.code, 0, ran.stderr)
  for (const value of authorizations()) assert.match(value!, /^Bearer issued-bearer-number-\d+-/)
  assert.ok(
    machine.seen.some(({ path, headers }) => /service-accounts\/default\/token/.test(path) && headers['metadata-flavor'] === 'Google'),
  )
  assert.deepEqual(proxy.seen, [])
})

test('with an endpoint and no file nobody signs in, and the machine is not asked', async () => {
  const env = { GCE_METADATA_HOST: machine.url.slice('http://'.length) }
  const { signing } = await useBothPlanes(store.uri('anonymous'), optionsOf({}), environment(env))
  assert.deepEqual([signing, authorizations(), machine.seen], [{ kind: 'anonymous' }, [undefined], []])
  const own = { anonymous: true, credentials_file: file(serviceAccount) }
  await useBothPlanes(store.uri('anonymous-too'), optionsOf(own), environment(env))
  assert.deepEqual([authorizations(), proxy.seen], [[undefined], []])
})

test('a file of the environment, and that of gcloud, sign for both planes', async () => {
  const home = join(folder, 'home')
  fs.mkdirSync(join(home, '.config', 'gcloud'), { recursive: true })
  fs.writeFileSync(join(home, '.config', 'gcloud', 'application_default_credentials.json'), JSON.stringify(user))
  for (const [env, options] of [
    [{ GOOGLE_APPLICATION_CREDENTIALS: file(user) }, {}],
    [{ HOME: home }, { instance_metadata: true }],
  ] as const) {
    google.reset()
    store.reset()
    await useBothPlanes(store.uri(`files-${files++}`), optionsOf(options), environment(env))
    assert.deepEqual(authorizations(), [`Bearer ${issuedBearer(1)}`])
  }
})

interface Broken {
  readonly title: string
  content(): object | string
  readonly fault?: SignIn['fault']
  readonly options?: Record<string, unknown>
  readonly says: RegExp
}
/** A careless service repeats what it was sent. */
const denial = ({ body }: SignInSeen) => {
  const sent = new URLSearchParams(body)
  const secrets = ['client_secret', 'refresh_token', 'subject_token'].map((name) => sent.get(name) ?? '')
  return { status: 400, body: JSON.stringify({ error: 'invalid_grant', error_description: `Bad request with ${secrets.join(' ')}` }) }
}
const broken: readonly Broken[] = [
  {
    title: 'a service account that is refused',
    content: () => serviceAccount,
    fault: () => ({ status: 400, body: JSON.stringify({ error: 'invalid_grant', error_description: 'Invalid JWT Signature.' }) }),
    says: /cannot find credentials for: the service account a@p\.iam\.gserviceaccount\.com \(\S*file-\d+\): .*Invalid JWT Signature/,
  },
  {
    title: 'a user whose sign-in was revoked',
    content: () => user,
    fault: denial,
    says: /the signed-in user \(\S*file-\d+\): invalid_grant, Bad request with .*\(hidden\)/,
  },
  {
    title: 'a federation that refuses',
    content: () => external({ file: file(subject) }),
    fault: denial,
    says: /the external account \(\S*file-\d+\): Error code invalid_grant: Bad request with .*\(hidden\)/,
  },
  {
    title: 'a subject token that is not there',
    content: () => external({ file: '/none/token' }),
    says: /the external account \(\S*file-\d+\): The file at \/none\/token does not exist/,
  },
  {
    title: 'an impersonation that is not allowed',
    content: () => external({ file: file(subject) }, { service_account_impersonation_url: impersonation }),
    fault: ({ path }) =>
      path.endsWith(':generateAccessToken')
        ? { status: 403, body: JSON.stringify({ error: { code: 403, message: 'Permission iam.serviceAccounts.getAccessToken denied' } }) }
        : undefined,
    says: /the external account impersonating a@p\.iam\.gserviceaccount\.com \(.*\): .*Permission iam\.serviceAccounts\.getAccessToken denied/,
  },
  { title: 'a file that is no JSON', content: () => 'no JSON', says: /the Google credentials in \S*file-\d+: are no JSON/ },
  { title: 'a file without a type', content: () => ({}), says: /the Google credentials in \S*file-\d+: have no "type"/ },
  { title: 'a type that nobody knows', content: () => ({ type: 'magic' }), says: /credentials of the type "magic" \(\S*file-\d+\): / },
  {
    title: 'a certificate that is for another name',
    content: () => user,
    options: { verify_tls: true },
    says: /trust its certificate authority with AWS_CA_BUNDLE.*the signed-in user \(/,
  },
]
for (const { title, content, fault, options = {}, says } of broken)
  test(`${title}: one error, which names the source and no secret`, async () => {
    google.fault = fault
    const credentials_file = file(content())
    await assert.rejects(
      withEnvironment(environment(), () => open(store.uri('broken'), optionsOf({ credentials_file, ...options }))),
      ({ message }: Error) => {
        assert.match(message, says)
        for (const secret of [refreshToken, clientSecret, subject, privateKey.split('\n')[1]!])
          assert.ok(!message.includes(secret), message)
        assert.ok(!message.includes('\n'), message)
        return true
      },
    )
  })

test('a file that is not there is named', async () => {
  await assert.rejects(
    withEnvironment(environment(), () => open(store.uri('broken'), optionsOf({ credentials_file: '/none/key.json' }))),
    /the Google credentials in \/none\/key\.json: cannot be read \(ENOENT\)/,
  )
})

test('where nothing is configured and the machine is not to be asked, that is said, and it is not asked', async () => {
  const env = { GCE_METADATA_HOST: machine.url.slice('http://'.length) }
  const ran = await run({ endpoint_url: null, instance_metadata: false }, env)
  assert.equal(ran.code, 1, ran.stderr)
  assert.match(ran.stderr, /cannot find credentials for: no file of credentials; .*: Could not load the default credentials/)
  assert.deepEqual(machine.seen, [])
})
