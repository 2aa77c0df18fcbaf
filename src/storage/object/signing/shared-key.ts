// Azure Storage's SharedKey authorisation of GET and HEAD requests for blobs. Source: Microsoft, "Authorize with Shared Key" (Blob service,
// version 2009-09-19 and later); tests hold it together with the policy of Azure's own client.
import type { Signing } from '../types.js'
import { KeyedHash } from './keyed-hash.js'
import type { RequestLine, RequestSigner } from './types.js'

type Credentials = Extract<Signing, { kind: 'sharedKey' }>

export class SharedKeySigner implements RequestSigner {
  readonly query = ''
  private readonly hash: KeyedHash
  private readonly fixedLines: string
  /** Canonical x-ms headers before and behind x-ms-date. */
  private readonly before: string
  private readonly behind: string
  private second = -1
  private date = ''

  constructor(
    private readonly credentials: Credentials,
    headers: Readonly<Record<string, string>>,
  ) {
    this.hash = new KeyedHash(Buffer.from(credentials.key, 'base64'))
    const fixed = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value.trim()] as const)
    this.fixedLines = fixed.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const signed = fixed.filter(([name]) => name.startsWith('x-ms-')).sort(([a], [b]) => (a < b ? -1 : 1))
    const canonical = (part: typeof signed) => part.map(([name, value]) => `${name}:${value}\n`).join('')
    this.before = canonical(signed.filter(([name]) => name < 'x-ms-date'))
    this.behind = canonical(signed.filter(([name]) => name > 'x-ms-date'))
  }

  headers(request: RequestLine): string {
    const second = Math.floor(request.nowMs / 1000)
    if (second !== this.second) {
      this.second = second
      this.date = new Date(1000 * second).toUTCString()
    }
    const { account } = this.credentials
    const { method, ifMatch, range, path } = request
    // Method, seven absent headers (from Content-Encoding to If-Modified-Since), If-Match, two absent ones, Range.
    const toSign = `${method}\n\n\n\n\n\n\n\n${ifMatch}\n\n\n${range}\n${this.before}x-ms-date:${this.date}\n${this.behind}/${account}${path}`
    const signature = this.hash.digest(toSign, 'base64')
    return `${this.fixedLines}x-ms-date: ${this.date}\r\nauthorization: SharedKey ${account}:${signature}\r\n`
  }
}
