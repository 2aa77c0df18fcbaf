// Whole jobs against servers that speak S3 as some products do: doctor, data sets of three formats, checkpoints; and what becomes of answers
// that would make wrong numbers of right data.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { driver } from '../cli/driver.js'
import { configured, environment, generate, inParts, large, open, run, type Work, works } from './peculiar-jobs.js'
import { type Peculiarities, startPeculiarS3 } from './peculiar-s3.js'

const dialects: readonly [string, Peculiarities][] = [
  [
    'a gateway to file systems',
    { region: 'site-1', namesRegion: 'inDoubleQuotes', ranges: 'within', closes: true, listingForm: 'verbose' },
  ],
  ['a filer with chunks', { ifMatch: 'never', chunks: true, head: 'empty', missesDeleted: true, encodesKeys: true }],
  ['an archive of replicas', { hasReplicas: true, etag: 'unquoted', deletesMany: 'md5', listing: 'first', pageSize: 3 }],
  ['a gateway in Java', { knowsFewHeaders: true, refusesExpect: true, etag: 'weak', errors: 'html', basePath: '/storage/v1/s3' }],
  ['a small server', { errors: 'empty', terse: true, etag: 'none', head: 'refused', deletesMany: 'refused', listing: 'refused' }],
  ['one with terse listings', { listingForm: 'terse', pageSize: 2, errors: 'json', ranges: 'as200' }],
]

const sequence: readonly Work[] = [
  {
    workflow: { checkpoint: true },
    sections: {
      checkpoint: { checkpoint_folder: 's3://bucket/checkpoints', checkpoint_after_epoch: 1, epochs_between_checkpoints: 1 },
      model: { model_size_bytes: 1_000_000 },
    },
  },
  { dataset: { format: 'hdf5', data_folder: 's3://bucket/hdf5 a+b', ...large }, args: ['--semantics', 'upstream'] },
  {
    sections: { framework: 'tensorflow' },
    dataset: { format: 'tfrecord', data_folder: 's3://bucket/tf', ...large, num_samples_per_file: 4 },
    options: inParts,
  },
]

for (const [name, peculiarities] of dialects)
  test(`${name} passes doctor, and data sets and checkpoints are written, read and verified`, async () => {
    const { basePath = '' } = peculiarities
    const server = await startPeculiarS3(peculiarities)
    const reached = { ...server, endpoint: server.endpoint + basePath }
    const doctor = await driver(['doctor', 's3://bucket/scratch', '--json'], { env: environment(reached) })
    assert.equal(doctor.code, 0, doctor.stdout)
    for (const work of sequence) {
      const result = await works(reached, work)
      assert.equal(result.io.samplesRead, result.train!.samples)
    }
    const keys = [...server.objects.keys()]
    assert.deepEqual(
      keys.filter((key) => /doctor|probe/.test(key)),
      [],
    )
    assert.ok(keys.some((key) => key.startsWith('checkpoints/')))
    const again = await driver(['generate', configured({}), '--resume', '--quiet'], { env: environment(reached) })
    assert.equal(again.code, 0, again.stderr)
  })

test('an object that is shorter than the first range asked for is not taken for an empty one where that is refused', async () => {
  const server = await startPeculiarS3({ ranges: 'within' })
  const work = { dataset: { format: 'npz', record_length_bytes: 5000 }, options: inParts }
  const result = await works(server, work)
  assert.equal(result.io.samplesRead, 10)
  assert.ok(result.io.bytesAsked > 10 * 5000)
})

test('a HEAD that tells length 0 of every object is asked again by a GET', async () => {
  const server = await startPeculiarS3({ head: 'empty' })
  const storage = await open(server)
  await storage.put('data/k', new Uint8Array(7))
  assert.equal((await storage.head('data/k'))?.sizeBytes, 7)
  await storage.put('data/empty', new Uint8Array(0))
  assert.equal((await storage.head('data/empty'))?.sizeBytes, 0)
})

test('a listing whose elements have a prefix is refused, not taken for an empty one', async () => {
  const server = await startPeculiarS3({ listingForm: 'namespaced' })
  await generate(server, {})
  const ran = await run(server, { options: { s3_max_attempts: 1 } })
  assert.equal(ran.code, 1)
  assert.match(ran.stderr, /cannot list: the answer is not what this kind of storage says/)
})

for (const losesCompletion of ['answer', 'object'] as const)
  test(`an upload whose completion was not answered is complete only if its object is there: the ${losesCompletion} is lost`, async () => {
    const server = await startPeculiarS3({ losesCompletion })
    const storage = await open(server, { multipart_part_size: 5 << 20 })
    const upload = await storage.upload('data/k')
    await upload.append(new Uint8Array(11 << 20))
    if (losesCompletion === 'object')
      await assert.rejects(upload.complete(), /11534336 bytes were sent and accepted, but the object is not there/)
    else await upload.complete()
    assert.equal(server.objects.get('data/k')?.length, losesCompletion === 'object' ? undefined : 11 << 20)
    assert.equal(storage.retries.reset, 1)
  })

