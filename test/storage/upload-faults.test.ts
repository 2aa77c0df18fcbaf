// Every way in which a store can fail an upload, by provider: what its library tries again is counted by cause, the rest is an error that says what,
// where and why.
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { before, describe, type TestContext, test } from 'node:test'
import { StorageError } from '#src/errors.js'
import { connect, resolveTarget } from '#src/storage/object/connect.js'
import type { RetryCause } from '#src/storage/object/http/faults.js'
import type { ObjectControl } from '#src/storage/object/types.js'
import { isObjectLocation, keyOf, parseLocation } from '#src/storage/uri.js'
import { type Options, type Service, type Spoil, startFront } from './services.js'
import { type Provider, providers, type Refusal } from './upload-requests.js'

const MiB = 2 ** 20
const partBytes = 5 * MiB
const content = Buffer.alloc(
  2 * partBytes + 1000,
  Uint8Array.from({ length: 65_521 }, (_, i) => (i * 31 + (i >> 8)) & 255),
)

const open = (uri: string, options: Options): Promise<ObjectControl> => {
  const location = parseLocation(uri)
  assert.ok(isObjectLocation(location))
  return connect(resolveTarget(location, { multipart_part_size: partBytes, ...options }, {}))
}

const answer = (request: IncomingMessage, response: ServerResponse, { status, headers, body }: Refusal): true => {
  request.resume().on('end', () => response.writeHead(status, headers).end(body))
  return true
}

async function upload(storage: ObjectControl, name: string): Promise<void> {
  const sending = await storage.upload(keyOf(storage.place, name))
  try {
    await sending.append(content)
    await sending.complete()
  } catch (error) {
    await sending.abort()
    throw error
  }
}

const fails = (action: Promise<unknown>, ...said: RegExp[]): Promise<void> =>
  assert.rejects(action, (error) => {
    assert.ok(error instanceof StorageError, String((error as Error).stack))
    for (const words of said) assert.match(error.message, words)
    return true
  })

/** What goes by: the cause that it is counted by. */
type Passing = readonly [rule: string, cause: RetryCause, spoil: Spoil, options?: Options]

/** Spoils the first request that brings a part. */
const once = ({ isPart }: Provider, spoil: Spoil): Spoil => {
  let isSpoilt = false
  return (request, response, target) => {
    // Google's library asks how far the upload has come, and the emulator counts one byte where there are none.
    if (request.headers['content-range'] === 'bytes */*') return answer(request, response, { status: 308, headers: {}, body: '' })
    if (isSpoilt || !isPart(request)) return false
    isSpoilt = true
    return spoil(request, response, target)
  }
}

