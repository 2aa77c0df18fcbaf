import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LoadOptions } from '#src/config/load.js'
import { load, problemsOf } from './helpers.js'

const pytorch = 'framework: pytorch\n'

/** A broken rule: the YAML, then what the one problem must show. */
type Case = readonly [yaml: string, expected: RegExp, options?: Partial<LoadOptions>]

function expectOneProblem(cases: readonly Case[]): void {
  for (const [yaml, expected, options] of cases) {
    const text = problemsOf(yaml, options)
    assert.match(text, expected, yaml)
    assert.equal(text.split('rule:').length, 2, `one problem for ${yaml}, not\n${text}`)
  }
}

test('counts and sizes are integers within their bounds', () => {
  expectOneProblem([
    ['reader: {batch_size: 0}', /reader\.batch_size = 0\n.*rule: must be an integer of at least 1 and at most 16777216\n.*default, 1/s],
    ['reader: {batch_size: 2.5}', /reader\.batch_size = 2\.5\n.*rule: must be an integer of at least 1/s],
    ['reader: {batch_size: "4"}', /reader\.batch_size = "4"\n.*remedy: write 4 without quotes/s],
    ['reader: {batch_size: four}', /reader\.batch_size = "four"\n.*rule: must be an integer/s],
    ['reader: {batch_size: true}', /reader\.batch_size = true\n.*rule: must be an integer/s],
    ['reader: {batch_size: }', /reader\.batch_size = null\n.*rule: must be an integer/s],
    ['reader: {batch_size: .inf}', /reader\.batch_size = Infinity\n.*rule: must be an integer/s],
    ['reader: {batch_size: 1e17}', /reader\.batch_size = 100000000000000000\n.*rule: must be an integer/s],
    ['reader: {read_threads: -1}', /rule: must be an integer of at least 0 and at most 1024/],
    ['reader: {read_threads: 100000}', /rule: must be an integer of at least 0 and at most 1024/],
    ['reader: {transfer_size: 0}', /reader\.transfer_size = 0\n.*default, 262144/s],
    ['dataset: {num_files_train: -1}', /dataset\.num_files_train = -1\n.*rule: must be an integer of at least 0/s],
    ['dataset: {num_samples_per_file: 0}', /rule: must be an integer of at least 1/],
    ['dataset: {record_length_bytes: 0}', /rule: must be a finite number of at least 1/],
    ['dataset: {record_length_bytes_stdev: -1}', /rule: must be a finite number of at least 0/],
    ['dataset: {record_dims: [4, 0]}', /dataset\.record_dims\[1\] = 0\n.*rule: must be an integer of at least 1/s],
    ['dataset: {record_dims: 4}', /dataset\.record_dims = 4\n.*rule: must be a list whose elements each must be an integer/s],
    ['train: {seed: -1}', /rule: must be an integer of at least 0 and at most 4294967295/],
    ['metric: {au: 90}', /metric\.au = 90\n.*rule: must be a finite number of at least 0 and at most 1/s],
    ['output: {metric: {exclude_start_steps: -1}}', /output\.metric\.exclude_start_steps = -1/],
    [
      'dataset: {num_files_train: 2000000000, num_samples_per_file: 400000000}',
      /dataset\.num_files_train = .*rule: makes more than 2\^53 samples/s,
    ],
    ['dataset: {record_dims: [4000000000, 4000000000]}', /dataset\.record_dims = .*rule: makes a sample of more than 2\^50 elements/s],
  ])
  assert.equal(problemsOf('dataset: {record_dims: [4, 0, x]}').split('rule:').length - 1, 2)
})

test('switches are booleans, and words that Python would take as true are refused', () => {
  expectOneProblem([
    [
      'workflow: {train: "False"}',
      /workflow\.train = "False"\n.*rule: must be true or false\n {2}remedy: write true or false, without quotes/s,
    ],
    ['workflow: {train: 2}', /workflow\.train = 2\n.*rule: must be true or false/s],
    ['workflow: {}', /workflow\.train = "off"\n.*workflow\.train=off/s, { overrides: ['workflow.train=off'] }],
  ])
  assert.equal(load('workflow: {train: off, generate_data: 1}').workload.workflow.train, false)
})

