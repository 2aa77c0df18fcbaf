// Credentials are in nothing that is printed or written: for every way to give them, every command, runs that end well and runs that do not.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { driver, scratchFolder, workloadFile } from '../cli/driver.js'
import { dropIn } from '../cli/drop-in.js'
import { type FakeStore, type Provider, startFakeStore } from './fake-store.js'
import { noCredentials } from './services.js'

const folder = scratchFolder('secrets')
const pieceLength = 12

/** Every form and piece of a secret that would give it away. */
function pieces(secret: string): Set<string> {
  const found = new Set<string>()
  for (const form of [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    Buffer.from(secret).toString('hex'),
  ])
    for (let at = 0; at + pieceLength <= form.length; at++) found.add(form.slice(at, at + pieceLength))
  return found
}

interface Given {
  readonly how: string
  readonly provider: Provider
  readonly secrets: readonly string[]
  /** In `storage.storage_options`, beside the endpoint. */
  readonly options: Readonly<Record<string, unknown>>
  readonly env?: NodeJS.ProcessEnv
  /** It can be had without the network. */
  readonly works: boolean
}

const s3Secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
const sessionToken = 'FwoGZXIvYXdzEBYaDNotAToken/But+Looks+Like=One+0123456789'
const azureKey = Buffer.from('an account key of Azure, which has sixty-four bytes, as it seems').toString('base64')
const signature = 'vN0nXvq+Q3yZ5fO2pT9aB1cD/eF4gH6iJ8kL0mN2oP4='
const sas = `sv=2021-12-02&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00:00:00Z&sig=${encodeURIComponent(signature)}`
const connection = (rest: string) => `DefaultEndpointsProtocol=http;AccountName=fake;${rest};BlobEndpoint=ENDPOINT/fake`

const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
})
const keyFile = join(folder, 'service-account.json')
fs.writeFileSync(
  keyFile,
  JSON.stringify({
    type: 'service_account',
    project_id: 'p',
    private_key_id: 'k',
    private_key: privateKey,
    client_email: 'a@p.iam.gserviceaccount.com',
    client_id: '1',
  }),
)

const profileFile = join(folder, 'aws-config')
fs.writeFileSync(
  profileFile,
  `[profile p]\naws_access_key_id = AKIDFAKE\naws_secret_access_key = ${s3Secret}\naws_session_token = ${sessionToken}\n`,
)

const ways = (federation: string): Given[] => [
  {
    how: 'keys and token of S3 in the configuration',
    provider: 's3',
    secrets: [s3Secret, sessionToken],
    options: { access_key_id: 'AKIDFAKE', secret_access_key: s3Secret, session_token: sessionToken },
    works: true,
  },
  {
    how: 'keys and token of S3 in the environment',
    provider: 's3',
    secrets: [s3Secret, sessionToken],
    options: {},
    env: { AWS_ACCESS_KEY_ID: 'AKIDFAKE', AWS_SECRET_ACCESS_KEY: s3Secret, AWS_SESSION_TOKEN: sessionToken },
    works: true,
  },
  {
    how: 'keys and token of a profile',
    provider: 's3',
    secrets: [s3Secret, sessionToken],
    options: {},
    env: { AWS_CONFIG_FILE: profileFile, AWS_SHARED_CREDENTIALS_FILE: '/dev/null', AWS_PROFILE: 'p' },
    works: true,
  },
  {
    how: 'an account key of Azure',
    provider: 'azure',
    secrets: [azureKey],
    options: { account_name: 'fake', account_key: azureKey },
    works: true,
  },
  {
    how: 'a shared access signature of Azure',
    provider: 'azure',
    secrets: [signature],
    options: { account_name: 'fake', sas_token: sas },
    works: true,
  },
  {
    how: 'a connection string with a key',
    provider: 'azure',
    secrets: [azureKey],
    options: { endpoint_url: null, connection_string: connection(`AccountKey=${azureKey}`) },
    works: true,
  },
  {
    how: 'a connection string with a signature in the environment',
    provider: 'azure',
    secrets: [signature],
    options: { endpoint_url: null },
    env: { AZURE_STORAGE_CONNECTION_STRING: connection(`SharedAccessSignature=${sas}`) },
    works: true,
  },
  {
    how: 'a service account’s key file of Google',
    provider: 'gcs',
    secrets: [privateKey.split('\n').slice(1, -2).join('')],
    options: { credentials_file: keyFile },
    works: false,
  },
  {
    how: 'a token of Google',
    provider: 'gcs',
    secrets: [googleToken, subjectToken],
    options: { credentials_file: federation },
    works: true,
  },
]

const googleToken = 'ya29.NotAToken-but-looks-like-one_0123456789'
const subjectToken = 'eyJNotAJwt.ThatAnotherServiceMade.ForTheFederation'

