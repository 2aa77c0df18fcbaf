import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { LoadOptions } from '#src/config/load.js'
import { loadWorkload } from '#src/config/load.js'
import type { Workload } from '#src/config/workload.js'
import { fileOf, load, problemsOf, rendered, scratchFolder } from './helpers.js'

const npz = 'dataset: {format: npz}\n'
const messages = (yaml: string, options = {}) => load(yaml, options).warnings.map(({ code, message }) => `${code}: ${message}`)

test("what is not given has DLIO's defaults", () => {
  const { workload, warnings } = load('train: {}')
  assert.deepEqual(warnings, [])
  assert.deepEqual(workload.workflow, { generateData: false, train: true, evaluation: false, checkpoint: false, profiling: false })
  const { dataset, reader, train } = workload
  assert.deepEqual(
    [dataset.folder, dataset.format, dataset.numFilesTrain, dataset.numFilesEval, dataset.recordLengthBytes],
    ['data', 'tfrecord', 8, 0, 65536],
  )
  assert.deepEqual(
    [reader.batchSize, reader.batchSizeEval, reader.readThreads, reader.prefetchSize, reader.transferSizeBytes],
    [1, 1, 1, 2, 262144],
  )
  assert.deepEqual([reader.sampleShuffle, reader.fileShuffle, reader.keepsFilesOpen, reader.odirect], ['off', false, false, false])
  assert.deepEqual(train, {
    epochs: 1,
    computationTime: { type: 'constant', mean: 0 },
    totalTrainingSteps: -1,
    seed: 123,
    seedChangeEpoch: true,
  })
  assert.equal(workload.metric.au, 0.9)
  assert.equal(workload.semantics, 'mlcommons')
})

test('a file is a workload itself or holds one under workload:, beside which other keys do not count', () => {
  const bare = load('reader: {batch_size: 4}').workload
  const wrapped = load('workload: {reader: {batch_size: 4}}\nhydra: {run: {dir: out}}\n')
  assert.deepEqual(wrapped.workload.raw, bare.raw)
  assert.equal(wrapped.workload.source.configDigest, bare.source.configDigest)
  assert.deepEqual(wrapped.warnings, [])
  assert.match(
    messages('workload: {train: {epochs: 1}}\nreader: {batch_size: 4}').join(),
    /unknown-key: .*:2: reader is no key .* did you mean workload\.reader\?/,
  )
})

test('the workload and all in it is frozen, and holds what was given after overrides', () => {
  const { workload } = load('reader: {batch_size: 2, unknown: [1]}', { overrides: ['+train.epochs=3'] })
  assert.deepEqual(workload.raw, { reader: { batch_size: 2, unknown: [1] }, train: { epochs: 3 } })
  const frozen = (value: unknown): boolean =>
    value === null || typeof value !== 'object' || (Object.isFrozen(value) && Object.values(value).every(frozen))
  assert.ok(frozen(workload))
})

test('the digest depends on the values and on nothing about how they are written', () => {
  const digest = (yaml: string, options = {}) => load(yaml, options).workload.source.configDigest
  const one = digest('reader: {batch_size: 4}\ntrain: {epochs: 2}')
  assert.match(one, /^[0-9a-f]{64}$/)
  assert.equal(digest('train:\n  epochs: 0b10 # two\nreader:\n  batch_size: 1\n', { overrides: ['reader.batch_size=4'] }), one)
  assert.notEqual(digest('reader: {batch_size: 5}\ntrain: {epochs: 2}'), one)
  assert.notEqual(digest('reader: {batch_size: 4}\ntrain: {epochs: 2}', { semantics: 'upstream' }), one)
  assert.notEqual(digest('reader: {batch_size: 4}\ntrain: {epochs: 2}', { direct: true }), one)
})

