// The control plane of Azure Blob Storage, over its SDK.
import { isIP } from 'node:net'
import {
  AnonymousCredential,
  type BlobItem,
  type BlockBlobClient,
  ContainerClient,
  newPipeline,
  type Pipeline,
  type RequestPolicyFactory,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { ConfigError, StorageError } from '../../errors.js'
import { lazily } from '../../package.js'
import { objectUri, placeUri } from '../uri.js'
import { type Agents, createAgents } from './agents.js'
import { parseConnectionString } from './azure-connection.js'
import { type Ask, asking, checkSize, controlFailure, PageTurner } from './control.js'
import { BadAnswerError } from './control-faults.js'
import { statusOf } from './failure.js'
import { ObjectMeter, type ObjectReads } from './meter.js'
import { proxySecrets, throughProxy } from './proxy.js'
import { Redactor } from './redactor.js'
import type { ObjectSettings } from './settings.js'
import { answerLimitMs, answerWithin, collectBody } from './silence.js'
import type {
  AccessGrant,
  ControlRequests,
  ControlRetries,
  ListedObject,
  ObjectControl,
  ObjectPlace,
  ObjectUpload,
  Signing,
  UploadOptions,
} from './types.js'
import { PartsUpload } from './upload.js'

/** Azure's own limit on the blocks of a blob. */
const mostBlocks = 50_000
const mostPartsInFlight = 8
const deletesInFlight = 16
/** Of the service, for requests that are not the SDK's own. */
const apiVersion = '2021-12-02'

type Credential = {
  /** `fresh`: not what was given before. */
  readonly signing: (fresh: boolean) => Promise<{ signing: Signing; expiresAtMs?: number }>
  readonly sdk: unknown
  readonly query: string
}

/** Opens the control plane of an Azure container. Throws ConfigError for a connection string that is none, StorageError without credentials. */
export async function openAzure(place: ObjectPlace, settings: ObjectSettings): Promise<ObjectControl> {
  const redactor = new Redactor()
  redactor.add(settings.accountKey, settings.sasToken, settings.connectionString, ...proxySecrets(settings.proxies))
  const account = place.account!
  const connection = settings.connectionString === undefined ? undefined : parseConnectionString(settings.connectionString)
  // Of another account: it is not for this place.
  const own = connection?.account === undefined || connection.account === account ? connection : undefined
  redactor.add(own?.key, own?.sas)
  const bases = baseUrls(account, settings, own)
  const agents = createAgents(settings)
  const credential = credentialOf(account, settings, own, { agents, redactor })
  const pipeline = newPipeline(credential.sdk as never, {
    // What fails is sent again by our own rule: the library's heeds no Retry-After.
    retryOptions: { maxTries: 1 },
  })
  pipeline.factories.push(connecting(agents, settings.requestTimeoutMs))
  return new AzureControl(place, settings, { bases, pipeline, agents, redactor, credential })
}

/** `https://account.blob.core.windows.net`, or what stands in its place; servers without host names of their own have the account in the path. */
function baseUrls(account: string, settings: ObjectSettings, connection: { endpoint?: string } | undefined): string[] {
  const given = settings.endpoints.length > 0 ? settings.endpoints : connection?.endpoint === undefined ? [] : [connection.endpoint]
  if (given.length === 0) return [`https://${account}.blob.core.windows.net`]
  return given.map((text) => {
    const url = new URL(text)
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const named = url.pathname !== '/' || (isIP(host) === 0 && host !== 'localhost')
    return named ? text.replace(/\/+$/, '') : `${url.origin}/${account}`
  })
}

function credentialOf(
  account: string,
  settings: ObjectSettings,
  connection: { readonly key?: string; readonly sas?: string } | undefined,
  around: Pick<Parts, 'agents' | 'redactor'>,
): Credential {
  const anonymous: Credential = { sdk: new AnonymousCredential(), query: '', signing: async () => ({ signing: { kind: 'anonymous' } }) }
  if (settings.anonymous) return anonymous
  const key = settings.accountKey ?? connection?.key
  if (key !== undefined) {
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key) || Buffer.from(key, 'base64').length < 16)
      throw new ConfigError(`the key of the storage account ${account} (account_key, AZURE_STORAGE_KEY) is not base64`)
    return {
      sdk: new StorageSharedKeyCredential(account, key),
      query: '',
      signing: async () => ({ signing: { kind: 'sharedKey', account, key } }),
    }
  }
  const sas = (settings.sasToken ?? connection?.sas)?.replace(/^\?/, '')
  if (sas !== undefined) {
    const ends = Date.parse(new URLSearchParams(sas).get('se') ?? '')
    const expiry = Number.isNaN(ends) ? {} : { expiresAtMs: ends }
    return { ...anonymous, query: sas, signing: async () => ({ signing: { kind: 'sas', query: sas }, ...expiry }) }
  }
  const { AzureIdentity } = lazily<typeof import('./azure-identity.js')>('storage/object/azure-identity.js')
  const { requestTimeoutMs, maxAttempts, retry, instanceMetadata: metadata = settings.endpoints.length === 0 } = settings
  const identity = new AzureIdentity({ ...around, requestTimeoutMs, maxAttempts, retry, metadata })
  return {
    sdk: identity,
    query: '',
    signing: async (fresh) => {
      const { token, expiresAtMs } = await identity.token(fresh)
      return { signing: { kind: 'bearer', token }, expiresAtMs }
    },
  }
}

