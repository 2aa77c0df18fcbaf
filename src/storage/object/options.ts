// The keys of `storage.storage_options`: what kind of value each takes, and checking them.
import { nearest } from '../../config/suggest.js'
import { parseProxy } from './proxy.js'

type Option = { readonly kind: 'text' | 'flag' | 'count' | 'secret'; readonly doc: string; readonly min?: number; readonly max?: number }

/** The options that the control plane reads; DLIO's first. `docs/object-storage.md` is checked against this table. */
export const options = {
  access_key_id: { kind: 'secret', doc: 'S3: access key (AWS_ACCESS_KEY_ID)' },
  secret_access_key: { kind: 'secret', doc: 'S3: secret key (AWS_SECRET_ACCESS_KEY)' },
  endpoint_url: { kind: 'text', doc: 'one endpoint, or several separated by commas, over which requests are spread' },
  region: { kind: 'text', doc: 'S3: region (AWS_REGION, AWS_DEFAULT_REGION, the profile)' },
  s3_force_path_style: { kind: 'flag', doc: 'S3: bucket in the path, not in the host name' },
  s3_max_attempts: { kind: 'count', min: 1, max: 100, doc: 'attempts of one request' },
  session_token: { kind: 'secret', doc: 'S3: session token (AWS_SESSION_TOKEN)' },
  profile: { kind: 'text', doc: 'S3: profile of the AWS configuration files (AWS_PROFILE)' },
  anonymous: { kind: 'flag', doc: 'sends no credentials' },
  instance_metadata: {
    kind: 'flag',
    doc: "asks the cloud machine's metadata service for credentials; by default only without endpoint_url",
  },
  account_name: { kind: 'text', doc: 'Azure: storage account (AZURE_STORAGE_ACCOUNT)' },
  account_key: { kind: 'secret', doc: 'Azure: key of the account (AZURE_STORAGE_KEY)' },
  sas_token: { kind: 'secret', doc: 'Azure: shared access signature (AZURE_STORAGE_SAS_TOKEN)' },
  connection_string: { kind: 'secret', doc: 'Azure: connection string (AZURE_STORAGE_CONNECTION_STRING)' },
  account_in_uri: { kind: 'flag', doc: 'Azure: whether URIs begin with the account' },
  credentials_file: { kind: 'text', doc: "Google: a service account's key file (GOOGLE_APPLICATION_CREDENTIALS)" },
  project_id: { kind: 'text', doc: 'Google: project (GOOGLE_CLOUD_PROJECT)' },
  ca_bundle: { kind: 'text', doc: 'file of certificates to trust in addition (AWS_CA_BUNDLE, NODE_EXTRA_CA_CERTS)' },
  verify_tls: { kind: 'flag', doc: "false: takes any server's certificate" },
  proxy: { kind: 'secret', doc: 'URL of an HTTP proxy for all requests (HTTPS_PROXY, HTTP_PROXY, NO_PROXY)' },
  request_checksum: { kind: 'text', doc: 'S3: `when_required` or `when_supported`' },
  multipart_part_size: { kind: 'count', min: 5 * 2 ** 20, max: 2 ** 30, doc: 'bytes of one part of a large upload' },
  part_size: {
    kind: 'count',
    min: 65_536,
    max: 2 ** 30,
    doc: 'bytes of the ranged GETs that objects are read in; by default one GET fetches a whole object',
  },
  parts_in_flight: { kind: 'count', min: 1, max: 1024, doc: 'GETs of one reader at once, with `part_size`' },
  retry_budget_ms: { kind: 'count', min: 0, max: 3_600_000, doc: 'time after which a failed request is not sent again' },
  retry_base_delay_ms: { kind: 'count', min: 1, max: 600_000, doc: 'first pause before a failed request is sent again' },
  retry_max_delay_ms: { kind: 'count', min: 1, max: 600_000, doc: 'longest pause before a failed request is sent again' },
  head_timeout_ms: { kind: 'count', min: 1, max: 3_600_000, doc: 'longest wait for the head of the answer to a GET' },
  stall_timeout_ms: { kind: 'count', min: 1, max: 3_600_000, doc: 'longest time in which the body of a GET may bring next to nothing' },
  spot_check: { kind: 'count', min: 0, max: 1_000_000, doc: 'objects, drawn at random, that must exist before a run computes its names' },
  connect_timeout_ms: { kind: 'count', min: 1, max: 600_000, doc: 'longest wait for a connection' },
  request_timeout_ms: { kind: 'count', min: 1, max: 3_600_000, doc: 'longest silence of a server in a listing, upload or deletion' },
} as const satisfies Readonly<Record<string, Option>>

