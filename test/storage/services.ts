// Object stores on this machine, started by the tests that need them, on ports that the system chooses.
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { type AddressInfo, createServer, connect as openSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { madeOnce, pythonWith } from '../interop/python.js'
import { lacking } from '../requirements.js'

const execute = promisify(execFile)

/** An environment without credentials, endpoints and proxies of whoever runs the tests. */
export const noCredentials: Readonly<Record<string, string>> = Object.fromEntries(
  Object.keys(process.env).flatMap((name) => (/^(AWS_|S3_|AZURE_|GOOGLE_|STORAGE_|https?_proxy$)/i.test(name) ? [[name, '']] : [])),
)

export type Options = Readonly<Record<string, unknown>>

export interface Service {
  /** Origin of the server. */
  readonly endpoint: string
  /** `storage.storage_options` that reach it. */
  readonly options: Options
  /** Its secret, which nothing may show; absent where there is none. */
  readonly secret?: string
  /** URI of a place in it, whose bucket is made; each call gives another one. */
  place(): Promise<string>
}

/** Azurite's account, the same everywhere and no secret of anybody. */
const azureAccount = 'devstoreaccount1'
const azureKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

let places = 0

/** At the end of the test file: what a hook registers with `after` would end with the hook. */
const atExit = (action: () => void): void => void process.once('exit', action)

/**
 * A port for a server that chooses none itself. Not one of those that the system gives to connections and to servers of other tests: between
 * this look and the server's start it could give the same one away.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(11_000, 32_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}

/** Starts a server on a port of its own and waits until it takes connections; returns its origin. It ends with the test file. */
async function start(command: string, args: (port: number) => readonly string[]): Promise<string> {
  const port = await freePort()
  const child: ChildProcess = spawn(command, args(port), { stdio: ['ignore', 'ignore', 'pipe'] })
  let words = ''
  child.stderr!.on('data', (chunk: Buffer) => {
    words = `${words}${chunk}`.slice(-2000)
  })
  child.unref()
  ;(child.stderr as unknown as { unref(): void }).unref()
  atExit(() => child.kill('SIGKILL'))
  // Minutes only where a busy machine hardly gets to it.
  for (let waits = 0; !(await answers(port)); waits++) {
    if (child.exitCode !== null || waits > 6000) throw new Error(`${command} does not start: ${words}`)
    await sleep(50)
  }
  return `http://127.0.0.1:${port}`
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = openSocket(port, '127.0.0.1')
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}

/** Runs `make`; where it cannot be done the test is skipped, or fails under CI. */
async function available<T>(t: TestContext, what: string, make: () => Promise<T>): Promise<T | undefined> {
  try {
    return await make()
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string }
    lacking(t, `${what} cannot be started: ${(stderr?.trim() || message).split('\n').slice(-3).join(' ')}`)
    return undefined
  }
}

const python = (): Promise<string> => pythonWith(join('test', 'storage', 'requirements.txt'))

const s3AccessKey = 'AKIDTEST'

/** What a server at `endpoint` that looks like S3 is to the tests; `createBucket` makes the bucket of a place. */
function s3Service(endpoint: string, secret: string, createBucket: (bucket: string) => Promise<unknown>): Service {
  return {
    endpoint,
    secret,
    options: { endpoint_url: endpoint, access_key_id: s3AccessKey, secret_access_key: secret },
    place: async () => {
      const bucket = `bucket-${places++}`
      await createBucket(bucket)
      return `s3://${bucket}/data`
    },
  }
}

/** moto, which looks like S3; in memory. */
export function startS3(t: TestContext): Promise<Service | undefined> {
  return available(t, 'moto', async () => {
    const endpoint = await start(join(dirname(await python()), 'moto_server'), (port) => ['-H', '127.0.0.1', '-p', String(port)])
    return s3Service(endpoint, 'moto-secret-0123456789abcdef', (bucket) => request(`${endpoint}/${bucket}`, 'PUT'))
  })
}

/** rclone, which serves a folder as S3 does, checks signatures, and answers ranges with status 200. */
function startRclone(t: TestContext): Promise<Service | undefined> {
  return available(t, 'rclone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dl-driver-rclone-'))
    atExit(() => rmSync(folder, { recursive: true, force: true }))
    const secret = 'rclone-secret-0123456789abcdef'
    const keys = ['--auth-key', `${s3AccessKey},${secret}`]
    // No ETags: for those it would read every object before answering.
    const serving = ['serve', 's3', folder, ...keys, '--vfs-cache-mode', 'off', '--etag-hash', '']
    const rclone = join(dirname(await python()), 'rclone')
    const endpoint = await start(rclone, (port) => ['--config', join(folder, 'none'), ...serving, '--addr', `127.0.0.1:${port}`])
    return s3Service(endpoint, secret, async (bucket) => {
      const { CreateBucketCommand, S3Client } = await import('@aws-sdk/client-s3')
      const credentials = { accessKeyId: s3AccessKey, secretAccessKey: secret }
      const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
      await client.send(new CreateBucketCommand({ Bucket: bucket }))
      client.destroy()
    })
  })
}

