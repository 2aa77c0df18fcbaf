// Every source of S3 credentials signs for both planes, gives others when the storage refuses the present ones, and is named where it fails.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import fs from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { keyOf } from '#src/storage/uri.js'
import { driver, scratchFolder, workloadFile } from '../cli/driver.js'
import { open, read, withEnvironment } from './both-planes.js'
import { issuedKey, issuedSecret, issuedToken, type SignIn, type SignInSeen, startSignIn } from './fake-sign-in.js'
import { type FakeStore, startFakeStore } from './fake-store.js'
import { noCredentials } from './services.js'

const folder = scratchFolder('ways-in-s3')
let store: FakeStore
let signIn: SignIn

before(async () => {
  store = await startFakeStore('s3')
  signIn = await startSignIn()
})
after(() => {
  store.close()
  signIn.close()
})
beforeEach(() => {
  store.reset()
  store.spoil = () => undefined
  signIn.reset()
})

let files = 0
function file(text: string, name = `file-${files++}`): string {
  const path = join(folder, name)
  fs.mkdirSync(join(path, '..'), { recursive: true })
  fs.writeFileSync(path, text)
  return path
}

const baseSecret = 'base-secret-0123456789abcdef'
const webToken = 'ey.web.identity.0123456789abcdef'
const containerToken = 'container-token-0123456789abcdef'
const ssoToken = 'sso-access-token-0123456789abcdef'
const inTime = () => new Date(Date.now() + 3_600_000).toISOString()

/** A program that prints credentials, others each time that it runs. */
function process_(extra = ''): string {
  const counter = file('0')
  const script = file(
    `const fs = require('node:fs'); const n = Number(fs.readFileSync('${counter}', 'utf8')) + 1; fs.writeFileSync('${counter}', String(n));
     ${extra}
     console.log(JSON.stringify({ Version: 1, AccessKeyId: 'AKIDISSUED' + n, SecretAccessKey: 'issued-secret-number-' + n + '-0123456789', SessionToken: 'issued-session-token-number-' + n + '-0123456789' }))`,
  )
  return `${process.execPath} ${script} --password hunter2-0123456789`
}

/** A home in which somebody has signed in with SSO. */
function home(sessionOrStart: string, expiresAt = inTime()): string {
  const path = join(folder, `home-${files++}`)
  const name = createHash('sha1').update(sessionOrStart).digest('hex')
  fs.mkdirSync(join(path, '.aws', 'sso', 'cache'), { recursive: true })
  fs.writeFileSync(
    join(path, '.aws', 'sso', 'cache', `${name}.json`),
    JSON.stringify({ accessToken: ssoToken, expiresAt, startUrl: 'https://x.example/start', region: 'eu-west-1' }),
  )
  return path
}

const base = `[profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = ${baseSecret}\n`
const sso = 'sso_account_id = 111122223333\nsso_role_name = Reader'
const session = '[sso-session mine]\nsso_region = eu-west-1\nsso_start_url = https://x.example/start'

interface Way {
  readonly title: string
  /** Of the AWS configuration file. */
  readonly config?: string
  env?(): NodeJS.ProcessEnv
  readonly options?: Record<string, unknown>
  /** What the source's service must have been sent. */
  readonly asked?: (first: SignInSeen) => void
}

