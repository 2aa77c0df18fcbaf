// Connections of the control plane: kept alive, with the certificates to trust, through a proxy where one applies.
import http from 'node:http'
import https from 'node:https'
import tls from 'node:tls'
import { HttpsProxyAgent } from 'https-proxy-agent'
import type { ObjectSettings } from './settings.js'

export interface Agents {
  readonly http: http.Agent
  readonly https: https.Agent
  /** The proxy that requests go through. */
  readonly proxy?: string
  close(): void
}

/** Agents for requests to `origin`. */
export function createAgents(settings: ObjectSettings, origin: string, env: NodeJS.ProcessEnv = process.env): Agents {
  const trust = {
    // What is given replaces Node's own, so those are given too.
    ...(settings.ca.length > 0 ? { ca: [...tls.rootCertificates, ...settings.ca] } : {}),
    ...(settings.verifyTls ? {} : { rejectUnauthorized: false }),
  }
  const pool = { keepAlive: true, maxSockets: 256 }
  const proxy = settings.proxy ?? proxyFor(origin, env)
  if (proxy === undefined) {
    const agents = { http: new http.Agent(pool), https: new https.Agent({ ...pool, ...trust }) }
    return { ...agents, close: () => [agents.http, agents.https].map((agent) => agent.destroy()) }
  }
  const agent = new HttpsProxyAgent(proxy, { ...pool, ...trust }) as unknown as https.Agent
  return { http: agent, https: agent, proxy, close: () => agent.destroy() }
}

/** The environment's proxy for `origin`: HTTPS_PROXY or HTTP_PROXY in either case, unless NO_PROXY names the host (a name, `.domain`, `*`). */
export function proxyFor(origin: string, env: NodeJS.ProcessEnv): string | undefined {
  const url = new URL(origin)
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const proxy = env[name.toLowerCase()] || env[name]
  if (!proxy) return undefined
  const host = url.hostname.toLowerCase()
  const exempt = (env.no_proxy || env.NO_PROXY || '').split(/[\s,]+/).some((entry) => {
    const [pattern = '', port] = entry
      .toLowerCase()
      .replace(/^\*?\./, '.')
      .split(':')
    if (pattern === '' || (port !== undefined && port !== url.port)) return false
    return pattern === '*' || host === pattern || host.endsWith(pattern.startsWith('.') ? pattern : `.${pattern}`)
  })
  return exempt ? undefined : proxy
}
