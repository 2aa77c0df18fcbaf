// How uploads look on the wire, and what is left of them, by provider.
import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { connect, resolveTarget } from '#src/storage/object/connect.js'
import { isObjectLocation, keyOf, parseLocation } from '#src/storage/uri.js'
import { type Options, type Service, startAzure, startGcs, startS3 } from './services.js'

/** No credentials, endpoints or proxies of whoever runs the tests. */
export const cleanEnvironment = Object.fromEntries(
  Object.keys(process.env).flatMap((name) => (/^(AWS_|S3_|AZURE_|GOOGLE_|STORAGE_|https?_proxy$)/i.test(name) ? [[name, '']] : [])),
)

export interface Provider {
  readonly name: string
  readonly start: typeof startS3
  /** Whether a request brings a part of an upload. */
  isPart(request: IncomingMessage): boolean
  /** Whether a request, as `METHOD /path`, makes an object of its parts; undefined where the last part does. */
  readonly completes: RegExp | undefined
  /** What the store is asked, as `METHOD /path`, for an upload that is given up; undefined where it drops parts by itself. */
  readonly abandons: RegExp | undefined
  /** An answer that refuses a request for good, and one that asks to come again later. */
  readonly denied: Refusal
  readonly busy: Refusal
}

export interface Refusal {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const xml = (status: number, code: string): Refusal => ({
  status,
  headers: { 'content-type': 'application/xml', 'x-ms-error-code': code },
  body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>words</Message></Error>`,
})
const json = (code: number, reason: string): Refusal => ({
  status: code,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ error: { code, message: 'words', errors: [{ reason, message: 'words' }] } }),
})

export const providers: readonly Provider[] = [
  {
    name: 'S3',
    start: startS3,
    isPart: ({ method, url }) => method === 'PUT' && url!.includes('partNumber='),
    completes: /^POST \S+uploadId=/,
    abandons: /^DELETE \S+uploadId=/,
    denied: xml(403, 'AccessDenied'),
    busy: xml(503, 'SlowDown'),
  },
  {
    name: 'Azure',
    start: startAzure,
    isPart: ({ method, url }) => method === 'PUT' && /comp=block&/.test(url!),
    completes: /^PUT \S+comp=blocklist/,
    abandons: undefined,
    denied: xml(403, 'AuthorizationPermissionMismatch'),
    busy: xml(503, 'ServerBusy'),
  },
  {
    name: 'Google',
    start: startGcs,
    isPart: ({ method, url }) => method === 'PUT' && url!.includes('upload_id='),
    completes: undefined,
    abandons: /^DELETE \S+upload_id=/,
    denied: json(403, 'forbidden'),
    busy: json(503, 'backendError'),
  },
]

/** Names below a place, with their sizes. */
export async function objectsBelow(uri: string, options: Options): Promise<Record<string, number>> {
  const location = parseLocation(uri)
  assert.ok(isObjectLocation(location))
  const storage = await connect(resolveTarget(location, options, {}))
  const found: Record<string, number> = {}
  const below = `${keyOf(storage.place, '')}/`
  for await (const page of storage.list(below)) for (const { key, sizeBytes } of page) found[key.slice(below.length)] = sizeBytes
  storage.close()
  return found
}

/** S3: keys of the uploads in a bucket that were begun and neither completed nor abandoned. */
export async function openUploads(service: Service, uri: string): Promise<string[]> {
  const listing = await fetch(`${service.endpoint}/${uri.split('/')[2]}?uploads`)
  assert.equal(listing.status, 200)
  return [...(await listing.text()).matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key!)
}
