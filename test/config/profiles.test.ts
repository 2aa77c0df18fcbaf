import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { describeWorkload } from '#src/config/describe.js'
import type { LoadOptions } from '#src/config/load.js'
import type { FrameworkProfile } from '#src/config/workload.js'
import { load, problemsOf } from './helpers.js'

const data = 'dataset: {format: npz, num_files_train: 8}\n'
const profileOf = (yaml: string, options: Partial<LoadOptions> = {}) => load(data + yaml, options).workload.profile
/** Asserts some fields of the profile in force. */
function expectProfile(yaml: string, fields: Partial<Record<string, unknown>>, options: Partial<LoadOptions> = {}): void {
  const profile = profileOf(yaml, options) as (FrameworkProfile & Record<string, unknown>) | null
  assert.ok(profile !== null, yaml)
  for (const [key, value] of Object.entries(fields)) assert.deepEqual(profile[key], value, `${key} of ${yaml}`)
}
/** Asserts the one problem of a YAML text. */
function expectProblem(yaml: string, expected: RegExp, options: Partial<LoadOptions> = {}): void {
  const text = problemsOf(data + yaml, options)
  assert.match(text, expected, yaml)
  assert.equal(text.split('rule:').length, 2, `one problem for ${yaml}, not\n${text}`)
}

describe('the framework that applies', () => {
  const both = 'framework_profiles: {pytorch: {seed: 1}, tensorflow: {seed: 2}}\n'
  const choice = (yaml: string, options: Partial<LoadOptions> = {}) => {
    const { framework, frameworkReason, profile } = load(data + yaml, options).workload
    return [framework, frameworkReason, profile?.framework, profile?.seed]
  }

  test('is --framework’s, else the configuration’s, else the only profile’s, else DLIO’s default; the reason is kept', () => {
    assert.deepEqual(choice(`${both}framework: tensorflow`, { framework: 'pytorch' }), ['pytorch', '--framework', 'pytorch', 1])
    assert.deepEqual(choice(`${both}framework: pytorch`), ['pytorch', 'framework: pytorch in ./w.yaml:3', 'pytorch', 1])
    assert.deepEqual(choice('pytorch_config: {seed: 3}'), ['pytorch', 'the only framework profile of the configuration', 'pytorch', 3])
    assert.deepEqual(choice(both), ['tensorflow', "DLIO's default; the configuration names none", 'tensorflow', 2])
    assert.deepEqual(choice('framework: pytorch'), ['pytorch', 'framework: pytorch in ./w.yaml:2', undefined, undefined])
  })

  test('is told of profiles that do not count', () => {
    const { workload, warnings } = load(`${data}framework: pytorch\ntensorflow_config: {seed: 2}`)
    assert.equal(workload.profile, null)
    assert.deepEqual(warnings, [{ code: 'unused-profile', message: 'the tensorflow profile does not count: the framework is pytorch' }])
  })

  test('is read by grain’s rules when it is JAX, whether it has a profile or not: DLIO has no loader for it', () => {
    assert.deepEqual(choice('train: {seed: 9}', { framework: 'jax' }), ['jax', '--framework', 'jax', 9])
    const { workload, warnings } = load(`${data}framework: jax\nreader: {data_loader: pytorch}`)
    assert.equal(workload.reader.dataLoader, 'jax')
    assert.match(warnings[0]!.message, /the framework jax goes before the configuration: reader\.data_loader is jax, not pytorch/)
  })

  test('reads formats that its loader can read, by a loader that is its own', () => {
    const tfrecord = 'dataset: {format: tfrecord, num_files_train: 8}\n'
    assert.match(problemsOf(`${tfrecord}jax_config: {seed: 1}`), /rule: tfrecord cannot be read by the jax data loader/)
    assert.match(problemsOf(`${tfrecord}pytorch_config: {seed: 1}`), /rule: tfrecord cannot be read by the pytorch data loader/)
    expectProblem('pytorch_config: {}\nreader: {data_loader: tensorflow}', /data_loader = "tensorflow"\n.*rule: must fit the framework/s)
    expectProblem(
      'pytorch_config: {}\nreader: {data_loader: dali}',
      /rule: must be pytorch, by whose own rules the framework profile reads/,
    )
  })
})

