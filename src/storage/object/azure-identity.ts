// Azure's own sign-in, loaded only where no key, signature or connection string is given: the library is large.
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { createDefaultHttpClient, type HttpClient } from '@azure/core-rest-pipeline'
import {
  AzureCliCredential,
  DefaultAzureCredential,
  EnvironmentCredential,
  type TokenCredential,
  WorkloadIdentityCredential,
} from '@azure/identity'
import type { Agents } from './agents.js'
import type { Redactor } from './redactor.js'
import type { ObjectSettings } from './settings.js'
import { answerWithin } from './silence.js'

export interface Token {
  readonly token: string
  readonly expiresAtMs: number
}

export interface IdentityOptions extends Pick<ObjectSettings, 'requestTimeoutMs' | 'maxAttempts' | 'retry'> {
  /** Whether the machine's managed identity may be asked. */
  readonly metadata: boolean
  /** For the authority; what is on the machine is asked directly. */
  readonly agents: Agents
  /** Learns the secrets that are sent to the authority. */
  readonly redactor: Redactor
}

const scope = 'https://storage.azure.com/.default'

interface Source {
  /** For messages. */
  readonly name: string
  readonly credential: TokenCredential
}

/**
 * Who we are to Azure, by its libraries: a service principal of the environment, workload identity, the machine's managed identity, whoever has
 * signed in with Azure's tools. Of the first two the one that is configured counts, and its failure is not passed over.
 */
export class AzureIdentity implements TokenCredential {
  #source: Source | undefined
  /** How the last request failed that had no answer: the library does not tell. */
  #unreachable: { readonly code?: string; readonly message: string } | undefined

  constructor(private readonly options: IdentityOptions) {}

  /** For the library of the storage. Rejects as {@link token}. */
  readonly getToken: TokenCredential['getToken'] = async (scopes, options) => {
    const { name, credential } = this.#found()
    try {
      // One token for both planes: readers could not answer what the other kind may be asked.
      return await credential.getToken(scopes, { ...options, enableCae: false })
    } catch (error) {
      const { code, message = '' } = this.#unreachable ?? {}
      throw failed(`${name}: ${/\bnetwork_error\b/.test(String(error)) && message !== '' ? `${code}, ${message}` : wordsOf(error)}`)
    }
  }

  /** A token for the storage; a `fresh` one is not that which the library keeps. Rejects with an Error that says which source failed. */
  async token(fresh: boolean): Promise<Token> {
    if (fresh) this.#source = undefined
    const found = await this.getToken(scope)
    if (found === null) throw Object.assign(new Error('no token'), { name: 'CredentialUnavailableError' })
    return { token: found.token, expiresAtMs: found.expiresOnTimestamp }
  }

  #found(): Source {
    this.#source ??= this.#find(process.env)
    return this.#source
  }

  #find(env: NodeJS.ProcessEnv): Source {
    const { metadata, requestTimeoutMs, redactor, maxAttempts, retry } = this.options
    const { AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: client, AZURE_FEDERATED_TOKEN_FILE: tokenFile } = env
    redactor.add(env.AZURE_CLIENT_SECRET, env.AZURE_CLIENT_CERTIFICATE_PASSWORD, env.AZURE_PASSWORD, textOf(tokenFile))
    const retryOptions = { maxRetries: maxAttempts - 1, retryDelayInMs: retry.baseDelayMs, maxRetryDelayInMs: retry.maxDelayMs }
    const options = { httpClient: this.#httpClient(), processTimeoutInMs: requestTimeoutMs, retryOptions }
    const means = ['AZURE_CLIENT_SECRET', 'AZURE_CLIENT_CERTIFICATE_PATH', 'AZURE_USERNAME'].find((name) => env[name])
    if (means !== undefined) {
      if (!tenant || !client)
        throw failed(`the environment's ${means} is set without AZURE_TENANT_ID and AZURE_CLIENT_ID, which say whose it is`)
      return { name: `the service principal ${client} (${means})`, credential: new EnvironmentCredential(options) }
    }
    if (tokenFile) {
      if (!tenant || !client)
        throw failed('AZURE_FEDERATED_TOKEN_FILE is set without AZURE_TENANT_ID and AZURE_CLIENT_ID, which say for whom')
      const name = `workload identity ${client} (AZURE_FEDERATED_TOKEN_FILE, ${tokenFile})`
      return { name, credential: new WorkloadIdentityCredential(options) }
    }
    if (metadata)
      return { name: 'no credentials in the environment; managed identity and tools', credential: new DefaultAzureCredential(options) }
    return { name: 'no credentials in the environment; az login', credential: new AzureCliCredential(options) }
  }

  /** The library has rules of its own for proxies; an agent goes before them. */
  #httpClient(): HttpClient {
    const { agents, requestTimeoutMs } = this.options
    const client = createDefaultHttpClient()
    const ofMachine = new http.Agent()
    return {
      sendRequest: async (request) => {
        request.agent = request.url.startsWith('https:') ? agents.https : ofMachine
        const { abortSignal } = request
        try {
          // The library's own clock runs on where a request fails, and keeps the process waiting.
          return await answerWithin(requestTimeoutMs, (silence) => {
            request.abortSignal = abortSignal === undefined ? silence : AbortSignal.any([abortSignal as AbortSignal, silence])
            return client.sendRequest(request)
          })
        } catch (error) {
          this.#unreachable = error as Error
          throw error
        }
      },
    }
  }
}

const failed = (message: string) => Object.assign(new Error(message), { code: 'CredentialsFailed' })

/** What the library says, in one line: of several that failed each, of what it had from the authority the description. */
function wordsOf(error: unknown): string {
  const { message, errors, errorResponse } = error as Error & {
    errors?: readonly Error[]
    errorResponse?: { readonly errorDescription?: string }
  }
  // What is not configured has not failed.
  const tried = errors?.filter((each) => !each.message.startsWith('EnvironmentCredential is unavailable')) ?? []
  if (tried.length > 0) return tried.map(wordsOf).join('; ')
  const said = errorResponse?.errorDescription ?? message
  const described = /Description: ([^\r\n]*?)(?: - Correlation ID|[\r\n]|$)/.exec(said)?.[1]
  return (described ?? said.split(/(?:\. |\.?)(?:To troubleshoot|See the troubleshooting|To mitigate|Please visit)|[\r\n]/)[0]!).trim()
}

/** What lies in a file; that it cannot be read is said by whoever needs it. */
function textOf(file: string | undefined): string | undefined {
  try {
    return file ? readFileSync(file, 'utf8').trim() : undefined
  } catch {
    return undefined
  }
}
