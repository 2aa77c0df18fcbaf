// The control plane of Google Cloud Storage, over its SDK.
import http from 'node:http'
import https from 'node:https'
import { type Bucket, type File, IdempotencyStrategy, RETRYABLE_ERR_FN_DEFAULT, Storage, type StorageOptions } from '@google-cloud/storage'
import { placeUri } from '../uri.js'
import { type Agents, createAgents, trustOf } from './agents.js'
import { type Ask, asking, checkSize, controlFailure, PageTurner } from './control.js'
import { BadAnswerError, passingCause } from './control-faults.js'
import { statusOf, storageFailure } from './failure.js'
import { type GoogleIdentity, googleIdentity, signInFailure } from './gcs-identity.js'
import { PieceRecorder, retriesOfLibrary } from './gcs-pieces.js'
import { ObjectMeter, type ObjectReads } from './meter.js'
import { keepFromLibraries, machineHosts, proxySecrets, throughProxy } from './proxy.js'
import { Redactor } from './redactor.js'
import type { ObjectSettings } from './settings.js'
import { answerLimitMs, answerWithin, collectBody } from './silence.js'
import type { AccessGrant, ControlRequests, ControlRetries, ListedObject, ObjectControl, ObjectPlace, ObjectUpload } from './types.js'
import { PartsUpload } from './upload.js'

const ownEndpoint = 'https://storage.googleapis.com'
const pageSize = 1000
const deletesInFlight = 16
/** Pieces of a resumable upload must be multiples of this. */
const pieceUnit = 256 * 1024
/** Longest pause of the library between attempts. */
const longestPauseMs = 10_000
/** How long a token is good for where the library does not say. */
const tokenMs = 50 * 60_000

/** How long the library may try to send a piece. */
function piecesLimitMs({ requestTimeoutMs, partSizeBytes, maxAttempts }: ObjectSettings): number {
  return maxAttempts * (answerLimitMs(requestTimeoutMs, partSizeBytes + pieceUnit) + longestPauseMs)
}

/** Opens the control plane of a Google bucket. Throws StorageError where credentials cannot be had. */
export async function openGcs(place: ObjectPlace, settings: ObjectSettings): Promise<ObjectControl> {
  const endpoint = settings.endpoints[0]
  const redactor = new Redactor()
  redactor.add(...proxySecrets(settings.proxies))
  const agents = createAgents(settings)
  // For what the library signs in with, and for uploads.
  const agent = ({ protocol }: URL) => (protocol === 'https:' ? agents.https : agents.http)
  // Emulators and gateways know no Google accounts; with a key file it is said that this one does.
  const signsIn =
    !settings.anonymous && (endpoint === undefined || settings.credentialsFile !== undefined || settings.instanceMetadata === true)
  if (settings.instanceMetadata !== undefined) process.env.METADATA_SERVER_DETECTION = settings.instanceMetadata ? 'assume-present' : 'none'
  let identity: GoogleIdentity | undefined
  try {
    identity = signsIn ? googleIdentity(settings, redactor) : undefined
  } catch (error) {
    throw storageFailure(error, { uri: placeUri(place), operation: 'find credentials for', endpoint: endpoint ?? ownEndpoint }, redactor)
  }
  const options: StorageOptions = {
    ...(endpoint === undefined ? {} : { apiEndpoint: endpoint, useAuthWithCustomEndpoint: signsIn }),
    ...(settings.credentialsFile !== undefined && signsIn ? { keyFilename: settings.credentialsFile } : {}),
    ...(settings.projectId !== undefined ? { projectId: settings.projectId } : signsIn ? {} : { projectId: 'none' }),
    retryOptions: {
      // The library takes 0 retries for its default.
      autoRetry: settings.maxAttempts > 1,
      maxRetries: settings.maxAttempts - 1,
      totalTimeout: Math.ceil(piecesLimitMs(settings) / 1000),
      maxRetryDelay: longestPauseMs / 1000,
      retryDelayMultiplier: 2,
      // Pieces of a resumable upload are the same bytes at the same place.
      idempotencyStrategy: IdempotencyStrategy.RetryAlways,
      retryableErrorFn: (error) => {
        // Its own rule knows no time-outs, and not all forms in which the library has the status of an answer.
        const isRetried = RETRYABLE_ERR_FN_DEFAULT(error) || passingCause(error) !== undefined
        if (isRetried) retriesOfLibrary.getStore()?.failed(error)
        return isRetried
      },
    },
    timeout: settings.requestTimeoutMs,
    clientOptions: { transporterOptions: { agent } } as never,
  }
  const storage = new Storage(options)
  const trust = trustOf(settings)
  if (Object.keys(trust).length > 0) {
    // Parts of the library make their own requests and take the process's agent.
    Object.assign(https.globalAgent.options, trust)
  }
  // What fails is sent again by our own rule; the library's, which stays for resumable uploads, heeds no Retry-After, and where its time is
  // up it does not answer at all.
  const connection = {
    maxRetries: 0,
    pool: trust,
    agent,
    ...(settings.proxies === undefined ? {} : useAgents(agents, [new URL(endpoint ?? ownEndpoint).hostname, ...(identity?.hosts ?? [])])),
  }
  storage.interceptors.push({ request: (request) => Object.assign(request, connection) as never })
  const control = new GcsControl(place, settings, {
    ...{ storage, agents, redactor },
    ...(identity === undefined ? {} : { identity, signIn: (fresh) => (fresh ? new Storage(options) : storage).authClient }),
  })
  // Servers may repeat the token, so it has to be known from the first request on.
  if (signsIn) await control.signIn()
  return control
}

