// Services where one signs in, on this machine: AWS's STS, SSO, container and machine metadata, Azure's authority and managed identity, Google's
// tokens. Every answer gives other credentials, numbered from 1, which a test can recognise in requests.
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import type { Certificate } from './services.js'

export interface SignInSeen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface SignIn {
  readonly url: string
  readonly server: Server
  readonly seen: SignInSeen[]
  /** Issued so far. */
  issued: number
  /** How long what is issued is good for. */
  lifeMs: number
  /** Answers in its place: a status and a body. */
  fault: ((seen: SignInSeen) => { readonly status: number; readonly body: string } | undefined) | undefined
  reset(): void
  close(): void
}

export const issuedKey = (number: number) => `AKIDISSUED${number}`
export const issuedSecret = (number: number) => `issued-secret-number-${number}-0123456789`
export const issuedToken = (number: number) => `issued-session-token-number-${number}-0123456789`

export const issuedBearer = (number: number) => `issued-bearer-number-${number}-0123456789`

export async function startSignIn(tls?: Certificate): Promise<SignIn> {
  const handle = (request: IncomingMessage, response: http.ServerResponse) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method, url, headers: sent } = request
      const seen = { method: method!, path: url!, headers: sent, body: Buffer.concat(chunks).toString() }
      signIn.seen.push(seen)
      const { status, body, type } = { type: 'application/json', ...(signIn.fault?.(seen) ?? answer(signIn, seen)) }
      const headers = { 'content-type': type, 'x-aws-ec2-metadata-token-ttl-seconds': '600', 'metadata-flavor': 'Google' }
      response.writeHead(status, headers).end(body)
    })
  }
  const server = tls === undefined ? http.createServer(handle) : https.createServer({ key: tls.key, cert: tls.cert }, handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  const signIn: SignIn = {
    url: `${tls === undefined ? 'http://127.0.0.1' : 'https://localhost'}:${(server.address() as AddressInfo).port}`,
    server,
    seen: [],
    issued: 0,
    lifeMs: 3_600_000,
    fault: undefined,
    reset: () => {
      signIn.seen.length = 0
      signIn.issued = 0
      signIn.lifeMs = 3_600_000
      signIn.fault = undefined
    },
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
  return signIn
}

function answer(signIn: SignIn, { method, path, body }: SignInSeen): { status: number; body: string; type?: string } {
  if (path === '/latest/api/token') return { status: 200, body: 'machine-session', type: 'text/plain' }
  if (path === '/latest/meta-data/iam/security-credentials/') return { status: 200, body: 'role', type: 'text/plain' }
  if (path.startsWith('/computeMetadata') && !path.includes('/token')) return { status: path.includes('universe') ? 404 : 200, body: '{}' }
  const authority = ofAuthority(path)
  if (authority !== undefined) return authority
  const number = ++signIn.issued
  const [id, secret, token] = [issuedKey(number), issuedSecret(number), issuedToken(number)]
  const ends = new Date(Date.now() + signIn.lifeMs)
  if (method === 'POST' && /Action=AssumeRole/.test(body)) {
    const action = /Action=(\w+)/.exec(body)![1]!
    const keys = `<AccessKeyId>${id}</AccessKeyId><SecretAccessKey>${secret}</SecretAccessKey><SessionToken>${token}</SessionToken><Expiration>${ends.toISOString()}</Expiration>`
    const result = `<${action}Result><Credentials>${keys}</Credentials></${action}Result>`
    return {
      status: 200,
      body: `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${result}</${action}Response>`,
      type: 'text/xml',
    }
  }
  if (path.startsWith('/federation/credentials'))
    return {
      status: 200,
      body: JSON.stringify({
        roleCredentials: { accessKeyId: id, secretAccessKey: secret, sessionToken: token, expiration: ends.getTime() },
      }),
    }
  const bearer = issuedBearer(number)
  if (path.endsWith(':generateAccessToken'))
    return { status: 200, body: JSON.stringify({ accessToken: bearer, expireTime: ends.toISOString() }) }
  if (/token|identity/.test(path)) {
    const expires_in = Math.round(signIn.lifeMs / 1000)
    const expires_on = String(Math.round(ends.getTime() / 1000))
    const issued_token_type = 'urn:ietf:params:oauth:token-type:access_token'
    return { status: 200, body: JSON.stringify({ access_token: bearer, token_type: 'Bearer', expires_in, expires_on, issued_token_type }) }
  }
  // Of machines and containers.
  return {
    status: 200,
    body: JSON.stringify({ Code: 'Success', AccessKeyId: id, SecretAccessKey: secret, Token: token, Expiration: ends.toISOString() }),
  }
}

/** What Azure's authority says of itself. */
function ofAuthority(path: string): { status: number; body: string } | undefined {
  const host = 'login.microsoftonline.com'
  if (path.startsWith('/common/discovery/instance'))
    return {
      status: 200,
      body: JSON.stringify({
        tenant_discovery_endpoint: `https://${host}/tenant/v2.0/.well-known/openid-configuration`,
        metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
      }),
    }
  const tenant = /^\/([^/]+)\/v2\.0\/\.well-known/.exec(path)?.[1]
  if (tenant === undefined) return undefined
  const url = `https://${host}/${tenant}`
  return {
    status: 200,
    body: JSON.stringify({
      issuer: `${url}/v2.0`,
      authorization_endpoint: `${url}/oauth2/v2.0/authorize`,
      token_endpoint: `${url}/oauth2/v2.0/token`,
      end_session_endpoint: `${url}/oauth2/v2.0/logout`,
      jwks_uri: `${url}/discovery/v2.0/keys`,
    }),
  }
}
