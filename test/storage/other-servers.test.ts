// Servers that speak S3 in their own ways do the same work: data sets are generated, listed, read and verified, or one error says what to do.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { StorageError } from '#src/errors.js'
import type { Result } from '#src/output/result.js'
import { keyOf } from '#src/storage/uri.js'
import { driver } from '../cli/driver.js'
import { configured, environment, generate, inParts, large, open, outputFolder, run, type Work, works } from './peculiar-jobs.js'
import { type Peculiarities, startPeculiarS3 } from './peculiar-s3.js'

const harmless: readonly [string, Peculiarities, Work][] = [
  ['closes every connection', { closes: true }, {}],
  [
    'refuses Expect, and puts objects of several parts',
    { refusesExpect: true },
    { options: { multipart_part_size: 5 << 20 }, dataset: { record_length_bytes: 4_000_000, num_files_train: 2 } },
  ],
  ['refuses checksums it does not know', { refusesChecksums: true }, {}],
  ['has no ETag and no Last-Modified', { etag: 'none', terse: true }, { options: inParts, dataset: large }],
  ['writes ETags without quotes', { etag: 'unquoted' }, { options: inParts, dataset: large }],
  ['has weak ETags', { etag: 'weak' }, { options: inParts, dataset: large }],
  ['makes ETags weak on the way', { etag: 'weakForGet' }, { dataset: { format: 'hdf5', ...large }, args: ['--semantics', 'upstream'] }],
  ['answers ranges with status 200', { ranges: 'as200' }, { options: inParts, dataset: large }],
  ['does not tell the length for HEAD', { head: 'lengthless' }, { dataset: { format: 'hdf5' }, args: ['--semantics', 'upstream'] }],
  ['has no HEAD', { head: 'refused' }, { dataset: { format: 'hdf5', skip_listing: true }, args: ['--semantics', 'upstream'] }],
  ['has no ranges, where whole objects are read', { ranges: 'ignored' }, {}],
]

for (const [manner, peculiarities, work] of harmless)
  test(`a server that ${manner} is worked with, nothing being sent again`, async () => {
    const result = await works(await startPeculiarS3(peculiarities), work)
    assert.equal(result.io.samplesRead, result.train!.samples)
    assert.deepEqual(result.objects!.retries, {})
  })

for (const namesRegion of ['element', 'message'] as const)
  test(`the region that a server names by its ${namesRegion} is signed for, where requests were signed for another`, async () => {
    for (const dataset of [{}, { skip_listing: true, listing_validation_interval: 2 }, { format: 'hdf5' }]) {
      const server = await startPeculiarS3({ region: 'RegionOne', namesRegion })
      const result = await works(server, { dataset, args: 'format' in dataset ? ['--semantics', 'upstream'] : [] })
      assert.equal(result.io.samplesRead, result.train!.samples)
      // Only the first requests are refused, not each.
      const { redirect = 0, ...others } = result.objects!.retries
      assert.deepEqual(others, {})
      assert.ok(redirect <= 4, String(redirect))
    }
  })

for (const ifMatch of ['refused', 'never'] as const)
  test(`If-Match that is ${ifMatch === 'refused' ? 'not implemented' : 'never true'} costs a few requests, not the run`, async () => {
    const result = await works(await startPeculiarS3({ ifMatch }), { options: inParts, dataset: { ...large, num_files_train: 8 } })
    assert.equal(result.io.samplesRead, 16)
    assert.deepEqual(Object.keys(result.objects!.retries), ['badResponse'])
    assert.ok(result.objects!.retries.badResponse! <= 8)
  })

for (const [listing, retries] of [
  ['first', {}],
  ['refused', {}],
  ['broken', { serverError: 1 }],
] as const)
  test(`all objects are listed where the second kind of listing is ${listing === 'first' ? 'unknown' : listing}, which is found out at once`, async () => {
    const server = await startPeculiarS3({ listing, pageSize: 2 })
    const result = await works(server, { dataset: { num_files_eval: 2 }, workflow: { evaluation: true } })
    assert.deepEqual([result.train!.samples, result.evaluation!.samples], [10, 4])
    assert.deepEqual(result.objects!.retries, retries)
    // One for the second kind where it fails, and no more of those; two objects a page.
    const listings = server.requests.filter((line) => line.startsWith('GET /bucket?') || line.startsWith('GET /bucket/?'))
    assert.equal(result.objects!.requests.list, listings.length)
    const second = listings.filter((line) => line.includes('list-type=2'))
    assert.equal(second.length, 1)
  })

