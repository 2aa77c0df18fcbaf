// The control plane of S3 and what looks like it, over the AWS SDK.
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  HeadBucketCommand,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { StorageError } from '../../errors.js'
import { objectUri, placeUri } from '../uri.js'
import { type Agents, createAgents } from './agents.js'
import { type Ask, asking, checkSize, controlFailure, countRetry, PageTurner } from './control.js'
import { BadAnswerError, passingCause } from './control-faults.js'
import { type S3Credentials, S3Login } from './credentials.js'
import { codeOf, statusOf, storageFailure } from './failure.js'
import { ObjectMeter, type ObjectReads } from './meter.js'
import { proxySecrets, throughProxy } from './proxy.js'
import { Redactor } from './redactor.js'
import { addressOf } from './s3-address.js'
import { deletedAtOnce, S3Deletion } from './s3-delete.js'
import { S3Heads } from './s3-head.js'
import { type ListedPage, S3Listing } from './s3-list.js'
import { SigningRegion } from './s3-region.js'
import type { ObjectSettings } from './settings.js'
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

/** S3's own limit on the parts of an upload. */
const mostParts = 10_000
const mostPartsInFlight = 8

/** Opens the control plane of an S3 place. Throws StorageError where no credentials or no region can be found. */
export async function openS3(place: ObjectPlace, settings: ObjectSettings): Promise<ObjectControl> {
  // The SDK's word on old versions of Node is for its developers, and would come with every run.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
  const redactor = new Redactor()
  redactor.add(settings.secretAccessKey, settings.sessionToken, ...proxySecrets(settings.proxies))
  const origin = settings.endpoints[0] ?? 'https://s3.amazonaws.com'
  const via = throughProxy(settings.proxies, settings.endpoints.length === 0 ? [origin] : settings.endpoints)
  const agents = createAgents(settings)
  const requestHandler = new NodeHttpHandler({
    httpAgent: agents.http,
    httpsAgent: agents.https,
    connectionTimeout: settings.connectTimeoutMs,
    socketTimeout: settings.requestTimeoutMs,
    socketAcquisitionWarningTimeout: 2 ** 31 - 1,
  })
  const login = settings.anonymous ? undefined : new S3Login(settings, requestHandler, redactor)
  const attempt = { uri: placeUri(place), operation: 'find credentials for', endpoint: `${origin}${via}` }
  try {
    await login?.credentials()
    // AWS's own libraries follow AWS's redirects between regions, and know nothing of other servers'.
    const signedFor = settings.endpoints.length > 0 ? new SigningRegion(settings.region) : undefined
    const region = signedFor === undefined ? settings.region : async () => signedFor.current
    const config: S3ClientConfig = {
      ...(region === undefined ? {} : { region }),
      ...(settings.profile === undefined ? {} : { profile: settings.profile }),
      ...(login === undefined
        ? { credentials: { accessKeyId: '', secretAccessKey: '' }, signer: { sign: async (request) => request } }
        : // It keeps what is good itself; the SDK would keep what names no end for ever.
          { credentials: Object.assign(() => login.credentials(), { memoized: true }) }),
      forcePathStyle: settings.forcePathStyle ?? settings.endpoints.length > 0,
      followRegionRedirects: true,
      // The environment and the profile have been asked, for the readers too.
      ignoreConfiguredEndpointUrls: true,
      ...(settings.dualstack === undefined ? {} : { useDualstackEndpoint: settings.dualstack }),
      ...(settings.fips === undefined ? {} : { useFipsEndpoint: settings.fips }),
      // What fails is sent again by our own rule, which is that of reading.
      maxAttempts: 1,
      requestChecksumCalculation: settings.requestChecksum === 'when_supported' ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // With agents of our own the SDK does not wait for the answer to it, and some servers and proxies refuse it (status 417).
      expectContinueHeader: false,
      requestHandler,
      // The SDK's own words (old Node, clock corrections) are not for our users.
      logger: { debug() {}, info() {}, warn() {}, error() {}, trace() {} },
    }
    const clients = (settings.endpoints.length === 0 ? [undefined] : settings.endpoints).map(
      (endpoint) => new S3Client({ ...config, ...(endpoint === undefined ? {} : { endpoint }) }),
    )
    return new S3Control(place, settings, {
      ...{ clients, config, agents, redactor, via },
      ...(login === undefined ? {} : { login }),
      ...(signedFor === undefined ? {} : { signedFor }),
    })
  } catch (error) {
    agents.close()
    throw storageFailure(error, attempt, redactor)
  }
}

