// Every source of S3 credentials signs for both planes and gives others when the storage refuses the present ones.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { keyOf } from '#src/storage/uri.js'
import { driver, workloadFile } from '../cli/driver.js'
import {
  base,
  baseSecret,
  commandLine,
  containerToken,
  environmentOf,
  file,
  folder,
  home,
  session,
  sso,
  ssoToken,
  type Way,
  webToken,
} from './aws-sources.js'
import { open, read, withEnvironment } from './both-planes.js'
import { issuedKey, issuedSecret, issuedToken, type SignIn, startSignIn } from './fake-sign-in.js'
import { type FakeStore, startFakeStore } from './fake-store.js'
import { noCredentials } from './services.js'

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

const ways: readonly Way[] = [
  {
    title: 'credential_process',
    get config() {
      return `[default]\ncredential_process = ${commandLine()}`
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
      return `[profile p]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = q\nregion = eu-west-1\n[profile q]\ncredential_process = ${commandLine()}`
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
  const env = { ...noCredentials, AWS_CONFIG_FILE: file(`[default]\ncredential_process = ${commandLine()}`) }
  const ran = await driver(['run', path, '--verify', '--json', '--output', join(folder, 'run')], { env })
  assert.equal(ran.code, 0, ran.stderr)
  const { objects } = JSON.parse(ran.stdout) as { objects: { retries: Record<string, number> } }
  assert.ok(objects.retries.expired! > 0)
  assert.deepEqual(Object.keys(objects.retries), ['expired'])
})