test('words with a fixed set of spellings are taken only in those', () => {
  expectOneProblem([
    ['framework: pytorh', /framework = "pytorh"\n.*rule: must be one of tensorflow, pytorch, jax\n {2}remedy: did you mean pytorch\?/s],
    ['dataset: {format: NPZ}', /dataset\.format = "NPZ"\n.*remedy: did you mean npz\?/s],
    ['dataset: {format: zarr}', /dataset\.format = "zarr"\n.*rule: must be one of tfrecord, hdf5,/s],
    ['dataset: {format: hdf5_opt}', /rule: hdf5_opt has neither a generator nor a reader/],
    ['dataset: {record_element_type: float31}', /remedy: did you mean float\d+\?/],
    ['reader: {data_loader: torch}', /rule: must be one of tensorflow, pytorch, dali/],
    ['reader: {data_loader_sampler: iter}', /rule: must be one of iterative, index, none/],
    ['reader: {sample_shuffle: on}', /reader\.sample_shuffle = true\n.*rule: must be one of off, seed, random/s],
    ['storage: {storage_type: nfs}', /rule: must be one of local_fs, direct_fs, parallel_fs, s3, aistore/],
    ['dataset: {data_folder: 2026}', /dataset\.data_folder = 2026\n.*remedy: put the value in quotes/s],
    ['dataset: {data_folder: ""}', /rule: must be text that is not empty/],
    ['dataset: {data_folder: "a\\0b"}', /data_folder = .*rule: must be text without zero characters/s],
    ['dataset: {file_prefix: "../x"}', /dataset\.file_prefix = "\.\.\/x"\n.*rule: must be a file name, without slashes/s],
    ['output: {log_file: ..}', /rule: must be a file name, without slashes/],
    ['dataset: {num_files_train: 3000000000}', /rule: must be an integer of at least 0 and at most 2147483647/],
    ['reader: {batch_size: 20000000}', /rule: must be an integer of at least 1 and at most 16777216/],
  ])
})

test('times are numbers or complete distributions of known type', () => {
  expectOneProblem([
    [
      'train: {computation_time: abc}',
      /train\.computation_time = "abc"\n.*rule: must be a number of seconds of at least 0, \{mean, stdev\}, or \{type, …\}/s,
    ],
    ['train: {computation_time: -0.1}', /train\.computation_time = -0\.1\n.*rule: must be a number of seconds of at least 0/s],
    ['train: {computation_time: }', /train\.computation_time = null/],
    ['train: {computation_time: .nan}', /train\.computation_time = NaN/],
    ['train: {computation_time: {type: gama, shape: 1, scale: 1}}', /computation_time\.type = "gama"\n.*remedy: did you mean gamma\?/s],
    ['train: {computation_time: {type: zipf}}', /computation_time\.type = "zipf"\n.*remedy: DLIO would sleep 0 s without a word/s],
    ['train: {computation_time: {type: normal, mean: 1}}', /rule: normal needs mean and stdev; stdev is missing\n {2}remedy: add stdev/],
    ['train: {computation_time: {type: poisson}}', /rule: poisson needs lam; lam is missing/],
    ['train: {computation_time: {men: 1}}', /rule: a time without type needs mean; mean is missing/],
    [
      'train: {computation_time: {type: normal, mean: -1, stdev: 1}}',
      /computation_time\.mean = -1\n.*rule: must be a finite number of at least 0/s,
    ],
    ['train: {computation_time: {type: uniform, min: 2, max: 1}}', /computation_time\.max = 1\n.*rule: must be at least min, which is 2/s],
    ['train: {computation_time_stdev: -1}', /train\.computation_time_stdev = -1/],
    ['reader: {preprocess_time: {type: exponential, scale: x}}', /preprocess_time\.scale = "x"/],
    ['evaluation: {eval_time: [1]}', /evaluation\.eval_time = \[1\]/],
  ])
})

