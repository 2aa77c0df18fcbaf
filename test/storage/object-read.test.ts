import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, afterEach, before, test } from 'node:test'
import fc from 'fast-check'
import { StorageError } from '#src/errors.js'
import { createWindow, IoPort, runAsync } from '#src/storage/io.js'
import { privateMeter } from '#src/storage/meter.js'
import { ObjectMeter } from '#src/storage/object/meter.js'
import { defaultReadOptions } from '#src/storage/object/read-options.js'
import { ObjectStorage, type ObjectStorageOptions } from '#src/storage/object/storage.js'
import type { AccessGrant } from '#src/storage/object/types.js'
import type { Io } from '#src/storage/types.js'
import { type Fault, type FaultServer, startFaultServer } from './fault-server.js'
import { readAll } from './read-all.js'

const content = randomBytes(300_000)
let server: FaultServer
const opened: ObjectStorage[] = []

before(async () => {
  server = await startFaultServer()
  server.objects.set('k', content)
  server.objects.set('empty', Buffer.alloc(0))
  server.objects.set('sub folder/ü%1.npz', content.subarray(0, 1000))
})
after(() => server.close())
afterEach(() => {
  server.fault = () => undefined
  server.requests.length = 0
  for (const storage of opened.splice(0)) storage.close()
})

const quick = { maxAttempts: 4, budgetMs: 10_000, baseDelayMs: 1, maxDelayMs: 4 }

function open(changes: Partial<ObjectStorageOptions> = {}, grant: AccessGrant = server.grant()) {
  const options: ObjectStorageOptions = { ...defaultReadOptions, access: 'stream', requestBytes: 65_536, retry: quick, ...changes }
  const meter = new ObjectMeter(grant.endpoints.length)
  const storage = new ObjectStorage(grant, 's3://data/', options, { io: privateMeter(), objects: meter }, () => {})
  opened.push(storage)
  const port = new IoPort(createWindow(options.requestBytes, Math.max(options.partsInFlight, 2)))
  return { storage, meter, port, options }
}

function* readSpan(port: IoPort, uri: string, byteOffset: number, byteLength: number): Io<Buffer> {
  const handle = yield port.open(uri)
  try {
    yield port.read(handle, byteOffset, byteLength)
    const { bytes, begin, end } = port.window
    return Buffer.from(bytes.slice(begin, end))
  } finally {
    yield port.close(handle)
  }
}

test('an object that is read front to back is asked for once, without a range, as DLIO does', async () => {
  const { storage, port, meter } = open()
  for (let i = 0; i < 3; i++) assert.deepEqual(await runAsync(readAll(port, 's3://data/k', 65_536), storage), content)
  assert.deepEqual(
    server.requests.map(({ method, target, headers }) => [method, target, headers.range]),
    Array.from({ length: 3 }, () => ['GET', '/data/k', undefined]),
  )
  assert.equal(new Set(server.requests.map(({ connection }) => connection)).size, 1)
  const { endpoints, attempts, retries } = meter.record([server.url])
  assert.equal(endpoints[0]!.requests, 3)
  assert.equal(endpoints[0]!.bytes, 3 * content.length)
  assert.equal(endpoints[0]!.totalUs!.count, 3)
  assert.deepEqual([attempts, retries], [[3], {}])
})

test('any number of connections may be made at once, and Node warns of nothing', async () => {
  const { storage, options } = open()
  const warnings: Error[] = []
  const listen = (warning: Error) => warnings.push(warning)
  process.on('warning', listen)
  try {
    await Promise.all(
      Array.from({ length: 24 }, async () => {
        const port = new IoPort(createWindow(options.requestBytes, 2))
        assert.deepEqual(await runAsync(readAll(port, 's3://data/k', 65_536), storage), content)
      }),
    )
    assert.equal(new Set(server.requests.map(({ connection }) => connection)).size, 24)
    // Warnings are told in a later turn.
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(warnings, [])
  } finally {
    process.off('warning', listen)
  }
})