/** Sends requests over our own connections, with the certificates and the proxy of the settings, and gives up on servers that are silent. */
function connecting(agents: Agents, requestTimeoutMs: number): RequestPolicyFactory {
  return {
    create: (next) => ({
      sendRequest: (request) => {
        ;(request as { agent?: unknown }).agent = request.url.startsWith('https:') ? agents.https : agents.http
        const { abortSignal, body } = request
        const bodyBytes = Buffer.isBuffer(body) || typeof body === 'string' ? body.length : 0
        return answerWithin(answerLimitMs(requestTimeoutMs, bodyBytes), (silence) => {
          request.abortSignal = abortSignal === undefined ? silence : AbortSignal.any([abortSignal as AbortSignal, silence])
          return next.sendRequest(request)
        })
      },
    }),
  }
}

interface Parts {
  /** URLs of the account. */
  readonly bases: readonly string[]
  readonly pipeline: Pipeline
  readonly agents: Agents
  readonly redactor: Redactor
  readonly credential: Credential
}

class AzureControl implements ObjectControl {
  readonly requests: ControlRequests = { list: 0, head: 0, get: 0, put: 0, delete: 0 }
  readonly retries: ControlRetries = {}
  readonly endpoint: string
  readonly partSizeBytes: number
  readonly #ask: Ask
  readonly takesHeadLast = true
  readonly meter: ObjectMeter
  readonly #containers: readonly ContainerClient[]
  #nextClient = 0

  constructor(
    readonly place: ObjectPlace,
    private readonly settings: ObjectSettings,
    private readonly parts: Parts,
  ) {
    this.endpoint = parts.bases.join(', ') + throughProxy(settings.proxies, parts.bases)
    this.partSizeBytes = settings.partSizeBytes
    this.meter = new ObjectMeter(parts.bases.length)
    this.#ask = asking(this, parts.redactor, settings)
    const query = parts.credential.query === '' ? '' : `?${parts.credential.query}`
    this.#containers = parts.bases.map((base) => new ContainerClient(`${base}/${encodeURIComponent(place.bucket)}${query}`, parts.pipeline))
  }

  /** Endpoints take turns for what is written. */
  #writer(key: string): { readonly client: BlockBlobClient; readonly endpoint: number } {
    const endpoint = this.#nextClient++ % this.#containers.length
    return { client: this.#containers[endpoint]!.getBlockBlobClient(key), endpoint }
  }

  record(): ObjectReads {
    return { ...this.meter.record(this.parts.bases.map((base) => new URL(base).origin)), retries: { ...this.retries } }
  }

  /** Who asks for another grant has none that is good any more, or soon. */
  #wasGranted = false

