import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { resolveTarget } from '#src/storage/object/connect.js'
import { openS3 } from '#src/storage/object/s3.js'
import { StaticS3, staticGrant } from '#src/storage/object/s3-static.js'
import type { ObjectControl } from '#src/storage/object/types.js'
import { parseLocation } from '#src/storage/uri.js'
import { withEnvironment } from './both-planes.js'
import { type FaultServer, startFaultServer } from './fault-server.js'

const keys = { access_key_id: 'AKIA', secret_access_key: 'secret' }
const envKeys = { AWS_ACCESS_KEY_ID: 'ENVKEY', AWS_SECRET_ACCESS_KEY: 'env-secret' }
let server: FaultServer

before(async () => {
  server = await startFaultServer()
  server.objects.set('k', Buffer.alloc(1234))
})
after(() => server.close())

function target(uri: string, options: Record<string, unknown>, env: NodeJS.ProcessEnv = {}) {
  const location = parseLocation(uri)
  assert.ok(!('path' in location))
  return resolveTarget(location, options, env)
}

const known: [string, string, Record<string, unknown>, NodeJS.ProcessEnv][] = [
  ['keys of the configuration', 's3://data/p', { endpoint_url: 'http://127.0.0.1:9000', ...keys }, {}],
  ['a token', 's3://data', { endpoint_url: 'http://127.0.0.1:9000', ...keys, session_token: 'T/+=' }, {}],
  ['keys of the environment', 's3://data/p/q', { endpoint_url: 'http://s3.example:80' }, envKeys],
  ['a token of the environment', 's3://data', { endpoint_url: 'https://s3.example:443' }, { ...envKeys, AWS_SESSION_TOKEN: 'ET' }],
  ['keys of the configuration before those of the environment', 's3://data', { endpoint_url: 'http://h:1', ...keys }, envKeys],
  ['no keys at all', 's3://data', { endpoint_url: 'http://h:9000', anonymous: true }, {}],
  ['a region', 's3://my.dotted-bucket_1', { endpoint_url: 'https://h', region: 'eu-central-1', ...keys }, {}],
  ['a region of the environment', 's3://data', { endpoint_url: 'https://h', ...keys }, { AWS_REGION: 'eu-north-1' }],
  ['several endpoints', 's3://data', { endpoint_url: 'http://h:1,http://h:2', s3_force_path_style: true, ...keys }, {}],
  ['a proxy', 's3://data', { endpoint_url: 'http://h', proxy: 'http://p:3128', ...keys }, {}],
  ['a proxy of the environment', 's3://data', { endpoint_url: 'http://h', ...keys }, { http_proxy: 'http://p:3128' }],
  ['certificates that are not looked at', 's3://data', { endpoint_url: 'https://h', verify_tls: false, ...keys }, {}],
]
for (const [title, uri, options, env] of known)
  test(`with ${title} the grant is the one that the SDK comes to`, () =>
    withEnvironment(env, async () => {
      const { place, settings } = target(uri, options, env)
      const control = await openS3(place, settings)
      assert.deepEqual(staticGrant(place, settings, env), await control.grant())
      control.close()
    }))

const unknown: [string, string, Record<string, unknown>, NodeJS.ProcessEnv][] = [
  ['no endpoint', 's3://data', keys, {}],
  ['names of hosts that begin with the bucket', 's3://data', { endpoint_url: 'http://h', s3_force_path_style: false, ...keys }, {}],
  ['no keys', 's3://data', { endpoint_url: 'http://h' }, {}],
  ['half of the keys', 's3://data', { endpoint_url: 'http://h' }, { AWS_ACCESS_KEY_ID: 'a' }],
  ['a profile', 's3://data', { endpoint_url: 'http://h', profile: 'p' }, envKeys],
  ['a profile of the environment', 's3://data', { endpoint_url: 'http://h' }, { ...envKeys, AWS_PROFILE: 'p' }],
  ['keys that end', 's3://data', { endpoint_url: 'http://h' }, { ...envKeys, AWS_CREDENTIAL_EXPIRATION: '2030-01-01T00:00:00Z' }],
]
for (const [title, uri, options, env] of unknown)
  test(`with ${title} the SDK is asked`, () => {
    const { place, settings } = target(uri, options, env)
    assert.equal(staticGrant(place, settings, env), undefined)
  })

test('objects are looked at without the SDK; what is not found, and all else, is asked of it, and counted', async () => {
  const { place, settings } = target('s3://data', { endpoint_url: server.url, ...keys })
  let opened = 0
  const asked: string[] = []
  const sdk = {
    requests: { list: 0, head: 1, get: 0, put: 2, delete: 0 },
    head: async (key: string) => {
      asked.push(key)
      return undefined
    },
    put: async () => {},
    close: () => asked.push('closed'),
  } as unknown as ObjectControl
  const control = new StaticS3(place, settings, staticGrant(place, settings, {})!, async () => {
    opened++
    return sdk
  })
  assert.deepEqual(await control.head('k'), { key: 'k', sizeBytes: 1234 })
  assert.deepEqual(
    server.requests.map(({ method, target }) => [method, target]),
    [['HEAD', '/data/k']],
  )
  assert.match(server.requests[0]!.headers.authorization!, /Credential=AKIA/)
  assert.deepEqual([opened, control.requests.head], [0, 1])
  assert.equal(await control.head('missing'), undefined)
  await control.put('k2', new Uint8Array(1))
  assert.deepEqual([opened, asked, control.requests], [1, ['missing'], { list: 0, head: 3, get: 0, put: 2, delete: 0 }])
  control.close()
  assert.deepEqual(asked, ['missing', 'closed'])
})
