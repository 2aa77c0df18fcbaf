// Which requests go through an HTTP proxy. One rule for the control plane and for the readers, so that both take the same way.
import { BlockList, isIP } from 'node:net'
import type { Warning } from '../../config/workload.js'
import { ConfigError } from '../../errors.js'

/** A proxy, and what it is told of us. */
export interface ProxyServer {
  readonly isTls: boolean
  /** Name or address, without brackets. */
  readonly hostname: string
  readonly port: number
  /** Name and port, for people: all of the URL that may be shown. */
  readonly host: string
  /** Its URL with its credentials. */
  readonly url: string
  /** Value of the Proxy-Authorization header; '' without credentials. */
  readonly authorization: string
}

/** What the configuration and the environment say about proxies: plain data that crosses threads, perhaps with passwords in it. */
export interface ProxyRules {
  /** `storage_options.proxy`: URL of the proxy of all requests. */
  readonly all?: string
  /** The environment's, for endpoints without and with TLS. */
  readonly http?: EnvironmentProxy
  readonly https?: EnvironmentProxy
  /** NO_PROXY: hosts that are asked without the environment's proxies. */
  readonly except: string
}

interface EnvironmentProxy {
  readonly variable: string
  readonly url: string
}

/** The rules that apply; undefined where nothing names a proxy. Lower-case variables go before those in capitals, as curl has it. */
export function proxyRules(all: string | undefined, env: NodeJS.ProcessEnv): ProxyRules | undefined {
  if (all !== undefined) return { all, except: '' }
  const first = (name: string): EnvironmentProxy | undefined => {
    const variable = [name.toLowerCase(), name].find((spelling) => env[spelling])
    return variable === undefined ? undefined : { variable, url: env[variable]!.trim() }
  }
  const http = first('HTTP_PROXY')
  const https = first('HTTPS_PROXY')
  if (http === undefined && https === undefined) return undefined
  return { ...(http && { http }), ...(https && { https }), except: exceptions(env) }
}

/** NO_PROXY as it was before libraries were told something else. */
let given: string | undefined

const exceptions = (env: NodeJS.ProcessEnv): string =>
  env === process.env && given !== undefined ? given : env.no_proxy || env.NO_PROXY || ''

/**
 * Keeps libraries that look for proxies in the environment, by rules of their own, from doing so for a host: for this process they have it in
 * NO_PROXY. Our own rules stay as they are.
 */
export function keepFromLibraries(hostname: string): void {
  const { env } = process
  given ??= exceptions(env)
  const names = new Set([...(env.no_proxy || env.NO_PROXY || '').split(/[\s,]+/), hostname])
  names.delete('')
  env.NO_PROXY = env.no_proxy = [...names].join(',')
}

/** Metadata services of cloud machines and containers, which a proxy cannot reach on our behalf. */
const ofMachines = '169.254.0.0/16 fe80::/10 fd00:ec2::/32 metadata.google.internal'