test('the framework is --framework, else the configuration’s, else tensorflow, and says why', () => {
  const reasons = (yaml: string, options = {}) => {
    const { framework, frameworkReason, reader } = load(yaml, options).workload
    return [framework, frameworkReason, reader.dataLoader, reader.sampler]
  }
  assert.deepEqual(reasons(npz), ['tensorflow', "DLIO's default; the configuration names none", 'tensorflow', 'iterative'])
  assert.deepEqual(reasons(`${npz}framework: pytorch\n`), ['pytorch', 'framework: pytorch in ./w.yaml:2', 'pytorch', 'index'])
  assert.deepEqual(reasons(npz, { overrides: ['framework=pytorch'] }), ['pytorch', 'framework: pytorch in an override', 'pytorch', 'index'])
  assert.deepEqual(reasons(npz, { framework: 'pytorch' }), ['pytorch', '--framework', 'pytorch', 'index'])
  assert.deepEqual(reasons(`${npz}framework: pytorch\nreader: {data_loader: dali, data_loader_sampler: iterative}`), [
    'pytorch',
    'framework: pytorch in ./w.yaml:2',
    'dali',
    'iterative',
  ])
})

test('--framework takes the data loader of a file along and says so, but not the one of an override', () => {
  const yaml = `${npz}framework: tensorflow\nreader: {data_loader: tensorflow}\n`
  const { workload, warnings } = load(yaml, { framework: 'pytorch' })
  assert.equal(workload.reader.dataLoader, 'pytorch')
  assert.deepEqual(warnings, [
    {
      code: 'framework-override',
      message: '--framework pytorch goes before the configuration: reader.data_loader is pytorch, not tensorflow',
    },
  ])
  assert.deepEqual(messages(yaml, { framework: 'tensorflow' }), [])
  assert.match(
    rendered(() => load(yaml, { framework: 'pytorch', overrides: ['reader.data_loader=tensorflow'] })),
    /must fit the framework, which is pytorch/,
  )
  assert.equal(load(`${npz}reader: {data_loader: dali}`, { framework: 'pytorch' }).workload.reader.dataLoader, 'dali')
})

test('file_shuffle and read_type are on when given with any value, with a warning where the value says otherwise', () => {
  const cases: [string, boolean, RegExp | undefined][] = [
    ['batch_size: 1', false, undefined],
    ['file_shuffle: seed', true, undefined],
    ['file_shuffle: random', true, undefined],
    [
      'file_shuffle: off',
      true,
      /^file-shuffle: reader\.file_shuffle: false shuffles files: DLIO takes any given value as on; delete the key/,
    ],
    ['file_shuffle: "off"', true, /^file-shuffle: reader\.file_shuffle: "off"/],
    ['file_shuffle: ', true, /^file-shuffle: reader\.file_shuffle: null/],
  ]
  for (const [line, on, warning] of cases) {
    const { workload, warnings } = load(`reader: {${line}}`)
    assert.equal(workload.reader.fileShuffle, on, line)
    assert.equal(warnings.length, warning ? 1 : 0, line)
    if (warning) assert.match(`${warnings[0]!.code}: ${warnings[0]!.message}`, warning)
  }
  assert.deepEqual(
    [load('reader: {read_type: memory}').workload.reader.keepsFilesOpen, messages('reader: {read_type: memory}')],
    [true, []],
  )
  assert.equal(load('reader: {read_type: on_demand}').workload.reader.keepsFilesOpen, true)
  assert.match(messages('reader: {read_type: on_demand}').join(), /^read-type: reader\.read_type: "on_demand" means memory/)
})

test('sample_shuffle: off means off whether YAML makes a word or a boolean of it', () => {
  for (const yaml of ['reader: {sample_shuffle: off}', 'reader: {sample_shuffle: "off"}', 'reader: {sample_shuffle: no}'])
    assert.equal(load(yaml).workload.reader.sampleShuffle, 'off')
  assert.equal(load('reader: {}', { overrides: ['reader.sample_shuffle=off'] }).workload.reader.sampleShuffle, 'off')
})