test('shapes and formats must fit each other', () => {
  expectOneProblem([
    [
      `${pytorch}dataset: {format: jpeg, record_dims: [3, 4, 5]}`,
      /dataset\.record_dims = \[3, 4, 5\]\n.*rule: jpeg files hold 2 dimensions, not 3/s,
    ],
    [`${pytorch}dataset: {format: png, record_dims: [3, 4, 5]}`, /rule: png files hold 2 dimensions, not 3/],
    [
      'dataset: {record_dims: [3, 4], record_length_bytes_stdev: 5}',
      /dataset\.record_length_bytes_stdev = 5\n.*rule: cannot be above 0 together with record_dims/s,
    ],
    [
      'dataset: {record_dims: [5, 4], hdf5: {num_dset_per_record: 2}}',
      /num_dset_per_record = 2\n.*rule: must divide the first of record_dims, which is 5/s,
    ],
    ['dataset: {hdf5: {num_dset_per_record: 2}}', /rule: needs record_dims, whose first dimension it divides/],
    ['dataset: {format: parquet}', /rule: parquet is a format of MLCommons' DLIO only/, { semantics: 'upstream' }],
    ['dataset: {format: npz}\nreader: {data_loader: native_dali}', /rule: npz cannot be read by the native_dali data loader/],
    [
      'dataset: {format: hdf5}\nreader: {odirect: true}',
      /reader\.odirect = true\n.*rule: DLIO reads npy and npz with O_DIRECT, not hdf5\n {2}remedy: delete the key and run with --direct/s,
    ],
    ['dataset: {parquet: {columns: [{dtype: int8}]}}', /dataset\.parquet\.columns\[0\]\.name/],
  ])
  assert.equal(load('dataset: {record_dims: [4, 4], hdf5: {num_dset_per_record: 2}}').workload.dataset.hdf5.numDsetPerRecord, 2)
})

test('framework, data loader and format must fit each other, unless nothing is read', () => {
  const tfrecord = `${pytorch}dataset: {format: tfrecord}\n`
  expectOneProblem([
    [
      tfrecord,
      /dataset\.format = "tfrecord"\n.*rule: tfrecord cannot be read by the pytorch data loader\n {2}remedy: use --framework tensorflow/s,
    ],
    [
      pytorch,
      /\.\/w\.yaml {2}dataset\.format = \(not given\)\n {2}rule: tfrecord, DLIO's default, cannot be read by the pytorch data loader/,
    ],
    [tfrecord, /rule: tfrecord cannot be read/, { semantics: 'upstream' }],
    [
      'framework: tensorflow\nreader: {data_loader: pytorch}\ndataset: {format: npz}',
      /reader\.data_loader = "pytorch"\n.*rule: must fit the framework, which is tensorflow\n {2}remedy: use --framework pytorch/s,
    ],
    ['reader: {data_loader: pytorch}\ndataset: {format: npz}', /rule: must fit the framework, which is tensorflow/],
    [`${pytorch}reader: {data_loader: tensorflow}\ndataset: {format: npz}`, /rule: must fit the framework, which is pytorch/],
    ['reader: {data_loader: custom}', /rule: custom needs data_loader_sampler/],
    ['reader: {batch_size: 1}', /rule: tfrecord, DLIO's default, cannot be read by the jax data loader/, { framework: 'jax' }],
  ])
  for (const options of [{ overrides: ['workflow.train=false'] }, { generateOnly: true }])
    assert.equal(load(tfrecord, options).workload.dataset.format, 'tfrecord')
  assert.equal(problemsOf(tfrecord, { overrides: ['workflow.train=false', 'workflow.evaluation=true'] }).includes('cannot be read'), true)
  const streamed = `${tfrecord}storage: {storage_type: s3, storage_library: s3dlio}`
  assert.equal(load(streamed).workload.storage.options.storage_library, 's3dlio')
  assert.match(problemsOf(streamed, { semantics: 'upstream' }), /tfrecord cannot be read/)
})

test('models and checkpoints must be possible', () => {
  expectOneProblem([
    [
      'model: {num_layers: 2, parallelism: {pipeline: 4}}',
      /model\.num_layers = 2\n.*rule: must be at least parallelism\.pipeline, which is 4/s,
    ],
    ['model: {parallelism: {pipeline: 2, zero_stage: 3}}', /zero_stage = 3\n.*rule: ZeRO stage 3 does not go with pipeline parallelism/s],
    ['model: {parallelism: {data: 2}}', /parallelism\.data = 2\n.*rule: follows from the number of ranks in the default checkpoint mode/s],
    ['checkpoint: {mode: subset}', /checkpoint\.mode = "subset"\n.*rule: subset needs model\.parallelism\.data/s],
    [
      'checkpoint: {num_checkpoints_write: 1, num_checkpoints_read: 2}',
      /num_checkpoints_read = 2\n.*rule: must be at most num_checkpoints_write, which is 1/s,
    ],
    ['checkpoint: {ksm: {await_time: 1}}', /checkpoint\.ksm = .*rule: needs randomize_tensor: false/s],
  ])
  load('checkpoint: {ksm: {await_time: 1}, randomize_tensor: false, mode: subset}\nmodel: {parallelism: {data: 2}}')
})

test('a key that is broken in itself brings no second problem by the rules it takes part in', () => {
  expectOneProblem([
    ['framework: 5\nreader: {data_loader: pytorch}\ndataset: {format: npz}', /framework = 5/],
    ['model: {parallelism: {data: x}}\ncheckpoint: {mode: subset}', /parallelism\.data = "x"/],
    ['dataset: {record_dims: x, hdf5: {num_dset_per_record: 2}}', /record_dims = "x"/],
  ])
})

test('all problems come at once, in the order of the file, those of the command line last', () => {
  const text = problemsOf('train: {epochs: -1}\nreader: {batch_size: 0}\ndataset: {format: x}\n', { overrides: ['train.seed=x'] })
  assert.deepEqual(
    [...text.matchAll(/^\S.*? {2}(\S+) = /gm)].map(([, path]) => path),
    ['train.epochs', 'reader.batch_size', 'dataset.format', 'train.seed'],
  )
})

test('a file with endless problems is told in fifty and a count', () => {
  const text = problemsOf(`dataset: {record_dims: [${'x, '.repeat(200)}]}`)
  assert.match(text, /rule: 150 more problems are not shown$/)
  assert.equal(text.split('rule:').length - 1, 51)
})

test('secrets are never shown: neither the value, nor the line, nor in a list of options', () => {
  const secret = 'hunter2'
  for (const yaml of [
    `storage: {storage_options: {secret_access_key: ${secret}}, storage_type: 5}`,
    `storage:\n  storage_type: s3\n  storage_options: [{secret_access_key: ${secret}}]`,
    `secret_access_key: "${secret}\n`,
    `storage:\n  storage_options:\n    secret_access_key:\n      "$${'{'}${secret}}"`,
  ])
    assert.doesNotMatch(problemsOf(yaml), /hunter2/)
  const overrides = [`storage.storage_options.secret_access_key=${secret}=`]
  assert.match(problemsOf('a: 1', { overrides }), /secret_access_key\n {2}rule: unquoted text cannot hold "="/)
  assert.doesNotMatch(problemsOf('a: 1', { overrides }), /hunter2/)
})
