// Who we are at S3, now: credentials are kept while they are good, and fetched anew before they end or when the storage refuses them.
import type { NodeHttpHandler } from '@smithy/node-http-handler'
import { CredentialSources, NoCredentialsError, wordsOf } from './credentials-sources.js'
import { codeOf } from './failure.js'
import type { Redactor } from './redactor.js'
import type { ObjectSettings } from './settings.js'
import { answerWithin } from './silence.js'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly expiration?: Date
}

/** Credentials that end sooner are fetched anew, but not before half of their life is over. */
const refreshMs = 5 * 60_000

/** By which S3, and services like it, say that credentials were good once. */
const expiredCodes = /^(?:ExpiredToken|ExpiredTokenException|RequestExpired|TokenRefreshRequired)$/

interface Held {
  readonly credentials: S3Credentials
  readonly refreshAtMs: number
}

export class S3Login {
  readonly #sources: CredentialSources
  #held: Held | undefined
  #fetching: Promise<S3Credentials> | undefined

  /** @param requestHandler for the sign-in services */
  constructor(
    private readonly settings: ObjectSettings,
    requestHandler: NodeHttpHandler,
    private readonly redactor: Redactor,
  ) {
    this.#sources = new CredentialSources(settings, requestHandler, redactor)
  }

  /** Credentials that are good for a while. Rejects with an Error that names the source that failed, or NoCredentialsError. */
  async credentials(): Promise<S3Credentials> {
    const held = this.#held
    if (held !== undefined && Date.now() < held.refreshAtMs) return held.credentials
    try {
      return await this.fresh()
    } catch (error) {
      // They are not over yet; the source may answer again until then.
      if (held?.credentials.expiration !== undefined && held.credentials.expiration.getTime() > Date.now()) return held.credentials
      throw error
    }
  }

  /** Credentials from their source, whatever is held. Rejects as {@link credentials}. */
  fresh(): Promise<S3Credentials> {
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined
    })
    return this.#fetching
  }

  /**
   * Runs a request, and once more with other credentials where it is refused as expired and the source has others; `onRenewal` is told before.
   * Rejects with the error of the request.
   */
  async using<T>(request: () => Promise<T>, onRenewal: () => void): Promise<T> {
    const sent = await this.credentials()
    try {
      return await request()
    } catch (error) {
      if (!expiredCodes.test(codeOf(error) ?? '') || !(await this.#replaces(sent))) throw error
      onRenewal()
      return request()
    }
  }

  async #replaces(refused: S3Credentials): Promise<boolean> {
    const isOther = ({ accessKeyId, secretAccessKey, sessionToken }: S3Credentials) =>
      accessKeyId !== refused.accessKeyId || secretAccessKey !== refused.secretAccessKey || sessionToken !== refused.sessionToken
    if (this.#held !== undefined && isOther(this.#held.credentials)) return true
    return this.fresh().then(isOther, () => false)
  }

  async #fetch(): Promise<S3Credentials> {
    const { name, provide } = await this.#sources.find()
    let found: S3Credentials
    try {
      found = await answerWithin(this.settings.requestTimeoutMs, provide)
    } catch (error) {
      if (error instanceof NoCredentialsError) throw error
      const words = (error as { code?: unknown }).code === 'ETIMEDOUT' ? 'no answer in time' : wordsOf(error)
      throw Object.assign(new Error(`${name}: ${words}`), { code: 'CredentialsFailed' })
    }
    this.redactor.add(found.secretAccessKey, found.sessionToken)
    const leftMs = (found.expiration?.getTime() ?? Number.POSITIVE_INFINITY) - Date.now()
    if (leftMs <= 0)
      throw Object.assign(new Error(`${name}: the credentials that it gives have expired, ${found.expiration!.toISOString()}`), {
        code: 'CredentialsFailed',
      })
    this.#held = { credentials: found, refreshAtMs: Date.now() + Math.max(leftMs - refreshMs, leftMs / 2) }
    return found
  }
}