test('unknown keys are named with the one that was probably meant', () => {
  const cases: [string, RegExp][] = [
    [
      'reader: {batchsize: 1}',
      /^unknown-key: \.\/w\.yaml:1: reader\.batchsize is no key of DLIO and has no effect; did you mean reader\.batch_size\?$/,
    ],
    ['reader: {data_lodaer: pytorch}', /did you mean reader\.data_loader\?/],
    ['train: {batch_size: 4}', /train\.batch_size is no key .* did you mean reader\.batch_size\?/],
    ['dataset: {record_length: 4}', /did you mean dataset\.record_length_bytes\?/],
    ['dataset: {hdf5: {chunk_dim: [1]}}', /dataset\.hdf5\.chunk_dim is no key .* did you mean dataset\.hdf5\.chunk_dims\?/],
    ['reader: {bacth_sizes: 1}', /did you mean reader\.batch_size\?/],
    ['train: {epohc: 1}', /did you mean train\.epochs\?/],
    ['raeder: {batch_size: 1}', /raeder is no key .* did you mean reader\?/],
    ['batch_size: 1', /: batch_size is no key .* did you mean reader\.batch_size\?/],
    ['workflow: {debug: true}', /workflow\.debug is no key of DLIO and has no effect$/],
    ['constructor: 1', /constructor is no key/],
    ['train: {toString: 1}', /train\.toString is no key/],
    [
      'train: {computation_time: {mean: 1, std: 2}}',
      /train\.computation_time\.std is no key .* did you mean train\.computation_time\.stdev\?/,
    ],
    [
      'model: {model_size: 5}',
      /^model-size: model\.model_size is no key of DLIO: checkpoints have model\.model_size_bytes, 10240 bytes unless given; --honour model_size takes it$/,
    ],
  ]
  for (const [yaml, expected] of cases) {
    const found = messages(yaml)
    assert.equal(found.length, 1, yaml)
    assert.match(found[0]!, expected)
  }
  assert.match(
    messages('a: 1', { overrides: ['+train.epoch=2'] }).join('\n'),
    /command line \(\+train\.epoch=2\): train\.epoch .* did you mean train\.epochs\?/,
  )
})

test('a file of unknown keys is told in twenty and a count', () => {
  const found = messages(Array.from({ length: 50 }, (_, i) => `zzzzzzzz${i}: 1`).join('\n'))
  assert.equal(found.length, 21)
  assert.equal(found.at(-1), "unknown-key: 30 more keys are none of DLIO's and have no effect")
})

test('keys that DLIO parses and never asks are listed in one warning', () => {
  assert.deepEqual(messages('checkpoint: {recovery_rank_shift: true, type: all_ranks}\ndataset: {enable_chunking: true}'), [
    'ignored-key: without effect, in DLIO as here: dataset.enable_chunking, checkpoint.recovery_rank_shift, checkpoint.type',
  ])
})

test('where reader and data_reader both stand, only data_reader is read', () => {
  const { workload, warnings } = load('reader: {batch_size: 2}\ndata_reader: {read_threads: 3}')
  assert.deepEqual([workload.reader.batchSize, workload.reader.readThreads], [1, 3])
  assert.deepEqual(warnings, [{ code: 'unread-section', message: 'reader: is not read where data_reader: stands, in DLIO as here' }])
})

test('compression and element types without effect are named', () => {
  assert.deepEqual(messages('dataset: {format: npz, compression: zip}'), [
    'compression: dataset.compression: zip has no effect on npz files, in DLIO as here; --honour compression compresses them',
  ])
  assert.deepEqual(messages('dataset: {format: hdf5, compression: gzip}'), [])
  assert.deepEqual(messages('dataset: {format: npz, compression: none}'), [])
  const { workload, warnings } = load('dataset: {format: jpeg, record_element_type: float32}')
  assert.equal(workload.dataset.recordElementType, 'uint8')
  assert.deepEqual(warnings, [{ code: 'element-type', message: 'dataset.record_element_type: jpeg files hold uint8, not float32' }])
})