interface Parts {
  readonly clients: readonly S3Client[]
  readonly config: S3ClientConfig
  readonly agents: Agents
  readonly redactor: Redactor
  /** Words for the proxy before the endpoints. */
  readonly via: string
  /** Absent: anonymous. */
  readonly login?: S3Login
  /** Absent: as the SDK finds out. */
  readonly signedFor?: SigningRegion
}

class S3Control implements ObjectControl {
  readonly requests: ControlRequests = { list: 0, head: 0, get: 0, put: 0, delete: 0 }
  readonly retries: ControlRetries = {}
  readonly endpoint: string
  readonly partSizeBytes: number
  readonly #ask: Ask
  readonly #deletion: S3Deletion
  readonly #heads: S3Heads
  readonly takesHeadLast = true
  readonly meter: ObjectMeter
  #nextClient = 0
  /** Once the server has not answered the second kind of listing, but the first. */
  #listsFirstOnly = false

  constructor(
    readonly place: ObjectPlace,
    private readonly settings: ObjectSettings,
    private readonly parts: Parts,
  ) {
    this.endpoint = (settings.endpoints.join(', ') || `S3${settings.region === undefined ? '' : ` ${settings.region}`}`) + parts.via
    this.partSizeBytes = settings.partSizeBytes
    this.meter = new ObjectMeter(parts.clients.length)
    const ask = asking(this, parts.redactor, settings)
    this.#ask = (kind, operation, key, request, options) =>
      ask(kind, operation, key, () => this.#withCredentials(() => this.#signedRight(request), kind), options)
    this.#deletion = new S3Deletion(this.#client, place.bucket)
    this.#heads = new S3Heads(this.#client, place.bucket, () => this.requests.get++)
  }

  record(): ObjectReads {
    const names = this.settings.endpoints.length > 0 ? this.settings.endpoints : [this.endpoint]
    return { ...this.meter.record(names), retries: { ...this.retries } }
  }

  get #client(): S3Client {
    return this.parts.clients[0]!
  }

