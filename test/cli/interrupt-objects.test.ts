// Ctrl-C while an object store keeps an upload waiting: the command ends soon and in order, and nothing half-written stays.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { before, describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GenerationRecord } from '#src/dataset/generation-record.js'
import { type Front, type Options, type Service, startFront } from '../storage/services.js'
import { cleanEnvironment, objectsBelow, openUploads, providers, type Refusal } from '../storage/upload-requests.js'
import { driver, scratchFolder, workloadFile } from './driver.js'
import { startHearing } from './heard.js'

const folder = scratchFolder('interrupt-objects', true)
const MiB = 2 ** 20
let runs = 0

/** Checkpoints of more than two parts. */
const checkpoints = (uri: string, options: Options, checkpoint: object = {}) => ({
  framework: 'pytorch',
  model: { name: 'flat', model_size_bytes: 16 * MiB },
  workflow: { train: false, checkpoint: true },
  storage: { storage_options: { ...options, multipart_part_size: 5 * MiB } },
  checkpoint: { checkpoint_folder: uri, num_checkpoints_write: 2, num_checkpoints_read: -1, ...checkpoint },
})

/** Files of more than two parts. */
const dataset = (uri: string, options: Options) => ({
  workflow: { generate_data: true, train: true },
  storage: { storage_options: { ...options, multipart_part_size: 5 * MiB } },
  dataset: { data_folder: uri, format: 'npz', num_files_train: 40, record_length_bytes: 16 * MiB },
  reader: { batch_size: 1 },
})

/** What the tests look at of a result. */
interface Partial {
  readonly interruption: string
  readonly generation: GenerationRecord
  readonly train: { readonly epochs: number }
}

/** A front that takes the requests of a kind in and never answers, unless it is told to. */
async function holding(service: Service, holds: (request: IncomingMessage, response: ServerResponse) => boolean) {
  const held: ServerResponse[] = []
  let refusal: Refusal | undefined
  const refuse = (response: ServerResponse) => response.writeHead(refusal!.status, refusal!.headers).end(refusal!.body)
  let first: () => void
  const holdsOne = new Promise<void>((resolve) => {
    first = resolve
  })
  const front = await startFront(service.endpoint, undefined, (request, response) => {
    if (!holds(request, response)) return false
    request.resume().on('end', () => {
      if (refusal !== undefined) refuse(response)
      else held.push(response)
      first()
    })
    return true
  })
  return {
    ...front,
    options: { ...service.options, endpoint_url: front.endpoint },
    holdsOne,
    release(answer: Refusal) {
      refusal = answer
      held.forEach(refuse)
    },
  }
}

interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly stderr: string
  readonly output: string
}

/** Starts a command, and interrupts it when `ready`; `after` happens once the program knows. */
async function interrupt(
  command: 'run' | 'generate',
  workload: object,
  ready: Promise<unknown>,
  after: (kill: () => void) => Promise<void> = async () => {},
): Promise<Ended> {
  const output = join(folder, `out-${runs++}`)
  const path = workloadFile(folder, workload, `w${runs}.yaml`)
  const args = [command, path, ...(command === 'run' ? ['--output', output, '--ranks', '2'] : [])]
  const { child, heard, ended, stderr } = startHearing(folder, args, cleanEnvironment)
  await Promise.race([ready, ended])
  child.kill('SIGINT')
  // Only a command that hangs is still there then.
  const limit = setTimeout(() => child.kill('SIGKILL'), 120_000)
  await heard
  await after(() => child.kill('SIGINT'))
  const end = await ended
  clearTimeout(limit)
  return { ...end, stderr: stderr(), output }
}

function assertInterrupted({ code, signal, stderr }: Ended): void {
  assert.deepEqual({ code, signal }, { code: 130, signal: null }, stderr)
  assert.doesNotMatch(stderr, /^ {4}at |Warning|by force/m)
}