test('the data folder is joined to the storage root unless it stands for itself', () => {
  const folder = (dataset: string, storage = '') =>
    load(`dataset: {data_folder: "${dataset}"}\nstorage: {${storage}}`).workload.dataset.folder
  const cases: [string, string, string][] = [
    ['data/', '', 'data'],
    ['./data/x//', '', 'data/x'],
    ['data', 'storage_root: /mnt/test', '/mnt/test/data'],
    ['data', 'storage_root: "file:///mnt/test/"', 'file:///mnt/test/data'],
    ['/abs/data/', 'storage_root: /mnt/test', '/abs/data'],
    ['/', '', '/'],
    ['', 'storage_root: /mnt/test', '/mnt/test'],
    ['', 'storage_root: "file:///mnt/test/"', 'file:///mnt/test'],
    ['', 'storage_type: direct_fs, storage_root: /mnt/test, storage_options: {uri_scheme: direct}', '/mnt/test'],
    ['', 'storage_type: s3, storage_root: bucket', 's3://bucket'],
    ['', 'storage_type: s3, storage_root: "s3://bucket/a/"', 's3://bucket/a'],
    ['file:///abs/data/', 'storage_root: /mnt', 'file:///abs/data'],
    ['direct://data/x', '', 'direct://data/x'],
    ['s3://bucket/', '', 's3://bucket'],
    ['./data/x/', 'storage_type: s3, storage_root: bucket', 's3://bucket/data/x'],
    ['/data/x', 'storage_type: s3, storage_root: "s3://bucket/"', 's3://bucket/data/x'],
  ]
  for (const [dataset, storage, expected] of cases) assert.equal(folder(dataset, storage), expected, `${dataset} ${storage}`)
})

test('O_DIRECT is asked for by --direct, by the key, by the storage type or by the scheme of the folder', () => {
  const direct = (yaml: string, options = {}) => load(yaml, options).workload.reader.odirect
  assert.equal(direct(npz), false)
  assert.equal(direct('dataset: {format: hdf5}', { direct: true }), true)
  assert.equal(direct(`${npz}reader: {odirect: true}`), true)
  assert.equal(direct('storage: {storage_type: direct_fs}'), true)
  assert.equal(direct('dataset: {data_folder: "direct:///d"}'), true)
  assert.equal(direct('storage: {storage_options: {uri_scheme: direct}}'), true)
})

test('times come as constants or distributions, a separate spread joining the mean', () => {
  const time = (train: string): Workload['train']['computationTime'] => load(`train: {${train}}`).workload.train.computationTime
  assert.deepEqual(time('computation_time: 1e-3'), { type: 'constant', mean: 0.001 })
  assert.deepEqual(time('computation_time: {}'), { type: 'constant', mean: 0 })
  assert.deepEqual(time('computation_time: {mean: 2}'), { type: 'constant', mean: 2 })
  assert.deepEqual(time('computation_time: {mean: 2, stdev: 1}'), { type: 'normal', mean: 2, stdev: 1 })
  assert.deepEqual(time('computation_time: 2, computation_time_stdev: 1'), { type: 'normal', mean: 2, stdev: 1 })
  assert.deepEqual(time('computation_time: {type: normal, mean: 2, stdev: 1}, computation_time_stdev: 3'), {
    type: 'normal',
    mean: 2,
    stdev: 3,
  })
  assert.deepEqual(time('computation_time: {type: uniform, min: 1, max: 2}, computation_time_stdev: 3'), {
    type: 'uniform',
    min: 1,
    max: 2,
  })
  assert.deepEqual(time('computation_time: {type: gamma, shape: 1, scale: 2}'), { type: 'gamma', shape: 1, scale: 2 })
  assert.deepEqual(time('computation_time: {type: exponential, scale: 2}'), { type: 'exponential', scale: 2 })
  assert.deepEqual(time('computation_time: {type: poisson, lam: 2}'), { type: 'poisson', lam: 2 })
})

