// S3 where configuration and environment already say all that reading needs: endpoints in path style, and keys. The AWS SDK takes longer to load
// than a small data set takes to be read, so it loads only when something is listed, written or deleted, or to say what is wrong.
import { createWindow, IoPort, runAsync } from '../io.js'
import { privateMeter } from '../meter.js'
import type { Io } from '../types.js'
import { objectUri, rootUri } from '../uri.js'
import { ObjectMeter, type ObjectReads } from './meter.js'
import { throughProxy } from './proxy.js'
import { defaultReadOptions } from './read-options.js'
import { guessedRegion, type ObjectSettings } from './settings.js'
import { ObjectStorage } from './storage.js'
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

/** Names that go into a path as they are. */
const plainBucket = /^[a-zA-Z0-9._-]+$/
/** Variables under which keys come from elsewhere, or end. */
const telling = ['AWS_PROFILE', 'AWS_DEFAULT_PROFILE', 'AWS_CREDENTIAL_EXPIRATION']

/** The grant that the SDK would come to; undefined where that takes more than the settings and the environment's keys. */
export function staticGrant(place: ObjectPlace, settings: ObjectSettings, env: NodeJS.ProcessEnv): AccessGrant | undefined {
  const { endpoints, forcePathStyle, profile, proxies, region = guessedRegion, ca, verifyTls, dualstack, fips } = settings
  if (endpoints.length === 0 || forcePathStyle === false || profile !== undefined) return undefined
  // With an endpoint they are a contradiction, which the SDK refuses.
  if (dualstack === true || fips === true) return undefined
  if (!plainBucket.test(place.bucket) || telling.some((name) => env[name])) return undefined
  const urls = endpoints.map((endpoint) => new URL(endpoint))
  if (urls.some(({ pathname }) => pathname !== '/')) return undefined
  const signing = staticSigning(settings, region, env)
  if (signing === undefined) return undefined
  return {
    place,
    endpoints: urls.map(({ origin }) => origin),
    pathPrefix: `/${place.bucket}/`,
    signing,
    headers: {},
    ...(ca.length > 0 ? { ca } : {}),
    verifyTls,
    ...(proxies === undefined ? {} : { proxies }),
  }
}

function staticSigning(settings: ObjectSettings, region: string, env: NodeJS.ProcessEnv): Signing | undefined {
  if (settings.anonymous) return { kind: 'anonymous' }
  const own = settings.accessKeyId !== undefined
  const accessKeyId = own ? settings.accessKeyId : env.AWS_ACCESS_KEY_ID
  const secretAccessKey = own ? settings.secretAccessKey : env.AWS_SECRET_ACCESS_KEY
  const sessionToken = own ? settings.sessionToken : env.AWS_SESSION_TOKEN
  if (!accessKeyId || !secretAccessKey) return undefined
  return { kind: 'sigv4', region, accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) }
}

/** The control plane of a place whose grant is known. */
export class StaticS3 implements ObjectControl {
  readonly takesHeadLast = true
  readonly endpoint: string
  readonly partSizeBytes: number
  private heads = 0
  private sdk: Promise<ObjectControl> | undefined
  private opened: ObjectControl | undefined
  private looking: ObjectStorage | undefined

  constructor(
    readonly place: ObjectPlace,
    settings: ObjectSettings,
    private readonly known: AccessGrant,
    private readonly open: () => Promise<ObjectControl>,
  ) {
    this.endpoint = settings.endpoints.join(', ') + throughProxy(settings.proxies, known.endpoints)
    this.partSizeBytes = settings.partSizeBytes
  }

  get requests(): Readonly<ControlRequests> {
    const others = this.opened?.requests ?? { list: 0, head: 0, get: 0, put: 0, delete: 0 }
    return { ...others, head: others.head + this.heads }
  }

  get retries(): Readonly<ControlRetries> {
    return this.opened?.retries ?? {}
  }

  record(): ObjectReads {
    const { endpoints } = this.known
    return this.opened?.record() ?? new ObjectMeter(endpoints.length).record(endpoints)
  }

  async grant(): Promise<AccessGrant> {
    return this.known
  }

  /** Over our own connections. Where that does not find it at once, the SDK asks again and says why. */
  async head(key: string): Promise<ListedObject | undefined> {
    this.heads++
    try {
      return { key, sizeBytes: await this.sizeOf(key) }
    } catch {
      return (await this.control()).head(key)
    }
  }

  private sizeOf(key: string): Promise<number> {
    const place = { ...this.place, prefix: '' }
    this.looking ??= new ObjectStorage(
      { ...this.known, place },
      rootUri(place),
      { ...defaultReadOptions, retry: { ...defaultReadOptions.retry, maxAttempts: 1 }, access: 'ranges', requestBytes: 1 },
      { io: privateMeter(), objects: new ObjectMeter(this.known.endpoints.length) },
      () => {},
    )
    return runAsync(size(new IoPort(createWindow(1)), objectUri(place, key)), this.looking)
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<readonly ListedObject[]> {
    yield* (await this.control()).list(prefix, signal)
  }

  async get(key: string, range?: { readonly begin: number; readonly end: number }): Promise<Uint8Array> {
    return (await this.control()).get(key, range)
  }

  async put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    await (await this.control()).put(key, bytes, signal)
  }

  async upload(key: string, options?: UploadOptions): Promise<ObjectUpload> {
    return (await this.control()).upload(key, options)
  }

  async delete(keys: readonly string[]): Promise<void> {
    await (await this.control()).delete(keys)
  }

  close(): void {
    this.looking?.close()
    this.opened?.close()
  }

  private control(): Promise<ObjectControl> {
    this.sdk ??= this.open().then((control) => {
      this.opened = control
      return control
    })
    return this.sdk
  }
}

function* size(port: IoPort, uri: string): Io<number> {
  const handle = yield port.open(uri)
  const bytes = yield port.size(handle)
  yield port.close(handle)
  return bytes
}
