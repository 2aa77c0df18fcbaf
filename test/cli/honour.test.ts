// `--honour` and DL_DRIVER_HONOUR as users give them.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { driver, scratchFolder, workloadFile } from './driver.js'
import { dropIn } from './drop-in.js'

const folder = scratchFolder('honour', true)
const reader = { data_loader: 'tensorflow', batch_size: 1, read_threads: 1 }
const config = workloadFile(folder, {
  framework: 'tensorflow',
  workflow: { generate_data: true, train: true },
  dataset: { format: 'hdf5', data_folder: join(folder, 'data'), num_files_train: 12, record_length_bytes: 1000 },
  reader: { ...reader, file_shuffle: 'off' },
})
const without = workloadFile(
  folder,
  {
    framework: 'tensorflow',
    dataset: { format: 'hdf5', data_folder: join(folder, 'data'), num_files_train: 12, record_length_bytes: 1000 },
    reader,
  },
  'without.yaml',
)

const digestOf = async (path: string, ...args: string[]) => {
  const { code, stdout, stderr } = await driver(['plan', path, '--semantics', 'upstream', '--order', '--digest', ...args])
  assert.equal(code, 0, stderr)
  return stdout
}

test('the order with an honoured file_shuffle: off is the order without the key, and not DLIO’s', async () => {
  assert.notEqual(await digestOf(config), await digestOf(without))
  assert.equal(await digestOf(config, '--honour', 'file_shuffle'), await digestOf(without))
})

test('a run’s result says what was honoured, and its order is the planned one', async () => {
  const args = ['run', config, '--semantics', 'upstream', '--json', '-q', '--output', join(folder, 'out')]
  const [plain, honouring] = await Promise.all([
    driver(args),
    driver([
      ...args.slice(0, -1),
      join(folder, 'out2'),
      '--honour',
      'file_shuffle',
      'workflow.generate_data=true',
      `dataset.data_folder=${join(folder, 'data2')}`,
    ]),
  ])
  const [own, other] = [plain, honouring].map(({ stdout }) => JSON.parse(stdout))
  assert.equal('honoured' in own, false)
  assert.deepEqual(other.honoured, ['file_shuffle'])
  assert.deepEqual(other.work.honoured, ['file_shuffle'])
  assert.notEqual(own.orderDigest, other.orderDigest)
})

test('validate says what is honoured; an unknown name is an error of the command line with the list', async () => {
  const { code, stderr } = await driver(['validate', config, '--honour', 'file_shuffle'])
  assert.equal(code, 0)
  assert.match(stderr, /^honoured: \["file_shuffle"\]$/m)
  assert.match(stderr, /^reader\.fileShuffle: false$/m)
  const wrong = await driver(['validate', config, '--honour', 'shuffle'])
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /--honour: shuffle cannot be honoured.*file_shuffle,read_type,compression,model_size/)
})

test('generate writes deflated npz files where compression is honoured, and a run verifies them', async () => {
  const data = join(folder, 'zip')
  const npz = workloadFile(
    folder,
    {
      framework: 'pytorch',
      dataset: {
        format: 'npz',
        data_folder: data,
        num_files_train: 3,
        num_samples_per_file: 2,
        record_length_bytes: 4096,
        compression: 'zip',
      },
      reader: { data_loader: 'pytorch', batch_size: 1, read_threads: 1 },
    },
    'npz.yaml',
  )
  const made = await driver(['generate', npz, '-q', '--honour', 'compression'])
  assert.equal(made.code, 0, made.stderr)
  for (const name of readdirSync(join(data, 'train'))) assert.equal(readFileSync(join(data, 'train', name)).readUInt16LE(8), 8, name)
  const ran = await driver(['run', npz, '--verify', '-q', '--honour', 'compression', '--output', join(folder, 'zip-out')])
  assert.equal(ran.code, 0, ran.stderr)
  const plain = await driver(['generate', npz, '-q'])
  assert.equal(plain.code, 0, plain.stderr)
  for (const name of readdirSync(join(data, 'train'))) assert.equal(readFileSync(join(data, 'train', name)).readUInt16LE(8), 0, name)
})

test('dlio_benchmark takes DL_DRIVER_HONOUR, and refuses unknown names before it runs anything', async () => {
  const cwd = scratchFolder('honour-drop-in', true)
  const args = [
    'workload=unet3d_h100',
    '++workload.workflow.generate_data=True',
    '++workload.workflow.train=False',
    '++workload.workflow.checkpoint=False',
    '++workload.dataset.num_files_train=2',
    '++workload.dataset.record_length_bytes=4096',
    '++workload.dataset.record_length_bytes_stdev=0',
    '++workload.dataset.data_folder=data',
    '++workload.dataset.compression=zip',
    '++hydra.run.dir=out',
  ]
  const { code, stderr } = await dropIn(cwd, args, { DL_DRIVER_HONOUR: 'compression' })
  assert.equal(code, 0, stderr)
  assert.notEqual(statSync(join(cwd, 'data', 'train', 'img_0_of_2.npz')).size, 4096)
  assert.equal(readFileSync(join(cwd, 'data', 'train', 'img_0_of_2.npz')).readUInt16LE(8), 8)
  const wrong = await dropIn(cwd, args, { DL_DRIVER_HONOUR: 'zip' })
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /DL_DRIVER_HONOUR: zip cannot be honoured/)
})