test('where both kinds of listing fail, the second is asked for again by the rule, and the error is its own', async () => {
  const server = await startPeculiarS3({ listing: 'ill' })
  await generate(server, {})
  const ran = await run(server, { options: { s3_max_attempts: 3, retry_base_delay_ms: 1 } })
  assert.equal(ran.code, 1)
  assert.match(ran.stderr, /cannot list: .*HTTP 500, 3 attempts \(InternalError\)/)
  const listings = server.requests.filter((line) => /^GET \/bucket\/?\?/.test(line))
  assert.deepEqual(
    listings.map((line) => (line.includes('list-type=2') ? 2 : 1)),
    [2, 1, 2, 2, 1],
  )
})

test('a server that lists the same page for ever is found out', async () => {
  const server = await startPeculiarS3({ listing: 'endless', pageSize: 2 })
  await generate(server, {})
  const ran = await run(server, {})
  assert.equal(ran.code, 1)
  assert.match(ran.stderr, /cannot list \(page 2\): the server sends the same page again/)
})

for (const deletesMany of ['refused', 'md5'] as const)
  test(`objects are deleted one by one where many at once are ${deletesMany === 'md5' ? 'deleted with Content-MD5 only' : 'not'}`, async () => {
    const server = await startPeculiarS3({ deletesMany })
    const storage = await open(server)
    const keys = Array.from({ length: 40 }, (_, i) => keyOf(storage.place, `k${i}`))
    for (const key of keys) await storage.put(key, new Uint8Array(3))
    await storage.delete([...keys.slice(0, 20), 'data/never'])
    await storage.delete(keys.slice(20, 39))
    assert.deepEqual([...server.objects.keys()], ['data/k39'])
    // That it cannot is asked once.
    assert.equal(server.requests.filter((line) => line.startsWith('POST')).length, 1)
    await storage.delete(['data/k39'])
    assert.equal(server.objects.size, 0)
  })

test('an object is deleted by DELETE alone, which every server has', async () => {
  const server = await startPeculiarS3({ deletesMany: 'refused' })
  const storage = await open(server)
  await storage.put('data/k', new Uint8Array(3))
  await storage.delete(['data/k'])
  assert.deepEqual([server.objects.size, server.requests.filter((line) => line.startsWith('POST')).length], [0, 0])
})

test('the size of an empty object is 0 also where HEAD does not tell it', async () => {
  for (const head of ['lengthless', 'refused'] as const) {
    const storage = await open(await startPeculiarS3({ head }))
    await storage.put('data/empty', new Uint8Array(0))
    assert.equal((await storage.head('data/empty'))?.sizeBytes, 0)
    assert.equal(await storage.head('data/absent'), undefined)
  }
})

for (const request_checksum of ['when_required', 'when_supported'])
  test(`parts have the checksums that were announced, with request_checksum: ${request_checksum}`, async () => {
    const server = await startPeculiarS3({ strictChecksums: true })
    const storage = await open(server, { request_checksum, multipart_part_size: 5 << 20 })
    const upload = await storage.upload('data/k')
    await upload.append(new Uint8Array(12 << 20))
    await upload.complete()
    assert.equal(server.objects.get('data/k')!.length, 12 << 20)
    assert.equal(server.requests.filter((line) => line.startsWith('PUT')).length, 3)
  })

test('a region that nobody told is an error that says what to set, the endpoint too', async () => {
  const env = {
    ...environment(await startPeculiarS3()),
    AWS_ENDPOINT_URL: '',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  }
  const ran = await driver(['generate', configured({}), '--quiet'], { env })
  assert.equal(ran.code, 1)
  assert.match(ran.stderr, /no region is known; set AWS_REGION or storage_options\.region, or, .*AWS_ENDPOINT_URL/)
})

