// Runs on object stores do the work of runs on files: recorded data sets in each store, and what is particular to objects.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { before, describe, type TestContext, test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { connect, resolveTarget } from '#src/storage/object/connect.js'
import type { ObjectControl } from '#src/storage/object/types.js'
import { isObjectLocation, keyOf, parseLocation, placeUri } from '#src/storage/uri.js'
import { driver, type Outcome, scratchFolder, workloadFile } from '../cli/driver.js'
import { goldenFolder, goldenJson } from '../golden.js'
import { startProxy } from './proxy-server.js'
import { noCredentials as clean, createCertificate, type Options, providers, type Service, startFront, startS3 } from './services.js'

const folder = scratchFolder('object-runs')
let runs = 0

async function open(uri: string, options: Options): Promise<ObjectControl> {
  const location = parseLocation(uri)
  assert.ok(isObjectLocation(location))
  return connect(resolveTarget(location, options, {}))
}

/** Puts a folder of files under a URI. */
async function upload(source: string, uri: string, options: Options): Promise<void> {
  const storage = await open(uri, options)
  const files = fs.readdirSync(source, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  for (const entry of files) {
    const path = join(entry.parentPath, entry.name)
    await storage.put(keyOf(storage.place, path.slice(source.length + 1)), fs.readFileSync(path))
  }
  storage.close()
}

interface Ran extends Outcome {
  readonly output: string
  readonly result: Result | undefined
}

async function run(workload: object, args: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const output = join(folder, `out-${runs++}`)
  const path = workloadFile(folder, workload, `w${runs}.yaml`)
  const ran = await driver(['run', path, '--output', output, '--json', '--quiet', ...args], { env: { ...clean, ...env } })
  return { ...ran, output, result: ran.stdout === '' ? undefined : (JSON.parse(ran.stdout) as Result) }
}

interface Case {
  readonly id: string
  readonly tree?: string
  readonly format: string
  readonly data: string
  readonly expected: string
}
type Section = Record<string, unknown>
interface Recording {
  readonly workload?: (Record<string, Section> & { dataset: Section }) | null
}

const recorded = goldenJson<{ cases: Case[] }>('datasets', 'index.json').cases.flatMap((golden) => {
  const { workload } = goldenJson<Recording>('datasets', golden.expected)
  const isWanted = ['npz', 'hdf5', 'tfrecord'].includes(golden.format) && golden.tree !== undefined && workload
  return isWanted ? [{ ...golden, workload }] : []
})

/** One of each format, of those with the sources: enough for the second and third store, whose readers are the first one's. */
const committed = new Set(fs.readdirSync(join('test', 'golden', 'datasets')))
const few = ['npz', 'hdf5', 'tfrecord'].flatMap(
  (format) => recorded.find((golden) => golden.format === format && committed.has(golden.id)) ?? [],
)

/** A run over a recorded data set, in whichever place it lies. */
const training = (golden: (typeof recorded)[number], dataFolder: string, options?: Options): object => ({
  ...golden.workload,
  workflow: { generate_data: false, train: true, evaluation: Number(golden.workload.dataset.num_files_eval ?? 0) > 0 },
  storage: { storage_options: options ?? null },
  dataset: { ...golden.workload.dataset, data_folder: dataFolder },
  train: { epochs: 2, computation_time: 0, seed: 7 },
  output: {},
})
const semantics = (golden: Case): string[] => ['--semantics', golden.tree === 'upstream' ? 'upstream' : 'mlcommons']

const locally = new Map<string, Promise<Ran>>()
function runLocally(golden: (typeof recorded)[number]): Promise<Ran> {
  const known =
    locally.get(golden.id) ?? run(training(golden, join(goldenFolder('datasets'), golden.data)), ['--verify', ...semantics(golden)])
  locally.set(golden.id, known)
  return known
}

for (const [name, start] of providers)
  describe(`recorded data sets in ${name}`, () => {
    let service: Service | undefined
    before(async (t) => {
      service = await start(t as unknown as TestContext)
    })
    for (const golden of name.startsWith('S3') ? recorded : few)
      test(`${golden.id} is read and verified as from files, in the same order`, async (t) => {
        if (service === undefined) return t.skip('no server')
        const local = await runLocally(golden)
        const uri = await service.place()
        await upload(join(goldenFolder('datasets'), golden.data), uri, service.options)
        const remote = await run(training(golden, uri, service.options), ['--verify', ...semantics(golden)])
        assert.equal(remote.code, local.code, remote.stderr)
        if (local.code !== 0) return
        const facts = ({ result }: Ran) => {
          const { orderDigest, io, train, evaluation } = result!
          return [orderDigest, io.samplesRead, io.bytesAsked, train?.steps, train?.samples, evaluation?.steps]
        }
        assert.deepEqual(facts(remote), facts(local))
        assert.ok(remote.result!.objects!.requests.list > 0)
      })

    test('through a proxy, in a tunnel and without one, the recorded data sets are the same as from files', async (t) => {
      if (service === undefined) return t.skip('no server')
      const certificate = createCertificate()
      const tunnelled = await startFront(service.endpoint, certificate)
      const proxy = await startProxy()
      t.after(() => proxy.close())
      let ran = 0
      for (const [i, golden] of few.entries()) {
        const uri = await service.place()
        await upload(join(goldenFolder('datasets'), golden.data), uri, service.options)
        const options = { ...service.options, ...(i % 2 === 0 ? { endpoint_url: tunnelled.endpoint } : {}) }
        const env = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, AWS_CA_BUNDLE: certificate.caFile }
        const seen = proxy.seen.length
        const remote = await run(training(golden, uri, options), ['--verify', ...semantics(golden)], env)
        const local = await runLocally(golden)
        assert.equal(remote.code, local.code, remote.stderr)
        // Of what trains nothing, as upstream trims its files, nothing is asked.
        if (local.code !== 0) continue
        ran++
        assert.ok(proxy.seen.length > seen)
        const facts = ({ result }: Ran) => [result!.orderDigest, result!.io.samplesRead, result!.io.bytesAsked, result!.train?.steps]
        assert.deepEqual(facts(remote), facts(local))
      }
      assert.ok(ran >= 2)
    })

    test('a prefix of any characters is the same to generating, listing, reading and reporting', async (t) => {
      if (service === undefined) return t.skip('no server')
      const uri = `${await service.place()}/two words/v1.0/ü 数/100%/a%20b/x+y=z&a;b,c@d!'(e)`
      const workload = {
        framework: 'pytorch',
        workflow: { generate_data: true, train: true },
        storage: { storage_options: service.options },
        dataset: { data_folder: uri, format: 'npz', num_files_train: 4, num_subfolders_train: 2, record_length_bytes: 1024 },
        reader: { batch_size: 1, read_threads: 1 },
        train: { epochs: 1, computation_time: 0 },
      }
      const ran = await run(workload, ['--verify'])
      assert.equal(ran.code, 0, ran.stderr)
      const { objects, workload: reported, io } = ran.result!
      const keys: string[] = []
      const storage = await open(uri, service.options)
      for await (const page of storage.list(keyOf(storage.place, 'train/'))) keys.push(...page.map(({ key }) => key))
      storage.close()
      assert.deepEqual([objects!.uri, io.samplesRead], [placeUri(storage.place), 4])
      assert.equal(reported.folder, uri)
      assert.deepEqual(keys, [0, 1, 2, 3].map((i) => keyOf(storage.place, `train/${i % 2}/img_${i}_of_4.npz`)).sort())
    })

    test('a generated data set is one that runs, inspects and generates again with --resume', async (t) => {
      if (service === undefined) return t.skip('no server')
      const uri = await service.place()
      for (const format of ['npz', 'hdf5']) {
        const workload = {
          framework: 'pytorch',
          workflow: { generate_data: true, train: true },
          storage: { storage_options: { ...service.options, multipart_part_size: 5 * 2 ** 20 } },
          // Larger than two parts, and much smaller than one.
          dataset: { data_folder: `${uri}/${format}`, format, num_files_train: 3, num_samples_per_file: 3, record_length_bytes: 4_500_000 },
          reader: { batch_size: 1, read_threads: 1 },
          train: { epochs: 1, computation_time: 0 },
        }
        const first = await run(workload, ['--verify'])
        assert.equal(first.code, 0, first.stderr)
        assert.equal(first.result!.io.samplesRead, 9)
        const small = await run({ ...workload, dataset: { ...workload.dataset, data_folder: `${uri}/small`, record_length_bytes: 4096 } }, [
          '--verify',
        ])
        assert.equal(small.code, 0, small.stderr)
        const path = workloadFile(folder, workload, `resume-${runs++}.yaml`)
        const again = await driver(['generate', path, '--resume', '--json', '--quiet'], { env: clean })
        assert.equal(again.code, 0, again.stderr)
        const { filesKept, filesWritten } = JSON.parse(again.stdout) as Record<string, number>
        assert.deepEqual({ filesKept, filesWritten }, { filesKept: 3, filesWritten: 0 })
      }
    })
  })

