// `dlio_benchmark_query` as scripts call it.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratchFolder } from './driver.js'
import { runBin } from './drop-in.js'

const cwd = scratchFolder('query', true)
const query = (key: string | undefined, ...args: string[]) =>
  runBin('dlio_benchmark_query', cwd, [...args, ...(key === undefined ? [] : [`++workload.workflow.query=${key}`])])

async function asked(key: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await query(key, 'workload=unet3d_h100', ...args)
  assert.equal(code, 0, stderr)
  return stdout
}

test('a key’s value is printed as Python prints it, overrides counted', async () => {
  for (const [key, text] of [
    ['reader.batch_size', '7'],
    ['workload.reader.batch_size', '7'],
    ['data_reader.batch_size', '7'],
    ['framework', 'pytorch'],
    ['dataset.format', 'npz'],
    ['train.computation_time', '0.323'],
    ['workflow.checkpoint', 'True'],
    ['reader.file_shuffle', 'seed'],
    ['dataset.record_length_bytes', '146600628'],
  ] as const)
    assert.equal(await asked(key), `${text}\n`, key)
  assert.equal(await asked('reader.batch_size', '++workload.reader.batch_size=3'), '3\n')
  assert.equal(await asked('dataset.record_dims', '++workload.dataset.record_dims=[4,5]'), '[4, 5]\n')
  assert.equal(await asked('train.computation_time', '++workload.train.computation_time=1e3'), '1000.0\n')
})

test('what is not given has DLIO’s default; times have a mean of 0 and no deviation', async () => {
  for (const [key, text] of [
    ['train.seed', '123'],
    ['dataset.keep_files', 'True'],
    ['reader.preprocess_time', '0'],
    ['reader.preprocess_time_stdev', 'None'],
    ['reader.transfer_size', 'None'],
    ['model.parallelism.data', '-1'],
    ['profiling.iostat_devices', '[]'],
    ['output.metric.exclude_start_steps', '1'],
  ] as const)
    assert.equal(await asked(key), `${text}\n`, key)
  const drawn = '++workload.train.computation_time={type:normal,mean:0.5,stdev:0.25}'
  assert.equal(await asked('train.computation_time', drawn), '0.5\n')
  assert.equal(await asked('train.computation_time_stdev', drawn), '0.25\n')
  assert.equal(await asked('output.folder', '++hydra.run.dir=here'), `${join(cwd, 'here')}\n`)
})

test('a key that does not exist is None, with a word on stderr; nothing is written', async () => {
  for (const key of ['reader.batchsize', 'nothing.at.all', 'framework.x', '__proto__.x', 'constructor']) {
    const { code, stdout, stderr } = await query(key, 'workload=unet3d_h100')
    assert.deepEqual([code, stdout], [0, 'None\n'], key)
    assert.match(stderr, /is no key of DLIO/)
  }
  const unasked = await query(undefined, 'workload=unet3d_h100')
  assert.deepEqual([unasked.code, unasked.stdout], [0, 'None\n'])
  assert.match(unasked.stderr, /give \+\+workload\.workflow\.query=KEY/)
  assert.deepEqual(readdirSync(cwd), [])
})

test('options of storage are printed, their secrets never are', async () => {
  const folder = join(scratchFolder('query-config', true), 'workload')
  mkdirSync(folder)
  writeFileSync(
    join(folder, 'own.yaml'),
    'dataset: {format: npz}\nreader: {data_loader: pytorch}\nframework: pytorch\nstorage: {storage_type: s3, storage_root: b, storage_options: {region: eu, secret_access_key: hush}}\n',
  )
  const own = ['workload=own', `--config-dir=${join(folder, '..')}`]
  assert.equal((await query('storage.storage_options.region', ...own)).stdout, 'eu\n')
  const secret = await query('storage.storage_options.secret_access_key', ...own)
  assert.equal(secret.code, 1)
  assert.match(secret.stderr, /is a secret, which is not printed/)
  assert.doesNotMatch(secret.stdout + secret.stderr, /hush/)
  assert.doesNotMatch((await query('storage.storage_options', ...own)).stdout, /hush/)
})

test('unknown workloads and broken values end with 1, as dlio_benchmark does; --help explains', async () => {
  const unknown = await query('framework', 'workload=nosuch')
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /Could not find 'workload\/nosuch'/)
  const broken = await query('framework', 'workload=unet3d_h100', '++workload.reader.batch_size=many')
  assert.equal(broken.code, 1)
  assert.match(broken.stderr, /reader\.batch_size = "many"/)
  const help = await query(undefined, '--help')
  assert.deepEqual([help.code, help.stderr], [0, ''])
  assert.match(help.stdout, /^usage: dlio_benchmark_query/m)
})