test('a listing that is not allowed names the way to do without', async () => {
  const server = await startPeculiarS3({ mayList: false })
  const ran = await run(server, {})
  assert.equal(ran.code, 1)
  assert.match(ran.stderr, /cannot list: access denied.*; dataset\.skip_listing does without listing; endpoint .*\(AccessDenied\)/)
  await works(server, { dataset: { skip_listing: true } })
})

test('keys that are listed percent-encoded are the keys, and markers of folders are no files', async () => {
  const server = await startPeculiarS3({ encodesKeys: true })
  for (const marker of ['data/', 'data/a+b %c/', 'data/a+b %c/train/']) server.objects.set(marker, Buffer.alloc(0))
  const result = await works(server, { dataset: { data_folder: 's3://bucket/data/a+b %c' } })
  assert.equal(result.io.samplesRead, 10)
})

test('where there are no multipart uploads, objects of one part are written, and larger ones name the way', async () => {
  const server = await startPeculiarS3({ hasMultipart: false })
  const files = { num_files_train: 1, record_length_bytes: 5_000_000 }
  const refused = await driver(['generate', configured({ dataset: files }), '--quiet'], { env: environment(server) })
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /cannot begin to write: .*; objects no larger than storage_options\.multipart_part_size are written by one/)
  await generate(server, { dataset: files, options: { multipart_part_size: 16 << 20 } })
  assert.equal(server.objects.size, 1)
})

test('a web site where a store should be is an error in plain words', async () => {
  const server = await startPeculiarS3({ isWebSite: true })
  const ran = await run(server, { options: { s3_max_attempts: 1 } })
  assert.equal(ran.code, 1)
  assert.match(ran.stderr, /cannot list: the answer is not what this kind of storage says, .*check the endpoint/)
  await assert.rejects((await open(server, { s3_max_attempts: 1 })).put('data/k', new Uint8Array(3)), StorageError)
})

for (const sendsBy of [301, 307] as const)
  test(`GETs that are sent elsewhere by ${sendsBy} go there; other requests name where to`, async () => {
    const target = await startPeculiarS3()
    const server = await startPeculiarS3()
    await generate(target, {})
    for (const [key, bytes] of target.objects) server.objects.set(key, bytes)
    server.peculiarities = { sendsTo: target.endpoint, sendsBy }
    const ran = await run(server, {})
    assert.equal(ran.code, 0, ran.stderr)
    assert.ok((JSON.parse(ran.stdout) as Result).objects!.retries.redirect! > 0)
    await assert.rejects((await open(server, { s3_max_attempts: 1 })).head('data/k'), (error: Error) => {
      assert.ok(error.message.includes(`the server sends such requests to ${target.endpoint}`), error.message)
      return true
    })
  })

const rangeless: readonly [string, Work, string][] = [
  ['parts', { options: inParts, dataset: large }, 'leave out storage.storage_options.part_size, so that objects are read whole'],
  [
    'single samples',
    { dataset: { format: 'hdf5', ...large }, args: ['--semantics', 'upstream'] },
    'use a format that is read whole, --semantics mlcommons and no profile',
  ],
]
for (const [what, work, remedy] of rangeless)
  test(`ranges of ${what} that a server ignores end the run at once, with what was asked, what came, and what to do`, async () => {
    const server = await startPeculiarS3({ ranges: 'ignored' })
    await generate(server, work)
    const ran = await run(server, work)
    assert.equal(ran.code, 1)
    assert.match(
      ran.stderr,
      /^error: s3:\S+: cannot read: GET of bytes=\d+-\d+ at http:\S+: the server ignores ranges: .* the answer is the whole object \(status 200\)/m,
    )
    assert.ok(ran.stderr.includes(remedy), ran.stderr)
    assert.doesNotMatch(ran.stderr, /attempts/)
    assert.equal(fs.existsSync(join(outputFolder(), 'summary.json')), false)
  })
