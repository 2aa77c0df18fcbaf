import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { test } from 'node:test'
import { StorageSharedKeyCredential } from '@azure/storage-blob'
import { SignatureV4 } from '@smithy/signature-v4'
import fc from 'fast-check'
import { createSigner } from '#src/storage/object/signing/index.js'
import { KeyedHash } from '#src/storage/object/signing/keyed-hash.js'
import { encodeKey } from '#src/storage/object/signing/keys.js'
import type { AccessGrant, Signing } from '#src/storage/object/types.js'

const grantOf = (signing: Signing, headers: Record<string, string> = {}): AccessGrant => ({
  place: { provider: signing.kind === 'sharedKey' ? 'azure' : 's3', bucket: 'data', prefix: '' },
  endpoints: ['http://127.0.0.1:9000'],
  pathPrefix: '/data/',
  signing,
  headers,
  verifyTls: true,
})

/** Header lines as a map of lower-case names. */
const parsed = (lines: string) =>
  Object.fromEntries(
    lines
      .split('\r\n')
      .filter((line) => line !== '')
      .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  ) as Record<string, string>

/** What node's hash looks like to AWS's library. */
class Sha256 {
  private readonly hash
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret as string | Uint8Array)
  }
  update(data: string | Uint8Array) {
    this.hash.update(data)
  }
  async digest() {
    return new Uint8Array(this.hash.digest())
  }
}

// Parts `.` and `..` are refused before anything is signed, and URLs cannot keep them.
const keys = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1 }),
    fc.constantFrom('a b', '100%.npz', 'über/ß', 'a+b&c=d', "it's(1)!*", '日本/語.npz', '~.-_', 'a%20b', '😀', 'x//y', 'trailing/', '?#'),
  )
  .filter((key) => !/(^|\/)\.\.?(\/|$)/.test(key))
const ranges = fc.oneof(
  fc.constant(''),
  fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => `bytes=${a}-${a + b}`),
)
const etags = fc.constantFrom('', '"d41d8cd98f00b204e9800998ecf8427e"', '"0x8D9"', '"with  two blanks"')

test('requests are signed byte for byte as by AWS’s own library, for any key, range, token and header', async () => {
  await fc.assert(
    fc.asyncProperty(
      keys,
      ranges,
      etags,
      fc.option(fc.constantFrom('token/+==', 'T'), { nil: undefined }),
      fc.integer({ min: 0, max: 4e9 }),
      fc.constantFrom<Record<string, string>>(
        {},
        { 'x-amz-request-payer': 'requester', 'user-agent': 'a' },
        { 'X-Custom': ' two   words ' },
      ),
      fc.constantFrom('GET', 'HEAD'),
      async (key, range, ifMatch, sessionToken, second, headers, method) => {
        const credentials = { accessKeyId: 'AKID', secretAccessKey: 'secret/+', ...(sessionToken === undefined ? {} : { sessionToken }) }
        const path = `/data/${encodeKey(key)}`
        const nowMs = 1000 * second + 999
        const signer = createSigner(grantOf({ kind: 'sigv4', region: 'eu-north-1', ...credentials }, headers))
        const mine = parsed(signer.headers({ method: method as 'GET', host: '127.0.0.1:9000', path, range, ifMatch, nowMs }))
        const theirs = (await new SignatureV4({
          service: 's3',
          region: 'eu-north-1',
          credentials,
          sha256: Sha256,
          uriEscapePath: false,
          applyChecksum: true,
        }).sign(
          {
            method,
            protocol: 'http:',
            hostname: '127.0.0.1',
            port: 9000,
            path,
            query: {},
            headers: {
              host: '127.0.0.1:9000',
              ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
              ...(range === '' ? {} : { range }),
              ...(ifMatch === '' ? {} : { 'if-match': ifMatch }),
            },
            // biome-ignore lint/suspicious/noExplicitAny: the library's type wants a class instance
          } as any,
          { signingDate: new Date(nowMs) },
        )) as unknown as { headers: Record<string, string> }
        assert.equal(mine.authorization, theirs.headers.authorization)
        for (const name of ['x-amz-date', 'x-amz-content-sha256', 'x-amz-security-token']) assert.equal(mine[name], theirs.headers[name])
      },
    ),
    { numRuns: 500 },
  )
})