  async grant(): Promise<AccessGrant> {
    const { place, settings, parts } = this
    const urls = parts.bases.map((base) => new URL(`${base}/${place.bucket}/`))
    if (urls.some((url) => url.pathname !== urls[0]!.pathname))
      throw new StorageError(placeUri(place), 'use several endpoints for', 'they must have the same path', 'EndpointPaths')
    let found: Awaited<ReturnType<Credential['signing']>>
    try {
      found = await parts.credential.signing(this.#wasGranted)
      this.#wasGranted = true
    } catch (error) {
      throw controlFailure(this, error, 'find credentials for', place.prefix, parts.redactor)
    }
    if (found.signing.kind === 'bearer') parts.redactor.add(found.signing.token)
    return {
      place,
      endpoints: urls.map((url) => url.origin),
      pathPrefix: urls[0]!.pathname,
      ...found,
      headers: { 'x-ms-version': apiVersion },
      ...(settings.ca.length > 0 ? { ca: settings.ca } : {}),
      verifyTls: settings.verifyTls,
      ...(settings.proxies === undefined ? {} : { proxies: settings.proxies }),
    }
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<readonly ListedObject[]> {
    const turner = new PageTurner(this, prefix)
    let marker: string | undefined
    for (let isMore = true; isMore; ) {
      const { objects, next } = await this.#ask('list', turner.operation, prefix, () => this.#page(prefix, marker, signal), { signal })
      isMore = turner.turn(objects, next)
      marker = next
      yield objects
    }
  }

  /** `next`: the marker of the next page. */
  async #page(prefix: string, marker: string | undefined, signal: AbortSignal | undefined) {
    const options = { ...(prefix === '' ? {} : { prefix }), ...abortedBy(signal) }
    const pages = this.#containers[0]!.listBlobsFlat(options).byPage(marker === undefined ? {} : { continuationToken: marker })
    try {
      const { value } = await pages.next()
      const objects = value.segment.blobItems.map(({ name, properties }: BlobItem): ListedObject => {
        const { contentLength: sizeBytes = 0, etag } = properties
        return { key: name, sizeBytes, ...(etag === undefined ? {} : { etag }) }
      })
      return { objects, next: value.continuationToken === '' ? undefined : value.continuationToken }
    } catch (error) {
      // The library takes any XML for a listing, and stumbles over what is missing.
      throw error instanceof TypeError ? new BadAnswerError('no EnumerationResults') : error
    }
  }

  async head(key: string): Promise<ListedObject | undefined> {
    return this.#ask('head', 'look at', key, async () => {
      try {
        const { contentLength, etag } = await this.#containers[0]!.getBlobClient(key).getProperties()
        return { key, sizeBytes: contentLength ?? 0, ...(etag === undefined ? {} : { etag }) }
      } catch (error) {
        if (statusOf(error) !== 404) throw error
        await this.#needContainer()
        return undefined
      }
    })
  }

  /** What is missing may be the container. Asked once; who may not ask is told so by other requests. */
  async #needContainer(): Promise<void> {
    this.#containerSeen ??= this.#containers[0]!.getProperties().then(
      () => undefined,
      (error: unknown) =>
        statusOf(error) === 404 ? Object.assign(new Error('ContainerNotFound'), { name: 'ContainerNotFound' }) : undefined,
    )
    const missing = await this.#containerSeen
    if (missing !== undefined) throw missing
  }
  #containerSeen: Promise<Error | undefined> | undefined

  async get(key: string, range?: { readonly begin: number; readonly end: number }): Promise<Uint8Array> {
    return this.#ask('get', 'read', key, async () => {
      const client = this.#containers[0]!.getBlobClient(key)
      const answer = await (range === undefined ? client.download() : client.download(range.begin, range.end - range.begin))
      return collectBody(answer.readableStreamBody!, this.settings.requestTimeoutMs)
    })
  }

  async put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const cargo = { byteLength: bytes.length, endpoint: 0 }
    const send = () => {
      const { client, endpoint } = this.#writer(key)
      cargo.endpoint = endpoint
      return client.upload(asBuffer(bytes), bytes.length, abortedBy(signal))
    }
    await this.#ask('put', 'write', key, send, { cargo, signal })
    await checkSize(this, key, bytes.length, 'blob')
  }

  async upload(key: string, options: UploadOptions = {}): Promise<ObjectUpload> {
    const { client, endpoint } = this.#writer(key)
    // Blocks of an earlier upload that was given up may still be there under the same numbers.
    const tag = Math.random().toString(36).slice(2, 10).padEnd(8, '0')
    const id = (number: number) => Buffer.from(`${tag}-${String(number).padStart(6, '0')}`).toString('base64')
    const part = async (number: number, bytes: Uint8Array, signal: AbortSignal): Promise<void> => {
      if (number >= mostBlocks)
        throw new StorageError(
          objectUri(this.place, key),
          'write',
          `more than ${mostBlocks} blocks; raise multipart_part_size`,
          'TooManyParts',
        )
      const cargo = { byteLength: bytes.length, endpoint }
      const send = () => client.stageBlock(id(number), asBuffer(bytes), bytes.length, abortedBy(signal))
      await this.#ask('put', `write block ${number + 1} of`, key, send, { cargo, signal })
    }
    const complete = async (parts: number, byteLength: number, signal: AbortSignal): Promise<void> => {
      const ids = Array.from({ length: parts }, (_, number) => id(number))
      await this.#ask('put', 'complete', key, () => client.commitBlockList(ids, abortedBy(signal)), { signal })
      await checkSize(this, key, byteLength, 'blob')
    }
    return new PartsUpload(
      // Blocks that are never committed are invisible; the service drops them after a week.
      { part, complete, abandon: async () => {}, put: (bytes, signal) => this.put(key, bytes, signal) },
      {
        partSizeBytes: this.partSizeBytes,
        mostInFlight: Math.min(options.partsInFlight ?? mostPartsInFlight, mostPartsInFlight),
        headLast: options.headLast === true,
      },
    )
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (let from = 0; from < keys.length; from += deletesInFlight)
      await Promise.all(
        keys.slice(from, from + deletesInFlight).map((key) =>
          this.#ask('delete', 'delete', key, async () => {
            await this.#containers[0]!.getBlobClient(key).deleteIfExists()
          }),
        ),
      )
  }

  close(): void {
    this.parts.agents.close()
  }
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength)
const abortedBy = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { abortSignal: signal })
