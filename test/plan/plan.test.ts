import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { computedFiles } from '#src/dataset/naming.js'
import { ConfigError, RunError } from '#src/errors.js'
import { RandomState } from '#src/order/numpy-random.js'
import { batchSink } from '#src/plan/batch-sink.js'
import { createPlan } from '#src/plan/plan.js'
import { plan, range, type Sections, workload } from './workloads.js'

/** The problem that a plan is refused for. */
function problemOf(sections: Sections, ranks = 1): { path: string; rule: string } {
  try {
    plan(sections, ranks)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    assert.equal(error.problems.length, 1)
    return error.problems[0]!
  }
  assert.fail('the plan was made')
}

const tensorflow = { data_loader: 'tensorflow' }
const records = { format: 'tfrecord', num_samples_per_file: 4 }

describe('a plan is refused', () => {
  test('where more steps are asked for than there is data, with DLIO’s words', () => {
    const { path, rule } = problemOf({ train: { total_training_steps: 9 } })
    assert.equal(path, 'train.total_training_steps')
    assert.match(rule, /Only have enough data for 8 steps/)
    assert.equal(plan({ train: { total_training_steps: 8 } }).train.steps, 8)
  })

  test('where a seed leaves NumPy’s range before the last epoch', () => {
    const reader = { sample_shuffle: 'seed' }
    assert.match(problemOf({ reader, train: { seed: 2 ** 32 - 2, epochs: 2 } }).rule, /between 0 and 2\*\*32 - 1/)
    plan({ reader, train: { seed: 2 ** 32 - 2, epochs: 1 } })
    // Seeds that nothing is seeded with do not matter.
    plan({ train: { seed: 2 ** 40 } })
  })

  test('where resharding gives a late rank a seed beyond NumPy’s range', () => {
    const sections = { reader: { file_shuffle: 'seed' }, train: { seed: 2 ** 32 - 40, epochs: 1 } }
    assert.equal(problemOf(sections, 4).path, 'train.seed')
    plan(sections, 1)
  })

  test('where a loader’s reads are not known', () => {
    for (const data_loader of ['native_dali', 'custom', 'none'])
      for (const tree of ['fork', 'upstream'] as const)
        assert.equal(problemOf({ tree, reader: { data_loader } }).path, 'reader.data_loader')
  })

  test('where TFRecord meets a loader without it, or no thread, or no shuffle buffer', () => {
    assert.equal(problemOf({ dataset: records }).path, 'reader.data_loader')
    assert.equal(problemOf({ dataset: records, reader: { ...tensorflow, read_threads: 0 } }).path, 'reader.read_threads')
    const reader = { ...tensorflow, sample_shuffle: 'seed', shuffle_size: 0 }
    assert.equal(problemOf({ dataset: records, reader }).path, 'reader.shuffle_size')
  })

  test('with exit code 2 where there are fewer files than asked for', () => {
    const own = workload({ dataset: { num_files_eval: 4 }, workflow: { evaluation: true } })
    const { train, valid } = computedFiles(own)
    for (const files of [
      { train: { ...train, count: 15 }, valid },
      { train, valid: { ...valid, count: 3 } },
    ])
      assert.throws(
        () => createPlan(own, { ranks: 1, hosts: 1 }, files),
        (error) =>
          error instanceof RunError && error.exitCode === 2 && /Not enough (training|evaluation) dataset is found/.test(error.message),
      )
  })
})

describe('memory', () => {
  test('is not needed where nothing is shuffled, however many files there are', () => {
    for (const tree of ['fork', 'upstream'] as const)
      for (const [data_loader, format] of [
        ['pytorch', 'npz'],
        ['tensorflow', 'npz'],
        ['tensorflow', 'tfrecord'],
      ]) {
        const huge = plan({ tree, dataset: { format, num_files_train: 50_000_000, num_subfolders_train: 7 }, reader: { data_loader } }, 8)
        assert.equal(huge.sharedBytes, 0)
        const order = huge.order('train', 7, 1)
        assert.equal(order.batch(order.steps - 1, batchSink(huge)), 2)
      }
  })

  test('is at most 8 bytes a file where files are shuffled', () => {
    for (const tree of ['fork', 'upstream'] as const) {
      const { sharedBytes } = plan({ tree, dataset: { num_files_train: 4000 }, reader: { ...tensorflow, file_shuffle: 'seed' } }, 4)
      assert.ok(sharedBytes > 0 && sharedBytes <= 8 * 4000, `${sharedBytes} bytes`)
    }
  })

  test('that is too small for the plan is refused', () => {
    const own = workload({ reader: { file_shuffle: 'seed' } })
    assert.throws(() => createPlan(own, { ranks: 1, hosts: 1 }, computedFiles(own), new SharedArrayBuffer(8)), /bytes/)
  })
})

