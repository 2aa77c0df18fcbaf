// What signers are asked and what they answer.

/** A request for an object, before it is signed. */
export interface RequestLine {
  readonly method: 'GET' | 'HEAD'
  /** Value of the Host header. */
  readonly host: string
  /** Percent-encoded. */
  readonly path: string
  /** Value of the Range header; '' without one. */
  readonly range: string
  /** Value of the If-Match header; '' without one. */
  readonly ifMatch: string
  /** Unix time of the request. */
  readonly nowMs: number
}

export interface RequestSigner {
  /** Query string to be sent, with its question mark, or ''. */
  readonly query: string
  /** Header lines, each ended by CRLF, beside Host, Range and If-Match. */
  headers(request: RequestLine): string
}