test('read_threads are what they say, but for TensorFlow, which reads with one at least', () => {
  const threads = (yaml: string) => load(npz + yaml).workload.reader.readThreads
  assert.equal(threads('framework: pytorch\nreader: {read_threads: 1}'), 1)
  assert.equal(threads('framework: pytorch\nreader: {read_threads: 0}'), 0)
  assert.equal(threads('framework: tensorflow\nreader: {read_threads: 0}'), 1)
})

test('workers start by fork upstream and by spawn with MLCommons, unless the configuration says how', () => {
  const context = (yaml: string, semantics: 'upstream' | 'mlcommons') => load(yaml, { semantics }).workload.reader.multiprocessingContext
  assert.equal(context(npz, 'upstream'), 'fork')
  assert.equal(context(npz, 'mlcommons'), 'spawn')
  assert.equal(context(`${npz}reader: {multiprocessing_context: fork}`, 'mlcommons'), 'fork')
})

test('CONFIG is a path or a bundled name, which goes before a file of that name', () => {
  fileOf('train: {epochs: 77}', 'quickstart')
  fileOf('train: {epochs: 78}', 'mine')
  const epochs = (config: string) => loadWorkload({ config, overrides: [], cwd: scratchFolder }).workload.train.epochs
  assert.deepEqual([epochs('quickstart'), epochs('./quickstart'), epochs('mine'), epochs(join(scratchFolder, 'mine'))], [3, 77, 78, 78])
  const unknown = (config: string) => rendered(() => loadWorkload({ config, overrides: [], cwd: scratchFolder }))
  assert.match(unknown('unet3d_h10'), /command line {2}unet3d_h10\n.*remedy: did you mean unet3d_h100\?/s)
  assert.match(
    unknown('nosuch'),
    /rule: CONFIG is a file, or the name of a bundled workload; this is neither\n {2}remedy: give the path of a file, or one of: bert_v100,/,
  )
  assert.match(unknown(''), /CONFIG is a file/)
  assert.match(unknown('../package'), /ENOENT/)
})

test('a model that is a name alone is that name, as in workloads before DLIO 2.1; an override below it still holds', () => {
  const model = (...overrides: string[]) => load('model: bert\nframework: tensorflow', { overrides }).workload.model
  assert.equal(model().name, 'bert')
  assert.deepEqual([model('model.model_size_bytes=5').name, model('model.model_size_bytes=5').sizeBytes], ['bert', 5])
  assert.match(problemsOf('model: [bert]'), /model = \["bert"\][\s\S]*must be a mapping of keys to values/)
})

test('shuffles that change nothing are named, with the way to shuffle', () => {
  const shuffles = (yaml: string, options: Partial<LoadOptions> = {}) =>
    load(`framework: pytorch\ndataset: {format: npz}\nreader: {${yaml}}`, options)
      .warnings.filter(({ code }) => code === 'shuffle')
      .map(({ message }) => message.split(':')[0])
  assert.deepEqual(shuffles('sample_shuffle: seed, file_shuffle: seed'), ['reader.sample_shuffle'])
  assert.deepEqual(shuffles('sample_shuffle: seed, file_shuffle: seed', { semantics: 'upstream' }), [
    'reader.sample_shuffle and reader.file_shuffle',
  ])
  assert.deepEqual(shuffles('sample_shuffle: off, file_shuffle: off', { semantics: 'upstream', honour: ['file_shuffle'] }), [])
  assert.deepEqual(load('framework: tensorflow\nreader: {sample_shuffle: seed}').warnings, [])
  const { warnings } = load('framework: pytorch\ndataset: {format: npz}\nreader: {sample_shuffle: seed}\npytorch_config: {shuffle: true}')
  assert.deepEqual(warnings, [])
})