describe('runs on S3', () => {
  let service: Service | undefined
  before(async (t) => {
    service = await startS3(t as unknown as TestContext)
  })
  const check = (title: string, body: (service: Service, uri: string) => Promise<void>) =>
    test(title, async (t) => (service === undefined ? t.skip('no server') : body(service, await service.place())))

  const small = (uri: string, options: Options, dataset: object = {}, more: object = {}) => ({
    framework: 'pytorch',
    workflow: { train: true },
    storage: { storage_options: options },
    dataset: { data_folder: uri, format: 'npz', num_files_train: 12, num_samples_per_file: 2, record_length_bytes: 4096, ...dataset },
    reader: { batch_size: 2, read_threads: 2 },
    train: { epochs: 1, computation_time: 0 },
    ...more,
  })
  const generate = async (workload: object) => {
    const ran = await driver(['generate', workloadFile(folder, workload, `g${runs++}.yaml`), '--quiet'], { env: clean })
    assert.equal(ran.code, 0, ran.stderr)
  }

  check('DLIO’s storage section and a URI mean the same place', async ({ options }, uri) => {
    await generate(small(uri, options))
    const [, bucket, prefix] = /^s3:\/\/([^/]+)\/(.+)$/.exec(uri)!
    const section = { storage: { storage_type: 's3', storage_root: bucket, storage_options: options } }
    const [byUri, bySection] = [await run(small(uri, options)), await run(small(prefix!, options, {}, section))]
    assert.equal(bySection.code, 0, bySection.stderr)
    assert.equal(bySection.result!.orderDigest, byUri.result!.orderDigest)
    assert.equal(bySection.result!.workload.folder, uri)
  })

  check('skip_listing lists nothing, looks at some objects, and names one that is missing', async ({ options, endpoint }, uri) => {
    await generate(small(uri, options))
    const front = await startFront(endpoint)
    const skipping = small(
      uri,
      { ...options, endpoint_url: front.endpoint, spot_check: 5 },
      { skip_listing: true, listing_validation_interval: 6 },
    )
    const ran = await run(skipping)
    assert.equal(ran.code, 0, ran.stderr)
    assert.deepEqual(
      front.requests.filter((line) => line.includes('list-type')),
      [],
    )
    const { list, head } = ran.result!.objects!.requests
    assert.equal(list, 0)
    assert.ok(head >= 3 && head <= 8, String(head))
    assert.equal(front.requests.filter((line) => line.startsWith('HEAD')).length, head)

    const storage = await open(uri, options)
    await storage.delete([keyOf(storage.place, 'train/img_11_of_12.npz')])
    const missing = await run(skipping)
    assert.equal(missing.code, 2)
    assert.match(missing.stderr, /sampled files missing in \[train\].*s3:\/\/\S+\/train\/img_11_of_12\.npz/)
    const all = await run(small(uri, { ...options, spot_check: 100 }, { skip_listing: true, listing_validation_interval: 0 }))
    assert.match(all.stderr, /skip_listing validation failed: 1 of 12 sampled files missing/)
  })

  check('a data set that is not there, or has too few files, ends with 2 and says how to get it', async ({ options }, uri) => {
    const absent = await run(small(uri, options))
    assert.equal(absent.code, 2)
    assert.match(
      absent.stderr,
      /Not enough training dataset is found: there are no objects below s3:\/\/\S+\/train\/, 12 files are needed; generate it/,
    )
    await generate(small(uri, options, { num_files_train: 4 }))
    const few = await run(small(uri, options))
    assert.equal(few.code, 2)
    assert.match(few.stderr, /s3:\/\/\S+\/train holds 4 files ending with \.npz, 12 are needed/)
  })

  check('a listing that fails on a later page ends the run, never with fewer files', async ({ options, endpoint }, uri) => {
    await generate(small(uri, options))
    let page = 0
    const front = await startFront(endpoint, undefined, (request, response) => {
      if (!request.url!.includes('list-type=2')) return false
      request.url += '&max-keys=2'
      if (++page < 4) return false
      response.writeHead(500, { 'content-type': 'application/xml' }).end('<Error><Code>InternalError</Code></Error>')
      return true
    })
    const ran = await run(small(uri, { ...options, endpoint_url: front.endpoint, s3_max_attempts: 2 }, { num_files_train: 6 }))
    assert.equal(ran.code, 1)
    assert.match(ran.stderr, /cannot list \(page 4\)/)
    assert.equal(ran.result, undefined)
  })

  check('two endpoints share the reads, and a private authority is trusted by all parts of a run', async ({ options, endpoint }, uri) => {
    const certificate = createCertificate()
    const fronts = [await startFront(endpoint, certificate), await startFront(endpoint, certificate)]
    const secured = small(uri, { ...options, endpoint_url: fronts.map((front) => front.endpoint).join(',') })
    const both = { ...secured, workflow: { generate_data: true, train: true } }
    const untrusted = await run(both)
    assert.equal(untrusted.code, 1)
    assert.match(untrusted.stderr, /certificate is not trusted/)
    const ran = await run(both, ['--verify'], { AWS_CA_BUNDLE: certificate.caFile })
    assert.equal(ran.code, 0, ran.stderr)
    const reads = fronts.map(({ requests }) => requests.filter((line) => line.startsWith('GET') && !line.includes('list-type')).length)
    assert.ok(
      reads.every((count) => count >= 8),
      String(reads),
    )
    assert.equal(ran.result!.objects!.endpoints.length, 2)
  })

  check('secrets appear in nothing that is printed or written, also when they come as overrides or are wrong', async (s3, uri) => {
    const { options, secret } = s3
    const { secret_access_key: _, access_key_id: __, ...open } = options as Record<string, unknown>
    const workload = small(uri, open)
    const overrides = ['storage.storage_options.access_key_id=AKIDOVERRIDE', `storage.storage_options.secret_access_key=${secret}`]
    const path = workloadFile(folder, { ...workload, workflow: { generate_data: true, train: true } }, `secret-${runs++}.yaml`)
    const output = join(folder, `secret-out-${runs++}`)
    const said: string[] = []
    const folders = ['good', 'unreachable', 'refused'].map((name) => ['--output', join(output, name)])
    const trace = ['--trace', join(output, 'trace.json')]
    const noServer = ['storage.storage_options.endpoint_url=http://127.0.0.1:9', 'storage.storage_options.s3_max_attempts=1']
    const commands: [expected: number, ...string[]][] = [
      [0, 'run', path, ...overrides, ...folders[0]!, '--json', '-v', ...trace],
      [1, 'run', path, ...overrides, ...folders[1]!, '-v', ...noServer],
      [2, 'run', path, ...overrides, ...folders[2]!, '-v', 'storage.storage_options.s3_max_attempts=none'],
      [2, 'run', path, ...overrides, ...folders[2]!, `storage.storage_options.connection_string={${secret}: [1]}`],
      [0, 'generate', path, ...overrides, '--json', '-v'],
      [0, 'plan', path, ...overrides, '--json'],
      [0, 'validate', path, ...overrides, '--json'],
      [0, 'validate', path, ...overrides],
      [0, 'doctor', path, ...overrides, '--json', '--timeout', '100'],
      [1, 'doctor', path, ...overrides, ...noServer],
    ]
    for (const [expected, ...args] of commands) {
      const ran = await driver(args, { env: clean })
      said.push(`${args[0]} ${ran.stdout}${ran.stderr}`)
      assert.equal(ran.code, expected, said.at(-1))
    }
    const written = fs.readdirSync(output, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    for (const entry of written) said.push(`${entry.name} ${fs.readFileSync(join(entry.parentPath, entry.name), 'latin1')}`)
    for (const name of ['result.json', 'trace.json', 'dlio.log'])
      assert.ok(
        written.some((entry) => entry.name === name),
        `${name} is among ${written.map((entry) => entry.name)}`,
      )
    for (const text of said) assert.ok(!text.includes(secret!), `${text.slice(0, 60)}… shows the secret`)
  })

  check('a purely local run loads no client of any store', async ({ options }, uri) => {
    const probe = join(folder, 'probe.cjs')
    fs.writeFileSync(
      probe,
      "const {Module}=require('node:module');process.on('exit',()=>{const all=Object.keys(require.cache);require('node:fs').writeSync(2,'LOADED '+all.filter(p=>/storage.object.(s3|azure|gcs|connect)/.test(p)).length+'\\n')})",
    )
    const env = { NODE_OPTIONS: `--require ${probe}` }
    const data = join(folder, 'local-data')
    const local = await run({ ...small(data, {}), workflow: { generate_data: true, train: true } }, [], env)
    assert.equal(local.code, 0, local.stderr)
    assert.doesNotMatch(local.stderr, /LOADED [1-9]/)
    await generate(small(uri, options))
    const remote = await run(small(uri, options), [], env)
    assert.match(remote.stderr, /LOADED [1-9]/)
  })
})