for (const errors of ['html', 'json', 'empty'] as const)
  test(`a refusal that says so in ${errors === 'empty' ? 'no words' : errors} is told with its status, and in its own words`, async () => {
    const server = await startPeculiarS3({ errors, mayList: false, hasMultipart: false })
    const listed = await run(server, { options: { s3_max_attempts: 2 } })
    assert.equal(listed.code, 1)
    assert.match(listed.stderr, /cannot list: access denied.*; dataset\.skip_listing does without listing; .*HTTP 403/)
    if (errors !== 'empty') assert.match(listed.stderr, /refused.*AccessDenied/)
    assert.doesNotMatch(listed.stderr, /XML parse|Deserialization|UnknownError/)
    const files = { num_files_train: 1, record_length_bytes: 5_000_000 }
    const made = await driver(['generate', configured({ dataset: files }), '--quiet'], { env: environment(server) })
    assert.equal(made.code, 1)
    assert.match(made.stderr, /cannot begin to write: .*; objects no larger than storage_options\.multipart_part_size are written by one/)
    assert.doesNotMatch(made.stderr, /XML parse|Deserialization|UnknownError/)
  })

test('who is refused for a wrong signature is told what to check, and not how to do without a listing', async () => {
  const { code, stderr } = await run(await startPeculiarS3({ refusesAll: 'SignatureDoesNotMatch' }), {})
  assert.equal(code, 1)
  assert.match(stderr, /cannot list: the server refuses the signature; check the secret key, the region, and the clock/)
  assert.doesNotMatch(stderr, /skip_listing/)
})

test('a cloud that wants the bucket in the host name is told by its refusal, and how to do that', async () => {
  const { stderr } = await run(await startPeculiarS3({ refusesAll: 'PathStyleDomainForbidden' }), {})
  assert.match(stderr, /wants the bucket in the host name: set storage_options\.s3_force_path_style to false/)
  assert.doesNotMatch(stderr, /skip_listing/)
})

test('ranges that come without a word that they are such are never taken for whole objects', async () => {
  const server = await startPeculiarS3({ ranges: 'untold' })
  for (const [record_length_bytes, isRead] of [
    [65_536 - 264, true],
    [100_000, false],
  ] as const) {
    const work: Work = { options: { ...inParts, s3_max_attempts: 2 }, dataset: { record_length_bytes, num_samples_per_file: 1 } }
    await generate(server, work)
    const ran = await run(server, work)
    assert.equal(ran.code, isRead ? 0 : 1, ran.stderr)
    if (!isRead)
      assert.match(
        ran.stderr,
        /the server ignores ranges: a range was asked for, the answer is the whole object \(status 200\) of 100\d+ bytes/,
      )
  }
})

test('the bucket as part of the endpoint is found out', async () => {
  const server = await startPeculiarS3()
  const ran = await run({ ...server, endpoint: `${server.endpoint}/bucket` }, {})
  assert.equal(ran.code, 1)
  assert.match(ran.stderr, /cannot list: .*; the endpoint has a path; if that is the bucket, leave it out; /)
  const other = await run(server, { dataset: { data_folder: 's3://other/data' } })
  assert.match(other.stderr, /cannot list: there is no such bucket/)
  assert.doesNotMatch(other.stderr, /path/)
})

test('an endpoint that an error names in its words is told', async () => {
  const target = await startPeculiarS3()
  const server = await startPeculiarS3()
  await generate(server, {})
  server.peculiarities = { sendsTo: target.endpoint, sendsByWords: true }
  const { host } = new URL(target.endpoint)
  const ran = await run(server, {})
  assert.equal(ran.code, 1)
  assert.ok(ran.stderr.includes(`the server sends such requests to ${host}; name that as the endpoint`), ran.stderr)
  await assert.rejects((await open(server)).put('data/k', new Uint8Array(3)), (error: Error) => {
    assert.ok(error.message.includes(`the server sends such requests to ${host}`), error.message)
    return true
  })
})

test('doctor says of a server without ranges what it still does for', async () => {
  const server = await startPeculiarS3({ ranges: 'ignored' })
  const { code, stdout } = await driver(['doctor', 's3://bucket/scratch'], { env: environment(server) })
  assert.equal(code, 1)
  assert.match(stdout, /FAIL +range +the server ignores ranges.*formats that are read whole, without part_size/)
  assert.match(stdout, /ok +GET /)
})