describe('epochs', () => {
  test('of shuffled plans can only be asked where the plan stands, and only go forward', () => {
    const own = plan({ reader: { file_shuffle: 'seed' } })
    assert.throws(() => own.order('train', 0, 1), RangeError)
    own.advance(2)
    own.order('train', 0, 2)
    assert.throws(() => own.order('train', 0, 1), RangeError)
    assert.throws(() => own.advance(1), RangeError)
  })

  test('can be skipped: the lists go through those in between', () => {
    const [stepwise, skipping] = [plan({ reader: { file_shuffle: 'seed' } }), plan({ reader: { file_shuffle: 'seed' } })]
    for (const epoch of [1, 2, 3]) stepwise.advance(epoch)
    skipping.advance(3)
    const [a, b] = [stepwise, skipping].map((own) => {
      const sink = batchSink(own)
      own.order('train', 0, 3).batch(0, sink)
      return [...sink.files]
    })
    assert.deepEqual(b, a)
  })

  test('are none where training is off', () => {
    const own = plan({ workflow: { train: false, evaluation: true }, dataset: { format: 'tfrecord' } })
    assert.equal(own.epochs, 0)
    assert.deepEqual(own.warnings, [])
  })

  test('are evaluated as DLIO’s counter says: from eval_after_epoch on, then by the interval', () => {
    const evaluated = (evaluation: Record<string, unknown>) => {
      const own = plan({ evaluation, workflow: { evaluation: true }, dataset: { num_files_eval: 2 }, train: { epochs: 9 } })
      return range(9)
        .map((i) => i + 1)
        .filter((epoch) => own.evaluates(epoch))
    }
    assert.deepEqual(evaluated({}), [1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert.deepEqual(evaluated({ eval_after_epoch: 3, epochs_between_evals: 2 }), [3, 5, 7, 9])
    assert.deepEqual(evaluated({ eval_after_epoch: 8, epochs_between_evals: 0 }), [8, 9])
    // The counter moves by one interval per evaluation, and so it has to catch up when it starts below 1.
    assert.deepEqual(evaluated({ eval_after_epoch: -5, epochs_between_evals: 3 }), [1, 2, 3, 4, 7])
    assert.equal(plan().evaluates(1), false)
  })
})

describe('TFRecord in MLCommons’ DLIO', () => {
  const sections = (file_shuffle?: string, num_files_train = 7): Sections => ({
    dataset: { format: 'tfrecord', num_files_train, num_samples_per_file: 3 },
    reader: { ...tensorflow, ...(file_shuffle === undefined ? {} : { file_shuffle }) },
  })

  test('counts a step for the remainder of the samples, except where files are resharded', () => {
    assert.equal(plan(sections()).train.steps, 11)
    assert.equal(plan(sections('seed')).train.steps, 10)
  })

  test('reads the files of the first resharding in every epoch, since its pipeline is built once', () => {
    const own = plan(sections('seed', 40), 2)
    const [first, second] = [1, 2].map((epoch) => {
      own.advance(epoch)
      const order = own.order('train', 1, epoch)
      const sink = batchSink(own)
      return range(order.steps).map((k) => {
        order.batch(k, sink)
        return [...sink.files]
      })
    })
    assert.ok(first!.length > 0)
    assert.deepEqual(second, first)
  })
})

describe('warnings', () => {
  test('say once how many samples the named DLIO leaves unread', () => {
    const [warning, ...more] = plan({ tree: 'upstream', dataset: { num_files_train: 145 }, reader: { batch_size: 16 } }, 3).warnings
    assert.deepEqual(more, [])
    assert.equal(warning!.code, 'samples-unread')
    assert.match(warning!.message, /upstream DLIO .* leaves 1 training samples unread .*144 of 145 files are used, 3 steps on 3 ranks/)
  })

  test('say how many samples upstream’s TensorFlow ranks read again', () => {
    const own = plan({ tree: 'upstream', reader: tensorflow }, 2)
    // Two ranks of 8 samples: each has a first sample of its own, the other 7 are the same ones.
    assert.deepEqual([own.train.samplesDropped, own.train.samplesRepeated], [7, 7])
    assert.match(own.warnings[0]!.message, /leaves 7 training samples unread in an epoch and reads 7 of them more than once/)
  })

  test('do not count what the user has cut off with total_training_steps', () => {
    assert.deepEqual(plan({ train: { total_training_steps: 2 } }).warnings, [])
  })

  test('say that an unseeded shuffle of records has a stand-in, which is repeatable and differs from rank to rank', () => {
    const sections = { dataset: records, reader: { ...tensorflow, sample_shuffle: 'random', shuffle_size: 50 } }
    const files = [0, 1, 0].map((rank) => {
      const own = plan({ tree: 'upstream', ...sections }, 2)
      assert.ok(own.warnings.some(({ code }) => code === 'unseeded-shuffle'))
      const sink = batchSink(own)
      return range(own.train.steps).flatMap((k) => {
        own.order('train', rank, 1).batch(k, sink)
        return [...sink.samples]
      })
    })
    assert.deepEqual(files[2], files[0])
    assert.notDeepEqual(files[1], files[0])
  })

  test('say of formats whose samples DLIO never reads that nothing is read', () => {
    for (const format of ['mmap_indexed_binary', 'synthetic'])
      assert.deepEqual(
        plan({ dataset: { format } }).warnings.map(({ code }) => code),
        ['nothing-read'],
      )
    assert.deepEqual(plan({ dataset: { format: 'indexed_binary' } }).warnings, [])
  })
})

describe('computation times', () => {
  const normal = { type: 'normal', mean: 0.01, stdev: 0.02 }

  test('that are constant are that constant', () => {
    const sleeps = plan({ reader: { sample_shuffle: 'seed' } }).sleeps(0)
    sleeps.startEpoch(1)
    assert.deepEqual([sleeps.next('train'), sleeps.next('train'), sleeps.next('valid')], [0.01, 0.01, 0])
  })

  test('count by their absolute value', () => {
    const sleeps = plan({ train: { computation_time: normal } }).sleeps(0)
    sleeps.startEpoch(1)
    assert.ok(range(200).every(() => sleeps.next('train') >= 0))
  })

  test('start anew in each epoch where DLIO seeds, also when a part of the last epoch’s draws was never made', () => {
    const own = plan({ reader: { sample_shuffle: 'seed' }, train: { computation_time: normal, seed_change_epoch: false } })
    const sleeps = own.sleeps(0)
    const draws = [1, 2].map((epoch) => {
      sleeps.startEpoch(epoch)
      return range(epoch === 1 ? 3 : 2).map(() => sleeps.next('train'))
    })
    assert.deepEqual(draws[1], draws[0]!.slice(0, 2))
  })

  test('go on through the epochs where DLIO seeds nothing, differ between ranks and can be repeated', () => {
    const own = plan({ train: { computation_time: normal } }, 2)
    const draws = [0, 1, 0].map((rank) => {
      const sleeps = own.sleeps(rank)
      return [1, 2].map((epoch) => {
        sleeps.startEpoch(epoch)
        return sleeps.next('train')
      })
    })
    assert.deepEqual(draws[2], draws[0])
    assert.notDeepEqual(draws[1], draws[0])
    assert.notEqual(draws[0]![0], draws[0]![1])
  })

  test('are the same on ranks with equal shares, since they seed and shuffle alike', () => {
    const own = plan({ tree: 'upstream', reader: { sample_shuffle: 'seed' }, train: { computation_time: normal } }, 2)
    const draws = [own.sleeps(0), own.sleeps(1)].map((sleeps) => {
      sleeps.startEpoch(1)
      return range(3).map(() => sleeps.next('train'))
    })
    assert.deepEqual(draws[1], draws[0])
  })

  test('come from the same stream as preprocessing in the training process', () => {
    const uniform = { type: 'uniform', min: 0, max: 1 }
    const sleeps = plan({
      reader: { sample_shuffle: 'seed', preprocess_time: uniform },
      train: { computation_time: uniform, seed: 7 },
    }).sleeps(0)
    sleeps.startEpoch(1)
    const random = new RandomState(8)
    random.permutation(16)
    const expected = range(3).map(() => random.nextDouble())
    assert.deepEqual([sleeps.nextPreprocess(), sleeps.next('train'), sleeps.nextPreprocess()], expected)
  })
})

test('the synthetic loader reads nothing and makes one batch less than all ranks together have', () => {
  const alone = plan({ reader: { data_loader: 'synthetic' } }).order('train', 0, 1)
  assert.deepEqual([alone.steps, alone.batches, alone.readers, alone.inProcess], [7, 7, 1, true])
  const two = plan({ reader: { data_loader: 'synthetic' } }, 2).order('train', 1, 1)
  assert.deepEqual([two.steps, two.batches], [4, 5])
  assert.equal(two.batch(0, { files: new Float64Array(2), samples: new Float64Array(2) }), 0)
})
