// Whether a request of the control plane that failed is sent again, and why: the causes are those of reading (http/faults.ts).
import type { Verdict } from '../wrappers/retry.js'
import { codeOf, statusOf } from './failure.js'
import type { RetryCause } from './http/faults.js'
import { retryAfter } from './http/head.js'

/** An answer with a good status that is not what was asked for: a log-in page, a listing that breaks off. */
export class BadAnswerError extends Error {
  readonly code = 'BadAnswer'
}

const causes: readonly [RegExp, RetryCause][] = [
  [/^(?:SlowDown|ServerBusy|TooManyRequests|RequestLimitExceeded|Throttling|rateLimitExceeded|userRateLimitExceeded)/, 'throttled'],
  [/^(?:ETIMEDOUT|ESOCKETTIMEDOUT|TimeoutError|RequestTimeout)$/, 'timeout'],
  [/^(?:ECONNRESET|EPIPE|ECONNABORTED|ERR_STREAM_PREMATURE_CLOSE)$/, 'reset'],
  [/^(?:ECONNREFUSED|EHOSTUNREACH|ENETUNREACH)$/, 'connect'],
  [/^(?:EAI_AGAIN)$/, 'dns'],
  [/^(?:BadAnswer|PARSE_ERROR|SyntaxError|FetchError|InternalError)$/, 'badResponse'],
]

/** The cause of an error that may pass; undefined where the same request would fail again. */
export function passingCause(error: unknown): RetryCause | undefined {
  const code = codeOf(error)
  const known = causes.find(([form]) => code !== undefined && form.test(code))?.[1]
  const status = statusOf(error)
  // What makes connections may say so itself, in the AWS SDK's manner.
  if (status === undefined)
    return known ?? ((error as { $retryable?: unknown } | undefined)?.$retryable === undefined ? undefined : 'connect')
  // What cannot be understood although the server means well.
  if (status < 300) return known ?? 'badResponse'
  if (status === 429 || status === 503 || known === 'throttled') return 'throttled'
  // What is not implemented will not be at the next attempt.
  if (status === 501) return undefined
  if (status >= 500 || status === 408) return 'serverError'
  return known === 'timeout' ? known : undefined
}

/** What to do about it. `clockWasSet`: the SDK has learnt the server's time from this refusal, so the next request may pass. */
export function judgeFailure(error: unknown, clockWasSet: boolean): Verdict {
  if (clockWasSet) return { next: 'again' }
  if (passingCause(error) === undefined) return { next: 'giveUp' }
  return { next: 'retry', afterMs: waitOf(error) }
}

interface Answered {
  readonly $response?: { readonly headers?: unknown }
  readonly response?: { readonly headers?: unknown }
}

/** Retry-After of the answer, wherever the libraries keep it, in milliseconds. */
function waitOf(error: unknown): number | undefined {
  const { $response, response } = (error ?? {}) as Answered
  const headers = $response?.headers ?? response?.headers
  if (typeof headers !== 'object' || headers === null) return undefined
  const value =
    'get' in headers && typeof headers.get === 'function'
      ? (headers.get('retry-after') as unknown)
      : (headers as Readonly<Record<string, unknown>>)['retry-after']
  return typeof value === 'string' ? retryAfter(value, Date.now()) : undefined
}
