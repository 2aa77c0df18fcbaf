// The control plane of every provider keeps the same promises, against servers on this machine.
import assert from 'node:assert/strict'
import { before, describe, type TestContext, test } from 'node:test'
import { StorageError } from '#src/errors.js'
import { connect, resolveTarget } from '#src/storage/object/connect.js'
import type { ObjectControl } from '#src/storage/object/types.js'
import { isObjectLocation, keyOf, parseLocation } from '#src/storage/uri.js'
import { createCertificate, type Options, providers, type Service, startFront, startS3 } from './services.js'

const open = (uri: string, options: Options, env = {}): Promise<ObjectControl> => {
  const location = parseLocation(uri)
  assert.ok(isObjectLocation(location))
  return connect(resolveTarget(location, options, env))
}

const everything = async (storage: ObjectControl, prefix: string): Promise<[string, number][]> => {
  const all: [string, number][] = []
  for await (const page of storage.list(prefix)) for (const { key, sizeBytes } of page) all.push([key, sizeBytes])
  return all
}

/** Bytes that repeat with a prime period, so that no two parts look alike. */
const random = (sizeBytes: number, seed: number): Uint8Array => {
  const period = Uint8Array.from({ length: Math.min(65_521, sizeBytes) }, (_, i) => (i * 31 + seed + (i >> 8)) & 255)
  return new Uint8Array(Buffer.alloc(sizeBytes, period))
}

const fails = (action: Promise<unknown>, message: RegExp): Promise<void> =>
  assert.rejects(action, (error) => {
    assert.ok(error instanceof StorageError, String(error))
    assert.match(error.message, message)
    return true
  })