test('a signer that lives for days changes its derived key with the day', () => {
  const signing: Signing = { kind: 'sigv4', region: 'r', accessKeyId: 'A', secretAccessKey: 'S' }
  const signer = createSigner(grantOf(signing))
  const request = { method: 'GET', host: 'h', path: '/data/k', range: '', ifMatch: '' } as const
  for (const nowMs of [0, 86_399_999, 86_400_000, 172_800_000])
    assert.equal(signer.headers({ ...request, nowMs }), createSigner(grantOf(signing)).headers({ ...request, nowMs }))
})

test('requests are signed with an account key as by Azure’s own client', async () => {
  const key = Buffer.from('a secret key').toString('base64')
  const credential = new StorageSharedKeyCredential('acct', key)
  await fc.assert(
    fc.asyncProperty(keys, ranges, etags, fc.constantFrom('GET', 'HEAD'), async (objectKey, range, ifMatch, method) => {
      const headers = { 'x-ms-version': '2025-01-05', 'x-ms-client-request-id': 'id', 'User-Agent': 'u' }
      const path = `/acct/data/${encodeKey(objectKey)}`
      const signer = createSigner(grantOf({ kind: 'sharedKey', account: 'acct', key }, headers))
      const mine = parsed(signer.headers({ method: method as 'GET', host: 'h', path, range, ifMatch, nowMs: Date.now() }))
      let theirs = ''
      const policy = credential.create(
        {
          sendRequest: async (request: { headers: { get(name: string): string } }) => {
            theirs = request.headers.get('authorization')
            // Their date is a clock's: take ours where the second has just changed.
            if (request.headers.get('x-ms-date') !== mine['x-ms-date']) theirs = mine.authorization!
            return {}
          },
          // biome-ignore lint/suspicious/noExplicitAny: a stand-in for the client's pipeline
        } as any,
        // biome-ignore lint/suspicious/noExplicitAny: as above
        {} as any,
      )
      const map = new Map(
        Object.entries({ ...headers, ...(range === '' ? {} : { Range: range }), ...(ifMatch === '' ? {} : { 'If-Match': ifMatch }) }).map(
          ([name, value]) => [name.toLowerCase(), value],
        ),
      )
      await policy.sendRequest({
        method,
        url: `http://h${path}`,
        headers: {
          get: (name: string) => map.get(name.toLowerCase()),
          set: (name: string, value: string) => map.set(name.toLowerCase(), String(value)),
          headersArray: () => [...map].map(([name, value]) => ({ name, value })),
        },
        // biome-ignore lint/suspicious/noExplicitAny: only what the policy looks at
      } as any)
      assert.equal(mine.authorization, theirs)
    }),
    { numRuns: 300 },
  )
})

test('a shared access signature goes into the query and a token into a header', () => {
  assert.equal(createSigner(grantOf({ kind: 'sas', query: 'sv=1&sig=a%2Bb' })).query, '?sv=1&sig=a%2Bb')
  const request = { method: 'GET', host: 'h', path: '/k', range: '', ifMatch: '', nowMs: 0 } as const
  assert.equal(
    createSigner(grantOf({ kind: 'bearer', token: 't' }, { 'x-a': '1' })).headers(request),
    'x-a: 1\r\nauthorization: Bearer t\r\n',
  )
})

test('keyed hashes are those of Node, for keys and texts of any length, one after the other', () => {
  const key = fc.uint8Array({ maxLength: 200 })
  const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 1500, size: 'max' }), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(key, texts, fc.constantFrom('hex', 'base64'), (secret, all, encoding) => {
      const keyed = new KeyedHash(secret)
      for (const text of all) assert.equal(keyed.digest(text, encoding), createHmac('sha256', secret).update(text).digest(encoding))
    }),
  )
})