const ways: readonly Way[] = [
  {
    title: 'credential_process',
    get config() {
      return `[default]\ncredential_process = ${process_()}`
    },
  },
  {
    title: 'a role by a source profile',
    config: `[profile p]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\nexternal_id = ext\nregion = eu-west-1\n${base}`,
    env: () => ({ AWS_PROFILE: 'p', AWS_ENDPOINT_URL_STS: signIn.url }),
    asked: ({ body, headers }) => {
      assert.match(body, /RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr/)
      assert.match(body, /ExternalId=ext/)
      assert.match(headers.authorization!, /Credential=AKIDBASE\/\d{8}\/eu-west-1\/sts\//)
    },
  },
  {
    title: 'a role by a source profile whose keys a process gives',
    get config() {
      return `[profile p]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = q\nregion = eu-west-1\n[profile q]\ncredential_process = ${process_()}`
    },
    env: () => ({ AWS_ENDPOINT_URL_STS: signIn.url }),
    options: { profile: 'p' },
    asked: ({ headers }) => assert.match(headers.authorization!, /Credential=AKIDISSUED1\//),
  },
  {
    title: 'a role by credential_source',
    config: '[profile p]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = Environment',
    env: () => ({ AWS_PROFILE: 'p', AWS_ENDPOINT_URL_STS: signIn.url, AWS_ACCESS_KEY_ID: 'AKIDENV', AWS_SECRET_ACCESS_KEY: baseSecret }),
    asked: ({ headers }) => assert.match(headers.authorization!, /Credential=AKIDENV\//),
  },
  {
    title: 'a web identity of the environment',
    env: () => ({
      AWS_WEB_IDENTITY_TOKEN_FILE: file(webToken),
      AWS_ROLE_ARN: 'arn:aws:iam::1:role/w',
      AWS_ENDPOINT_URL_STS: signIn.url,
    }),
    asked: ({ body }) => assert.match(body, new RegExp(`WebIdentityToken=${webToken}`)),
  },
  {
    title: 'a web identity of a profile',
    get config() {
      return `[profile p]\nrole_arn = arn:aws:iam::1:role/w\nweb_identity_token_file = ${file(webToken)}`
    },
    env: () => ({ AWS_PROFILE: 'p', AWS_ENDPOINT_URL_STS: signIn.url }),
    asked: ({ body }) => assert.match(body, new RegExp(`WebIdentityToken=${webToken}`)),
  },
  {
    title: 'a container, whose token lies in a file',
    env: () => ({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${signIn.url}/creds`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file(containerToken),
    }),
    asked: ({ headers }) => assert.equal(headers.authorization, containerToken),
  },
  {
    title: 'a container, whose token is in the environment',
    env: () => ({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${signIn.url}/creds`, AWS_CONTAINER_AUTHORIZATION_TOKEN: containerToken }),
    asked: ({ headers }) => assert.equal(headers.authorization, containerToken),
  },
  {
    title: 'an SSO session',
    config: `[profile p]\nsso_session = mine\n${sso}\n${session}`,
    env: () => ({ AWS_PROFILE: 'p', HOME: home('mine'), AWS_ENDPOINT_URL_SSO: signIn.url }),
    asked: ({ headers, path }) => {
      assert.equal(headers['x-amz-sso_bearer_token'], ssoToken)
      assert.match(path, /account_id=111122223333/)
    },
  },
  {
    title: 'SSO of the older kind',
    config: `[profile p]\nsso_start_url = https://x.example/start\nsso_region = eu-west-1\n${sso}`,
    env: () => ({ AWS_PROFILE: 'p', HOME: home('https://x.example/start'), AWS_ENDPOINT_URL_SSO: signIn.url }),
    asked: ({ headers }) => assert.equal(headers['x-amz-sso_bearer_token'], ssoToken),
  },
  {
    title: 'the machine, where it is to be asked',
    env: () => ({ AWS_EC2_METADATA_SERVICE_ENDPOINT: signIn.url, AWS_EC2_METADATA_DISABLED: 'true' }),
    options: { instance_metadata: true },
  },
]

/** The key that a request to the store was signed with. */
const keyOfRequest = (authorization: string | undefined) => /Credential=([^/]+)\//.exec(authorization ?? '')?.[1]

const environmentOf = ({ config, env }: Way): NodeJS.ProcessEnv => ({
  HOME: folder,
  AWS_CONFIG_FILE: file(config ?? ''),
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  ...env?.(),
})

for (const [number, way] of ways.entries())
  test(`${way.title}: signs for both planes, and gives others once the storage refuses them as expired`, () =>
    withEnvironment(environmentOf(way), async () => {
      const control = await open(store.uri(`b${number}`), { endpoint_url: store.endpoint, ...way.options })
      try {
        const grant = await control.grant()
        const key = keyOf(control.place, 'k')
        await control.put(key, Buffer.from('content'))
        assert.equal((await read(control, key, grant)).toString(), 'content')
        for (const { request } of store.seen) {
          assert.equal(keyOfRequest(request.headers.authorization), issuedKey(1))
          assert.equal(request.headers['x-amz-security-token'], issuedToken(1))
        }
        way.asked?.(signIn.seen[0]!)
        // Once for reading, and once for what lists and writes.
        let refused = issuedKey(1)
        store.spoil = ({ request }) =>
          keyOfRequest(request.headers.authorization) === refused
            ? { error: { status: 400, code: 'ExpiredToken', message: 'The provided token has expired.' } }
            : undefined
        store.reset()
        assert.equal((await read(control, key, grant)).toString(), 'content')
        const used = () => [...new Set(store.seen.map(({ request }) => keyOfRequest(request.headers.authorization)))]
        assert.deepEqual(used(), [issuedKey(1), issuedKey(2)])
        refused = issuedKey(2)
        store.reset()
        await control.put(key, Buffer.from('more'))
        assert.deepEqual(used(), [issuedKey(2), issuedKey(3)])
        assert.deepEqual(control.retries, { expired: 1 })
      } finally {
        control.close()
      }
    }))

/** A configuration that must fail to open, with the words. */
async function refusal(way: Way): Promise<string> {
  return withEnvironment(environmentOf(way), async () => {
    const options = { endpoint_url: store.endpoint, s3_max_attempts: 1, ...way.options }
    const error = await open(store.uri('refused'), options).then(
      () => assert.fail('it opens'),
      (failure: unknown) => failure as Error,
    )
    return error.message
  })
}

const deniedBySts = (token: string) => ({
  status: 403,
  body: `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform sts:AssumeRole with ${token}</Message></Error></ErrorResponse>`,
})

interface Broken extends Way {
  readonly fault?: SignIn['fault']
  readonly says: RegExp
}
const role = `[profile p]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\nregion = eu-west-1\n`

const broken: readonly Broken[] = [
  {
    title: 'a command that fails',
    get config() {
      return `[default]\ncredential_process = ${process_('console.error("issued-secret-number-1-0123456789"); process.exit(3)')}`
    },
    says: /cannot find credentials for: the profile "default" \(credential_process\): its command failed; run it by hand to see why; /,
  },
  {
    title: 'a command that prints something else',
    get config() {
      return `[default]\ncredential_process = echo hunter2-0123456789`
    },
    says: /the profile "default" \(credential_process\): Profile default credential_process returned invalid JSON/,
  },
  {
    title: 'a command that gives what has expired',
    get config() {
      const script = file(
        `console.log(JSON.stringify({ Version: 1, AccessKeyId: 'A', SecretAccessKey: '${baseSecret}', Expiration: '2020-01-01T00:00:00Z' }))`,
      )
      return `[default]\ncredential_process = ${process.execPath} ${script}`
    },
    says: /\(credential_process\): Profile default credential_process returned expired credentials/,
  },
  {
    title: 'a role that may not be assumed',
    config: role + base,
    env: () => ({ AWS_PROFILE: 'p', AWS_ENDPOINT_URL_STS: signIn.url }),
    fault: () => deniedBySts(baseSecret),
    says: /the profile "p" \(role arn:aws:iam::1:role\/r by source_profile "base"\): AccessDenied, not authorized to perform sts:AssumeRole with \(hidden\) \(HTTP 403\)/,
  },
  {
    title: 'a role by a profile that does not exist',
    config: role,
    env: () => ({ AWS_PROFILE: 'p', AWS_ENDPOINT_URL_STS: signIn.url }),
    says: /source_profile "base"\): Could not resolve credentials using profile: \[base\]/,
  },
  {
    title: 'a web identity that is refused',
    env: () => ({
      AWS_WEB_IDENTITY_TOKEN_FILE: file(webToken, 'web-token'),
      AWS_ROLE_ARN: 'arn:aws:iam::1:role/w',
      AWS_ENDPOINT_URL_STS: signIn.url,
    }),
    fault: () => deniedBySts(webToken),
    says: /the web identity in \S*web-token \(AWS_WEB_IDENTITY_TOKEN_FILE\), role arn:aws:iam::1:role\/w: AccessDenied, .* with \(hidden\)/,
  },
  {
    title: 'a web identity whose token is not there',
    env: () => ({ AWS_WEB_IDENTITY_TOKEN_FILE: '/none/token', AWS_ROLE_ARN: 'arn:aws:iam::1:role/w' }),
    says: /the web identity in \/none\/token .*ENOENT/,
  },
  {
    title: 'a web identity without a role',
    env: () => ({ AWS_WEB_IDENTITY_TOKEN_FILE: '/none/token' }),
    says: /AWS_WEB_IDENTITY_TOKEN_FILE\): AWS_ROLE_ARN must be set with it/,
  },
  {
    title: 'a container that refuses',
    env: () => ({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${signIn.url}/creds`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file(containerToken),
    }),
    fault: () => ({ status: 403, body: JSON.stringify({ Code: 'Denied', Message: containerToken }) }),
    says: /the container's credentials service \(AWS_CONTAINER_CREDENTIALS_FULL_URI\): Server responded with status: 403/,
  },
  {
    title: 'a container at an address that is no container’s',
    env: () => ({ AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://s3.example/creds' }),
    says: /the container's credentials service \(AWS_CONTAINER_CREDENTIALS_FULL_URI\): URL not accepted/,
  },
  {
    title: 'an SSO session that is over',
    config: `[profile p]\nsso_session = mine\n${sso}\n${session}`,
    env: () => ({ AWS_PROFILE: 'p', HOME: home('mine', '2020-01-01T00:00:00Z'), AWS_ENDPOINT_URL_SSO: signIn.url }),
    says: /the profile "p" \(SSO session mine\): .*aws sso login/,
  },
  {
    title: 'SSO without having signed in',
    config: `[profile p]\nsso_start_url = https://x.example/start\nsso_region = eu-west-1\n${sso}`,
    env: () => ({ AWS_PROFILE: 'p', HOME: folder }),
    says: /the profile "p" \(SSO https:\/\/x\.example\/start\): .*aws sso login/,
  },
  {
    title: 'an SSO session that the profile only names',
    config: `[profile p]\nsso_session = mine\n${sso}`,
    env: () => ({ AWS_PROFILE: 'p' }),
    says: /\(SSO session mine\): there is no section \[sso-session mine\]/,
  },
  {
    title: 'an SSO service that refuses',
    config: `[profile p]\nsso_session = mine\n${sso}\n${session}`,
    env: () => ({ AWS_PROFILE: 'p', HOME: home('mine'), AWS_ENDPOINT_URL_SSO: signIn.url }),
    fault: () => ({ status: 401, body: JSON.stringify({ __type: 'UnauthorizedException', message: `no session ${ssoToken}` }) }),
    says: /\(SSO session mine\): .*no session \(hidden\)/,
  },
  {
    title: 'half of the keys in the environment',
    env: () => ({ AWS_ACCESS_KEY_ID: 'AKIDENV' }),
    says: /the environment's keys: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must both be set/,
  },
  {
    title: 'half of the keys in a profile',
    config: '[default]\naws_access_key_id = AKIDFILE',
    says: /the profile "default" \(incomplete\): it needs aws_access_key_id with aws_secret_access_key, /,
  },
  {
    title: 'keys of the environment that are over',
    env: () => ({ AWS_ACCESS_KEY_ID: 'A', AWS_SECRET_ACCESS_KEY: baseSecret, AWS_CREDENTIAL_EXPIRATION: '2020-01-01T00:00:00Z' }),
    says: /the environment's keys: the credentials that it gives have expired, 2020-01-01T00:00:00\.000Z/,
  },
  {
    title: 'a machine without a role',
    env: () => ({ AWS_EC2_METADATA_SERVICE_ENDPOINT: signIn.url }),
    options: { instance_metadata: true },
    fault: ({ path }) => (path.endsWith('/token') ? undefined : { status: 404, body: 'none' }),
    says: /no credentials were found.*; the machine's metadata service: /,
  },
  {
    title: 'nothing at all, with an endpoint',
    env: () => ({ AWS_EC2_METADATA_SERVICE_ENDPOINT: signIn.url }),
    says: /no credentials were found.*no keys in the environment, nothing in the profile "default".*metadata service is not asked, since there is an endpoint/,
  },
  {
    title: 'nothing at all, and the machine is not to be asked',
    env: () => ({ AWS_EC2_METADATA_SERVICE_ENDPOINT: signIn.url }),
    options: { instance_metadata: false, endpoint_url: undefined, region: 'eu-west-1' },
    says: /no credentials were found.*metadata service is not asked, since instance_metadata is false/,
  },
]
for (const way of broken)
  test(`${way.title}: one error, which names the source and no secret`, async () => {
    signIn.fault = way.fault
    const message = await refusal(way)
    assert.match(message, way.says)
    assert.ok(!message.includes('\n'), message)
    for (const secret of [baseSecret, webToken, containerToken, ssoToken, 'hunter2-0123456789', issuedSecret(1)])
      assert.ok(!message.includes(secret), message)
  })

test('where there is an endpoint or instance_metadata is false, the machine is asked nothing', async () => {
  const env = () => ({ AWS_EC2_METADATA_SERVICE_ENDPOINT: signIn.url })
  await refusal({ title: '', env })
  await refusal({ title: '', env, options: { instance_metadata: false, endpoint_url: undefined } })
  assert.deepEqual(signIn.seen, [])
})

test('without an endpoint the machine is asked, unless AWS_EC2_METADATA_DISABLED is set', async () => {
  const options = { endpoint_url: undefined, region: 'eu-west-1' }
  const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: signIn.url }
  signIn.fault = () => ({ status: 500, body: '' })
  assert.match(await refusal({ title: '', env: () => env, options }), /no credentials were found/)
  assert.ok(signIn.seen.length > 0)
  signIn.reset()
  const message = await refusal({ title: '', env: () => ({ ...env, AWS_EC2_METADATA_DISABLED: 'true' }), options })
  assert.match(message, /since AWS_EC2_METADATA_DISABLED is set/)
  assert.deepEqual(signIn.seen, [])
})

test('a command that never answers is given up, ended, and not waited for', async () => {
  const children: ChildProcess[] = []
  const note = (message: unknown) => children.push((message as { process: ChildProcess }).process)
  subscribe('child_process', note)
  try {
    // The shell that the command runs in starts it as a process of its own, which holds its output.
    const message = await refusal({
      title: '',
      config: '[default]\ncredential_process = sleep 150; echo',
      options: { request_timeout_ms: 100 },
    })
    assert.match(message, /the profile "default" \(credential_process\): no answer in time/)
  } finally {
    unsubscribe('child_process', note)
  }
  const [child] = children
  assert.ok(child?.killed && child.stdout!.destroyed && child.stderr!.destroyed)
})

test('the first source that is configured counts', async () => {
  const order: readonly [string, Way][] = [
    ['AKIDENV', { title: '', config: base.replace('profile base', 'default') }],
    ['AKIDBASE', { title: '', config: base, options: { profile: 'base' } }],
    ['AKIDBASE', { title: '', config: base, env: () => ({ AWS_PROFILE: 'base' }) }],
    // A profile that only says where.
    ['AKIDENV', { title: '', config: '[profile p]\nregion = eu-west-1', env: () => ({ AWS_PROFILE: 'p' }) }],
    ['AKIDENV', { title: '', env: () => ({ AWS_WEB_IDENTITY_TOKEN_FILE: '/none' }) }],
    ['AKIDOWN', { title: '', options: { access_key_id: 'AKIDOWN', secret_access_key: 'own-secret' } }],
  ]
  for (const [id, way] of order)
    await withEnvironment({ AWS_ACCESS_KEY_ID: 'AKIDENV', AWS_SECRET_ACCESS_KEY: 'env-secret', ...environmentOf(way) }, async () => {
      const control = await open(store.uri('order'), { endpoint_url: store.endpoint, ...way.options })
      const { signing } = await control.grant()
      assert.equal(signing.kind === 'sigv4' && signing.accessKeyId, id)
      control.close()
    })
})

test('keys of a profile whose file has been written anew are taken up by both planes', async () => {
  const keys = (number: number) =>
    `[default]\naws_access_key_id = ${issuedKey(number)}\naws_secret_access_key = ${issuedSecret(number)}\naws_session_token = ${issuedToken(number)}`
  const env = environmentOf({ title: '', config: keys(1) })
  await withEnvironment(env, async () => {
    const control = await open(store.uri('anew'), { endpoint_url: store.endpoint })
    const grant = await control.grant()
    const key = keyOf(control.place, 'k')
    await control.put(key, Buffer.from('content'))
    let refused = issuedKey(1)
    store.spoil = ({ request }) =>
      keyOfRequest(request.headers.authorization) === refused ? { error: { status: 400, code: 'ExpiredToken' } } : undefined
    await assert.rejects(control.put(key, Buffer.from('more')), /the credentials have expired/)
    fs.writeFileSync(env.AWS_CONFIG_FILE!, keys(2))
    assert.equal((await read(control, key, grant)).toString(), 'content')
    refused = issuedKey(2)
    fs.writeFileSync(env.AWS_CONFIG_FILE!, keys(3))
    await control.put(key, Buffer.from('more'))
    assert.equal(keyOfRequest(store.seen.at(-1)!.request.headers.authorization), issuedKey(3))
    control.close()
  })
})

test('credentials are fetched once until they are about to end, and kept to their end where the source fails', async (t) => {
  const way = ways.find(({ title }) => title === 'a container, whose token lies in a file')!
  await withEnvironment(environmentOf(way), async () => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
    const control = await open(store.uri('clock'), { endpoint_url: store.endpoint, s3_max_attempts: 2 })
    const put = async () => {
      store.reset()
      await control.put('k', Buffer.from('content'))
      return keyOfRequest(store.seen[0]!.request.headers.authorization)
    }
    const minutes = 60_000
    assert.equal(await put(), issuedKey(1))
    t.mock.timers.tick(54 * minutes)
    assert.equal(await put(), issuedKey(1))
    signIn.fault = () => ({ status: 500, body: '' })
    t.mock.timers.tick(2 * minutes)
    assert.equal(await put(), issuedKey(1), 'good for four minutes')
    signIn.fault = undefined
    signIn.lifeMs = 2 * minutes
    assert.equal(await put(), issuedKey(2))
    t.mock.timers.tick(0.9 * minutes)
    assert.equal(await put(), issuedKey(2), 'half of a short life is not over')
    t.mock.timers.tick(0.2 * minutes)
    assert.equal(await put(), issuedKey(3))
    signIn.fault = () => ({ status: 500, body: '' })
    t.mock.timers.tick(3 * minutes)
    await assert.rejects(put(), /the container's credentials service .*Server responded with status: 500/)
    control.close()
  })
})

test('a run whose credentials are refused half-way goes on with those that its source gives then', async () => {
  let gets = 0
  store.spoil = ({ kind, request }) =>
    kind === 'get' && gets++ >= 3 && keyOfRequest(request.headers.authorization) === issuedKey(1)
      ? { error: { status: 400, code: 'ExpiredToken' } }
      : undefined
  const path = workloadFile(folder, {
    framework: 'pytorch',
    workflow: { generate_data: false, train: true },
    storage: { storage_options: { endpoint_url: store.endpoint, retry_base_delay_ms: 1 } },
    dataset: { data_folder: store.uri('run'), format: 'npz', num_files_train: 8, record_length_bytes: 512 },
    reader: { batch_size: 1, read_threads: 1 },
    train: { epochs: 1, computation_time: 0 },
  })
  const stored = { AWS_ACCESS_KEY_ID: 'AKIDENV', AWS_SECRET_ACCESS_KEY: 'env-secret' }
  const generated = await driver(['generate', path], { env: { ...noCredentials, ...stored } })
  assert.equal(generated.code, 0, generated.stderr)
  const env = { ...noCredentials, AWS_CONFIG_FILE: file(`[default]\ncredential_process = ${process_()}`) }
  const ran = await driver(['run', path, '--verify', '--json', '--output', join(folder, 'run')], { env })
  assert.equal(ran.code, 0, ran.stderr)
  const { objects } = JSON.parse(ran.stdout) as { objects: { retries: Record<string, number> } }
  assert.ok(objects.retries.expired! > 0)
  assert.deepEqual(Object.keys(objects.retries), ['expired'])
})
