// What writing checkpoints and data sets into object stores leaves in results: requests by kind, retries by cause, times, over all threads and processes.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { before, describe, type TestContext, test } from 'node:test'
import type { EndpointRecord } from '#src/storage/object/meter.js'
import type { CheckpointObjectsRecord, UploadsRecord } from '#src/storage/object/record.js'
import { bin, driver, scratchFolder, workloadFile } from '../cli/driver.js'
import { openMpi, runUnder } from '../cluster/mpirun.js'
import { hasProgram } from '../requirements.js'
import { type Front, type Options, type Service, type Spoil, startFront } from '../storage/services.js'
import { cleanEnvironment, objectsBelow, type Provider, providers, type Refusal } from '../storage/upload-requests.js'

const folder = scratchFolder('object-requests', true)
const MiB = 2 ** 20
let runs = 0

/** A state of layers for each of two ranks, larger than two parts. */
const checkpoints = (uri: string, options: Options) => ({
  model: {
    name: 'small',
    type: 'transformer',
    num_layers: 2,
    parallelism: { zero_stage: 1 },
    transformer: { vocab_size: 4000, hidden_size: 256, ffn_hidden_size: 512, num_attention_heads: 4, num_kv_heads: 4 },
  },
  framework: 'pytorch',
  workflow: { train: false, checkpoint: true },
  storage: { storage_options: { ...options, multipart_part_size: 5 * MiB } },
  checkpoint: { checkpoint_folder: uri, num_checkpoints_write: 1, num_checkpoints_read: 1 },
})

const dataset = (uri: string, options: Options) => ({
  storage: { storage_options: { ...options, multipart_part_size: 5 * MiB } },
  dataset: { data_folder: uri, format: 'npz', num_files_train: 2, record_length_bytes: 12 * MiB },
})

const answer = (request: IncomingMessage, response: ServerResponse, { status, headers, body }: Refusal): true => {
  request.resume().on('end', () => response.writeHead(status, headers).end(body))
  return true
}

/** Answers the first request that brings a part with `busy`. */
function busyOnce({ isPart, busy }: Provider): Spoil {
  let isSpoilt = false
  return (request, response) => {
    // Google's library asks how far the upload has come, and the emulator counts one byte where there are none.
    if (request.headers['content-range'] === 'bytes */*') return answer(request, response, { status: 308, headers: {}, body: '' })
    if (isSpoilt || !isPart(request)) return false
    isSpoilt = true
    return answer(request, response, busy)
  }
}

const total = (endpoints: readonly EndpointRecord[], key: 'requests' | 'bytes' | 'failures') =>
  endpoints.reduce((sum, endpoint) => sum + endpoint[key], 0)
const timed = (endpoints: readonly EndpointRecord[]) => endpoints.reduce((sum, { totalUs }) => sum + (totalUs?.count ?? 0), 0)
const lines = ({ requests }: Front, form: RegExp) => requests.filter((line) => form.test(line)).length

/** That the record holds what the store has seen, one part of it in vain. */
function assertWritten(record: UploadsRecord, { isPart }: Provider, front: Front, sizes: readonly number[]): void {
  const parts = front.requests.filter((line) => {
    const [method, url] = line.split(' ')
    return isPart({ method, url } as IncomingMessage)
  })
  assert.deepEqual(record.retries, { throttled: 1 })
  assert.equal(total(record.uploads, 'failures'), 1)
  assert.ok(total(record.uploads, 'requests') >= parts.length - 2, `${total(record.uploads, 'requests')} of ${parts.length}`)
  assert.equal(
    total(record.uploads, 'bytes'),
    sizes.reduce((sum, bytes) => sum + bytes, 0),
  )
  assert.equal(timed(record.uploads), total(record.uploads, 'requests'))
  assert.equal(record.uploads[0]!.endpoint, front.endpoint)
  assert.equal(record.attempts[1], 1)
  assert.equal(record.options.partBytes, 5 * MiB)
}