/** Others that the environment names for Google's library, with their ports. */
export function machineHosts(env: NodeJS.ProcessEnv = process.env): string[] {
  return [env.GCE_METADATA_IP, env.GCE_METADATA_HOST].flatMap((host) =>
    host ? [host.replace(/^https?:\/\//, '').replace(/\/.*$/, '')] : [],
  )
}

/** The proxy for requests to an origin; undefined where they go there directly. Throws ConfigError, without its password, for a URL that is none. */
export function proxyFor(rules: ProxyRules | undefined, origin: string): ProxyServer | undefined {
  if (rules === undefined) return undefined
  const { protocol, hostname, port } = new URL(origin)
  const isTls = protocol === 'https:'
  const ownPort = port === '' ? (isTls ? 443 : 80) : Number(port)
  if (isExempt([ofMachines, ...machineHosts()].join(' '), hostname.replace(/^\[|\]$/g, ''), ownPort)) return undefined
  if (rules.all !== undefined) return parsed(rules.all, 'storage.storage_options.proxy')
  const named = isTls ? rules.https : rules.http
  if (named === undefined) return undefined
  if (isExempt(rules.except, hostname.replace(/^\[|\]$/g, ''), ownPort)) return undefined
  return parsed(named.url, `the environment's ${named.variable}`)
}

/** The proxies on the way to some origins, for people: `host:port`, separated by commas; undefined where there is none. */
export function proxiesOf(rules: ProxyRules | undefined, origins: readonly string[]): string | undefined {
  const hosts = new Set(origins.flatMap((origin) => proxyFor(rules, origin)?.host ?? []))
  return hosts.size === 0 ? undefined : [...hosts].join(', ')
}

/** Behind an endpoint, in messages: `, through the proxy HOST:PORT`, or nothing. */
export function throughProxy(rules: ProxyRules | undefined, origins: readonly string[]): string {
  const hosts = proxiesOf(rules, origins)
  return hosts === undefined ? '' : `, through the proxy ${hosts}`
}

/** What the user of a run should know about {@link proxiesOf}. */
export function proxyWarnings(proxies: string | undefined): Warning[] {
  if (proxies === undefined) return []
  const message = `the object storage is reached through the proxy ${proxies}, which is part of what is measured; NO_PROXY=HOST goes past it`
  return [{ code: 'proxy', message }]
}

/** What of the rules nobody may see. */
export function proxySecrets(rules: ProxyRules | undefined): string[] {
  return [rules?.all, rules?.http?.url, rules?.https?.url].flatMap((url) => {
    const user = url === undefined ? undefined : /^(?:[a-z]+:\/\/)?([^/]*)@/i.exec(url)?.[1]
    if (user === undefined) return []
    const password = user.includes(':') ? user.slice(user.indexOf(':') + 1) : user
    return [password, decoded(password) ?? password, Buffer.from(decoded(user) ?? user).toString('base64')]
  })
}

function parsed(url: string, name: string): ProxyServer {
  try {
    return parseProxy(url)
  } catch (error) {
    throw new ConfigError(`${name} ${(error as Error).message}`)
  }
}

/** A proxy's URL; without a scheme it is http://. Throws an Error whose message is the rule, without the URL, which may hold a password. */
export function parseProxy(text: string): ProxyServer {
  let url: URL
  try {
    url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`)
  } catch {
    throw new Error('must be the URL of a proxy, such as http://proxy.example:3128')
  }
  const isTls = url.protocol === 'https:'
  if (!isTls && url.protocol !== 'http:') throw new Error(`must begin with http:// or https://, not ${url.protocol}//`)
  if (!/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '') throw new Error('must end with the host or port, without a path')
  const [user, password] = [decoded(url.username), decoded(url.password)]
  if (user === undefined || password === undefined)
    throw new Error('has a user name or password with a % that begins no character; write % as %25')
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port)
  return {
    isTls,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    host: `${url.hostname}:${port}`,
    url: url.href,
    authorization: url.username === '' && url.password === '' ? '' : `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/**
 * Whether NO_PROXY names a host: `*`, a name (with all below it, a leading dot or `*.` or not), an address, a block of addresses
 * (`10.0.0.0/8`), each but the last perhaps with a port. Names are not resolved for it.
 */
export function isExempt(list: string, host: string, port: number): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => entry === '*' || (entry !== '' && names(entry, name, port)))
}

function names(entry: string, host: string, port: number): boolean {
  const [, block, bits] = /^\[?([0-9a-f.:]+)\]?\/(\d{1,3})$/.exec(entry) ?? []
  if (block !== undefined) return holds(block, Number(bits), host)
  const [, bracketed, plain, ofPort] = /^(?:\[([0-9a-f:.]+)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? []
  if (ofPort !== undefined && Number(ofPort) !== port) return false
  // An IPv6 address without brackets has no port.
  const pattern = (bracketed ?? plain ?? entry).replace(/^\*?\./, '').replace(/\.$/, '')
  if (isIP(pattern) !== 0) return holds(pattern, isIP(pattern) === 4 ? 32 : 128, host)
  return pattern !== '' && isIP(host) === 0 && (host === pattern || host.endsWith(`.${pattern}`))
}

function holds(block: string, bits: number, host: string): boolean {
  const family = isIP(block)
  if (family === 0 || isIP(host) !== family || bits > (family === 4 ? 32 : 128)) return false
  const list = new BlockList()
  list.addSubnet(block, bits, family === 4 ? 'ipv4' : 'ipv6')
  return list.check(host, family === 4 ? 'ipv4' : 'ipv6')
}
