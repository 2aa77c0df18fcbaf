// mlpstorage's overrides for object storage, as whole jobs against a server: the drop-in and dl-driver, under mpirun and with --ranks, do the same work.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { before, test } from 'node:test'
import { promisify } from 'node:util'
import type { Result } from '#src/output/result.js'
import { bin, scratchFolder } from '../cli/driver.js'
import { hasProgram } from '../requirements.js'
import { type Front, noCredentials, type Service, startFront, startS3 } from '../storage/services.js'
import { openMpi, runUnder } from './mpirun.js'

const folder = scratchFolder('mlps-objects')
const files = 12
const epochs = 2

/** As mlpstorage's own workload files: what is where comes by overrides. */
const workload = (workflow: object) => ({
  model: { name: 'unet3d', model_size_bytes: 1000 },
  framework: 'pytorch',
  workflow: { generate_data: false, train: false, checkpoint: false, ...workflow },
  dataset: { data_folder: 'data/unet3d', format: 'npz', num_files_train: files, num_samples_per_file: 1, record_length_bytes: 4096 },
  reader: { data_loader: 'pytorch', batch_size: 1, read_threads: 2, file_shuffle: 'seed', sample_shuffle: 'seed' },
  train: { epochs, computation_time: 0.001 },
  checkpoint: { checkpoint_folder: 'ck', epochs_between_checkpoints: 1 },
})
// Not a model's own name: DLIO's bundled workload of that would win.
const configs = join(folder, 'configs')
mkdirSync(join(configs, 'workload'), { recursive: true })
for (const [name, workflow] of [
  ['objects_datagen', { generate_data: true }],
  ['objects_run', { train: true, checkpoint: true }],
] as const)
  writeFileSync(join(configs, 'workload', `${name}.yaml`), JSON.stringify(workload(workflow)))

let service: Service | undefined
let front: Front
before(async (t) => {
  service = await startS3(t as never)
  if (service !== undefined) front = await startFront(service.endpoint)
})

/** Requests as `METHOD what`, by number. */
function counted(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const line of front.requests.splice(0)) {
    const [method, url = ''] = line.split(' ')
    const what = url.includes('list-type') ? 'list' : url.includes('.npz') ? 'data' : url.includes('/ck/') ? 'checkpoint' : 'other'
    counts[`${method} ${what}`] = (counts[`${method} ${what}`] ?? 0) + 1
  }
  return counts
}