for (const [name, start] of providers)
  describe(name, () => {
    let service: Service | undefined
    before(async (t) => {
      service = await start(t as unknown as TestContext)
    })
    const check = (title: string, body: (service: Service, storage: ObjectControl) => Promise<void>) =>
      test(title, async (t) => {
        if (service === undefined) return t.skip('no server')
        const storage = await open(await service.place(), service.options)
        try {
          await body(service, storage)
        } finally {
          storage.close()
        }
      })

    check('what is put is listed in key order, looked at, read and deleted, under every name', async (_, storage) => {
      const names = ['a b', 'a+b', 'a%20b', 'ü', '数据', '.x', 'v1.0/y.npz', 'a&b=c;d', "q'(1)"]
      for (const [i, name] of names.entries()) await storage.put(keyOf(storage.place, name), random(i + 1, i))
      const found = await everything(storage, keyOf(storage.place, ''))
      const utf8 = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
      const expected = names.map((name, i): [string, number] => [keyOf(storage.place, name), i + 1]).sort(([a], [b]) => utf8(a, b))
      assert.deepEqual(found, expected)
      for (const [i, name] of names.entries()) {
        const key = keyOf(storage.place, name)
        assert.equal((await storage.head(key))?.sizeBytes, i + 1)
        assert.deepEqual(new Uint8Array(await storage.get(key)), random(i + 1, i))
      }
      await storage.delete([...names.map((name) => keyOf(storage.place, name)), 'never/there'])
      assert.deepEqual(await everything(storage, ''), [])
    })

    check('a large object is uploaded in parts, is not there before it is complete, and reads back', async (_, storage) => {
      const key = keyOf(storage.place, 'large')
      const upload = await storage.upload(key)
      const pieces = [random(3_000_000, 1), random(storage.partSizeBytes, 2), random(700_001, 3), random(9_000_000, 4)]
      for (const piece of pieces) {
        const lent = piece.slice()
        await upload.append(lent)
        // The bytes are ours again.
        lent.fill(0)
      }
      assert.equal(await storage.head(key), undefined)
      await upload.complete()
      const whole = Buffer.concat(pieces)
      assert.equal((await storage.head(key))?.sizeBytes, whole.length)
      assert.ok(whole.equals(await storage.get(key)))
      assert.ok(whole.subarray(5_000_000, 5_000_100).equals(await storage.get(key, { begin: 5_000_000, end: 5_000_100 })))
    })

    check('a head that is known last goes first', async (_, storage) => {
      if (!storage.takesHeadLast) return
      const key = keyOf(storage.place, 'head-last')
      const upload = await storage.upload(key, { headLast: true })
      const [head, middle, tail] = [random(storage.partSizeBytes, 5), random(storage.partSizeBytes, 6), random(17, 7)]
      await Promise.all([upload.append(middle), upload.append(tail)])
      await upload.complete(head)
      assert.ok(Buffer.concat([head, middle, tail]).equals(await storage.get(key)))
    })

    check('an upload that is given up leaves nothing', async (_, storage) => {
      const key = keyOf(storage.place, 'given-up')
      const upload = await storage.upload(key)
      await upload.append(random(2 * storage.partSizeBytes + 5, 8))
      await upload.abort()
      assert.equal(await storage.head(key), undefined)
      assert.deepEqual(await everything(storage, keyOf(storage.place, '')), [])
    })

    check(
      'an object that is not there is undefined, a bucket that is not there is an error that names it',
      async ({ options }, storage) => {
        assert.equal(await storage.head(keyOf(storage.place, 'absent')), undefined)
        await fails(storage.get(keyOf(storage.place, 'absent')), /\/absent: cannot read: /)
        const scheme = { s3: 's3', azure: 'az', gcs: 'gs' }[storage.place.provider]
        const elsewhere = await open(`${scheme}://no-such-bucket/data`, options)
        const uri = /^(s3|gs|az):\/\/(devstoreaccount1\/)?no-such-bucket\/\S+: cannot .*there is no such .*; endpoint http:\/\/127/
        await fails(elsewhere.head('data/x'), uri)
        await fails(everything(elsewhere, 'data/'), uri)
        await fails(elsewhere.put('data/x', random(3, 0)), uri)
      },
    )

    check('every request is counted by what it asks', async (_, storage) => {
      await storage.put(keyOf(storage.place, 'one'), random(1, 1))
      await everything(storage, keyOf(storage.place, ''))
      await storage.get(keyOf(storage.place, 'one'))
      const { put, list, get } = storage.requests
      assert.deepEqual({ put, list, get }, { put: 1, list: 1, get: 1 })
    })

    check('an endpoint that nothing listens at is an error after the attempts asked for, never an empty listing', async ({ options }) => {
      const { pathname } = new URL(String(options.endpoint_url))
      const down = { ...options, endpoint_url: `http://127.0.0.1:9${pathname}`, s3_max_attempts: 2 }
      const scheme = name.startsWith('S3') ? 's3' : name === 'Azure' ? 'az' : 'gs'
      const storage = await open(`${scheme}://bucket/data`, down)
      await fails(everything(storage, 'data/'), /cannot list: nothing listens there.*ECONNREFUSED/)
    })
  })

