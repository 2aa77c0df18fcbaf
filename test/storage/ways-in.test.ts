// Each way to say who one is reaches both planes: what lists and writes, and the readers. As a user would, by whole commands.
import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { driver, scratchFolder, workloadFile } from '../cli/driver.js'
import { leadTo, startProxy } from './proxy-server.js'
import { createCertificate, type Options, type Spoil, startAzure, startFront, startGcs, startS3 } from './services.js'

const folder = scratchFolder('ways-in')
const nobody = {
  ...Object.fromEntries(
    Object.keys(process.env).flatMap((name) => (/^(AWS_|S3_|AZURE_|GOOGLE_|STORAGE_)|_proxy$/i.test(name) ? [[name, '']] : [])),
  ),
  HOME: folder,
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
}
let runs = 0

/** Generates and reads a small data set; `env`: what the user has set. */
async function work(uri: string, options: Options, env: NodeJS.ProcessEnv = {}) {
  const path = workloadFile(
    folder,
    {
      framework: 'pytorch',
      workflow: { generate_data: true, train: true },
      storage: { storage_options: options },
      dataset: { data_folder: uri, format: 'npz', num_files_train: 3, record_length_bytes: 4096 },
      reader: { batch_size: 1, read_threads: 1 },
      train: { epochs: 1, computation_time: 0 },
    },
    `w${runs++}.yaml`,
  )
  const ran = await driver(['run', path, '--verify', '--quiet', '--output', join(folder, `out-${runs}`)], { env: { ...nobody, ...env } })
  assert.equal(ran.code, 0, ran.stderr)
}

/** A front that notes a header of each request with its kind: `LIST`, `READ` of data, or the method. */
async function noting(endpoint: string, header: string, tls?: Parameters<typeof startFront>[1], spoil: Spoil = () => false) {
  const seen = new Map<string, Set<string>>()
  const front = await startFront(endpoint, tls, (request, response, target) => {
    const kind = /list-type=2|comp=list|\/o\?prefix/.test(request.url!) ? 'LIST' : request.method === 'GET' ? 'READ' : request.method!
    const value = header === 'url' ? request.url! : String(request.headers[header])
    seen.set(kind, (seen.get(kind) ?? new Set()).add(value))
    return spoil(request, response, target)
  })
  const all = (...kinds: string[]) => kinds.flatMap((kind) => [...(seen.get(kind) ?? assert.fail(`no ${kind} among ${[...seen.keys()]}`))])
  return { ...front, all }
}

test('S3: keys of the environment, with a session token, and of a profile in a file sign for both planes', async (t) => {
  const service = await startS3(t)
  if (service === undefined) return
  const credentials = join(folder, 'credentials')
  fs.writeFileSync(
    credentials,
    '[other]\naws_access_key_id=AKIDPROFILE\naws_secret_access_key=profile-secret\naws_session_token=profile-token\n',
  )
  const keys = { AWS_ACCESS_KEY_ID: 'AKIDENV', AWS_SECRET_ACCESS_KEY: 'env-secret' }
  const ways: readonly [string, NodeJS.ProcessEnv, Options][] = [
    ['AKIDENV', keys, {}],
    ['AKIDENV', { ...keys, AWS_REGION: 'eu-west-9' }, {}],
    ['AKIDPROFILE', { AWS_SHARED_CREDENTIALS_FILE: credentials, AWS_PROFILE: 'other' }, {}],
    ['AKIDPROFILE', { AWS_SHARED_CREDENTIALS_FILE: credentials, ...keys }, { profile: 'other' }],
    ['AKIDOWN', keys, { access_key_id: 'AKIDOWN', secret_access_key: 'own-secret' }],
  ]
  for (const [id, env, options] of ways) {
    const front = await noting(service.endpoint, 'authorization')
    await work(await service.place(), { ...options, endpoint_url: front.endpoint }, env)
    for (const value of front.all('LIST', 'READ', 'PUT'))
      assert.match(value, new RegExp(`^AWS4-HMAC-SHA256 Credential=${id}/\\d{8}/${env.AWS_REGION ?? 'us-east-1'}/s3/aws4_request, `))
  }
  for (const [env, token] of [
    [{ ...keys, AWS_SESSION_TOKEN: 'env-token' }, 'env-token'],
    [{ AWS_SHARED_CREDENTIALS_FILE: credentials, AWS_PROFILE: 'other' }, 'profile-token'],
  ] as const) {
    const front = await noting(service.endpoint, 'x-amz-security-token')
    await work(await service.place(), { endpoint_url: front.endpoint }, env)
    assert.deepEqual([...new Set(front.all('LIST', 'READ', 'PUT'))], [token])
  }
  // The server itself lets nobody in who is not known.
  const front = await noting(service.endpoint, 'authorization', undefined, ({ headers }) => {
    headers.authorization ??= 'AWS4-HMAC-SHA256 Credential=AKIDFRONT/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0'
    return false
  })
  await work(await service.place(), { endpoint_url: front.endpoint, anonymous: true }, keys)
  assert.deepEqual([...new Set(front.all('LIST', 'READ', 'PUT'))], ['undefined'])
})