/** The library takes no agents and knows proxies by rules of its own: so it is kept from those and takes the process's agents, which are ours. */
function useAgents(agents: Agents, hosts: readonly string[]): { readonly forever: false } {
  // The library writes the last one's name with a dot behind it.
  const ofMachines = [
    '169.254.169.254',
    'metadata.google.internal',
    'metadata.google.internal.',
    ...machineHosts().map((host) => host.replace(/:\d+$/, '')),
  ]
  for (const host of [...hosts, '.googleapis.com', ...ofMachines]) keepFromLibraries(host)
  http.globalAgent = agents.http
  https.globalAgent = agents.https
  return { forever: false }
}

interface Parts {
  readonly storage: Storage
  readonly redactor: Redactor
  readonly agents: Agents
  /** Who signs in; absent: nobody. */
  readonly identity?: GoogleIdentity
  /** The library's part that gives tokens, a `fresh` one without those that it has already. */
  readonly signIn?: (fresh: boolean) => Storage['authClient']
}

class GcsControl implements ObjectControl {
  readonly requests: ControlRequests = { list: 0, head: 0, get: 0, put: 0, delete: 0 }
  readonly retries: ControlRetries = {}
  readonly endpoint: string
  readonly partSizeBytes: number
  readonly #ask: Ask
  /** A resumable upload takes bytes in their order only. */
  readonly takesHeadLast = false
  readonly #bucket: Bucket
  readonly meter = new ObjectMeter(1)

  constructor(
    readonly place: ObjectPlace,
    private readonly settings: ObjectSettings,
    private readonly parts: Parts,
  ) {
    this.endpoint = (settings.endpoints[0] ?? ownEndpoint) + throughProxy(settings.proxies, [settings.endpoints[0] ?? ownEndpoint])
    this.partSizeBytes = Math.ceil(settings.partSizeBytes / pieceUnit) * pieceUnit
    this.#ask = asking(this, parts.redactor, settings)
    this.#bucket = parts.storage.bucket(place.bucket)
  }

  record(): ObjectReads {
    return { ...this.meter.record([new URL(this.settings.endpoints[0] ?? ownEndpoint).origin]), retries: { ...this.retries } }
  }

  /** A token and its end; undefined where nobody signs in. Throws StorageError. @param fresh not the one that is there */
  async signIn(fresh = false): Promise<Pick<AccessGrant, 'signing' | 'expiresAtMs'> | undefined> {
    const { identity, signIn, redactor } = this.parts
    if (identity === undefined) return undefined
    try {
      const client = signIn!(fresh)
      const token = await answerWithin(this.settings.requestTimeoutMs, () => client.getAccessToken())
      if (!token) throw new Error('no token came')
      redactor.add(token)
      const { credentials } = (client as { cachedCredential?: { credentials?: { expiry_date?: number | null } } }).cachedCredential ?? {}
      return { signing: { kind: 'bearer', token }, expiresAtMs: credentials?.expiry_date ?? Date.now() + tokenMs }
    } catch (error) {
      throw controlFailure(this, signInFailure(identity, error), 'find credentials for', this.place.prefix, redactor)
    }
  }

