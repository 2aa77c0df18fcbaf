// Where S3 credentials come from: the environment, a profile, a web identity, a container, the machine. The first that is configured counts: where
// it fails, who runs this wants to hear of it, and not of the sources behind it.
import { readFileSync } from 'node:fs'
import { fromEnv, fromHttp, fromIni, fromInstanceMetadata, fromTokenFile } from '@aws-sdk/credential-providers'
import { getSSOTokenFromFile, loadSsoSessionData, parseKnownFiles } from '@smithy/core/config'
import type { NodeHttpHandler } from '@smithy/node-http-handler'
import type { S3Credentials } from './credentials.js'
import { endingCommands } from './credentials-command.js'
import type { Redactor } from './redactor.js'
import { guessedRegion, type ObjectSettings } from './settings.js'

export interface CredentialSource {
  /** For messages. */
  readonly name: string
  /** Aborting `signal` ends what would go on by itself. */
  provide(signal: AbortSignal): Promise<S3Credentials>
}

/** No source is configured. The name is the AWS SDK's. */
export class NoCredentialsError extends Error {
  override readonly name = 'CredentialsProviderError'
}

/** What is not to be done by way of a source, although it is configured. */
class SourceRuleError extends Error {}

type Profile = Readonly<Record<string, string | undefined>>

/** Keys of a profile of which each makes it a source of credentials. */
const telling = [
  'aws_access_key_id',
  'aws_secret_access_key',
  'role_arn',
  'credential_source',
  'web_identity_token_file',
  'credential_process',
  'sso_session',
  'sso_start_url',
  'sso_account_id',
  'login_session',
]

const silent = { debug() {}, info() {}, warn() {}, error() {}, trace() {} }

export class CredentialSources {
  /** It keeps its last credentials for when the service does not answer. */
  readonly #machine: () => Promise<S3Credentials>

  /**
   * @param requestHandler for the sign-in services, which are as far away as the storage; machine and container are asked directly
   * @param redactor learns the secrets that sources use
   */
  constructor(
    private readonly settings: ObjectSettings,
    private readonly requestHandler: NodeHttpHandler,
    private readonly redactor: Redactor,
  ) {
    // Where nobody has said that there is one, nobody wants to wait for it.
    this.#machine = fromInstanceMetadata({ timeout: settings.instanceMetadata === true ? 5000 : 1000, maxRetries: 1, logger: silent })
  }

  /** The source that counts, as the environment and files are now. Rejects with NoCredentialsError where nothing is configured. */
  async find(env: NodeJS.ProcessEnv = process.env): Promise<CredentialSource> {
    const { settings } = this
    const { accessKeyId, secretAccessKey, sessionToken } = settings
    if (accessKeyId !== undefined && secretAccessKey !== undefined)
      return {
        name: 'the keys of the configuration',
        provide: async () => ({ accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }),
      }
    const named = settings.profile ?? (env.AWS_PROFILE || undefined)
    const keys = ofEnvironment(env)
    if (keys !== undefined && named === undefined) return keys
    return (
      (await this.#ofProfile(named ?? 'default')) ??
      keys ??
      this.#ofWebIdentity(env) ??
      this.#ofContainer(env) ??
      this.#ofMachine(env, named ?? 'default')
    )
  }

  get #signIn() {
    const { requestHandler } = this
    // The profile's own region goes before this one, and SSO's is its own.
    const region = this.settings.region ?? guessedRegion
    return { clientConfig: { requestHandler }, parentClientConfig: { requestHandler, region } }
  }

  async #ofProfile(name: string): Promise<CredentialSource | undefined> {
    const profiles: Readonly<Record<string, Profile>> = await parseKnownFiles({ ignoreCache: true })
    const profile = profiles[name]
    if (profile === undefined || telling.every((key) => profile[key] === undefined)) return undefined
    for (const { aws_secret_access_key: secret, aws_session_token: token } of Object.values(profiles)) this.redactor.add(secret, token)
    this.#knowToken(profile.web_identity_token_file)
    const provide = fromIni({ profile: name, ignoreCache: true, logger: silent, ...this.#signIn })
    const { kind, check } = this.#kindOf(profile)
    return {
      name: `the profile ${JSON.stringify(name)} (${kind})`,
      provide: async (signal) => {
        await check?.()
        const commands = Object.values(profiles).flatMap(({ credential_process: command }) => command ?? [])
        return endingCommands(commands, signal, provide as () => Promise<S3Credentials>)
      },
    }
  }

  /** How a profile gives credentials, in the SDK's order, and what to look at before. */
  #kindOf(profile: Profile): { readonly kind: string; check?(): Promise<void> } {
    const { role_arn: role, source_profile: source, credential_source: by } = profile
    if (role !== undefined && (source !== undefined || by !== undefined))
      return { kind: `role ${role} by ${source === undefined ? `credential_source ${by}` : `source_profile ${JSON.stringify(source)}`}` }
    if (profile.aws_access_key_id !== undefined && profile.aws_secret_access_key !== undefined) return { kind: 'keys' }
    if (profile.web_identity_token_file !== undefined) return { kind: `role ${role} for a web identity` }
    if (profile.credential_process !== undefined) return { kind: 'credential_process' }
    const { sso_session: session, sso_start_url: start } = profile
    if (session !== undefined || start !== undefined) {
      const check = async () => {
        if (session !== undefined && (await loadSsoSessionData({}))[session] === undefined)
          throw new SourceRuleError(`there is no section [sso-session ${session}]`)
        // What is not there, or no token, is the library's to say.
        const token = await getSSOTokenFromFile(session ?? start!).catch(() => undefined)
        this.redactor.add(token?.accessToken, token?.refreshToken, token?.clientSecret)
      }
      return { kind: `SSO ${session === undefined ? start : `session ${session}`}`, check }
    }
    if (profile.login_session !== undefined) return { kind: 'login session' }
    const check = async () => {
      throw new SourceRuleError(
        'it needs aws_access_key_id with aws_secret_access_key, role_arn with source_profile, credential_source or web_identity_token_file, credential_process, or sso_session',
      )
    }
    return { kind: 'incomplete', check }
  }