test('S3: an own authority named by any of three ways is trusted by both planes', async (t) => {
  const service = await startS3(t)
  if (service === undefined) return
  const certificate = createCertificate()
  const front = await noting(service.endpoint, 'host', certificate)
  const ways: readonly [NodeJS.ProcessEnv, Options][] = [
    [{ AWS_CA_BUNDLE: certificate.caFile }, {}],
    [{ NODE_EXTRA_CA_CERTS: certificate.caFile }, {}],
    [{}, { ca_bundle: certificate.caFile }],
  ]
  for (const [env, options] of ways)
    await work(await service.place(), { ...service.options, ...options, endpoint_url: front.endpoint }, env)
})

test('Azure: a connection string, a shared access signature and keys of the environment sign for both planes', async (t) => {
  const service = await startAzure(t)
  if (service === undefined) return
  const { account_name: account, account_key: key } = service.options as Record<string, string>
  const front = await noting(service.endpoint, 'authorization')
  const connection = `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${key};BlobEndpoint=${front.endpoint}/${account};`
  await work(await service.place(), { connection_string: connection })
  await work(await service.place(), {}, { AZURE_STORAGE_CONNECTION_STRING: connection })
  await work(await service.place(), { endpoint_url: front.endpoint }, { AZURE_STORAGE_ACCOUNT: account!, AZURE_STORAGE_KEY: key! })
  for (const value of front.all('LIST', 'READ', 'PUT')) assert.match(value, new RegExp(`^SharedKey ${account}:`))

  const sas = accountSignature(account!, key!)
  for (const [options, env] of [
    [{ sas_token: `?${sas}`, account_name: account }, {}],
    [{}, { AZURE_STORAGE_SAS_TOKEN: sas, AZURE_STORAGE_ACCOUNT: account! }],
    [{ connection_string: `AccountName=${account};SharedAccessSignature=${sas};BlobEndpoint=FRONT/${account}` }, {}],
  ] as [Record<string, string>, NodeJS.ProcessEnv][]) {
    const signed = await noting(service.endpoint, 'url')
    const given = JSON.parse(JSON.stringify(options).replace('FRONT', signed.endpoint)) as Options
    await work(await service.place(), { ...given, ...('connection_string' in options ? {} : { endpoint_url: signed.endpoint }) }, env)
    for (const url of signed.all('LIST', 'READ', 'PUT')) assert.match(url, /[?&]sig=/)
  }
})

/** A shared access signature of the whole account. Source: Microsoft, "Create an account SAS", version 2020-12-06 and later. */
function accountSignature(account: string, key: string): string {
  const [permissions, services, types, protocol, version] = ['rwdlac', 'b', 'sco', 'https,http', '2021-12-02']
  const ends = `${new Date(Date.now() + 3_600_000).toISOString().slice(0, 19)}Z`
  const toSign = `${account}\n${permissions}\n${services}\n${types}\n\n${ends}\n\n${protocol}\n${version}\n\n`
  const sig = createHmac('sha256', Buffer.from(key, 'base64')).update(toSign).digest('base64')
  return new URLSearchParams({ sv: version!, ss: services!, srt: types!, sp: permissions!, se: ends, spr: protocol!, sig }).toString()
}

