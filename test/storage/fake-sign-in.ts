// Services where one signs in, on this machine: AWS's STS, SSO, container and machine metadata. Every answer gives other credentials, numbered
// from 1, which a test can recognise in requests.
import http, { type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SignInSeen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface SignIn {
  readonly url: string
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

export async function startSignIn(): Promise<SignIn> {
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method, url, headers } = request
      const seen = { method: method!, path: url!, headers, body: Buffer.concat(chunks).toString() }
      signIn.seen.push(seen)
      const { status, body, type } = { type: 'application/json', ...(signIn.fault?.(seen) ?? answer(signIn, seen)) }
      response.writeHead(status, { 'content-type': type, 'x-aws-ec2-metadata-token-ttl-seconds': '600' }).end(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  const signIn: SignIn = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
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
  // Of machines and containers.
  return {
    status: 200,
    body: JSON.stringify({ Code: 'Success', AccessKeyId: id, SecretAccessKey: secret, Token: token, Expiration: ends.toISOString() }),
  }
}
