// What can go wrong with one request, by cause. A fault is internal: it is retried, or becomes an error that people read.

/** Why a request was sent again, or failed. The names are those of `retries` in result.json. */
export const retryCauses = [
  /** 429, or 503 with its `SlowDown`. */
  'throttled',
  /** Other answers of 500 and above, and 408. */
  'serverError',
  /** No connection, no head or no body within its time. */
  'timeout',
  /** The connection broke before the response's head was through. */
  'reset',
  /** The connection ended within the body. */
  'shortBody',
  'connect',
  'dns',
  'tls',
  /** A response that breaks HTTP, or that is not the answer to what was asked. */
  'badResponse',
  /** The credentials have expired. */
  'expired',
  /** A kept connection that the server had closed meanwhile. */
  'staleConnection',
  /** The storage sent us to another endpoint or region. */
  'redirect',
] as const
export type RetryCause = (typeof retryCauses)[number]

export interface FaultFacts {
  /** The system's, TLS library's or provider's code. */
  readonly code?: string | undefined
  /** Of the response, where there was one. */
  readonly status?: number
  /** False where sending the same again cannot help. */
  readonly retries?: boolean
  /** What the server asked to wait for. */
  readonly retryAfterMs?: number | undefined
  /** Where the server sends us; `region` is the one to sign for. */
  readonly redirect?: { readonly location: string; readonly region: string; readonly isPermanent: boolean }
}

export class HttpFault extends Error {
  constructor(
    readonly kind: RetryCause,
    /** Words for people, to be put behind `GET at ENDPOINT: `. */
    readonly detail: string,
    readonly facts: FaultFacts = {},
  ) {
    super(detail)
  }

  get retries(): boolean {
    return this.facts.retries ?? true
  }
}