export type OptionName = keyof typeof options

export interface OptionProblem {
  readonly option: string
  readonly rule: string
  readonly remedy: string
}

/** Checks the values of known options; null is as good as absent, and numbers and booleans may be in quotes, as DLIO's own files have them. */
export function checkOptions(given: Readonly<Record<string, unknown>>): OptionProblem[] {
  const problems: OptionProblem[] = []
  for (const name of Object.keys(options) as OptionName[]) {
    try {
      optionValue(given, name)
    } catch (error) {
      problems.push({ option: name, rule: (error as Error).message, remedy: options[name].doc })
    }
  }
  try {
    if (problems.every(({ option }) => option !== 'endpoint_url'))
      parseEndpoints((optionValue(given, 'endpoint_url') as string | undefined) ?? '')
  } catch (error) {
    problems.push({ option: 'endpoint_url', rule: (error as Error).message, remedy: 'such as http://127.0.0.1:9000' })
  }
  try {
    const proxy = problems.some(({ option }) => option === 'proxy') ? undefined : optionValue(given, 'proxy')
    if (proxy !== undefined) parseProxy(proxy as string)
  } catch (error) {
    problems.push({ option: 'proxy', rule: (error as Error).message, remedy: 'such as http://proxy.example:3128' })
  }
  const checksum = given.request_checksum
  if (checksum !== undefined && checksum !== null && checksum !== 'when_required' && checksum !== 'when_supported')
    problems.push({ option: 'request_checksum', rule: 'must be when_required or when_supported', remedy: 'choose one' })
  if ((given.access_key_id ?? null) !== null && (given.secret_access_key ?? null) === null)
    problems.push({ option: 'access_key_id', rule: 'comes without secret_access_key', remedy: 'give both, or neither' })
  return problems
}

/** Names that are no options here and resemble one, with that one. */
export function misspelt(given: Readonly<Record<string, unknown>>): [string, string][] {
  return Object.keys(given).flatMap((name): [string, string][] => {
    if (name in options) return []
    const near = nearest(name, Object.keys(options))
    return near === undefined ? [] : [[name, near]]
  })
}

/** The typed value of an option. Throws an Error whose message is the rule. */
export function optionValue(given: Readonly<Record<string, unknown>>, name: OptionName): string | boolean | number | undefined {
  const value = given[name]
  if (value === undefined || value === null) return undefined
  const spec: Option = options[name]
  if (spec.kind === 'flag') {
    const word = String(value).trim().toLowerCase()
    if (word === 'true' || word === 'false') return word === 'true'
    throw new Error('must be true or false')
  }
  if (spec.kind === 'count') {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    if (typeof number === 'number' && Number.isInteger(number) && number >= spec.min! && number <= spec.max!) return number
    throw new Error(`must be an integer of at least ${spec.min} and at most ${spec.max}`)
  }
  if (name === 'endpoint_url' && Array.isArray(value)) return value.join(',')
  if (typeof value !== 'string' || value.trim() === '') throw new Error('must be text that is not empty')
  return value.trim()
}

/** Origins out of a list separated by commas. Throws an Error whose message is the rule. */
export function parseEndpoints(list: string): string[] {
  return list.split(',').flatMap((part) => {
    const text = part.trim()
    if (text === '') return []
    let url: URL
    try {
      url = new URL(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`)
    } catch {
      throw new Error(`must hold URLs, which ${JSON.stringify(withoutPassword(text))} is not`)
    }
    if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Error(`must hold http:// or https:// URLs, not ${url.protocol}//`)
    if (url.username !== '' || url.password !== '')
      throw new Error('must hold no user names and passwords; give credentials by their own options')
    if (url.search !== '' || url.hash !== '') throw new Error('must hold origins, without a query')
    return [`${url.origin}${url.pathname.replace(/\/+$/, '')}`]
  })
}

const withoutPassword = (text: string): string => text.replace(/\/\/[^/@]*@/, '//(hidden)@')