/** Azurite, in memory. */
export function startAzure(t: TestContext): Promise<Service | undefined> {
  return available(t, 'Azurite', async () => {
    const folder = await madeOnce('azurite-3.35.0', async (path) => {
      mkdirSync(path, { recursive: true })
      writeFileSync(join(path, 'package.json'), '{"private":true}')
      await execute('npm', ['install', '--prefix', path, '--no-audit', '--no-fund', 'azurite@3.35.0'], { maxBuffer: 1 << 26 })
    })
    const quietly = ['--skipApiVersionCheck', '--disableTelemetry', '--silent', '--inMemoryPersistence']
    const azurite = join(folder, 'node_modules', '.bin', 'azurite-blob')
    const endpoint = await start(azurite, (port) => ['--blobHost', '127.0.0.1', '--blobPort', String(port), ...quietly])
    return {
      endpoint,
      secret: azureKey,
      options: { endpoint_url: endpoint, account_name: azureAccount, account_key: azureKey },
      place: async () => {
        const container = `container-${places++}`
        const { ContainerClient, StorageSharedKeyCredential } = await import('@azure/storage-blob')
        const credential = new StorageSharedKeyCredential(azureAccount, azureKey)
        await new ContainerClient(`${endpoint}/${azureAccount}/${container}`, credential).create()
        return `az://${container}/data`
      },
    }
  })
}

/** An emulator of Google Cloud Storage, in memory; it knows no accounts, and no HEAD. */
export function startGcs(t: TestContext): Promise<Service | undefined> {
  return available(t, 'the emulator of Google Cloud Storage', async () => {
    const emulator = join(dirname(await python()), 'gcp-storage-emulator')
    const endpoint = await start(emulator, (port) => ['start', '--host=127.0.0.1', `--port=${port}`, '--in-memory', '-q'])
    return {
      endpoint,
      options: { endpoint_url: endpoint },
      place: async () => {
        const name = `bucket-${places++}`
        await request(`${endpoint}/storage/v1/b?project=test`, 'POST', JSON.stringify({ name }))
        return `gs://${name}/data`
      },
    }
  })
}

/** Every server that tests can start, by its name in titles. */
export const providers: readonly [string, (t: TestContext) => Promise<Service | undefined>][] = [
  ['S3', startS3],
  ['S3 that checks signatures', startRclone],
  ['Azure', startAzure],
  ['Google', startGcs],
]

/** Sends a request that must succeed. */
function request(url: string, method: string, body = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = http.request(url, { method, headers: { 'content-type': 'application/json' } }, (answer) => {
      const { statusCode } = answer
      answer.resume().on('end', () => (statusCode === 200 ? resolve() : reject(new Error(`${method} ${url}: status ${statusCode}`))))
    })
    sent.on('error', reject).end(body)
  })
}

export interface Front {
  readonly endpoint: string
  /** Requests that came through it, as `METHOD /path`. */
  readonly requests: string[]
}

/** What a front may do with a request instead of passing it on, or before. */
export type Spoil = (request: http.IncomingMessage, response: http.ServerResponse, target: URL) => boolean | Promise<boolean>

/** Another port before a server, over TLS where a certificate is given; `spoil` answers requests itself by returning true. */
export async function startFront(endpoint: string, tls?: Certificate, spoil: Spoil = () => false): Promise<Front> {
  const target = new URL(endpoint)
  const requests: string[] = []
  const agent = new http.Agent()
  const handle = async (request: http.IncomingMessage, response: http.ServerResponse) => {
    requests.push(`${request.method} ${request.url}`)
    const spoilt = spoil(request, response, target)
    if (typeof spoilt === 'boolean' ? spoilt : await spoilt) return
    const { method, url, headers } = request
    const onward = http.request({ host: target.hostname, port: target.port, method, path: url, headers, agent }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    // A client that is gone sends no end: what it had begun would keep the connection, and with it the tests.
    response.on('close', () => onward.destroy())
    request.pipe(onward)
  }
  const server = tls === undefined ? http.createServer(handle) : https.createServer({ key: tls.key, cert: tls.cert }, handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  const { port } = server.address() as AddressInfo
  return { endpoint: tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`, requests }
}

export interface Certificate {
  readonly key: Buffer
  readonly cert: Buffer
  /** Path of the certificate of the authority that signed it. */
  readonly caFile: string
}

/** A certificate for localhost of an authority of our own. */
export function createCertificate(): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'dl-driver-ca-'))
  atExit(() => rmSync(folder, { recursive: true, force: true }))
  const path = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=test CA',
    '-keyout',
    path('ca.key'),
    '-out',
    path('ca.pem'),
  )
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost', '-keyout', path('key.pem'), '-out', path('csr.pem'))
  writeFileSync(path('ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1')
  const signing = ['-req', '-days', '2', '-in', path('csr.pem'), '-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial']
  openssl('x509', ...signing, '-out', path('cert.pem'), '-extfile', path('ext'))
  return { key: readFileSync(path('key.pem')), cert: readFileSync(path('cert.pem')), caFile: path('ca.pem') }
}
