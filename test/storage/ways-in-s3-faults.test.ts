// Every source of S3 credentials that fails is named in one error, without secrets, and none is waited for without end.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { after, before, beforeEach, test } from 'node:test'
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
import { open, withEnvironment } from './both-planes.js'
import { issuedSecret, type SignIn, startSignIn } from './fake-sign-in.js'
import { type FakeStore, startFakeStore } from './fake-store.js'

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
beforeEach(() => signIn.reset())

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
      return `[default]\ncredential_process = ${commandLine('console.error("issued-secret-number-1-0123456789"); process.exit(3)')}`
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
