// `storage.storage_options` and the environment as one typed set of settings. What a configuration says goes before the environment.
import { readFileSync } from 'node:fs'
import { ConfigError } from '../../errors.js'
import type { RetryPolicy } from '../wrappers/retry.js'
import { checkOptions, type OptionName, optionValue, parseEndpoints } from './options.js'
import { type ProxyRules, proxyRules } from './proxy.js'
import { defaultReadOptions, type ObjectReadOptions } from './read-options.js'
import type { ObjectPlace } from './types.js'

/** The region to sign for at an endpoint where nobody named one: S3's oldest is the usual default of servers. */
export const guessedRegion = 'us-east-1'

export interface ObjectSettings {
  /** Origins such as `http://127.0.0.1:9000`; empty: the provider's own. */
  readonly endpoints: readonly string[]
  /** The environment's variable that they are from; absent: they are not from the environment. */
  readonly endpointVariable?: string
  readonly region?: string
  /** `endpoint/bucket/key`, not `bucket.endpoint/key`. Absent: path style wherever an endpoint is given. */
  readonly forcePathStyle?: boolean
  /** AWS's endpoints for IPv6 as well, and those for FIPS. */
  readonly dualstack?: boolean
  readonly fips?: boolean
  /** Attempts of one request of the control plane, the first one included. */
  readonly maxAttempts: number
  /** When it is sent again. */
  readonly retry: Omit<RetryPolicy, 'maxAttempts'>
  readonly anonymous: boolean
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  readonly sessionToken?: string
  readonly profile?: string
  /** Whether credentials may come from the metadata service of a cloud machine. Absent: only where no endpoint is given. */
  readonly instanceMetadata?: boolean
  readonly accountName?: string
  readonly accountKey?: string
  readonly sasToken?: string
  readonly connectionString?: string
  /** Whether `az://` URIs begin with the account. */
  readonly accountInUri?: boolean
  /** Google: path of a service account's key file. */
  readonly credentialsFile?: string
  readonly projectId?: string
  /** Certificates (PEM) trusted beside Node's own. */
  readonly ca: readonly string[]
  readonly verifyTls: boolean
  /** Which requests go through an HTTP proxy; absent: none. */
  readonly proxies?: ProxyRules
  /** Whether to send a checksum with every upload: `when_supported`, or only `when_required`, which more servers take. */
  readonly requestChecksum: 'when_required' | 'when_supported'
  readonly partSizeBytes: number
  /** Objects looked for before a run that computes its names. */
  readonly spotCheckObjects: number
  /** How long to wait for a connection, and for an answer of the control plane. */
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
}

/**
 * The settings that apply. Throws ConfigError, without values of secrets, for options that break a rule and certificate files that cannot be read.
 * @param given `storage.storage_options`
 */
export function objectSettings(
  given: Readonly<Record<string, unknown>>,
  provider: ObjectPlace['provider'],
  env: NodeJS.ProcessEnv = process.env,
): ObjectSettings {
  const [problem] = checkOptions(given)
  if (problem !== undefined) throw new ConfigError(`storage.storage_options.${problem.option} ${problem.rule}; ${problem.remedy}`)
  const text = (name: OptionName, ...variables: string[]): string | undefined =>
    (optionValue(given, name) as string | undefined) ??
    variables.map((variable) => env[variable]).find((value) => value !== undefined && value !== '')
  const flag = (name: OptionName) => optionValue(given, name) as boolean | undefined
  const count = (name: OptionName, otherwise: number) => (optionValue(given, name) as number | undefined) ?? otherwise
  const present = <K extends string, V>(key: K, value: V | undefined) => (value === undefined ? {} : ({ [key]: value } as Record<K, V>))
  // Keys of the configuration and of the environment are never mixed: they would belong to different people.
  const ownKeys = optionValue(given, 'access_key_id') !== undefined
  const ownAzure = (['account_key', 'sas_token', 'connection_string'] as const).some((name) => optionValue(given, name) !== undefined)
  const azureText = (name: OptionName, ...variables: string[]) => text(name, ...(ownAzure ? [] : variables))
  return {
    ...endpointsOf(given, env, provider),
    ...present('region', text('region', 'AWS_REGION', 'AWS_DEFAULT_REGION')),
    ...present('forcePathStyle', flag('s3_force_path_style')),
    maxAttempts: count('s3_max_attempts', 5),
    retry: objectReadOptions(given).retry,
    anonymous: flag('anonymous') ?? false,
    ...(ownKeys && present('accessKeyId', text('access_key_id'))),
    ...(ownKeys && present('secretAccessKey', text('secret_access_key'))),
    ...(ownKeys && present('sessionToken', text('session_token'))),
    ...present('profile', text('profile')),
    ...present('instanceMetadata', flag('instance_metadata')),
    ...present('accountName', text('account_name', 'AZURE_STORAGE_ACCOUNT', 'AZURE_STORAGE_ACCOUNT_NAME')),
    ...present('accountKey', azureText('account_key', 'AZURE_STORAGE_KEY', 'AZURE_STORAGE_ACCOUNT_KEY')),
    ...present('sasToken', azureText('sas_token', 'AZURE_STORAGE_SAS_TOKEN')),
    ...present('connectionString', azureText('connection_string', 'AZURE_STORAGE_CONNECTION_STRING')),
    ...present('accountInUri', flag('account_in_uri')),
    ...present('credentialsFile', text('credentials_file', 'GOOGLE_APPLICATION_CREDENTIALS')),
    ...present('projectId', text('project_id', 'GOOGLE_CLOUD_PROJECT')),
    ca: certificates([text('ca_bundle'), env.AWS_CA_BUNDLE, env.NODE_EXTRA_CA_CERTS], 'ca_bundle, AWS_CA_BUNDLE, NODE_EXTRA_CA_CERTS'),
    verifyTls: flag('verify_tls') ?? true,
    ...present('proxies', proxyRules(text('proxy'), env)),
    requestChecksum: (text('request_checksum') as ObjectSettings['requestChecksum'] | undefined) ?? 'when_required',
    partSizeBytes: count('multipart_part_size', 8 * 2 ** 20),
    spotCheckObjects: count('spot_check', 0),
    connectTimeoutMs: count('connect_timeout_ms', 10_000),
    requestTimeoutMs: count('request_timeout_ms', 60_000),
  }
}

