// Errors of providers' libraries as the program's own: what was tried, on which object, at which endpoint, why, without secrets.
import { StorageError } from '../../errors.js'
import type { Redactor } from './redactor.js'

/** What the SDKs' errors have in common, by structure: they come from bundled libraries. */
interface ProviderError {
  readonly name?: string
  readonly message?: string
  readonly code?: string | number
  readonly Code?: string
  readonly type?: unknown
  readonly error?: { readonly type?: unknown }
  readonly statusCode?: number
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: { readonly statusCode?: number; readonly headers?: Readonly<Record<string, string>> }
  /** Of an answer that the AWS SDK cannot read. */
  readonly $responseBodyText?: unknown
  /** What S3's redirects name. */
  readonly Endpoint?: unknown
  readonly response?: { readonly status?: unknown }
  readonly cause?: unknown
  readonly errors?: readonly unknown[]
  readonly details?: { readonly errorCode?: string }
}

/** The provider's or system's short code of an error: `NoSuchBucket`, `ECONNREFUSED`, … */
export function codeOf(error: unknown): string | undefined {
  const found = error as ProviderError
  const inners = [...(found?.errors ?? []), found?.cause] as ({ readonly code?: unknown; readonly reason?: unknown } | undefined)[]
  for (const inner of inners) {
    const code = inner?.code
    if (typeof code === 'string' && /^(?:E[A-Z]+|CERT_|UNABLE_|SELF_|DEPTH_|ERR_TLS)/.test(code)) return code
    // Google's.
    if (typeof found.code === 'number' && typeof inner?.reason === 'string' && inner.reason !== '') return inner.reason
  }
  // Of node-fetch, and of gaxios around it.
  if ([found?.type, found?.error?.type].some((type) => type === 'request-timeout' || type === 'body-timeout')) return 'ETIMEDOUT'
  if (typeof found?.code === 'string' && found.code !== '') return found.code
  if (found?.details?.errorCode !== undefined) return found.details.errorCode
  if (found?.Code !== undefined) return found.Code
  return found?.name !== undefined && !namelessErrors.has(found.name) ? found.name : undefined
}

/** What errors are called that nobody has given a code. */
const namelessErrors = new Set(['Error', 'RestError', 'Unknown'])

/** HTTP status of an error, if there was an answer. */
export function statusOf(error: unknown): number | undefined {
  const { $metadata, statusCode, $response, response, code } = (error ?? {}) as ProviderError
  const numbered = [code, response?.status].find((value) => typeof value === 'number') as number | undefined
  return $metadata?.httpStatusCode ?? statusCode ?? $response?.statusCode ?? numbered
}

const tlsAdvice = 'trust its certificate authority with AWS_CA_BUNDLE, NODE_EXTRA_CA_CERTS or storage_options.ca_bundle'

const badAnswer = 'the answer is not what this kind of storage says, or breaks off; check the endpoint, and what lies between'
const slowDown = 'the server asks to slow down, again after every attempt'

/** By which clouds refuse the bucket in the path. */
export const wantsHostStyle = /^(?:SecondLevelDomainForbidden|PathStyleDomainForbidden|InvalidPathAccess|VirtualHostDomainRequired)$/

const explanations: readonly [RegExp, string][] = [
  [
    /^(?:ENOTFOUND|EAI_AGAIN|EAI_NODATA)$/,
    'the host name cannot be resolved; check the endpoint, and the address style (s3_force_path_style)',
  ],
  [/^ECONNREFUSED$/, 'nothing listens there; check host and port of the endpoint'],
  [/^(?:ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE)$/, 'the connection was closed before the answer was complete'],
  [/^(?:ETIMEDOUT|ESOCKETTIMEDOUT|TimeoutError|ECONNABORTED|EHOSTUNREACH|ENETUNREACH)$/, 'no answer in time'],
  [
    /^(?:SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(?:_LOCALLY)?)$/,
    `the server's certificate is not trusted; ${tlsAdvice}`,
  ],
  [/^CERT_HAS_EXPIRED$/, "the server's certificate has expired"],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, "the server's certificate is for another host name"],
  [/^(?:EPROTO|ERR_SSL_[A-Z_]+)$/, 'no TLS at this port; perhaps the endpoint is http://'],
  [wantsHostStyle, 'the server wants the bucket in the host name: set storage_options.s3_force_path_style to false'],
  [/^NoSuchBucket$|^ContainerNotFound$/, 'there is no such bucket'],
  [/^InvalidAccessKeyId$/, 'the server does not know the access key'],
  [/^SignatureDoesNotMatch$|^AuthenticationFailed$/, 'the server refuses the signature; check the secret key, the region, and the clock'],
  [
    /^(?:AccessDenied|AuthorizationPermissionMismatch|AuthorizationFailure|Forbidden|forbidden|required)$/,
    'access denied: these credentials may not do this',
  ],
  [/^(?:ExpiredToken|ExpiredTokenException|TokenRefreshRequired)$/, 'the credentials have expired'],
  [/^(?:RequestTimeTooSkewed|RequestExpired)$/, "this machine's clock differs too much from the server's"],
  [
    /^(?:CredentialsProviderError|CredentialUnavailableError)$/,
    'no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or storage_options (anonymous: true sends none)',
  ],
  [/^(?:SlowDown|ServiceUnavailable|ServerBusy|Throttling|TooManyRequests|rateLimitExceeded|userRateLimitExceeded)/, slowDown],
  [/^(?:BadAnswer|PARSE_ERROR|SyntaxError|FetchError)$/, badAnswer],
]