describe('a profile is found', () => {
  const spellings = [
    'framework_profiles: {pytorch: {num_workers: 3}}',
    'pytorch_config: {num_workers: 3}',
    'framework: pytorch\nframework_config: {num_workers: 3}',
  ]
  for (const yaml of spellings)
    test(`as ${yaml.replace('\n', ', ')}, below workload: or beside it`, () => {
      expectProfile(yaml, { numWorkers: 3 })
      const below = `workload:\n  dataset: {format: npz}\n${yaml.replace(/^/gm, '  ')}`
      assert.equal(load(below).workload.reader.readThreads, 3)
      const beside = `workload:\n  framework: pytorch\n  dataset: {format: npz}\n${yaml.replace('framework: pytorch\n', '')}`
      const { workload, warnings } = load(beside)
      assert.deepEqual([workload.reader.readThreads, warnings], [3, []])
    })

  test('in an override, which goes before the file', () => {
    for (const key of ['pytorch_config', 'framework_profiles.pytorch', '++workload.framework_profiles.pytorch'])
      expectProfile('pytorch_config: {num_workers: 3, seed: 5}', { numWorkers: 4, seed: 5 }, { overrides: [`${key}.num_workers=4`] })
    const beside = 'pytorch_config: {seed: 5}\nworkload:\n  dataset: {format: npz}\n  framework_profiles: {pytorch: {num_workers: 3}}'
    assert.equal(load(beside, { overrides: ['pytorch_config.seed=6'] }).workload.profile?.seed, 6)
  })

  test('in two places, which must agree', () => {
    expectProfile('pytorch_config: {seed: 1}\nframework_profiles: {pytorch: {seed: 1, num_workers: 3}}', { seed: 1, numWorkers: 3 })
    expectProblem(
      'pytorch_config: {seed: 1}\nframework_profiles: {pytorch: {seed: 2}}',
      /w\.yaml:3:38 {2}framework_profiles\.pytorch\.seed = 2\n.*rule: the same key has another value as pytorch_config\.seed in \.\/w\.yaml:2\n {2}remedy: keep one/s,
    )
  })

  test('with keys that it knows; others are errors with the key that was perhaps meant', () => {
    expectProblem(
      'pytorch_config: {num_worker: 3}',
      /pytorch_config\.num_worker\n.*rule: is no key of a pytorch profile\n {2}remedy: did you mean num_workers\?/s,
    )
    expectProblem(
      'framework_profiles: {pytorhc: {}}',
      /framework_profiles\.pytorhc\n.*rule: is no framework\n {2}remedy: did you mean pytorch\?/s,
    )
    // Also in a profile that does not count.
    expectProblem('framework: pytorch\njax_config: {wrokers: 3}', /jax_config\.wrokers/)
    expectProblem('pytorch_config: 3', /pytorch_config = 3\n.*rule: must be a mapping of keys to values/s)
    expectProblem('framework_profiles: [pytorch]', /rule: must be a mapping of frameworks/)
  })
})

describe('keys that are left out', () => {
  test('are DLIO’s in a pytorch profile', () => {
    const reader = 'reader: {batch_size: 6, read_threads: 3, prefetch_size: 7, sample_shuffle: seed, pin_memory: false}\ntrain: {seed: 8}\n'
    const expected = {
      batchSize: 6,
      numWorkers: 3,
      prefetchFactor: 3,
      seed: 8,
      shuffle: true,
      sampler: null,
      pinMemory: false,
      dropLast: false,
    }
    expectProfile(`${reader}pytorch_config:`, { ...expected, inOrder: true, persistentWorkers: false, multiprocessingContext: 'spawn' })
    expectProfile(`reader: {prefetch_size: 0, read_threads: 4, file_shuffle: off}\npytorch_config:`, { prefetchFactor: 2, shuffle: false })
    expectProfile('pytorch_config: {num_workers: 0}', { prefetchFactor: null })
    expectProfile('pytorch_config: {sampler: distributed}', { shuffle: true })
    expectProfile('pytorch_config: {sampler: distributed, shuffle: false}', { shuffle: false })
    expectProfile('pytorch_config: {sampler: random}', { shuffle: true })
  })

  test('are DLIO’s in a tensorflow profile', () => {
    const reader = 'reader: {batch_size: 6, read_threads: 3, prefetch_size: 7, sample_shuffle: seed, shuffle_size: 55}\ntrain: {seed: 8}\n'
    const expected = { batchSize: 6, cycleLength: 3, parallelReads: 3, cycleGiven: false, blockLength: 1, prefetchBatches: 7 }
    expectProfile(`${reader}tensorflow_config: {}`, { ...expected, shuffleBufferSize: 55, seed: 8, reshuffleEachIteration: true })
    expectProfile('tensorflow_config: {}', { shuffleBufferSize: null, deterministic: true, dropRemainder: false })
  })

  test('are DLIO’s in a jax profile', () => {
    const reader = 'reader: {batch_size: 6, read_threads: 3, prefetch_size: 7, file_shuffle: seed}\n'
    expectProfile(`${reader}jax_config: {}`, { batchSize: 6, workerCount: 3, prefetchBatches: 7, seed: 123, shuffle: true })
  })
})

