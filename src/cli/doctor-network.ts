// The way to an endpoint, step by step: name, connection, TLS, clock.
import dns from 'node:dns/promises'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import tls from 'node:tls'
import { createAgents, trustOf } from '../storage/object/agents.js'
import { codeOf } from '../storage/object/failure.js'
import { authority, openTunnel, wantsCredentials } from '../storage/object/http/tunnel.js'
import { type ProxyServer, proxyFor } from '../storage/object/proxy.js'
import type { AccessGrant } from '../storage/object/types.js'
import type { Examination, Finding } from './doctor-checks.js'

/** Signatures carry a time; servers refuse those that are further from their own (S3, Azure: 15 minutes). */
const clockLimitSeconds = 900
const clockWarningSeconds = 60

type Grant = Pick<AccessGrant, 'ca' | 'verifyTls' | 'proxies'>

/** Checks one endpoint; returns the names of the checks that later ones need. Throws ConfigError where the URL of a proxy is none. */
export async function examineEndpoint(examination: Examination, endpoint: string, grant: Grant): Promise<string[]> {
  const url = new URL(endpoint)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  const named = (step: string) => `${step} ${url.host}`
  const proxy = proxyFor(grant.proxies, endpoint)
  // With a proxy the endpoint's name is the proxy's matter.
  const hop = proxy ?? { hostname: host, port }
  let addresses: string[] = [hop.hostname]
  if (net.isIP(hop.hostname) === 0)
    await examination.run(named('resolve'), [], async () => {
      addresses = (await dns.lookup(hop.hostname, { all: true })).map(({ address }) => address).filter(uniquely)
      return { detail: `${proxy === undefined ? '' : `the proxy ${proxy.hostname}: `}${addresses.join(', ')}` }
    })
  await examination.run(named('connect'), [named('resolve')], async (leftMs) => {
    if (proxy === undefined) return connectAll(addresses, port, leftMs)
    const finding = await connectAll(addresses, proxy.port, leftMs)
    return { ...finding, detail: `the proxy ${proxy.host}: ${finding.detail}` }
  })
  if (proxy !== undefined)
    await examination.run(named('proxy'), [named('connect')], async (leftMs) => {
      await passThrough(proxy, endpoint, grant, leftMs)
      return { outcome: 'note', detail: `requests go through the proxy ${proxy.host}, which runs then measure as well` }
    })
  if (url.protocol === 'https:')
    await examination.run(named('tls'), [named('connect'), named('proxy')], async (leftMs) => {
      const to = authority(host, port)
      const tunnel = proxy && (await openTunnel({ proxy, address: addresses[0]!, to, trust: trustOf(grant), timeoutMs: leftMs }))
      return handshake(tunnel ? { socket: tunnel } : { host: addresses[0]!, port }, host, grant, leftMs)
    })
  const ways = [named('connect'), named('proxy'), named('tls')]
  await examination.run(named('clock'), ways, (leftMs) => clock(endpoint, grant, leftMs))
  return [named('resolve'), ...ways]
}

/** Whether the proxy lets us through to the endpoint. */
async function passThrough(proxy: ProxyServer, endpoint: string, grant: Grant, leftMs: number): Promise<void> {
  if (endpoint.startsWith('http:')) {
    const { status } = await askHead(endpoint, grant, leftMs)
    if (status === 407) throw new Error(wantsCredentials(proxy))
    return
  }
  const { hostname, port } = new URL(endpoint)
  const to = authority(hostname.replace(/^\[|\]$/g, ''), Number(port || 443))
  const tunnel = await openTunnel({ proxy, address: proxy.hostname, to, trust: trustOf(grant), timeoutMs: leftMs })
  tunnel.destroy()
}

const uniquely = <T>(value: T, index: number, all: readonly T[]): boolean => all.indexOf(value) === index

/** Of several addresses each is tried: requests go to all of them. */
async function connectAll(addresses: readonly string[], port: number, leftMs: number): Promise<Finding> {
  const tries = await Promise.all(
    addresses.map(async (address) => {
      try {
        await socketTo(address, port, leftMs)
        return undefined
      } catch (error) {
        return `${address}: ${wordsOf(error)}`
      }
    }),
  )
  const bad = tries.filter((failure) => failure !== undefined)
  if (bad.length === addresses.length) throw new Error(`port ${port}: ${bad.join('; ')}`)
  if (bad.length > 0) return { outcome: 'warning', detail: `port ${port}: ${bad.join('; ')}; the other addresses answer` }
  return { detail: `port ${port} of ${addresses.length === 1 ? addresses[0] : `${addresses.length} addresses`}` }
}

