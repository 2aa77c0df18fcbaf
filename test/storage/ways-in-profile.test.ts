// What the profile of the AWS configuration files and the environment say of the way to S3 counts for both planes.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import https from 'node:https'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { driver, scratchFolder, workloadFile } from '../cli/driver.js'
import { open, useBothPlanes, withEnvironment } from './both-planes.js'
import { type FakeStore, startFakeStore } from './fake-store.js'
import { leadTo, startProxy } from './proxy-server.js'
import { createCertificate, noCredentials } from './services.js'

const folder = scratchFolder('profile')
let store: FakeStore
let other: FakeStore

before(async () => {
  store = await startFakeStore('s3')
  other = await startFakeStore('s3')
})
after(() => {
  store.close()
  other.close()
})

let files = 0
/** Environment with a configuration file of these words, STORE and OTHER being endpoints, and no credentials file. */
function configured(text: string, env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const path = join(folder, `config-${files++}`)
  fs.writeFileSync(path, text.replaceAll('STORE', store.endpoint).replaceAll('OTHER', other.endpoint))
  const named = Object.entries(env).map(([name, value]) => [
    name,
    value?.replaceAll('STORE', store.endpoint).replaceAll('OTHER', other.endpoint),
  ])
  return { AWS_CONFIG_FILE: path, AWS_SHARED_CREDENTIALS_FILE: '/dev/null', ...Object.fromEntries(named) }
}

const keys = 'aws_access_key_id = AKIDFILE\naws_secret_access_key = file-secret'
const envKeys = { AWS_ACCESS_KEY_ID: 'AKIDENV', AWS_SECRET_ACCESS_KEY: 'env-secret' }
const own = { access_key_id: 'AKIDOWN', secret_access_key: 'own-secret' }

