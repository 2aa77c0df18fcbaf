// What a response that is not the object says, as a fault with the provider's own words.
import { redactorOf } from '../redactor.js'
import type { AccessGrant } from '../types.js'
import { type FaultFacts, HttpFault, type RetryCause } from './faults.js'
import { excerpt, type ResponseHead } from './head.js'

/** Of a body that explains an error; the rest is not read. */
export const mostErrorBytes = 64 * 1024

/** Codes by which S3, and services like it, say that credentials were good once. */
const expiredCodes = new Set(['ExpiredToken', 'ExpiredTokenException', 'RequestExpired', 'TokenRefreshRequired'])
const throttledCodes = new Set(['SlowDown', 'Throttling', 'ThrottlingException', 'RequestLimitExceeded', 'ServerBusy', 'TooManyRequests'])

/** The fault that a response with this head and text of an error body stands for; servers may repeat the secrets that they were sent. */
export function faultOfStatus(
  { head, text: said }: { readonly head: ResponseHead; readonly text: object },
  grant: Pick<AccessGrant, 'signing' | 'proxies'>,
  nowMs: number,
): HttpFault {
  const redactor = redactorOf(grant)
  const text = redactor.clean(String(said))
  const code = /<Code>([A-Za-z0-9._-]{1,64})<\/Code>/.exec(text)?.[1] ?? /"(?:reason|code)"\s*:\s*"([A-Za-z0-9._-]{1,64})"/.exec(text)?.[1]
  const message = /<Message>([^<]{1,400})/.exec(text)?.[1] ?? /"message"\s*:\s*"([^"\\]{1,400})"/.exec(text)?.[1]
  const words = `status ${head.status}${head.reason === '' ? '' : ` ${printable(redactor.clean(head.reason))}`}${message === undefined ? '' : `, ${excerptOf(message)}`}`
  const fault = (kind: RetryCause, facts: FaultFacts = {}, more = '') =>
    new HttpFault(kind, words + more, {
      ...(code === undefined ? {} : { code }),
      status: head.status,
      retryAfterMs: head.retryAfterMs,
      ...facts,
    })
  const { status } = head
  if (status === 429 || (code !== undefined && throttledCodes.has(code))) return fault('throttled')
  if (status === 503) return fault('throttled')
  if (status >= 500 || status === 408) return fault('serverError')
  // S3's way to say that a request came too slowly.
  if (code === 'RequestTimeout') return fault('timeout')
  const region =
    head.region ||
    (/<Region>([A-Za-z0-9._-]{1,40})<\/Region>/.exec(text)?.[1] ??
      /expecting\s+(?:'|"|&(?:apos|quot|#39|#34);)([A-Za-z0-9._-]{1,40})/.exec(text)?.[1] ??
      '')
  if ([301, 302, 307, 308].includes(status) && (head.location !== '' || region !== ''))
    return fault('redirect', { redirect: { location: head.location, region, isPermanent: status === 301 || status === 308 } })
  const elsewhere = /<Endpoint>([A-Za-z0-9.:_-]{1,200})<\/Endpoint>/.exec(text)?.[1]
  if (status === 301 && elsewhere !== undefined)
    return fault('badResponse', { retries: false }, `: the server sends such requests to ${elsewhere}; name that as the endpoint`)
  if (status === 400 && code === 'AuthorizationHeaderMalformed' && region !== '')
    return fault('redirect', { redirect: { location: '', region, isPermanent: true } })
  if (status === 401 || (code !== undefined && expiredCodes.has(code)) || (status === 403 && /expir/i.test(text)))
    return fault('expired', {}, ': the credentials have expired, or are none that the service takes')
  if (code === 'RequestTimeTooSkewed') return fault('badResponse', { retries: false }, clockSkew(head.date, nowMs))
  return fault('badResponse', { retries: false }, remedy(status, code))
}

function clockSkew(date: string, nowMs: number): string {
  const serverMs = Date.parse(date)
  if (Number.isNaN(serverMs)) return '; set the clock of this machine'
  return `; the clocks differ by ${Math.round(Math.abs(nowMs - serverMs) / 1000)} s: set the clock of this machine`
}

/** By which S3 and Azure say that a signature is wrong. */
const signatureCodes = new Set(['SignatureDoesNotMatch', 'AuthenticationFailed'])

function remedy(status: number, code: string | undefined): string {
  if (code !== undefined && signatureCodes.has(code))
    return ': the service refuses the signature; check the secret key, the region, and the clock'
  if (code === 'InvalidAccessKeyId') return ': the server does not know the access key'
  switch (status) {
    case 404:
      return ': there is no such object; check bucket, prefix and the number of files of the configuration'
    case 403:
      return ': these credentials may not read it'
    default:
      return ''
  }
}

const printable = (text: string) => text.slice(0, 60).replace(/[^\x20-\x7e]/g, '?')
const excerptOf = (message: string) => excerpt(message)