function socketTo(host: string, port: number, leftMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, timeout: Math.max(leftMs - 100, 1) })
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.once('timeout', () => {
      socket.destroy()
      reject(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' }))
    })
    socket.once('error', reject)
  })
}

function wordsOf(error: unknown): string {
  const code = codeOf(error)
  if (code === 'ECONNREFUSED') return 'nothing listens there (ECONNREFUSED)'
  if (code === 'ETIMEDOUT') return 'no answer (ETIMEDOUT); a firewall may drop packets'
  return `${(error as Error).message}${code === undefined || (error as Error).message.includes(code) ? '' : ` (${code})`}`
}

function handshake(to: tls.ConnectionOptions, host: string, grant: Grant, leftMs: number): Promise<Finding> {
  return new Promise((resolve, reject) => {
    const serverName = net.isIP(host) === 0 ? { servername: host } : {}
    const socket = tls.connect({ ...to, ...serverName, ...trustOf(grant) })
    socket.setTimeout(Math.max(leftMs - 100, 1))
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerCertificate()
      const days = Math.floor((Date.parse(certificate.valid_to) - Date.now()) / 86_400_000)
      const words = `${socket.getProtocol()}, certificate of ${certificate.issuer?.O ?? certificate.issuer?.CN ?? 'an unnamed authority'}, ${days} days left`
      socket.destroy()
      if (!grant.verifyTls) resolve({ outcome: 'warning', detail: `${words}; not verified (verify_tls: false)` })
      else resolve(days < 14 ? { outcome: 'warning', detail: words } : { detail: words })
    })
    socket.once('timeout', () => {
      socket.destroy()
      reject(new Error('no TLS answer; perhaps this is not a TLS port'))
    })
    socket.once('error', (error) => {
      const code = codeOf(error) ?? ''
      const advice = /SELF_SIGNED|UNABLE_TO|DEPTH_ZERO/.test(code)
        ? '; trust its authority with AWS_CA_BUNDLE, NODE_EXTRA_CA_CERTS or storage_options.ca_bundle'
        : /WRONG_VERSION|EPROTO|PACKET/.test(`${code} ${error.message}`)
          ? '; this is no TLS port: write http://'
          : ''
      const said = /SSL routines:[^:]*:([^:]+):/.exec(error.message)?.[1] ?? error.message.split('\n')[0]!.trim().slice(0, 200)
      reject(new Error(`${said}${code === '' ? '' : ` (${code})`}${advice}`))
    })
  })
}

/** Of the time that is left: what says nothing must leave some to find out what else does not. */
const longestSilence = 0.4

/** Compares the server's Date header with our clock. */
async function clock(endpoint: string, grant: Grant, leftMs: number): Promise<Finding> {
  const beginMs = Date.now()
  const { date } = await askHead(endpoint, grant, longestSilence * leftMs)
  const theirs = Date.parse(date)
  if (Number.isNaN(theirs)) return { outcome: 'note', detail: 'the server does not tell its time' }
  // The header has whole seconds: its middle against the middle of the exchange.
  const seconds = Math.round((theirs + 500 - (beginMs + Date.now()) / 2) / 1000)
  const words = seconds === 0 ? 'equal to the server’s' : `${Math.abs(seconds)} s ${seconds > 0 ? 'behind' : 'ahead of'} the server’s`
  if (Math.abs(seconds) >= clockLimitSeconds)
    throw new Error(`this machine's clock is ${words}: signed requests are refused beyond ${clockLimitSeconds / 60} minutes; set it (NTP)`)
  return {
    ...(Math.abs(seconds) > clockWarningSeconds ? { outcome: 'warning' as const } : {}),
    detail: `this machine's clock is ${words}`,
  }
}

/** Status and Date header of the answer to `HEAD /`. */
function askHead(endpoint: string, grant: Grant, leftMs: number): Promise<{ status: number; date: string }> {
  const agents = createAgents({ ...grant, connectTimeoutMs: leftMs })
  return new Promise<{ status: number; date: string }>((resolve, reject) => {
    const [client, agent] = endpoint.startsWith('https:') ? [https, agents.https] : [http, agents.http]
    const request = client.request(endpoint, { method: 'HEAD', timeout: Math.max(leftMs - 100, 1), agent }, (answer) => {
      answer.resume()
      resolve({ status: answer.statusCode!, date: answer.headers.date ?? '' })
    })
    request.once('timeout', () => request.destroy(new Error('no answer to HEAD /')))
    request.once('error', reject)
    request.end()
  }).finally(() => agents.close())
}