/** A key file of a federated identity, whose tokens a server on this machine gives. */
async function federate(): Promise<string> {
  const server = http.createServer((_, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(
      JSON.stringify({
        access_token: googleToken,
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        token_type: 'Bearer',
        expires_in: 3600,
      }),
    ),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  fs.writeFileSync(join(folder, 'subject'), subjectToken)
  const path = join(folder, 'federation.json')
  fs.writeFileSync(
    path,
    JSON.stringify({
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
      credential_source: { file: join(folder, 'subject'), format: { type: 'text' } },
    }),
  )
  return path
}

describe('credentials', { concurrency: 2 }, async () => {
  for (const [number, way] of ways(await federate()).entries())
    test(`${way.how}: in no output, file, message or result, whatever happens`, async () => {
      const store = await startFakeStore(way.provider)
      const given = JSON.parse(JSON.stringify(way).replaceAll('ENDPOINT', store.endpoint)) as Given
      const uri = store.uri(`bucket-${number}`)
      const workload = {
        framework: 'pytorch',
        model: { name: 'm', model_size_bytes: 10_000 },
        workflow: { generate_data: true, train: true, checkpoint: true },
        storage: { storage_options: { endpoint_url: store.endpoint, ...given.options, s3_max_attempts: 1 } },
        dataset: { data_folder: uri, format: 'npz', num_files_train: 4, record_length_bytes: 512 },
        reader: { batch_size: 1, read_threads: 1 },
        train: { epochs: 1, computation_time: 0 },
        checkpoint: { checkpoint_folder: `${uri}/checkpoints`, epochs_between_checkpoints: 1 },
      }
      const path = workloadFile(join(folder, `w${number}`), workload)
      const env = { ...noCredentials, ...given.env }
      const output = join(folder, `out-${number}`)
      const said: [string, string][] = []
      const tell = async (expected: number, ...args: string[]) => {
        const ran = await driver(args, { env })
        said.push([`what ${args[0]} says`, `${ran.stdout}${ran.stderr}`])
        assert.equal(ran.code, expected, ran.stderr + ran.stdout)
      }
      const to = (name: string) => ['--output', join(output, name)]
      const good = given.works ? 0 : 1
      await tell(given.works ? 0 : 2, 'run', path, ...to('good'), '--json', '-v', '--trace', join(output, 'trace.json'))
      await tell(0, 'plan', path, '--json')
      await tell(0, 'validate', path, '--json')
      await tell(good, 'doctor', path, '--json', '--timeout', '100')
      const words = given.secrets.join(' ')
      // What careless servers do: they repeat what they were sent.
      const repeat =
        (...kinds: string[]): FakeStore['spoil'] =>
        ({ kind, request: { url, headers } }) => {
          const message = `${'x'.repeat(number * 40)} ${words} ${url} ${headers.authorization} ${headers['x-amz-security-token']}`
          return kinds.includes(kind) ? { error: { status: 403, code: 'AccessDenied', message } } : undefined
        }
      store.spoil = repeat('list', 'get', 'put')
      // Where checkpoints cannot be written nothing is begun.
      await tell(2, 'run', path, ...to('refused'), '-v')
      await tell(1, 'run', path, ...to('ungenerated'), '-v', 'workflow.checkpoint=false')
      store.spoil = repeat('get')
      await tell(1, 'run', path, ...to('unreadable'), '-v', 'workflow.generate_data=false', 'workflow.checkpoint=false')
      await tell(1, 'doctor', path)
      store.spoil = () => undefined
      await tell(2, 'run', path, ...to('wrong'), 'storage.storage_options.s3_max_attempts=none')
      if (given.works) await tell(0, 'run', path, ...to('no-generate'), '-v', 'workflow.generate_data=false')
      // DLIO's command, which writes what it was told into .hydra/.
      fs.mkdirSync(join(folder, `hydra-${number}`, 'workload'), { recursive: true })
      fs.writeFileSync(join(folder, `hydra-${number}`, 'workload', 'w.yaml'), JSON.stringify(workload))
      const overrides = Object.entries(given.options).flatMap(([name, value]) =>
        typeof value === 'string' ? [`++workload.storage.storage_options.${name}='${value}'`] : [],
      )
      const hydra = [
        'workload=w',
        `--config-dir=${join(folder, `hydra-${number}`)}`,
        `hydra.run.dir=${join(output, 'hydra')}`,
        ...overrides,
      ]
      const ran = await dropIn(folder, hydra, { ...env, DLIO_LOG_LEVEL: 'debug' })
      assert.equal(ran.code, good, ran.stderr)
      said.push(['what dlio_benchmark says', `${ran.stdout}${ran.stderr}`])
      for (const more of [
        ['--cfg', 'all'],
        ['++workload.reader.batch_size=none'],
        [`++workload.storage.storage_options.secret_access_key='${given.secrets[0]}`],
      ]) {
        const told = await dropIn(folder, [...hydra, ...more], env)
        said.push([`what dlio_benchmark ${more[0]} says`, `${told.stdout}${told.stderr}`])
      }
      const files = fs.readdirSync(output, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
      for (const entry of files) said.push([entry.name, fs.readFileSync(join(entry.parentPath, entry.name), 'latin1')])
      if (given.works)
        for (const name of ['result.json', 'trace.json', 'dlio.log', 'overrides.yaml', 'hydra.yaml'])
          assert.ok(
            said.some(([where]) => where === name),
            name,
          )
      for (const secret of given.secrets)
        for (const piece of pieces(secret))
          for (const [where, text] of said) assert.ok(!text.includes(piece), `${where} holds ${piece} of ${secret}: ${around(text, piece)}`)
    })
})

const around = (text: string, piece: string): string => text.slice(Math.max(0, text.indexOf(piece) - 200), text.indexOf(piece) + 200)