for (const provider of providers)
  describe(`uploads to ${provider.name} that go wrong`, () => {
    const { name, start, isPart, denied, busy } = provider
    let service: Service | undefined
    before(async (t) => {
      service = await start(t as unknown as TestContext)
    })
    const check = (title: string, spoil: Spoil, options: Options, body: (storage: ObjectControl, requests: string[]) => Promise<void>) =>
      test(title, async (t) => {
        if (service === undefined) return t.skip('no server')
        const front = await startFront(service.endpoint, undefined, spoil)
        const storage = await open(await service.place(), { ...service.options, endpoint_url: front.endpoint, ...options })
        try {
          await body(storage, front.requests)
        } finally {
          storage.close()
        }
      })

    const timeout: Passing = [
      'a part that is not answered in time',
      'timeout',
      (request) => !!request.resume(),
      { request_timeout_ms: 1500 },
    ]
    const passing: readonly Passing[] = [
      ['a part that is answered with 503', 'throttled', (request, response) => answer(request, response, busy)],
      [
        'a part that is answered with 500',
        'serverError',
        (request, response) => answer(request, response, { ...busy, status: 500, headers: {}, body: '' }),
      ],
      [
        'a connection that is reset in the middle of a part',
        'reset',
        (request) => {
          request.once('data', () => request.socket.resetAndDestroy())
          return true
        },
      ],
      ...(name === 'Azure' ? [] : [timeout]),
    ]
    for (const [rule, cause, spoil, options = {}] of passing)
      check(`${rule} is sent again, counted as ${cause}, and the object is whole`, once(provider, spoil), options, async (storage) => {
        await upload(storage, 'x')
        assert.ok(content.equals(await storage.get(keyOf(storage.place, 'x'))))
        const { endpoints, retries, attempts } = storage.record()
        assert.deepEqual([retries, attempts], [{ [cause]: 1 }, [2, 1]])
        const [{ endpoint, requests, bytes, failures, totalUs } = assert.fail()] = endpoints
        assert.deepEqual([requests, bytes, failures, totalUs?.count], [3, content.length, 1, 3])
        assert.match(endpoint, /^http:\/\/127\.0\.0\.1:\d+$/)
      })

    check(
      'a store that is always busy fails the upload with object, endpoint, cause and attempts',
      (request, response) => isPart(request) && answer(request, response, busy),
      { s3_max_attempts: 2 },
      async (storage, requests) => {
        await fails(
          upload(storage, 'x'),
          /\/data\/x: cannot (?:write|complete)/,
          /endpoint http:\/\/127/,
          /HTTP 503/,
          /asks to slow down/,
          /2 attempts/,
        )
        const parts = requests.filter((line) => isPart({ method: line.split(' ')[0], url: line.split(' ')[1] } as IncomingMessage))
        assert.ok(parts.length <= 2 * 3, String(parts))
        assert.equal(await storage.head(keyOf(storage.place, 'x')), undefined)
      },
    )

    check(
      'credentials that may not write fail the upload at once',
      (request, response) => isPart(request) && answer(request, response, denied),
      {},
      async (storage) => {
        await fails(upload(storage, 'x'), /\/data\/x: cannot (?:write|complete)/, /access denied/, /endpoint http:\/\/127/, /HTTP 403/)
        assert.deepEqual(storage.record().retries, {})
      },
    )

    check(
      'an object that has another size than was sent fails the upload',
      (request, response) => {
        const isLook = request.method === 'HEAD' || (name === 'Google' && request.method === 'GET' && /\/o\/data%2Fx\?/.test(request.url!))
        if (!isLook) return false
        const size = String(content.length - 1)
        if (name === 'Google')
          return answer(request, response, {
            status: 200,
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ name: 'data/x', size }),
          })
        return answer(request, response, { status: 200, headers: { 'content-length': size, etag: '"e"' }, body: '' })
      },
      {},
      async (storage) => {
        await fails(
          upload(storage, 'x'),
          /\/data\/x: cannot write: \d+ bytes were sent and accepted, but the (?:object|blob) has \d+; endpoint/,
        )
      },
    )

    test('a bucket that is not there fails an upload of any size, and is named', async (t) => {
      if (service === undefined) return t.skip('no server')
      const scheme = new URL(await service.place()).protocol
      const storage = await open(`${scheme}//no-such-bucket/data`, service.options)
      const said = [/no-such-bucket\/data\/x: cannot /, /there is no such /, /endpoint http:\/\/127/]
      await fails(upload(storage, 'x'), ...said)
      await fails(storage.put(keyOf(storage.place, 'x'), new Uint8Array(3)), ...said)
      assert.deepEqual(storage.record().retries, {})
      storage.close()
    })

    for (const [rule, cause, spoil, options = {}] of [
      ['is answered with 503', 'throttled', (request, response) => answer(request, response, busy)],
      ['is not answered in time', 'timeout', (request) => !!request.resume(), { request_timeout_ms: 1000 }],
    ] as Passing[]) {
      let isSpoilt = false
      check(
        `a small object that ${rule} is sent again, and counted as ${cause}`,
        (request, response, target) => {
          if (isSpoilt || request.method === 'GET' || request.method === 'HEAD') return false
          isSpoilt = true
          return spoil(request, response, target)
        },
        options,
        async (storage) => {
          await storage.put(keyOf(storage.place, 'x'), new Uint8Array(3))
          const { endpoints, retries, attempts } = storage.record()
          assert.deepEqual([retries, attempts, endpoints[0]!.bytes], [{ [cause]: 1 }, [0, 1], 3])
        },
      )
    }
  })