  /** Who asks for another grant has none that is good any more, or soon. */
  #wasGranted = false

  async grant(): Promise<AccessGrant> {
    const { place, settings } = this
    const endpoints = settings.endpoints.length > 0 ? settings.endpoints : [ownEndpoint]
    const found = await this.signIn(this.#wasGranted)
    this.#wasGranted = true
    return {
      place,
      endpoints: endpoints.map((endpoint) => new URL(endpoint).origin),
      pathPrefix: `${new URL(endpoints[0]!).pathname.replace(/\/+$/, '')}/${place.bucket}/`,
      ...(found ?? { signing: { kind: 'anonymous' } }),
      headers: {},
      ...(settings.ca.length > 0 ? { ca: settings.ca } : {}),
      verifyTls: settings.verifyTls,
      ...(settings.proxies === undefined ? {} : { proxies: settings.proxies }),
    }
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<readonly ListedObject[]> {
    const turner = new PageTurner(this, prefix)
    let token: string | undefined
    for (let isMore = true; isMore; ) {
      signal?.throwIfAborted()
      const { objects, next } = await this.#ask('list', turner.operation, prefix, () => this.#page(prefix, token), { signal })
      isMore = turner.turn(objects, next)
      token = next
      yield objects
    }
  }

  /** `next`: the token of the next page. */
  async #page(prefix: string, pageToken: string | undefined) {
    const qs = { prefix, maxResults: pageSize, ...(pageToken === undefined ? {} : { pageToken }) }
    // Bucket.getFiles makes an object of each answer, whatever it is, and ends the process over one without content.
    const [answer] = await this.#bucket.request({ uri: '/o', qs }).catch((error: unknown) => {
      throw statusOf(error) === 404 ? Object.assign(error as Error, { code: 'NoSuchBucket', statusCode: 404 }) : error
    })
    const { kind, items: given, nextPageToken } = (answer ?? {}) as Readonly<Record<string, unknown>>
    // A listing without objects has no items.
    const items = given === undefined && kind === 'storage#objects' ? [] : given
    if (!Array.isArray(items)) throw new BadAnswerError('no list of objects')
    const next = typeof nextPageToken === 'string' && nextPageToken !== '' ? nextPageToken : undefined
    return { objects: items.map((item) => listed((item ?? {}) as Described)), next }
  }

  async head(key: string): Promise<ListedObject | undefined> {
    return this.#ask('head', 'look at', key, async () => {
      try {
        const [described] = await this.#bucket.file(key).getMetadata()
        return listed({ ...described, name: key })
      } catch (error) {
        if (statusOf(error) !== 404) throw error
        await this.#needBucket()
        return undefined
      }
    })
  }

  /** What is missing may be the bucket. Asked once. */
  async #needBucket(): Promise<void> {
    this.#bucketSeen ??= this.#bucket.request({ uri: '/o', qs: { maxResults: 1 } }).then(
      () => undefined,
      (error: unknown) => (statusOf(error) === 404 ? Object.assign(new Error('NoSuchBucket'), { name: 'NoSuchBucket' }) : undefined),
    )
    const missing = await this.#bucketSeen
    if (missing !== undefined) throw missing
  }
  #bucketSeen: Promise<Error | undefined> | undefined

  async get(key: string, range?: { readonly begin: number; readonly end: number }): Promise<Uint8Array> {
    return this.#ask('get', 'read', key, async () => {
      const options = { validation: false, ...(range === undefined ? {} : { start: range.begin, end: range.end - 1 }) }
      return collectBody(this.#bucket.file(key).createReadStream(options), this.settings.requestTimeoutMs)
    })
  }

  async put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const options = { resumable: false, validation: false, contentType: 'application/octet-stream' }
    // File.save would send it again by a rule of its own.
    const send = () =>
      new Promise<void>((resolve, reject) => {
        const stream = this.#bucket.file(key).createWriteStream(options)
        stream.on('error', reject).on('finish', resolve).end(asBuffer(bytes))
      })
    const limitMs = answerLimitMs(this.settings.requestTimeoutMs, bytes.length)
    const cargo = { byteLength: bytes.length, endpoint: 0 }
    await this.#ask('put', 'write', key, () => answerWithin(limitMs, send), { cargo, signal })
    await checkSize(this, key, bytes.length)
  }

  async upload(key: string): Promise<ObjectUpload> {
    const file = this.#bucket.file(key)
    const timeout = answerLimitMs(this.settings.requestTimeoutMs, this.partSizeBytes)
    file.interceptors.push({ request: (request) => Object.assign(request, { timeout }) as never })
    const limitMs = piecesLimitMs(this.settings)
    let session: ResumableSession | undefined
    let order: Promise<void> = Promise.resolve()
    const part = (_: number, bytes: Uint8Array): Promise<void> => {
      // The library keeps what it is given until the server has it.
      const copy = Buffer.from(bytes)
      session ??= beginResumable(file, this.partSizeBytes, new PieceRecorder(this.meter, this.retries))
      const { write } = session
      order = order.then(() => this.#ask('put', 'write', key, () => answerWithin(limitMs, () => write(copy)), { once: true }))
      return order
    }
    const complete = async (_parts: number, byteLength: number): Promise<void> => {
      await this.#ask('put', 'complete', key, () => answerWithin(limitMs, () => session!.end()), { once: true })
      await checkSize(this, key, byteLength)
    }
    const abandon = async (): Promise<void> => {
      session?.destroy()
      const uri = session?.uri()
      if (uri !== undefined) await this.#cancel(uri)
    }
    return new PartsUpload(
      { part, complete, abandon, put: (bytes, signal) => this.put(key, bytes, signal) },
      { partSizeBytes: this.partSizeBytes, mostInFlight: 2, headLast: false },
    )
  }

  /** Ends a session for good; a server that does not know it any more, or not this request, lets it expire. */
  async #cancel(uri: string): Promise<void> {
    await new Promise<void>((resolve) => this.parts.storage.request({ method: 'DELETE', uri }, () => resolve()))
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (let from = 0; from < keys.length; from += deletesInFlight)
      await Promise.all(
        keys.slice(from, from + deletesInFlight).map((key) =>
          this.#ask('delete', 'delete', key, async () => {
            await this.#bucket.file(key).delete({ ignoreNotFound: true })
          }),
        ),
      )
  }

  close(): void {
    this.parts.agents.close()
  }
}