/** How objects are read in a run. @param given `storage.storage_options`, already checked */
export function objectReadOptions(given: Readonly<Record<string, unknown>>): ObjectReadOptions {
  const count = (name: OptionName) => optionValue(given, name) as number | undefined
  const defaults = defaultReadOptions
  const partBytes = count('part_size') ?? defaults.partBytes
  const maxDelayMs = count('retry_max_delay_ms') ?? defaults.retry.maxDelayMs
  return {
    ...defaults,
    partBytes,
    partsInFlight: partBytes === null ? 1 : (count('parts_in_flight') ?? 4),
    connectTimeoutMs: count('connect_timeout_ms') ?? defaults.connectTimeoutMs,
    headTimeoutMs: count('head_timeout_ms') ?? defaults.headTimeoutMs,
    stallTimeoutMs: count('stall_timeout_ms') ?? defaults.stallTimeoutMs,
    retry: {
      maxAttempts: count('s3_max_attempts') ?? defaults.retry.maxAttempts,
      budgetMs: count('retry_budget_ms') ?? defaults.retry.budgetMs,
      baseDelayMs: Math.min(count('retry_base_delay_ms') ?? defaults.retry.baseDelayMs, maxDelayMs),
      maxDelayMs,
    },
  }
}

/** Variables of endpoints. S3: the list of MLCommons' DLIO, then the SDKs'. */
const endpointVariables: Readonly<Record<ObjectPlace['provider'], readonly string[]>> = {
  s3: ['S3_ENDPOINT_URIS', 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'],
  azure: ['AZURE_STORAGE_BLOB_ENDPOINT', 'AZURE_BLOB_ENDPOINT'],
  gcs: ['STORAGE_EMULATOR_HOST'],
}

function endpointsOf(
  given: Readonly<Record<string, unknown>>,
  env: NodeJS.ProcessEnv,
  provider: ObjectPlace['provider'],
): Pick<ObjectSettings, 'endpoints' | 'endpointVariable'> {
  const own = optionValue(given, 'endpoint_url') as string | undefined
  if (own !== undefined) return { endpoints: parseEndpoints(own) }
  const variable = endpointVariables[provider].find((name) => env[name])
  if (variable === undefined) return { endpoints: [] }
  try {
    return { endpoints: parseEndpoints(env[variable]!), endpointVariable: variable }
  } catch (error) {
    throw new ConfigError(`the environment's ${variable} ${(error as Error).message}`)
  }
}

/** The certificates in files. Throws ConfigError where one cannot be read or holds none. `named`: what names the files, for messages. */
export function certificates(files: readonly (string | undefined)[], named: string): string[] {
  return [...new Set(files)].flatMap((file) => {
    if (file === undefined || file === '') return []
    let pem: string
    try {
      pem = readFileSync(file, 'utf8')
    } catch (error) {
      throw new ConfigError(`${file}: cannot read the certificates to trust (${named}): ${(error as NodeJS.ErrnoException).code}`)
    }
    if (!pem.includes('-----BEGIN CERTIFICATE-----'))
      throw new ConfigError(`${file}: holds no certificate; ${named} must name PEM files (BEGIN CERTIFICATE)`)
    return [pem]
  })
}