const byStatus: ReadonlyMap<number | undefined, string> = new Map([
  [200, badAnswer],
  [401, 'the server refuses the credentials'],
  [403, 'access denied: the credentials are wrong, or may not do this'],
  [404, 'there is no such object or bucket'],
  [429, slowDown],
  [503, slowDown],
])

/** The SDKs' words on answers that they cannot read. */
const unreadable = /XML parse error|Deserialization error/i

/** Causes that the SDKs give no code, by their words. */
const explainedWords: readonly [RegExp, string][] = [
  [unreadable, badAnswer],
  [
    /^Region is missing/,
    'no region is known; set AWS_REGION or storage_options.region, or, where the store is not Amazon’s, its endpoint (AWS_ENDPOINT_URL, storage_options.endpoint_url)',
  ],
]

/** What does without an operation that a server refuses, by status and code; not where it refuses whoever asks. */
const otherWays: readonly [operation: RegExp, way: string, isFor: (status: number | undefined, code: string | undefined) => boolean][] = [
  [
    /^list/,
    'dataset.skip_listing does without listing',
    (status, code) => status === 405 || status === 500 || status === 501 || (status === 403 && isPermission(code)),
  ],
  [
    /^begin to write/,
    'objects no larger than storage_options.multipart_part_size are written by one request',
    (status, code) => status === 405 || status === 501 || (status === 400 && code === undefined),
  ],
]
const isPermission = (code: string | undefined) =>
  code === undefined || /^(?:AccessDenied|AuthorizationPermissionMismatch|Forbidden|forbidden)$/.test(code)

/** Where a redirect that the SDK does not follow leads to, in words. */
function elsewhere(error: unknown, redactor: Redactor): string | undefined {
  const { $response, Endpoint } = (error ?? {}) as ProviderError
  const location = $response?.headers?.location ?? (typeof Endpoint === 'string' ? Endpoint : undefined)
  if (location === undefined || ![301, 302, 307, 308].includes(statusOf(error) ?? 0)) return undefined
  return `the server sends such requests to ${redactor.clean(location).slice(0, 200)}; name that as the endpoint`
}

/** What a refusal says that is no error of the storage's own kind but a page for people, or for other programs; undefined for other errors. */
function wordsOfStranger(error: unknown, message: string): string | undefined {
  if ((statusOf(error) ?? 0) < 300 || !unreadable.test(message)) return undefined
  const body = (error as ProviderError).$responseBodyText
  if (typeof body !== 'string') return ''
  return body
    .slice(0, 20_000)
    .replace(/<(style|script)\b[\s\S]*?<\/\1>|<[^>]*>/gi, ' ')
    .replace(/[\p{Cc}\s]+/gu, ' ')
}

export interface Attempt {
  /** URI of the object or place. */
  readonly uri: string
  readonly operation: string
  readonly endpoint: string
  readonly attempts?: number | undefined
  /** Why there was no other attempt, where it may have helped. */
  readonly reason?: string | undefined
}

/** A StorageError that tells what a provider's library said about a request. Errors of the program come back as they are. */
export function storageFailure(error: unknown, { uri, operation, endpoint, attempts, reason }: Attempt, redactor: Redactor): StorageError {
  if (error instanceof StorageError) return error
  const code = codeOf(error)
  const status = statusOf(error)
  const told = (error as Error | undefined)?.message ?? String(error)
  const message = wordsOfStranger(error, told) ?? told
  // A secret that is cut in half would not be known again.
  const said = redactor
    // The SDK's word where the server gave none.
    .clean(message === 'UnknownError' ? '' : message)
    .split('\n')[0]!
    .trim()
    .slice(0, 300)
  // What is told of a proxy is not about the endpoint.
  const ofProxy = /\bthe proxy \S+:\d+/.test(said)
  const explained =
    status === 407
      ? 'the proxy wants credentials, or other ones than its URL has'
      : (explanations.find(([form]) => !ofProxy && code !== undefined && form.test(code))?.[1] ??
        explainedWords.find(([form]) => !ofProxy && form.test(message))?.[1] ??
        (ofProxy ? undefined : (elsewhere(error, redactor) ?? byStatus.get(status))))
  const words = explained ?? (said || 'failed')
  const facts = [
    `endpoint ${endpoint}`,
    ...(status === undefined ? [] : [`HTTP ${status}`]),
    ...(attempts !== undefined && attempts > 1 ? [`${attempts} attempts`] : []),
    ...(reason === undefined || /attempts are used up/.test(reason) ? [] : [reason]),
  ]
  const instead = otherWays.flatMap(([what, way, isFor]) => (what.test(operation) && isFor(status, code) ? [way] : []))
  if (status === 404 && /^https?:\/\/[^/,]+\/[^/,]/.test(endpoint))
    instead.push('the endpoint has a path; if that is the bucket, leave it out')
  const detail = explained !== undefined && said !== '' && !explained.includes(said) && said !== code ? `${words} (${said})` : words
  const all = [detail, ...instead, facts.join(', ')].join('; ')
  return new StorageError(uri, operation, all, code === undefined ? undefined : redactor.clean(code))
}