interface ResumableSession {
  /** Where the upload goes on; undefined until the server has said. */
  uri(): string | undefined
  write(bytes: Uint8Array): Promise<void>
  end(): Promise<void>
  destroy(): void
}

function beginResumable(file: File, pieceBytes: number, pieces: PieceRecorder): ResumableSession {
  const stream = file.createWriteStream({
    resumable: true,
    chunkSize: pieceBytes,
    validation: false,
    metadata: { contentType: 'application/octet-stream' },
  })
  let uri: string | undefined
  let failure: Error | undefined
  let onFailure: ((error: Error) => void) | undefined
  stream.on('uri', (found: { uri?: string } | string) => {
    uri = typeof found === 'string' ? found : found.uri
  })
  stream.on('progress', ({ bytesWritten }: { bytesWritten: number }) => pieces.reads(bytesWritten))
  stream.on('response', () => pieces.succeeds())
  stream.on('error', (error) => {
    failure ??= pieces.reason(error)
    onFailure?.(failure)
  })
  /** Waits for `begin` to call back, or for the stream to fail, or to be destroyed. */
  const until = (begin: (done: (error?: Error | null) => void) => void) =>
    new Promise<void>((resolve, reject) => {
      if (failure !== undefined) return reject(failure)
      onFailure = reject
      stream.once('close', () => reject(failure ?? new Error('the upload was given up')))
      begin((error) => (error ? reject(error) : resolve()))
    })
  return {
    uri: () => uri,
    write: (bytes) => until((done) => retriesOfLibrary.run(pieces, () => void stream.write(bytes, done))),
    end: () =>
      until((done) => {
        stream.once('finish', () => done())
        retriesOfLibrary.run(pieces, () => stream.end())
      }),
    destroy: () => void stream.destroy(),
  }
}

/** What Google tells of an object. */
interface Described {
  readonly name?: unknown
  readonly size?: unknown
  readonly etag?: unknown
}

function listed({ name, size, etag }: Described): ListedObject {
  if (typeof name !== 'string') throw new BadAnswerError('an object without a name')
  const sizeBytes = Number(size ?? 0)
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw new BadAnswerError('an object without a size')
  return { key: name, sizeBytes, ...(typeof etag === 'string' ? { etag } : {}) }
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength)