for (const [how, skips] of [
  ['lists the data set once', false],
  ['computes names and looks at each object once', true],
] as const)
  test(`mlpstorage's overrides for objects: every way to start a job ${how}, reads the same in the same order, and asks for each object once an epoch`, async (t) => {
    if (service === undefined || !hasProgram(t, openMpi.program, '--version')) return
    const [, , bucket] = (await service.place()).split('/')
    const overrides = [
      ...(skips ? ['++workload.dataset.skip_listing=True', '++workload.dataset.listing_validation_interval=1'] : []),
      '++workload.dataset.data_folder=unet3d',
      '++workload.checkpoint.checkpoint_folder=ck/unet3d',
      '++workload.storage.storage_type=s3',
      `++workload.storage.storage_root=${bucket}`,
      '++workload.storage.storage_options.storage_library=s3dlio',
      '++workload.storage.storage_options.uri_scheme=s3',
      '++workload.storage.s3_force_path_style=true',
    ]
    // v3 gives credentials and endpoint by the environment only.
    const env = { ...noCredentials, AWS_ENDPOINT_URL: front.endpoint, AWS_ACCESS_KEY_ID: 'AKIDTEST', AWS_SECRET_ACCESS_KEY: 'secret' }
    const dropIn = (name: string, run: string) => [
      resolve('bin', 'dlio_benchmark'),
      `workload=${name}`,
      `++hydra.run.dir=${run}`,
      '++hydra.output_subdir=dlio_config',
      ...overrides,
      `--config-dir=${configs}`,
    ]
    const ours = (run: string, ...more: string[]) => [
      process.execPath,
      bin,
      'run',
      join(configs, 'workload', 'objects_run.yaml'),
      ...overrides,
      '--output',
      run,
      '-q',
      ...more,
    ]
    const out = (name: string) => join(folder, `${skips}-${name}`)
    front.requests.length = 0

    const datagen = await runUnder(openMpi, 2, dropIn('objects_datagen', out('datagen')), { env })
    assert.equal(datagen.code, 0, datagen.stderr)
    assert.deepEqual(counted(), { 'PUT data': files, 'HEAD data': files })
    assert.deepEqual(readdirSync(out('datagen')).sort(), ['dlio.log', 'dlio_config'])

    const looks = skips ? { 'HEAD data': files } : { 'GET list': 1 }
    // Rank 0 saves the model once an epoch; and one probe of the folder.
    const checkpoints = { 'PUT checkpoint': epochs + 1, 'HEAD checkpoint': epochs + 1 }
    const check = () => {
      const { 'DELETE checkpoint': deletes = 0, 'POST other': others = 0, ...counts } = counted()
      assert.equal(deletes + others, 1, 'the probe is deleted')
      assert.deepEqual(counts, { ...looks, 'GET data': files * epochs, ...checkpoints })
    }
    const harness = await runUnder(openMpi, 2, dropIn('objects_run', out('drop-in')), { env })
    assert.equal(harness.code, 0, harness.stderr)
    check()
    assert.ok(existsSync(join(out('drop-in'), 'summary.json')))

    const results: Result[] = []
    for (const [name, processes, ranks] of [
      ['mpi', 4, '1'],
      ['both', 2, '2'],
      ['ranks', 1, '4'],
    ] as const) {
      const program = ours(out(name), '--ranks', ranks)
      const { code, stderr } =
        processes > 1 ? await runUnder(openMpi, processes, program, { env }) : await alone(program, { ...process.env, ...env })
      assert.equal(code, 0, stderr)
      check()
      results.push(JSON.parse(readFileSync(join(out(name), 'result.json'), 'utf8')) as Result)
    }
    for (const { world, orderDigest, objects, checkpoint, io } of results) {
      assert.equal(world.ranks, 4)
      assert.equal(orderDigest, results[0]!.orderDigest)
      assert.equal(objects!.uri, `s3://${bucket}/unet3d`)
      assert.deepEqual([io.samplesRead, objects!.requests.get], [files * epochs, files * epochs])
      assert.equal(checkpoint!.objects!.uri, `s3://${bucket}/ck/unet3d`)
      assert.equal(checkpoint!.objects!.uploads[0]!.requests, epochs)
    }

    // The same data on files is read in the same order.
    const data = join(folder, `${skips}-data`)
    const local = [...ours(out('local'), '--ranks', '4', '--generate'), `++workload.dataset.data_folder=${data}`]
    const place = [
      '++workload.storage.storage_type=local_fs',
      '++workload.storage.storage_root=./',
      `++workload.checkpoint.checkpoint_folder=${data}-ck`,
    ]
    const { code, stderr } = await alone([...local, ...place], { ...process.env, ...env })
    assert.equal(code, 0, stderr)
    const { orderDigest } = JSON.parse(readFileSync(join(out('local'), 'result.json'), 'utf8')) as Result
    assert.equal(orderDigest, results[0]!.orderDigest)
  })

async function alone([program, ...args]: readonly string[], env: NodeJS.ProcessEnv): Promise<{ code: number; stderr: string }> {
  try {
    const { stderr } = await promisify(execFile)(program!, args, { env: { ...env, NO_COLOR: '1' } })
    return { code: 0, stderr }
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string }
    return { code, stderr }
  }
}

test('mlpstorage --o-direct: with direct_fs the data set lies below the root, also where the folder is empty', async () => {
  for (const model of ['unet3d', '']) {
    const root = join(folder, `direct-${model}`)
    mkdirSync(root)
    const program = [
      resolve('bin', 'dlio_benchmark'),
      'workload=objects_datagen',
      `++hydra.run.dir=${root}/run`,
      `++workload.dataset.data_folder=${model}`,
    ]
    const storage = [
      'storage_type=direct_fs',
      `storage_root=${root}`,
      'storage_options.storage_library=s3dlio',
      'storage_options.uri_scheme=direct',
    ]
    const { code, stderr } = await alone(
      [process.execPath, ...program, ...storage.map((each) => `++workload.storage.${each}`), `--config-dir=${configs}`],
      process.env,
    )
    assert.equal(code, 0, stderr)
    assert.equal(readdirSync(join(root, model, 'train')).length, files)
  }
})