function assertPartial({ output }: Ended): void {
  const files = readdirSync(output)
  assert.ok(files.includes('result.partial.json'), String(files))
  assert.ok(!files.includes('result.json') && !files.includes('summary.json'), String(files))
}

const seen = ({ requests }: Front, form: RegExp) => requests.filter((line) => form.test(line))

for (const { name, start, isPart, completes, abandons, denied } of providers)
  describe(`uploads to ${name} that are interrupted`, () => {
    let service: Service | undefined
    before(async (t) => {
      service = await start(t as unknown as TestContext)
    })
    const check = (title: string, body: (service: Service, uri: string) => Promise<void>) =>
      test(title, async (t) => (service === undefined ? t.skip('no server') : body(service, await service.place())))
    const assertNothingStays = async (uri: string, front: Front) => {
      assert.deepEqual(await objectsBelow(uri, service!.options), {})
      if (completes) assert.deepEqual(seen(front, completes), [])
      if (abandons) assert.ok(seen(front, abandons).length > 0, 'the store is asked to drop it')
      if (name === 'S3') assert.deepEqual(await openUploads(service!, uri), [])
    }

    check('a checkpoint whose part is not answered ends with 130 and a partial result, and nothing of it stays', async (service, uri) => {
      const front = await holding(service, isPart)
      const ended = await interrupt('run', checkpoints(uri, front.options), front.holdsOne)
      assertInterrupted(ended)
      assertPartial(ended)
      await assertNothingStays(uri, front)
    })

    check('a part that is refused only after the interruption does not make a failure of it', async (service, uri) => {
      const front = await holding(service, isPart)
      const ended = await interrupt('run', checkpoints(uri, front.options), front.holdsOne, async () => {
        front.release(denied)
      })
      assertInterrupted(ended)
      assertPartial(ended)
      await assertNothingStays(uri, front)
    })

    check('where the store answers nothing any more, the run still ends with 130 and a partial result', async (service, uri) => {
      let silent = false
      const front = await holding(service, (request) => {
        silent ||= isPart(request)
        return silent
      })
      const ended = await interrupt('run', checkpoints(uri, front.options), front.holdsOne)
      assertInterrupted(ended)
      assertPartial(ended)
      assert.deepEqual(await objectsBelow(uri, service.options), {})
    })

    if (abandons)
      check('a second Ctrl-C ends the run at once', async (service, uri) => {
        let silent = false
        const front = await holding(service, (request) => {
          silent ||= isPart(request)
          return silent
        })
        const ended = await interrupt('run', checkpoints(uri, front.options), front.holdsOne, async (kill) => {
          // Sooner it would be taken for the first one, which terminals and parents may send twice.
          await sleep(300)
          kill()
        })
        assertInterrupted(ended)
        // The first one alone waits for the store for seconds, and keeps what was measured.
        assert.ok(!existsSync(join(ended.output, 'result.partial.json')))
      })

    check('a generation whose upload is not answered ends with 130, and nothing half-written stays', async (service, uri) => {
      const front = await holding(service, isPart)
      const ended = await interrupt('generate', dataset(uri, front.options), front.holdsOne)
      assertInterrupted(ended)
      assert.match(ended.stderr, /interrupted: \d+ of 40 files are complete/)
      await assertNothingStays(uri, front)
    })

    const generationOf = ({ output }: Pick<Ended, 'output'>) =>
      JSON.parse(readFileSync(join(output, 'result.partial.json'), 'utf8')) as Partial

    check('a run that is interrupted while it uploads its data set counts what there is in its partial result', async (service, uri) => {
      let parts = 0
      let answered = 0
      let resolve = () => {}
      const someAnswered = new Promise<void>((done) => {
        resolve = done
      })
      const front = await holding(service, (request, response) => {
        if (!isPart(request)) return false
        if (parts++ > 12) return true
        response.once('finish', () => ++answered === 6 && resolve())
        return false
      })
      const ready = Promise.all([front.holdsOne, someAnswered])
      const ended = await interrupt('run', dataset(uri, front.options), ready)
      assertInterrupted(ended)
      assertPartial(ended)
      const { interruption, generation, train } = generationOf(ended)
      assert.equal(interruption, 'interrupted by a signal while the data set was made')
      assert.equal(train.epochs, 0)
      const objects = await objectsBelow(uri, service.options)
      assert.deepEqual([generation.filesWritten, generation.filesTotal], [Object.keys(objects).length, 40])
      assert.equal(
        generation.bytesWritten,
        Object.values(objects).reduce((sum, bytes) => sum + bytes, 0),
      )
      assert.equal(generation.objects!.uploads[0]!.endpoint, front.endpoint)
      assert.ok(generation.objects!.uploads[0]!.bytes >= 2 * 5 * MiB, 'parts of unfinished objects count')
      assert.match(ended.stderr, /^Generated +\d+ of 40 files, .* PUT, no retries$/m)
      if (name === 'S3') assert.deepEqual(await openUploads(service, uri), [])
    })

    check('where the store fails while a run uploads its data set, the partial result says so and the run fails', async (service, uri) => {
      let parts = 0
      const front = await holding(service, (request) => isPart(request) && parts++ > 12)
      front.release(denied)
      const output = join(folder, `out-${runs++}`)
      const path = workloadFile(folder, dataset(uri, front.options), `w${runs}.yaml`)
      const { code, stderr } = await driver(['run', path, '--output', output], { env: cleanEnvironment })
      assert.equal(code, 1, stderr)
      const [message] = /^error: (.*)$/m.exec(stderr)!.slice(1)
      const { interruption, generation } = generationOf({ output })
      assert.equal(interruption, `the data set was not made: ${message}`)
      assert.equal(generation.filesWritten, Object.keys(await objectsBelow(uri, service.options)).length)
      // Pieces of Google's uploads are its library's.
      if (name !== 'Google') assert.ok(generation.objects!.uploads[0]!.failures > 0)
      assert.ok(!existsSync(join(output, 'summary.json')))
    })

    check('a run that has uploaded its data set says in its result what that took', async (service, uri) => {
      const output = join(folder, `out-${runs++}`)
      const { dataset: files, ...rest } = dataset(uri, service.options)
      const path = workloadFile(folder, { ...rest, dataset: { ...files, num_files_train: 3 } }, `w${runs}.yaml`)
      const { code, stderr } = await driver(['run', path, '--output', output, '-q'], { env: cleanEnvironment })
      assert.equal(code, 0, stderr)
      const { generation } = JSON.parse(readFileSync(join(output, 'result.json'), 'utf8')) as Partial
      const bytes = Object.values(await objectsBelow(uri, service.options)).reduce((sum, size) => sum + size, 0)
      assert.deepEqual([generation.filesWritten, generation.bytesWritten], [3, bytes])
      assert.equal(generation.objects!.uploads[0]!.bytes, bytes)
    })
  })

describe('interrupted while checkpoints are read back', () => {
  let service: Service | undefined
  before(async (t) => {
    service = await providers[0]!.start(t as unknown as TestContext)
  })
  test('a read that is not answered ends with 130 and a partial result', async (t) => {
    if (service === undefined) return t.skip('no server')
    const uri = await service.place()
    const written = await driver(
      ['run', workloadFile(folder, checkpoints(uri, service.options)), '--output', join(folder, 'written'), '-q'],
      {
        env: cleanEnvironment,
      },
    )
    assert.equal(written.code, 0, written.stderr)
    const front = await holding(service, ({ method, url }) => method === 'GET' && url!.includes('states'))
    const reading = checkpoints(uri, front.options, { num_checkpoints_write: -1, num_checkpoints_read: 2 })
    const ended = await interrupt('run', reading, front.holdsOne)
    assertInterrupted(ended)
    assertPartial(ended)
  })
})