  #ofWebIdentity(env: NodeJS.ProcessEnv): CredentialSource | undefined {
    const { AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: role } = env
    if (!file) return undefined
    const provide = fromTokenFile({ logger: silent, ...this.#signIn })
    return {
      name: `the web identity in ${file} (AWS_WEB_IDENTITY_TOKEN_FILE)${role ? `, role ${role}` : ''}`,
      provide: async () => {
        if (!role) throw new SourceRuleError('AWS_ROLE_ARN must be set with it')
        this.#knowToken(file)
        return provide() as Promise<S3Credentials>
      },
    }
  }

  #ofContainer(env: NodeJS.ProcessEnv): CredentialSource | undefined {
    const { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: relative, AWS_CONTAINER_CREDENTIALS_FULL_URI: full } = env
    if (!relative && !full) return undefined
    return {
      name: `the container's credentials service (${relative ? `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` : `AWS_CONTAINER_CREDENTIALS_FULL_URI`})`,
      provide: async () => {
        this.#knowToken(env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE)
        this.redactor.add(env.AWS_CONTAINER_AUTHORIZATION_TOKEN)
        const maxRetries = Math.min(3, this.settings.maxAttempts - 1)
        return fromHttp({ timeout: 2000, maxRetries, logger: silent })() as Promise<S3Credentials>
      },
    }
  }

  /** The last resort. */
  #ofMachine(env: NodeJS.ProcessEnv, profile: string): CredentialSource {
    const tried = `no keys in the environment, nothing in the profile ${JSON.stringify(profile)}, no web identity, no container`
    const { instanceMetadata, endpoints } = this.settings
    const isDisabled = env.AWS_EC2_METADATA_DISABLED !== undefined && !/^(?:false)?$/i.test(env.AWS_EC2_METADATA_DISABLED)
    const reason =
      instanceMetadata === false
        ? 'instance_metadata is false'
        : instanceMetadata === true
          ? undefined
          : endpoints.length > 0
            ? 'there is an endpoint and instance_metadata is not true'
            : isDisabled
              ? 'AWS_EC2_METADATA_DISABLED is set'
              : undefined
    if (reason !== undefined) throw new NoCredentialsError(`${tried}; the machine's metadata service is not asked, since ${reason}`)
    return {
      name: "the machine's metadata service",
      provide: () =>
        this.#machine().catch((error: unknown) => {
          throw new NoCredentialsError(`${tried}; the machine's metadata service: ${wordsOf(error)}`)
        }),
    }
  }

  /** What lies in the file of a token is hidden; that it cannot be read is said by whoever needs it. */
  #knowToken(file: string | undefined): void {
    if (!file) return
    try {
      this.redactor.add(readFileSync(file, 'utf8').trim())
    } catch {
      return
    }
  }
}

function ofEnvironment(env: NodeJS.ProcessEnv): CredentialSource | undefined {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = env
  if (!id && !secret) return undefined
  return {
    name: "the environment's keys",
    provide: async () => {
      if (!id || !secret) throw new SourceRuleError('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must both be set')
      return fromEnv()()
    },
  }
}

/** What a source's library says, in one line, without command lines, in which people have secrets. */
export function wordsOf(error: unknown): string {
  const { name, message, $metadata, code } = error as Error & { $metadata?: { httpStatusCode?: number }; code?: unknown }
  if (error instanceof SourceRuleError) return message
  if (/^Command failed/.test(message)) return 'its command failed; run it by hand to see why'
  if (/^spawn|maxBuffer/.test(message)) return `its command cannot be run (${String(code)})`
  const status = $metadata?.httpStatusCode
  const line = message.replace(/\s+/g, ' ').trim()
  return status === undefined ? line || name : `${name}${line === '' ? '' : `, ${line}`} (HTTP ${status})`
}
