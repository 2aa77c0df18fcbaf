// The way to an endpoint, step by step: name, connection, TLS, clock.
import dns from 'node:dns/promises'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import tls from 'node:tls'
import { codeOf } from '../storage/object/failure.js'
import type { AccessGrant } from '../storage/object/types.js'
import type { Examination, Finding } from './doctor-checks.js'

/** Signatures carry a time; servers refuse those that are further from their own (S3, Azure: 15 minutes). */
const clockLimitSeconds = 900
const clockWarningSeconds = 60

/** Checks one endpoint; returns the names of the checks that later ones need. */
export async function examineEndpoint(
  examination: Examination,
  endpoint: string,
  grant: Pick<AccessGrant, 'ca' | 'verifyTls'>,
): Promise<string[]> {
  const url = new URL(endpoint)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  const named = (step: string) => `${step} ${url.host}`
  let addresses: string[] = [host]
  if (net.isIP(host) === 0)
    await examination.run(named('resolve'), [], async () => {
      addresses = (await dns.lookup(host, { all: true })).map(({ address }) => address).filter(uniquely)
      return { detail: addresses.join(', ') }
    })
  await examination.run(named('connect'), [named('resolve')], (leftMs) => connectAll(addresses, port, leftMs))
  if (url.protocol === 'https:')
    await examination.run(named('tls'), [named('connect')], (leftMs) => handshake(addresses[0]!, port, host, grant, leftMs))
  await examination.run(named('clock'), [named('connect'), named('tls')], (leftMs) => clock(endpoint, grant, leftMs))
  return [named('resolve'), named('connect'), named('tls')]
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

const trustOf = ({ ca, verifyTls }: Pick<AccessGrant, 'ca' | 'verifyTls'>) => ({
  ...(ca === undefined ? {} : { ca: [...tls.rootCertificates, ...ca] }),
  rejectUnauthorized: verifyTls,
})

function handshake(
  address: string,
  port: number,
  host: string,
  grant: Pick<AccessGrant, 'ca' | 'verifyTls'>,
  leftMs: number,
): Promise<Finding> {
  return new Promise((resolve, reject) => {
    const serverName = net.isIP(host) === 0 ? { servername: host } : {}
    const socket = tls.connect({ host: address, port, timeout: Math.max(leftMs - 100, 1), ...serverName, ...trustOf(grant) })
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

/** Compares the server's Date header with our clock. */
function clock(endpoint: string, grant: Pick<AccessGrant, 'ca' | 'verifyTls'>, leftMs: number): Promise<Finding> {
  return new Promise((resolve, reject) => {
    const client = endpoint.startsWith('https:') ? https : http
    const beginMs = Date.now()
    const request = client.request(
      endpoint,
      { method: 'HEAD', timeout: Math.max(leftMs - 100, 1), agent: false, ...trustOf(grant) },
      (answer) => {
        answer.resume()
        const theirs = Date.parse(answer.headers.date ?? '')
        if (Number.isNaN(theirs)) return resolve({ outcome: 'note', detail: 'the server does not tell its time' })
        // The header has whole seconds: its middle against the middle of the exchange.
        const seconds = Math.round((theirs + 500 - (beginMs + Date.now()) / 2) / 1000)
        const words = seconds === 0 ? 'equal to the server’s' : `${Math.abs(seconds)} s ${seconds > 0 ? 'behind' : 'ahead of'} the server’s`
        if (Math.abs(seconds) >= clockLimitSeconds)
          return reject(
            new Error(
              `this machine's clock is ${words}: signed requests are refused beyond ${clockLimitSeconds / 60} minutes; set it (NTP)`,
            ),
          )
        resolve({
          ...(Math.abs(seconds) > clockWarningSeconds ? { outcome: 'warning' as const } : {}),
          detail: `this machine's clock is ${words}`,
        })
      },
    )
    request.once('timeout', () => request.destroy(new Error('no answer to HEAD /')))
    request.once('error', reject)
    request.end()
  })
}