test('Google: the key file of a service account gives the token of both planes, fetched through the proxy', async (t) => {
  const service = await startGcs(t)
  if (service === undefined) return
  const { key, cert } = createCertificate()
  const tokens = https.createServer({ key, cert }, (request, response) => {
    request.resume()
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end('{"access_token":"the-token","expires_in":3600,"token_type":"Bearer"}')
  })
  await new Promise<void>((resolve) => tokens.listen(0, '127.0.0.1', resolve))
  t.after(() => tokens.close())
  // Where tokens are had is written in the library; the proxy knows another way there.
  const proxy = await startProxy({ spoilTunnel: leadTo(tokens) })
  t.after(() => proxy.close())
  const file = join(folder, 'service-account.json')
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const account = {
    type: 'service_account',
    project_id: 'test',
    private_key_id: '1',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: 'reader@test.example',
    client_id: '1',
  }
  fs.writeFileSync(file, JSON.stringify(account))
  for (const [options, env] of [
    [{ credentials_file: file }, {}],
    [{}, { GOOGLE_APPLICATION_CREDENTIALS: file }],
  ] as const) {
    const front = await noting(service.endpoint, 'authorization')
    const given = { ...options, endpoint_url: front.endpoint, verify_tls: false }
    await work(await service.place(), given, { ...env, HTTPS_PROXY: proxy.url })
    assert.deepEqual([...new Set(front.all('LIST', 'READ', 'POST'))], ['Bearer the-token'])
  }
  assert.ok(proxy.seen.length > 0 && proxy.seen.every(({ target }) => target === 'www.googleapis.com:443'), JSON.stringify(proxy.seen))
})

test('S3: a role for a web identity is signed in to through the proxy', async (t) => {
  const service = await startS3(t)
  if (service === undefined) return
  const { key, cert } = createCertificate()
  const ends = new Date(Date.now() + 3_600_000).toISOString()
  const keys = `<AccessKeyId>AKIDWEB</AccessKeyId><SecretAccessKey>web-secret</SecretAccessKey><SessionToken>web-token</SessionToken><Expiration>${ends}</Expiration>`
  const answer = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>${keys}</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`
  const signIn = https.createServer({ key, cert }, (request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'text/xml' }).end(answer)
  })
  await new Promise<void>((resolve) => signIn.listen(0, '127.0.0.1', resolve))
  t.after(() => signIn.close())
  const proxy = await startProxy({ spoilTunnel: leadTo(signIn) })
  t.after(() => proxy.close())
  const token = join(folder, 'web-identity')
  fs.writeFileSync(token, 'ey.web.identity')
  const env = { AWS_WEB_IDENTITY_TOKEN_FILE: token, AWS_ROLE_ARN: 'arn:aws:iam::1:role/r', AWS_REGION: 'us-east-1', HTTPS_PROXY: proxy.url }
  const front = await noting(service.endpoint, 'authorization')
  await work(await service.place(), { endpoint_url: front.endpoint, verify_tls: false }, env)
  for (const value of front.all('LIST', 'READ', 'PUT')) assert.match(value, /Credential=AKIDWEB\//)
  assert.deepEqual(new Set(proxy.seen.map(({ target }) => target)), new Set(['sts.us-east-1.amazonaws.com:443']))
})

test('with an endpoint nobody asks the machine for credentials; told to, S3 does', async (t) => {
  const service = await startS3(t)
  if (service === undefined) return
  const asked: string[] = []
  const machine = http.createServer((request, response) => {
    asked.push(request.url!)
    const answer = request.url!.endsWith('/api/token') ? 'session' : request.url!.endsWith('/role') ? JSON.stringify(role) : 'role'
    response.writeHead(200, { 'content-type': 'text/plain', 'x-aws-ec2-metadata-token-ttl-seconds': '600' }).end(answer)
  })
  const role = {
    Code: 'Success',
    AccessKeyId: 'AKIDROLE',
    SecretAccessKey: 'role-secret',
    Token: 'role-token',
    Expiration: new Date(Date.now() + 3_600_000).toISOString(),
  }
  await new Promise<void>((resolve) => machine.listen(0, '127.0.0.1', resolve))
  t.after(() => machine.close())
  const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${(machine.address() as AddressInfo).port}` }
  const front = await noting(service.endpoint, 'authorization')
  const path = workloadFile(
    folder,
    {
      framework: 'pytorch',
      storage: { storage_options: { endpoint_url: front.endpoint } },
      dataset: { data_folder: 's3://bucket/x', format: 'npz' },
    },
    `w${runs++}.yaml`,
  )
  const refused = await driver(['run', path, '--output', join(folder, `out-${runs}`)], { env: { ...nobody, ...env } })
  assert.notEqual(refused.code, 0)
  assert.match(refused.stderr, /no credentials were found/)
  assert.deepEqual(asked, [])
  await work(await service.place(), { endpoint_url: front.endpoint, instance_metadata: true }, env)
  for (const value of front.all('LIST', 'READ', 'PUT')) assert.match(value, /Credential=AKIDROLE\//)
})
