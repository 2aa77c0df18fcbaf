// Azure's connection strings.
import { isIP } from 'node:net'
import { ConfigError } from '../../errors.js'

export interface AzureConnection {
  readonly account?: string
  readonly key?: string
  readonly sas?: string
  /** URL of the account in the blob service. */
  readonly endpoint: string
}

const variable = 'AZURE_STORAGE_CONNECTION_STRING (connection_string)'

/** The storage emulator's account, the same on all machines. Source: Microsoft, "Use the Azurite emulator", well-known storage account and key. */
const development = {
  account: 'devstoreaccount1',
  key: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
  port: 10_000,
}

/** What a connection string says. Throws ConfigError, without the text. */
export function parseConnectionString(text: string): AzureConnection {
  const entries = text
    .trim()
    .replace(/^'(.*)'$/s, '$1')
    .split(';')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const at = part.indexOf('=')
      if (at <= 0) throw new ConfigError(`${variable}: must be NAME=VALUE pairs separated by semicolons`)
      return [part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim()] as const
    })
  const of: Readonly<Record<string, string | undefined>> = Object.fromEntries(entries)
  if (of.usedevelopmentstorage?.toLowerCase() === 'true') {
    const { account, key, port } = development
    const host = (of.developmentstorageproxyuri ?? 'http://127.0.0.1').replace(/\/+$/, '')
    return { account, key, endpoint: checkedUrl(`${host}:${port}/${account}`, 'DevelopmentStorageProxyUri') }
  }
  const { accountkey: key, accountname: named } = of
  const sas = of.sharedaccesssignature?.replace(/^\?/, '')
  const protocol = of.defaultendpointsprotocol ?? 'https'
  const endpoint = of.blobendpoint ?? (named && `${protocol}://${named}.blob.${of.endpointsuffix ?? 'core.windows.net'}`)
  if (!endpoint) throw new ConfigError(`${variable}: names neither AccountName nor BlobEndpoint`)
  const url = checkedUrl(endpoint, of.blobendpoint === undefined ? 'EndpointSuffix' : 'BlobEndpoint')
  const account = named ?? accountOf(url)
  return {
    endpoint: url,
    ...(account === undefined ? {} : { account }),
    ...(key === undefined ? {} : { key }),
    ...(sas === undefined ? {} : { sas }),
  }
}

function checkedUrl(text: string, name: string): string {
  try {
    const url = new URL(text)
    if (/^https?:$/.test(url.protocol) && url.username === '' && url.search === '') return text.replace(/\/+$/, '')
  } catch {
    // Told below, as for other URLs.
  }
  throw new ConfigError(`${variable}: ${name} makes no http:// or https:// URL without user names and query`)
}

/** Portals give strings with a signature that name the account only in the URL: in its host, or in its path where that is no host of the account's own. */
function accountOf(endpoint: string): string | undefined {
  const { hostname, pathname } = new URL(endpoint)
  const [first = ''] = pathname.slice(1).split('/')
  if (first !== '') return first
  return isIP(hostname.replace(/^\[|\]$/g, '')) === 0 && hostname.includes('.') ? hostname.split('.')[0] : undefined
}
