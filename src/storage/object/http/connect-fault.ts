// Why a connection could not be made, in words.
import { HttpFault } from './faults.js'

/** Codes of failures that another attempt may not meet again, TLS or not. */
const transient = new Set(['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EPIPE', 'EADDRNOTAVAIL', 'ENETDOWN'])

/** @param to whom: an address, or a proxy */
export function connectFault(error: NodeJS.ErrnoException, to: string, isTls: boolean): HttpFault {
  const { code } = error
  if (code === 'EMFILE') return new HttpFault('connect', 'too many open files in this process; raise `ulimit -n`', { code, retries: false })
  if (code !== undefined && transient.has(code)) return new HttpFault('connect', `no connection to ${to}: ${error.message}`, { code })
  if (!isTls) return new HttpFault('connect', `no connection to ${to}: ${error.message}`, { code, retries: false })
  return new HttpFault('tls', `TLS with ${to} failed: ${error.message}${tlsRemedy(code)}`, { code, retries: false })
}

function tlsRemedy(code: string | undefined): string {
  switch (code) {
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return '; its certificate is not from a known authority: name yours with AWS_CA_BUNDLE or NODE_EXTRA_CA_CERTS'
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return '; the certificate is for another name than the endpoint has'
    case 'CERT_HAS_EXPIRED':
      return '; its certificate has expired'
    default:
      return ''
  }
}