test('tf.data’s cycle comes from cycle_length, num_parallel_reads or num_parallel_calls; AUTOTUNE follows a fixed rule', () => {
  const cycle = (keys: string, cycleLength: number, parallelReads: number) =>
    expectProfile(`reader: {read_threads: 3}\ntensorflow_config: {${keys}}`, { cycleLength, parallelReads })
  cycle('cycle_length: 5, num_parallel_calls: 2', 5, 2)
  cycle('cycle_length: 5, num_parallel_calls: -1', 5, 5)
  cycle('cycle_length: 5', 5, 3)
  cycle('cycle_length: 2', 2, 2)
  cycle('cycle_length: -1, num_parallel_calls: 6', 6, 6)
  cycle('num_parallel_reads: 4', 4, 4)
  cycle('num_parallel_reads: 4, num_parallel_calls: 6', 4, 4)
  cycle('num_parallel_reads: -1', 3, 3)
  cycle('num_parallel_calls: 6', 6, 6)
  expectProfile('tensorflow_config: {prefetch_buffer_size: -1, cycle_length: 5}', { prefetchBatches: 5 })
  expectProfile('tensorflow_config: {prefetch_buffer_size: -1, cycle_length: 1}', { prefetchBatches: 2 })
})

test('what a framework refuses is refused with its own rule', () => {
  const cases: [yaml: string, expected: RegExp][] = [
    [
      'pytorch_config: {shuffle: true, sampler: random}',
      /sampler = "random"\n.*rule: torch: sampler option is mutually exclusive with shuffle/s,
    ],
    [
      'pytorch_config: {num_workers: 0, prefetch_factor: 2}',
      /prefetch_factor = 2\n.*could only be specified in multiprocessing, let num_workers > 0/s,
    ],
    [
      'pytorch_config: {num_workers: 2, prefetch_factor: 0}',
      /prefetch_factor = 0\n.*rule: must be above 0 with workers \(torch: assert prefetch_factor > 0\)/s,
    ],
    ['pytorch_config: {num_workers: 0, persistent_workers: true}', /rule: torch: persistent_workers option needs num_workers > 0/],
    ['pytorch_config: {num_workers: 0, multiprocessing_context: fork}', /rule: torch: multiprocessing_context can only be used with/],
    ['reader: {read_threads: 0}\npytorch_config: {prefetch_factor: 2}', /let num_workers > 0/],
    ['pytorch_config: {seed: 18446744073709551616}', /rule: must be an integer \(torch: manual_seed takes −2\^63 … 2\^64−1\)/],
    ['pytorch_config: {seed: 1.5}', /rule: must be an integer \(torch: manual_seed takes/],
    ['pytorch_config: {num_workers: -1}', /rule: .*torch: num_workers option should be non-negative/],
    ['pytorch_config: {prefetch_factor: -1}', /rule: .*torch: prefetch_factor option should be non-negative/],
    ['pytorch_config: {sampler: weighted}', /rule: must be one of sequential, random, distributed/],
    [
      'pytorch_config: {batch_size: 0}',
      /batch_size = 0\n.*remedy: give such a value, or delete the key for the default, reader\.batch_size/s,
    ],
    ['tensorflow_config: {cycle_length: 9}', /cycle_length = 9\n.*rule: must be at most the number of inputs .*which is 8 files/s],
    [
      'tensorflow_config: {cycle_length: 2, num_parallel_calls: 3}',
      /num_parallel_calls = 3\n.*less than or equal to cycle_length, which is 2/s,
    ],
    ['tensorflow_config: {num_parallel_reads: 0}', /num_parallel_reads = 0\n.*rule: tf\.data: cycle_length must be > 0/s],
    ['tensorflow_config: {num_parallel_calls: 0}', /rule: tf\.data: num_parallel_calls must be greater than zero/],
    ['tensorflow_config: {block_length: 0}', /rule: .*tf\.data: block_length must be > 0/],
    ['tensorflow_config: {shuffle_buffer_size: 0}', /rule: .*tf\.data: buffer_size must be greater than zero/],
    ['tensorflow_config: {prefetch_buffer_size: -2}', /rule: must be −1 \(AUTOTUNE\)/],
    ['tensorflow_config: {block_length: 2, num_parallel_reads: 2}', /num_parallel_reads = 2\n.*needs cycle_length/s],
    ['jax_config: {seed: 4294967296}', /rule: .*grain: Seed should be positive 32-bit integer/],
    ['jax_config: {seed: -1}', /rule: .*grain: Seed should be positive 32-bit integer/],
    ['jax_config: {worker_count: -1}', /rule: .*grain: worker_count must be greater than or equal to 0/],
  ]
  for (const [yaml, expected] of cases) expectProblem(yaml, expected)
})

test('negative seeds are torch’s and tf.data’s own', () => {
  expectProfile('pytorch_config: {seed: -5}', { seed: -5 })
  expectProfile('tensorflow_config: {seed: -5}', { seed: -5 })
})

test('validate shows the effective profile, and the digest of a configuration depends on it', () => {
  const { workload } = load(`${data}pytorch_config: {num_workers: 3}`)
  assert.match(describeWorkload(workload), /\nprofile\.framework: pytorch\nprofile\.batchSize: 1\nprofile\.numWorkers: 3\n/)
  assert.match(describeWorkload(load(`${data}framework: pytorch`).workload), /\nprofile: null\n/)
  const other = load(`${data}pytorch_config: {num_workers: 4}`).workload
  assert.notEqual(other.source.configDigest, workload.source.configDigest)
})
