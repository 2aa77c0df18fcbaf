// Checkpoints in object stores: the same files as in a folder, whole or not at all.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { driver, scratchFolder, workloadFile } from '../cli/driver.js'
import { startHearing } from '../cli/heard.js'
import { type Options, type Service, type Spoil, startAzure, startFront, startGcs, startS3 } from '../storage/services.js'
import { cleanEnvironment, objectsBelow, openUploads } from '../storage/upload-requests.js'

const folder = scratchFolder('object-checkpoints', true)
const MiB = 2 ** 20
let runs = 0

/** One state of layers and one of an optimizer, smaller and larger than two parts of 5 MiB. */
const model = {
  name: 'small',
  type: 'transformer',
  num_layers: 2,
  parallelism: { zero_stage: 1 },
  transformer: { vocab_size: 4000, hidden_size: 256, ffn_hidden_size: 512, num_attention_heads: 4, num_kv_heads: 4 },
}

const workloadOf = (checkpointFolder: string, options: Options | null, checkpoint: object = {}, more: object = {}) => ({
  model,
  framework: 'pytorch',
  workflow: { train: false, checkpoint: true },
  storage: { storage_options: options && { ...options, multipart_part_size: 5 * MiB } },
  checkpoint: { checkpoint_folder: checkpointFolder, num_checkpoints_write: 2, num_checkpoints_read: 2, ...checkpoint },
  ...more,
})

async function run(workload: object, args: readonly string[] = []) {
  const output = join(folder, `out-${runs++}`)
  const path = workloadFile(folder, workload, `w${runs}.yaml`)
  const ran = await driver(['run', path, '--output', output, '--quiet', ...args], { env: cleanEnvironment })
  const result = existsSync(join(output, 'result.json')) ? JSON.parse(readFileSync(join(output, 'result.json'), 'utf8')) : undefined
  return { ...ran, output, result }
}

function filesBelow(path: string): Record<string, number> {
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return Object.fromEntries(
    files.map(({ parentPath, name }) => [join(parentPath, name).slice(path.length + 1), statSync(join(parentPath, name)).size]),
  )
}

const flavours: readonly [string, readonly string[], object][] = [
  ['MLCommons’ raw files', [], {}],
  ['upstream’s torch archives', ['--semantics', 'upstream'], {}],
  ['TensorFlow’s bundles', [], { framework: 'tensorflow', model: { name: 'flat', model_size_bytes: 11 * MiB } }],
]

for (const [name, start] of [['S3', startS3] as const, ['Azure', startAzure] as const, ['Google', startGcs] as const])
  describe(`checkpoints in ${name}`, () => {
    let service: Service | undefined
    before(async (t) => {
      service = await start(t as unknown as TestContext)
    })
    for (const [flavour, args, more] of name === 'S3' ? flavours : flavours.slice(0, 1))
      test(`${flavour} have the names and sizes of those in a folder, and are read back with their checksums`, async (t) => {
        if (service === undefined) return t.skip('no server')
        const uri = `${await service.place()}/two words/ü%20`
        const local = join(folder, `local-${runs}`)
        const ranks = flavour.startsWith('TensorFlow') ? '1' : '2'
        const [onFiles, inObjects] = [
          await run(workloadOf(local, null, {}, more), ['--verify', '--ranks', ranks, ...args]),
          await run(workloadOf(uri, service.options, {}, more), ['--verify', '--ranks', ranks, ...args]),
        ]
        assert.equal(onFiles.code, 0, onFiles.stderr)
        assert.equal(inObjects.code, 0, inObjects.stderr)
        const expected = Object.entries(filesBelow(local)).map(([path, bytes]) => [
          path.replace(/\.pt$/, args.length > 0 ? '.pts3' : '.pt'),
          bytes,
        ])
        assert.ok(expected.some(([, bytes]) => Number(bytes) > 2 * 5 * MiB))
        assert.deepEqual(await objectsBelow(uri, service.options), Object.fromEntries(expected))
        const { checkpoint } = inObjects.result
        assert.deepEqual([checkpoint.save.count, checkpoint.load.count], [2, 2])
        assert.deepEqual(checkpoint.bytesWritten, onFiles.result.checkpoint.bytesWritten)
      })
  })