test('the bytes are those stored for any size, piece, part and number of parts in flight', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 200_000 }),
      fc.integer({ min: 1000, max: 70_000 }),
      fc.option(fc.integer({ min: 900, max: 90_000 })),
      fc.integer({ min: 1, max: 5 }),
      fc.constantFrom(undefined, 700, 5000),
      async (size, requestBytes, partBytes, partsInFlight, pieceBytes) => {
        server.objects.set('x', content.subarray(0, size))
        server.fault = () => (pieceBytes === undefined ? undefined : { pieceBytes })
        const parts = partBytes === null || partsInFlight > 1 ? { partBytes: partBytes === null ? null : requestBytes } : { partBytes }
        const { storage, port } = open({ requestBytes, ...parts, partsInFlight: partBytes === null ? 1 : partsInFlight })
        assert.deepEqual(await runAsync(readAll(port, 's3://data/x', requestBytes), storage), content.subarray(0, size))
        storage.close()
      },
    ),
    { numRuns: 40 },
  )
})

test('objects read one after the other on a kept connection are those stored, however heads and bodies are cut up on the way', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 150_000 }), { minLength: 2, maxLength: 4 }),
      fc.integer({ min: 1000, max: 70_000 }),
      fc.constantFrom<[string, Fault]>(
        ['whole', {}],
        ['small pieces', { pieceBytes: 700 }],
        ['pieces', { pieceBytes: 20_000 }],
        ['chunks', { chunkBytes: 3000 }],
        ['a long head', { edit: ({ headers }) => (headers['x-long'] = 'y'.repeat(5000)) }],
        ['a head nearly too long to stay', { edit: ({ headers }) => (headers['x-long'] = 'y'.repeat(3800)) }],
      ),
      fc.constantFrom<Partial<ObjectStorageOptions>>({}, { partBytes: 40_000 }, { access: 'ranges' }, { partsInFlight: 3 }),
      async (sizes, requestBytes, [, fault], changes) => {
        server.fault = () => fault
        const before = server.connections
        // Each of several parts at once is a piece of its own.
        const isParallel = changes.partsInFlight !== undefined
        const { storage, port } = open({ ...changes, requestBytes, ...(isParallel ? { partBytes: requestBytes } : {}) })
        for (const [i, size] of sizes.entries()) server.objects.set(`x${i}`, content.subarray(i, i + size))
        // In one computation, as a reader does: each request follows on the end of the response before.
        const all = function* (): Io<void> {
          for (const [i, size] of sizes.entries())
            assert.deepEqual(yield* readAll(port, `s3://data/x${i}`, requestBytes), content.subarray(i, i + size))
        }
        await runAsync(all(), storage)
        assert.ok(isParallel || server.connections - before === 1)
        storage.close()
      },
    ),
    { numRuns: 60 },
  )
})

test('parts are ranged GETs of the size asked for, as many in flight as asked for, pinned to the first answer’s ETag', async () => {
  let most = 0
  let now = 0
  server.fault = () => {
    most = Math.max(most, ++now)
    return { pauseMs: 5, edit: () => setTimeout(() => now--, 5) }
  }
  const { storage, port } = open({ requestBytes: 50_000, partBytes: 50_000, partsInFlight: 3 })
  assert.deepEqual(await runAsync(readAll(port, 's3://data/k', 50_000), storage), content)
  assert.deepEqual(
    server.requests.map(({ headers }) => headers.range).sort(),
    [0, 1, 2, 3, 4, 5].map((i) => `bytes=${50_000 * i}-${50_000 * (i + 1) - 1}`).sort(),
  )
  assert.equal(server.requests.filter(({ headers }) => headers['if-match'] !== undefined).length, 5)
  assert.ok(most <= 3 && most > 1, `${most} in flight`)
})