describe('S3 pages, endpoints and TLS', () => {
  let service: Service | undefined
  before(async (t) => {
    service = await startS3(t as unknown as TestContext)
  })

  test('a listing has all pages, and fails where one of them does', async (t) => {
    if (service === undefined) return t.skip('no server')
    let page = 0
    let failFrom = Number.POSITIVE_INFINITY
    // moto has pages of a thousand; a front that makes them smaller shows seven.
    const front = await startFront(service.endpoint, undefined, (request, response) => {
      if (!request.url!.includes('list-type=2')) return false
      request.url += '&max-keys=3'
      page++
      if (page < failFrom) return false
      response.writeHead(503, { 'content-type': 'application/xml' }).end('<Error><Code>SlowDown</Code><Message>slow</Message></Error>')
      return true
    })
    const storage = await open(await service.place(), { ...service.options, endpoint_url: front.endpoint, s3_max_attempts: 2 })
    const keys = Array.from({ length: 20 }, (_, i) => keyOf(storage.place, `f${String(i).padStart(2, '0')}`))
    for (const key of keys) await storage.put(key, random(1, 0))
    page = 0
    assert.deepEqual(
      (await everything(storage, keyOf(storage.place, ''))).map(([key]) => key),
      keys,
    )
    assert.equal(page, 7)
    page = 0
    failFrom = 7
    await fails(everything(storage, keyOf(storage.place, '')), /cannot list \(page 7\): the server asks to slow down.*2 attempts.*SlowDown/)
  })

  test('a server that accepts an object and keeps fewer bytes is found out', async (t) => {
    if (service === undefined) return t.skip('no server')
    const front = await startFront(service.endpoint, undefined, (request, response) => {
      if (request.method !== 'PUT' || !request.url!.includes('/lossy')) return false
      request.resume()
      response.writeHead(200, { etag: '"0"' }).end()
      return true
    })
    const storage = await open(await service.place(), { ...service.options, endpoint_url: front.endpoint })
    await fails(
      storage.put(keyOf(storage.place, 'lossy'), random(9, 0)),
      /9 bytes were sent and accepted, but the object is not there.*SizeMismatch/,
    )
  })

  test('writes take turns over several endpoints', async (t) => {
    if (service === undefined) return t.skip('no server')
    const fronts = [await startFront(service.endpoint), await startFront(service.endpoint)]
    const options = { ...service.options, endpoint_url: fronts.map(({ endpoint }) => endpoint).join(',') }
    const storage = await open(await service.place(), options)
    for (let i = 0; i < 6; i++) await storage.put(keyOf(storage.place, String(i)), random(1, 0))
    for (const { requests } of fronts) assert.equal(requests.filter((line) => line.startsWith('PUT')).length, 3)
    assert.deepEqual(
      (await storage.grant()).endpoints,
      fronts.map(({ endpoint }) => endpoint),
    )
  })

  test('a certificate of an own authority is trusted when that is named, and refused with the remedy when not', async (t) => {
    if (service === undefined) return t.skip('no server')
    const certificate = createCertificate()
    const front = await startFront(service.endpoint, certificate)
    const options = { ...service.options, endpoint_url: front.endpoint, s3_max_attempts: 1 }
    const uri = await service.place()
    await fails(everything(await open(uri, options), ''), /certificate is not trusted; .*AWS_CA_BUNDLE/)
    for (const [more, env] of [
      [{ ca_bundle: certificate.caFile }, {}],
      [{}, { AWS_CA_BUNDLE: certificate.caFile }],
      [{}, { NODE_EXTRA_CA_CERTS: certificate.caFile }],
      [{ verify_tls: false }, {}],
    ]) {
      const storage = await open(uri, { ...options, ...more }, env)
      assert.deepEqual(await everything(storage, ''), [])
      const grant = await storage.grant()
      assert.equal(grant.verifyTls, !('verify_tls' in more!))
      assert.equal(grant.ca?.length ?? 0, 'verify_tls' in more! ? 0 : 1)
    }
  })

  test('the grant follows the address style, and holds the keys that apply', async () => {
    const grant = async (options: Options) =>
      (await open('s3://bucket/pre', { access_key_id: 'A', secret_access_key: 'S', ...options })).grant()
    const path = await grant({ endpoint_url: 'http://127.0.0.1:9/base' })
    assert.deepEqual([path.endpoints, path.pathPrefix], [['http://127.0.0.1:9'], '/base/bucket/'])
    const host = await grant({ endpoint_url: 'http://store.example:9', s3_force_path_style: 'False', region: 'r-1' })
    assert.deepEqual([host.endpoints, host.pathPrefix], [['http://bucket.store.example:9'], '/'])
    assert.deepEqual(host.signing, { kind: 'sigv4', region: 'r-1', accessKeyId: 'A', secretAccessKey: 'S' })
    const anonymous = await (await open('s3://bucket', { endpoint_url: 'http://h:9', anonymous: true })).grant()
    assert.deepEqual(anonymous.signing, { kind: 'anonymous' })
  })
})