type Case = readonly [title: string, text: string, env: NodeJS.ProcessEnv, options: Record<string, unknown>]
const reached: readonly Case[] = [
  ['an endpoint_url of the default profile', `[default]\nendpoint_url = STORE\n${keys}`, {}, {}],
  ['an endpoint_url of AWS_PROFILE', `[profile p]\nendpoint_url = STORE\n${keys}`, { AWS_PROFILE: 'p' }, {}],
  ['an endpoint_url of AWS_DEFAULT_PROFILE', `[profile p]\nendpoint_url = STORE\n${keys}`, { AWS_DEFAULT_PROFILE: 'p' }, {}],
  ['an endpoint_url of storage_options.profile', `[profile p]\nendpoint_url = STORE\n${keys}`, {}, { profile: 'p' }],
  [
    'a services section, which goes before the endpoint_url of all services',
    `[profile p]\nservices = mine\nendpoint_url = OTHER\n${keys}\n[services mine]\ns3 =\n  endpoint_url = STORE\nsts =\n  endpoint_url = OTHER`,
    { AWS_PROFILE: 'p' },
    {},
  ],
  [
    'a services section of storage_options.profile',
    `[profile p]\nservices = mine\n${keys}\n[services mine]\ns3 =\n  endpoint_url = STORE`,
    {},
    { profile: 'p' },
  ],
  ['an endpoint of the profile and keys of the environment', '[default]\nendpoint_url = STORE', envKeys, {}],
  ['an endpoint of the profile and keys of the configuration', '[default]\nendpoint_url = STORE', {}, own],
  ['an endpoint of the profile without keys', '[default]\nendpoint_url = STORE', {}, { anonymous: true }],
  ['AWS_ENDPOINT_URL_S3 before AWS_ENDPOINT_URL', '', { AWS_ENDPOINT_URL_S3: 'STORE', AWS_ENDPOINT_URL: 'OTHER', ...envKeys }, {}],
  ['AWS_ENDPOINT_URL before the profile', `[default]\nendpoint_url = OTHER\n${keys}`, { AWS_ENDPOINT_URL: 'STORE' }, {}],
  [
    'S3_ENDPOINT_URIS, which is not AWS’s, where configured endpoints are ignored',
    `[default]\nendpoint_url = OTHER\n${keys}`,
    { S3_ENDPOINT_URIS: 'STORE', AWS_ENDPOINT_URL: 'OTHER', AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' },
    {},
  ],
]
for (const [number, [title, text, env, options]] of reached.entries())
  test(`${title}: both planes go there`, async () => {
    store.reset()
    other.reset()
    const grant = await useBothPlanes(store.uri(`b${number}`), options, configured(text, env))
    assert.deepEqual(grant.endpoints, [store.endpoint])
    assert.equal(grant.pathPrefix, `/b${number}/`)
    for (const kind of ['put', 'list', 'get'])
      assert.ok(
        store.seen.some((asked) => asked.kind === kind),
        kind,
      )
    assert.deepEqual(other.seen, [])
  })

test('a whole run takes the endpoint, the region and the keys of a profile', async () => {
  store.reset()
  const path = workloadFile(folder, {
    framework: 'pytorch',
    workflow: { generate_data: true, train: true },
    dataset: { data_folder: store.uri('whole'), format: 'npz', num_files_train: 3, record_length_bytes: 512 },
    reader: { batch_size: 1, read_threads: 1 },
    train: { epochs: 1, computation_time: 0 },
  })
  const env = configured(`[profile p]\nendpoint_url = STORE\nregion = eu-west-9\n${keys}`, { AWS_PROFILE: 'p' })
  const ran = await driver(['run', path, '--verify', '--json', '--output', join(folder, 'whole')], { env: { ...noCredentials, ...env } })
  assert.equal(ran.code, 0, ran.stderr)
  assert.equal(
    (JSON.parse(ran.stdout) as { objects: { endpoints: { endpoint: string }[] } }).objects.endpoints[0]!.endpoint,
    store.endpoint,
  )
  for (const { request } of store.seen) assert.match(request.headers.authorization!, /Credential=AKIDFILE\/\d{8}\/eu-west-9\/s3\//)
})

/** Where a grant leads to, without asking anybody. */
async function grantOf(text: string, env: NodeJS.ProcessEnv, options: Record<string, unknown>, uri = 's3://bucket/p') {
  return withEnvironment(configured(text, env), async () => {
    const control = await open(uri, options)
    try {
      const { endpoints, pathPrefix, signing } = await control.grant()
      return { endpoints, pathPrefix, region: signing.kind === 'sigv4' ? signing.region : undefined }
    } finally {
      control.close()
    }
  })
}

const styles: readonly [string, string, Record<string, unknown>, string, string][] = [
  ['auto is path style at an endpoint', 'addressing_style = auto', {}, 'http://s3.example:9000', '/bucket/'],
  ['path', 'addressing_style = path', {}, 'http://s3.example:9000', '/bucket/'],
  ['virtual puts the bucket into the host name', 'addressing_style = virtual', {}, 'http://bucket.s3.example:9000', '/'],
  ['s3_force_path_style goes before it', 'addressing_style = virtual', { s3_force_path_style: true }, 'http://s3.example:9000', '/bucket/'],
]
for (const [title, line, options, endpoint, pathPrefix] of styles)
  test(`addressing_style of a profile: ${title}`, async () => {
    for (const env of [{ AWS_ENDPOINT_URL: 'http://s3.example:9000', ...envKeys }, envKeys]) {
      const text = `[default]\nregion = eu-west-9\nendpoint_url = http://s3.example:9000\ns3 =\n  ${line}`
      assert.deepEqual(await grantOf(text, env, options), { endpoints: [endpoint], pathPrefix, region: 'eu-west-9' })
    }
  })

test('the region is that of the configuration, of the environment, of the profile, in this order', async () => {
  const text = '[default]\nregion = of-profile\nendpoint_url = http://s3.example:9000'
  const region = async (env: NodeJS.ProcessEnv, options = {}) => (await grantOf(text, { ...envKeys, ...env }, options)).region
  assert.equal(await region({}), 'of-profile')
  assert.equal(await region({ AWS_DEFAULT_REGION: 'of-default' }), 'of-default')
  assert.equal(await region({ AWS_DEFAULT_REGION: 'of-default', AWS_REGION: 'of-env' }), 'of-env')
  assert.equal(await region({ AWS_REGION: 'of-env' }, { region: 'of-options' }), 'of-options')
})

test('certificates of a profile’s ca_bundle are trusted by both planes', async (t) => {
  const certificate = createCertificate()
  const secure = await startFakeStore('s3', certificate)
  t.after(() => secure.close())
  const env = configured(`[default]\nca_bundle = ${certificate.caFile}\nendpoint_url = ${secure.endpoint}\n${keys}`)
  await useBothPlanes(secure.uri('tls'), {}, env)
})

test('without an endpoint, or where configured ones are ignored, both planes go to AWS’s, as the profile wants it', async (t) => {
  const { key, cert } = createCertificate()
  const aws = https.createServer({ key, cert }, (request, response) => {
    request.resume()
    response.writeHead(200, { 'x-amz-bucket-region': 'eu-west-1' }).end()
  })
  await new Promise<void>((resolve) => aws.listen(0, '127.0.0.1', resolve))
  t.after(() => aws.close())
  const proxy = await startProxy({ spoilTunnel: leadTo(aws) })
  t.after(() => proxy.close())
  const lead = (text: string, env: NodeJS.ProcessEnv, section = 'default', options: Record<string, unknown> = {}) =>
    grantOf(`[${section}]\nregion = eu-west-1\n${text}`, { ...envKeys, HTTPS_PROXY: proxy.url, ...env }, { verify_tls: false, ...options })
  const cases: readonly [string, NodeJS.ProcessEnv, string, string][] = [
    ['', {}, 'bucket.s3.eu-west-1.amazonaws.com', '/'],
    ['s3 =\n  addressing_style = path', {}, 's3.eu-west-1.amazonaws.com', '/bucket/'],
    ['use_dualstack_endpoint = true', {}, 'bucket.s3.dualstack.eu-west-1.amazonaws.com', '/'],
    ['s3 =\n  use_dualstack_endpoint = true', {}, 'bucket.s3.dualstack.eu-west-1.amazonaws.com', '/'],
    ['use_dualstack_endpoint = true', { AWS_USE_DUALSTACK_ENDPOINT: 'false' }, 'bucket.s3.eu-west-1.amazonaws.com', '/'],
    ['use_fips_endpoint = true', {}, 'bucket.s3-fips.eu-west-1.amazonaws.com', '/'],
    ['endpoint_url = http://h', { AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' }, 'bucket.s3.eu-west-1.amazonaws.com', '/'],
    ['ignore_configured_endpoint_urls = true\nendpoint_url = http://h', {}, 'bucket.s3.eu-west-1.amazonaws.com', '/'],
    ['ignore_configured_endpoint_urls = true', { AWS_ENDPOINT_URL: 'http://h' }, 'bucket.s3.eu-west-1.amazonaws.com', '/'],
    ['', { AWS_ENDPOINT_URL_S3: 'http://h', AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' }, 'bucket.s3.eu-west-1.amazonaws.com', '/'],
  ]
  for (const [text, env, host, pathPrefix] of cases) {
    proxy.seen.length = 0
    assert.deepEqual(await lead(text, env), { endpoints: [`https://${host}`], pathPrefix, region: 'eu-west-1' })
    assert.deepEqual([...new Set(proxy.seen.map(({ target }) => target))], [`${host}:443`], text)
  }
  // A profile that the SDK does not look at by itself.
  const ofOptions = await lead('ignore_configured_endpoint_urls = true', { AWS_ENDPOINT_URL: 'http://h' }, 'profile p', { profile: 'p' })
  assert.deepEqual(ofOptions, { endpoints: ['https://bucket.s3.eu-west-1.amazonaws.com'], pathPrefix: '/', region: 'eu-west-1' })
})

const refused: readonly (readonly [...Case, message: RegExp])[] = [
  [
    'a profile that does not exist',
    '[default]',
    { AWS_PROFILE: 'typo' },
    {},
    /the AWS profile "typo" is neither in .*config-\d+ nor in \/dev\/null/,
  ],
  ['one that the configuration names', '[default]', envKeys, { profile: 'typo', ...own }, /the AWS profile "typo" is neither in /],
  [
    'a services section that does not exist',
    '[default]\nservices = x',
    envKeys,
    {},
    /config-\d+: profile "default": there is no section \[services x\]/,
  ],
  [
    'an endpoint that is no URL',
    '[default]\nendpoint_url = ftp://x',
    envKeys,
    {},
    /profile "default": endpoint_url must hold http:\/\/ or https:\/\//,
  ],
  [
    'an unknown address style',
    '[default]\ns3 =\n  addressing_style = sideways',
    envKeys,
    {},
    /addressing_style must be auto, path or virtual, not "sideways"/,
  ],
  [
    'what is neither true nor false',
    '[default]\nuse_fips_endpoint = perhaps',
    envKeys,
    {},
    /profile "default": use_fips_endpoint must be true or false, not "perhaps"/,
  ],
  [
    'the same in the environment',
    '',
    { AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'ja' },
    {},
    /AWS_IGNORE_CONFIGURED_ENDPOINT_URLS must be true or false, not "ja"/,
  ],
  [
    'certificates that are not there',
    '[default]\nca_bundle = /none/ca.pem',
    envKeys,
    {},
    /\/none\/ca\.pem: cannot read the certificates to trust \(.*profile "default": ca_bundle\)/,
  ],
  [
    'FIPS with an endpoint',
    '[default]\nuse_fips_endpoint = true\nendpoint_url = http://h',
    envKeys,
    {},
    /custom endpoint cannot be combined with FIPS/,
  ],
  [
    'dual stack with an endpoint',
    '[default]\ns3 =\n  use_dualstack_endpoint = true',
    { AWS_ENDPOINT_URL: 'http://h', ...envKeys },
    {},
    /Cannot set dual-stack in combination with a custom endpoint/,
  ],
]
for (const [title, text, env, options, message] of refused)
  test(`${title} is refused with its place`, async () => {
    await assert.rejects(grantOf(text, env, options), (error: Error) => {
      assert.match(error.message, message)
      return true
    })
  })

test('a profile of the environment that does not exist is no error where no keys of it are needed', async () => {
  const { endpoints } = await grantOf('[default]', { AWS_PROFILE: 'typo', AWS_ENDPOINT_URL: 'http://h' }, own)
  assert.deepEqual(endpoints, ['http://h'])
})