describe('checkpoints in S3 that go wrong', () => {
  let service: Service | undefined
  before(async (t) => {
    service = await startS3(t as unknown as TestContext)
  })
  const check = (title: string, body: (service: Service, uri: string) => Promise<void>) =>
    test(title, async (t) => (service === undefined ? t.skip('no server') : body(service, await service.place())))
  const refuse =
    (status: number, code: string, applies: (method: string, url: string) => boolean): Spoil =>
    (request, response) => {
      if (!applies(request.method!, request.url!)) return false
      request.resume().on('end', () => response.writeHead(status).end(`<Error><Code>${code}</Code><Message>no</Message></Error>`))
      return true
    }

  check('a part that cannot be written ends the run with 1, and nothing of its file stays', async (service, uri) => {
    const front = await startFront(
      service.endpoint,
      undefined,
      refuse(403, 'AccessDenied', (_, url) => url.includes('partNumber=2')),
    )
    const ran = await run(workloadOf(uri, { ...service.options, endpoint_url: front.endpoint }), ['--ranks', '2'])
    assert.equal(ran.code, 1)
    assert.match(ran.stderr, /_states\.pt: cannot write part 2 of/)
    assert.ok(!ran.stderr.includes(service.secret!))
    assert.deepEqual(await objectsBelow(uri, service.options), {}, 'each file has a second part')
    assert.deepEqual(await openUploads(service, uri), [])
    assert.equal(ran.result, undefined)
  })

  check('Ctrl-C in the middle of an upload gives it up, and leaves complete files only', async (service, uri) => {
    let interrupted = () => {}
    const interruption = new Promise<void>((resolve) => {
      interrupted = resolve
    })
    // The second checkpoint's second parts arrive once the run was interrupted.
    const isLate = (url: string) => url.includes('step2/') && url.includes('partNumber=2')
    const front = await startFront(service.endpoint, undefined, (request) =>
      isLate(request.url!) ? interruption.then(() => false) : false,
    )
    const workload = workloadOf(uri, { ...service.options, endpoint_url: front.endpoint }, { num_checkpoints_write: 3 })
    const output = join(folder, `out-${runs++}`)
    const path = workloadFile(folder, workload, `w${runs}.yaml`)
    const { child, heard, ended, stderr } = startHearing(folder, ['run', path, '--ranks', '2', '--output', output, '-q'], cleanEnvironment)
    while (!front.requests.some(isLate) && child.exitCode === null) await sleep(5)
    child.kill('SIGINT')
    await heard
    interrupted()
    assert.equal((await ended).code, 130, stderr())
    const found = Object.keys(await objectsBelow(uri, service.options))
    assert.ok(found.length > 0 && found.every((key) => key.startsWith('global_epoch1_step1/')), String(found))
    const uploadOf = (line: string) => /uploadId=([^&]+)/.exec(line)?.[1]
    const late = new Set(front.requests.filter(isLate).map(uploadOf))
    const abandoned = new Set(front.requests.filter((line) => line.startsWith('DELETE')).map(uploadOf))
    assert.ok(
      [...late].every((upload) => abandoned.has(upload)),
      `${[...late]} among ${[...abandoned]}`,
    )
    assert.deepEqual(await openUploads(service, uri), [])
    assert.ok(existsSync(join(output, 'result.partial.json')))
  })

  check('an upload that the store keeps only a part of is an error, not a checkpoint', async (service, uri) => {
    const front = await startFront(service.endpoint, undefined, (request, response) => {
      if (request.method !== 'HEAD' || !request.url!.includes('model_states')) return false
      response.writeHead(200, { 'content-length': '5', etag: '"x"', 'last-modified': new Date(0).toUTCString() }).end()
      return true
    })
    const only = { num_checkpoints_write: 1, num_checkpoints_read: -1 }
    const flat = { model: { name: 'flat', model_size_bytes: 11 * MiB } }
    const shortened = { ...service.options, endpoint_url: front.endpoint }
    const ran = await run(workloadOf(uri, shortened, only, flat))
    assert.equal(ran.code, 1)
    assert.match(ran.stderr, /were sent and accepted, but the object has 5/)
  })

  check('a place that cannot be written to, or not be reached, is told before anything is touched', async (service, uri) => {
    const front = await startFront(
      service.endpoint,
      undefined,
      refuse(403, 'AccessDenied', (method) => method === 'PUT'),
    )
    const denied = await run(workloadOf(uri, { ...service.options, endpoint_url: front.endpoint }))
    assert.equal(denied.code, 2)
    assert.match(denied.stderr, /checkpoint\.checkpoint_folder[\s\S]*s3:\/\/[\s\S]*cannot be written to: .*AccessDenied/)
    const missing = await run(workloadOf('s3://no-such-bucket/x', service.options))
    assert.equal(missing.code, 2)
    assert.match(missing.stderr, /cannot be written to: .*NoSuchBucket/)
    assert.deepEqual(await objectsBelow(uri, service.options), {})
  })

  check('more checkpoints to read than there are end the run with 1', async ({ options }, uri) => {
    const written = await run(workloadOf(uri, options, { num_checkpoints_write: 1, num_checkpoints_read: -1 }))
    assert.equal(written.code, 0, written.stderr)
    const ran = await run(workloadOf(uri, options, { num_checkpoints_write: -1, num_checkpoints_read: 2 }))
    assert.equal(ran.code, 1)
    assert.match(ran.stderr, /Number of checkpoints to be read: 2 is more than the number of checkpoints available: 1 in s3:\/\//)
    const again = await run(workloadOf(uri, options, { num_checkpoints_write: -1, num_checkpoints_read: 1 }))
    assert.equal(again.code, 0, again.stderr)
  })

  check('with storage_type s3 a checkpoint folder without a scheme lies in the same bucket, in training too', async ({ options }, uri) => {
    const bucket = uri.split('/')[2]!
    const workload = {
      framework: 'pytorch',
      model: { name: 'flat', model_size_bytes: 5000 },
      workflow: { generate_data: true, train: true, checkpoint: true },
      storage: { storage_type: 's3', storage_root: bucket, storage_options: options },
      dataset: { data_folder: 'data', format: 'npz', num_files_train: 4, record_length_bytes: 1024 },
      reader: { batch_size: 1, read_threads: 1 },
      train: { epochs: 2, computation_time: 0 },
      checkpoint: { checkpoint_folder: 'ckpt/a', checkpoint_after_epoch: 1, epochs_between_checkpoints: 1 },
    }
    const ran = await run(workload)
    assert.equal(ran.code, 0, ran.stderr)
    assert.deepEqual(Object.keys(await objectsBelow(`s3://${bucket}/ckpt/a`, options)), [
      'global_epoch1_step5/model_states-0.pt',
      'global_epoch2_step5/model_states-0.pt',
    ])
  })
})