test('with ranges each read is one ranged GET of exactly its bytes, and nothing is asked behind the end', async () => {
  const { storage, port } = open({ access: 'ranges' })
  const compute = function* (): Io<void> {
    const handle = yield port.open('s3://data/k')
    for (const [at, length, expected] of [
      [0, 8, 8],
      [299_000, 5000, 1000],
      [300_000, 10, 0],
      [100, 0, 0],
    ] as const) {
      assert.equal(yield port.read(handle, at, length), expected)
      assert.deepEqual(Buffer.from(port.window.bytes.slice(port.window.begin, port.window.end)), content.subarray(at, at + expected))
    }
    assert.equal(yield port.size(handle), 300_000)
    yield port.close(handle)
  }
  await runAsync(compute(), storage)
  assert.deepEqual(
    server.requests.map(({ method, headers }) => [method, headers.range]),
    [
      ['GET', 'bytes=0-7'],
      ['GET', 'bytes=299000-299999'],
    ],
  )
})

test('the size comes from a response that was had anyway, and from HEAD where there was none; that it is 0 is made sure of', async () => {
  const { storage, port } = open({ access: 'ranges' })
  const sizeOf = function* (uri: string): Io<number> {
    const handle = yield port.open(uri)
    const size = yield port.size(handle)
    yield port.close(handle)
    return size
  }
  assert.equal(await runAsync(sizeOf('s3://data/k'), storage), 300_000)
  assert.equal(await runAsync(sizeOf('s3://data/empty'), storage), 0)
  assert.deepEqual(
    server.requests.map(({ method }) => method),
    ['HEAD', 'HEAD', 'GET'],
  )
  assert.equal(await runAsync(sizeOf('s3://data/k'), storage), 300_000)
  assert.equal(server.requests.at(-1)!.method, 'HEAD')
})

for (const status of [405, 501])
  test(`a service that answers HEAD with ${status} is asked once, then sizes come from ranged GETs of one byte`, async () => {
    server.fault = ({ method }) =>
      method !== 'HEAD'
        ? undefined
        : {
            edit: (answer) => {
              answer.status = status
              answer.reason = 'No HEAD here'
            },
          }
    const { storage, port, meter } = open({ access: 'ranges' })
    const sizes: number[] = []
    const compute = function* (): Io<void> {
      for (const key of ['k', 'empty', 'sub folder/ü%1.npz']) {
        const handle = yield port.open(`s3://data/${key}`)
        sizes.push(yield port.size(handle))
        yield port.close(handle)
      }
    }
    await runAsync(compute(), storage)
    assert.deepEqual(sizes, [300_000, 0, 1000])
    assert.deepEqual(
      server.requests.map(({ method, headers }) => [method, headers.range]),
      [['HEAD', undefined], ...sizes.map(() => ['GET', 'bytes=0-0'])],
    )
    assert.equal(meter.retryCount, 0)
  })

test('a span that begins behind the end of an object is empty', async () => {
  const { storage, port } = open({ access: 'ranges' })
  assert.equal((await runAsync(readSpan(port, 's3://data/empty', 0, 100), storage)).length, 0)
  assert.equal((await runAsync(readSpan(port, 's3://data/k', 300_000, 100), storage)).length, 0)
})

test('keys with blanks, percent signs and letters of other alphabets arrive as they are', async () => {
  const { storage, port } = open()
  assert.equal((await runAsync(readAll(port, 's3://data/sub folder/ü%1.npz', 65_536), storage)).length, 1000)
  assert.equal(server.requests[0]!.target, '/data/sub%20folder/%C3%BC%251.npz')
})

test('an object that is not there is named with bucket, endpoint and the service’s own words', async () => {
  const { storage, port } = open()
  await assert.rejects(runAsync(readAll(port, 's3://data/none', 65_536), storage), (error) => {
    assert.ok(error instanceof StorageError)
    assert.equal(
      error.message,
      `s3://data/none: cannot read: GET at ${server.url}: status 404 NoSuchKey, "The specified key does not exist.": there is no such object; check bucket, prefix and the number of files of the configuration [badResponse] (NoSuchKey)`,
    )
    return true
  })
  assert.equal(server.requests.length, 1)
})

test('a reader that stops in the middle costs the connection, and the next object comes all the same', async () => {
  const { storage, port } = open()
  assert.equal((await runAsync(readSpan(port, 's3://data/k', 0, 65_536), storage)).length, 65_536)
  assert.deepEqual(await runAsync(readAll(port, 's3://data/k', 65_536), storage), content)
})