  #withCredentials<T>(request: () => Promise<T>, kind: keyof ControlRequests): Promise<T> {
    const { login } = this.parts
    if (login === undefined) return request()
    return login.using(request, () => {
      countRetry(this.retries, 'expired')
      this.requests[kind]++
    })
  }

  #signedRight<T>(request: () => Promise<T>): Promise<T> {
    const { signedFor } = this.parts
    if (signedFor === undefined) return request()
    return signedFor.following(request, () => {
      this.requests.get++
      return this.#client.send(new GetBucketLocationCommand({ Bucket: this.place.bucket }))
    })
  }

  /** Endpoints take turns for what is written. */
  #writer(): { readonly client: S3Client; readonly endpoint: number } {
    const endpoint = this.#nextClient++ % this.parts.clients.length
    return { client: this.parts.clients[endpoint]!, endpoint }
  }

  /** The first time those that were found; who asks again has none any more, or soon. */
  async #credentials(): Promise<S3Credentials | undefined> {
    const { login, redactor } = this.parts
    const wasGranted = this.#wasGranted
    this.#wasGranted = true
    try {
      return await (wasGranted ? login?.fresh() : login?.credentials())
    } catch (error) {
      throw controlFailure(this, error, 'find credentials for', this.place.prefix, redactor)
    }
  }
  #wasGranted = false

  async grant(): Promise<AccessGrant> {
    const { place, settings } = this
    const found = await this.#credentials()
    const region = await this.#region()
    const addresses = await Promise.all(
      (settings.endpoints.length === 0 ? [undefined] : settings.endpoints).map((endpoint) =>
        addressOf({ ...this.parts.config, region, ...(endpoint === undefined ? {} : { endpoint }) }, place.bucket).catch(
          (error: unknown) => {
            throw controlFailure(this, error, 'address', '', this.parts.redactor)
          },
        ),
      ),
    )
    const { pathPrefix } = addresses[0]!
    if (addresses.some((address) => address.pathPrefix !== pathPrefix))
      throw new StorageError(placeUri(place), 'use several endpoints for', 'they must have the same path', 'EndpointPaths')
    const signing: Signing =
      found === undefined
        ? { kind: 'anonymous' }
        : {
            kind: 'sigv4',
            region,
            accessKeyId: found.accessKeyId,
            secretAccessKey: found.secretAccessKey,
            ...(found.sessionToken === undefined ? {} : { sessionToken: found.sessionToken }),
          }
    return {
      place,
      endpoints: addresses.map((address) => address.origin),
      pathPrefix,
      signing,
      ...(found?.expiration === undefined ? {} : { expiresAtMs: found.expiration.getTime() }),
      headers: {},
      ...(settings.ca.length > 0 ? { ca: settings.ca } : {}),
      verifyTls: settings.verifyTls,
      ...(settings.proxies === undefined ? {} : { proxies: settings.proxies }),
    }
  }

  /** The region that requests are signed for: the bucket's own at AWS, which redirects others. */
  async #region(): Promise<string> {
    const configured = await this.#ask('head', 'find the region of', '', () => this.#client.config.region(), { once: true })
    this.requests.head--
    if (this.settings.endpoints.length > 0) return configured
    try {
      this.requests.head++
      const { BucketRegion } = await this.#client.send(new HeadBucketCommand({ Bucket: this.place.bucket }))
      return BucketRegion ?? configured
    } catch (error) {
      const header = (error as { $response?: { headers?: Record<string, string> } }).$response?.headers?.['x-amz-bucket-region']
      if (header !== undefined) return header
      if (statusOf(error) === 403) return configured
      throw storageFailure(error, { uri: placeUri(this.place), operation: 'look at', endpoint: this.endpoint }, this.parts.redactor)
    }
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<readonly ListedObject[]> {
    const turner = new PageTurner(this, prefix)
    const listing = new S3Listing(this.#client, { Bucket: this.place.bucket, Prefix: prefix }, abortedBy(signal), this.#listsFirstOnly)
    const ask = (page: () => Promise<ListedPage>, once: boolean) => this.#ask('list', turner.operation, prefix, page, { signal, once })
    const onFirst = (error: unknown) => () => listing.pageOfFirst(token).catch(() => Promise.reject(error))
    let attempts = 0
    let token: string | undefined
    const page = async (): Promise<ListedPage> => {
      attempts++
      return listing.page(token).catch(async (error: unknown) => {
        // Before this server is believed to be ill: once, and not by those that answer the second kind of listing.
        if (!listing.mayKnowFirstOnly || turner.page > 1 || attempts > 1) throw error
        this.requests.list++
        const found = await onFirst(error)()
        const cause = passingCause(error)
        if (cause !== undefined) countRetry(this.retries, cause)
        return found
      })
    }
    for (let isMore = true; isMore; ) {
      const { objects, next } = await ask(page, false).catch((error: unknown) => {
        if (!listing.mayKnowFirstOnly || turner.page > 1) throw error
        return ask(onFirst(error), true).catch(() => Promise.reject(error))
      })
      this.#listsFirstOnly ||= listing.isFirst
      isMore = turner.turn(objects, next)
      token = next
      yield objects
    }
  }

  async head(key: string, wantedBytes?: number): Promise<ListedObject | undefined> {
    return this.#ask('head', 'look at', key, () => this.#heads.head(key, wantedBytes))
  }

  async get(key: string, range?: { readonly begin: number; readonly end: number }): Promise<Uint8Array> {
    return this.#ask('get', 'read', key, async () => {
      const { Body } = await this.#client.send(
        new GetObjectCommand({
          Bucket: this.place.bucket,
          Key: key,
          ...(range === undefined ? {} : { Range: `bytes=${range.begin}-${range.end - 1}` }),
        }),
      )
      return Body!.transformToByteArray()
    })
  }

  async put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const cargo = { byteLength: bytes.length, endpoint: 0 }
    const send = () => {
      const { client, endpoint } = this.#writer()
      cargo.endpoint = endpoint
      const command = new PutObjectCommand({ Bucket: this.place.bucket, Key: key, Body: bytes, ContentLength: bytes.length })
      return client.send(command, abortedBy(signal))
    }
    await this.#ask('put', 'write', key, send, { cargo, signal })
    await checkSize(this, key, bytes.length)
  }

  async upload(key: string, options: UploadOptions = {}): Promise<ObjectUpload> {
    const { client, endpoint } = this.#writer()
    const target = { Bucket: this.place.bucket, Key: key }
    // What the parts will bring has to be announced, and repeated at the end.
    const checksum = this.settings.requestChecksum === 'when_supported' ? { ChecksumAlgorithm: 'CRC32' as const } : {}
    let started: Promise<string> | undefined
    const start = (signal: AbortSignal) => {
      const send = () => client.send(new CreateMultipartUploadCommand({ ...target, ...checksum }), abortedBy(signal)).then(idOf)
      started ??= this.#ask('put', 'begin to write', key, send, { signal })
      return started
    }
    const sent: CompletedPart[] = []
    const part = async (number: number, bytes: Uint8Array, signal: AbortSignal): Promise<void> => {
      if (number >= mostParts)
        throw new StorageError(
          objectUri(this.place, key),
          'write',
          `more than ${mostParts} parts; raise multipart_part_size`,
          'TooManyParts',
        )
      const UploadId = await start(signal)
      const PartNumber = number + 1
      const command = new UploadPartCommand({ ...target, ...checksum, UploadId, PartNumber, Body: bytes, ContentLength: bytes.length })
      const cargo = { byteLength: bytes.length, endpoint }
      const send = () => client.send(command, abortedBy(signal))
      const { ETag = '', ChecksumCRC32 } = await this.#ask('put', `write part ${PartNumber} of`, key, send, { cargo, signal })
      sent[number] = { ETag, PartNumber, ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }) }
    }
    const complete = async (_parts: number, byteLength: number, signal: AbortSignal): Promise<void> => {
      const UploadId = await start(signal)
      const command = new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts: sent } })
      let isAgain = false
      const send = async () => {
        const wasSent = isAgain
        isAgain = true
        await client.send(command, abortedBy(signal)).catch((error: unknown) => {
          // The answer to the first request may have been lost: whether the object is there is looked at next.
          if (!wasSent || codeOf(error) !== 'NoSuchUpload') throw error
        })
      }
      await this.#ask('put', 'complete', key, send, { signal })
      await checkSize(this, key, byteLength)
    }
    const abandon = async (signal: AbortSignal): Promise<void> => {
      const UploadId = await started?.catch(() => undefined)
      if (UploadId === undefined) return
      const command = new AbortMultipartUploadCommand({ ...target, UploadId })
      const send = () =>
        client.send(command, abortedBy(signal)).catch((error: unknown) => {
          // It has been completed, or dropped already.
          if (statusOf(error) !== 404) throw error
        })
      await this.#ask('delete', 'abandon the upload of', key, send, { signal })
    }
    return new PartsUpload(
      { part, complete, abandon, put: (bytes, signal) => this.put(key, bytes, signal) },
      {
        partSizeBytes: this.partSizeBytes,
        mostInFlight: Math.min(options.partsInFlight ?? mostPartsInFlight, mostPartsInFlight),
        headLast: options.headLast === true,
      },
    )
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (let from = 0; from < keys.length; from += deletedAtOnce) {
      const some = keys.slice(from, from + deletedAtOnce)
      await this.#ask('delete', 'delete', some[0]!, () => this.#deletion.delete(some))
    }
  }

  close(): void {
    for (const client of this.parts.clients) client.destroy()
    this.parts.agents.close()
  }
}

/** Of an upload that was begun. Throws BadAnswerError. */
function idOf({ UploadId }: { readonly UploadId?: string | undefined }): string {
  if (UploadId === undefined || UploadId === '') throw new BadAnswerError('no UploadId')
  return UploadId
}

const abortedBy = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { abortSignal: signal })