for (const provider of providers)
  describe(`results of writing into ${provider.name}`, () => {
    const { name, start, isPart, busy, denied } = provider
    let service: Service | undefined
    before(async (t) => {
      service = await start(t as unknown as TestContext)
    })
    const check = (
      title: string,
      spoil: Spoil,
      body: (front: Front & { options: Options }, uri: string, t: TestContext) => Promise<void>,
    ) =>
      test(title, async (t) => {
        if (service === undefined) return t.skip('no server')
        const front = await startFront(service.endpoint, undefined, spoil)
        await body({ ...front, options: { ...service.options, endpoint_url: front.endpoint } }, await service.place(), t)
      })
    const run = async (workload: object, args: readonly string[]) => {
      const output = join(folder, `out-${runs++}`)
      const path = workloadFile(folder, workload, `w${runs}.yaml`)
      return { ...(await driver(['run', path, '--output', output, '-q', ...args], { env: cleanEnvironment })), output }
    }
    const resultIn = (output: string, name = 'result.json') => JSON.parse(readFileSync(join(output, name), 'utf8'))

    check('requests, retries and times of checkpoints are in result.json', busyOnce(provider), async (front, uri) => {
      const ran = await run(checkpoints(uri, front.options), ['--ranks', '2'])
      assert.equal(ran.code, 0, ran.stderr)
      const record: CheckpointObjectsRecord = resultIn(ran.output).checkpoint.objects
      const sizes = Object.values(await objectsBelow(uri, service!.options))
      assertWritten(record, provider, front, sizes)
      assert.equal(`${record.uri}/`.replace('devstoreaccount1/', ''), `${uri}/`)
      // All of it was read back.
      assert.ok(total(record.endpoints, 'bytes') >= sizes.reduce((sum, bytes) => sum + bytes, 0))
      assert.equal(record.requests.get, total(record.endpoints, 'requests'))
      assert.equal(timed(record.endpoints), total(record.endpoints, 'requests'))
      const ranges = total(record.endpoints, 'requests') + total(record.uploads, 'requests')
      assert.equal(
        record.attempts.reduce((sum, count) => sum + count, 0),
        ranges,
      )
      assert.equal(record.requests.list, lines(front, /list-type=2|comp=list&|GET \S+\/o\?/))
    })

    check('those of a generated data set are in what generate reports', busyOnce(provider), async (front, uri) => {
      const path = workloadFile(folder, dataset(uri, front.options), `g${runs++}.yaml`)
      const ran = await driver(['generate', path, '--json', '-q'], { env: cleanEnvironment })
      assert.equal(ran.code, 0, ran.stderr)
      assertWritten(JSON.parse(ran.stdout).objects, provider, front, Object.values(await objectsBelow(uri, service!.options)))
    })

    for (const [title, refusal, said] of [
      ['is always busy', busy, /HTTP 503, 2 attempts/],
      ['refuses the credentials', denied, /access denied.*HTTP 403/],
    ] as const)
      check(
        `a store that ${title} ends run and generate with 1 and its reason; no object stays, and the partial result counts`,
        (request, response) => isPart(request) && answer(request, response, refusal),
        async (front, uri) => {
          const options = { ...front.options, s3_max_attempts: 2 }
          const ran = await run(checkpoints(uri, options), ['--ranks', '2'])
          const generated = await driver(['generate', workloadFile(folder, dataset(uri, options), `g${runs++}.yaml`), '-q'], {
            env: cleanEnvironment,
          })
          for (const { code, stderr } of [ran, generated]) {
            assert.equal(code, 1, stderr)
            assert.match(stderr, /error: (s3|az|gs):\/\/\S+\.(pt|npz): cannot (write|complete)/)
            assert.match(stderr, said)
            assert.match(stderr, new RegExp(`endpoint ${front.endpoint}`))
            assert.doesNotMatch(stderr, /^ {4}at /m)
          }
          assert.deepEqual(
            readdirSync(ran.output).filter((file) => /^(result|summary)/.test(file)),
            ['result.partial.json'],
          )
          const { retries }: CheckpointObjectsRecord = resultIn(ran.output, 'result.partial.json').checkpoint.objects
          assert.equal((retries.throttled ?? 0) > 0, refusal === busy)
          assert.deepEqual(await objectsBelow(uri, service!.options), {})
        },
      )

    if (name === 'S3')
      check('processes of an MPI job add theirs up', busyOnce(provider), async (front, uri, t) => {
        if (!hasProgram(t, openMpi.program, '--version')) return
        const output = join(folder, `out-${runs++}`)
        const path = workloadFile(folder, checkpoints(uri, front.options), `w${runs}.yaml`)
        const ran = await runUnder(openMpi, 2, [process.execPath, bin, 'run', path, '--output', output, '-q'], { env: cleanEnvironment })
        assert.equal(ran.code, 0, ran.stderr)
        const record: CheckpointObjectsRecord = resultIn(output).checkpoint.objects
        assertWritten(record, provider, front, Object.values(await objectsBelow(uri, service!.options)))
        assert.equal(record.requests.get, total(record.endpoints, 'requests'))
      })
  })
