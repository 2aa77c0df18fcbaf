// Which signer a grant needs.
import type { AccessGrant } from '../types.js'
import { SharedKeySigner } from './shared-key.js'
import { SigV4Signer } from './sigv4.js'
import type { RequestSigner } from './types.js'

/** Signs requests for objects of a grant. `region` overrides the grant's, once the storage has named another one. */
export function createSigner(grant: AccessGrant, region?: string): RequestSigner {
  const { signing, headers } = grant
  switch (signing.kind) {
    case 'sigv4':
      return new SigV4Signer(region === undefined ? signing : { ...signing, region }, headers)
    case 'sharedKey':
      return new SharedKeySigner(signing, headers)
    case 'sas':
      return new FixedSigner(`?${signing.query}`, headers)
    case 'bearer':
      return new FixedSigner('', { ...headers, authorization: `Bearer ${signing.token}` })
    case 'anonymous':
      return new FixedSigner('', headers)
  }
}

/** The same query and headers with every request. */
class FixedSigner implements RequestSigner {
  private readonly lines: string
  constructor(
    readonly query: string,
    headers: Readonly<Record<string, string>>,
  ) {
    this.lines = Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')
  }

  headers(): string {
    return this.lines
  }
}
