// Keys of framework profiles: what asks for a framework's own rules instead of DLIO's mapping (docs/profiles.md). They are no keys of
// DLIO; an absent one falls back to DLIO's, as `defaultText` says.
import type { FrameworkName } from '../workload.js'
import { type KeySpec, type Keys, key, type Section, section } from './key.js'
import { bool, choice, int, type Kind, nullable, text } from './kinds.js'

const maxWorkers = 1024
const maxBatch = 2 ** 20
const maxBuffer = 2 ** 31 - 1

/** Everything may be left out; `null` says the same. */
function optional<T>(kind: Kind<T>, defaultText: string, doc: string): KeySpec<T | null> {
  return key<T | null>(nullable(kind), null, doc, { defaultText })
}

/** A kind whose broken rule is told in the framework's own words. */
function inWords<T>(kind: Kind<T>, rule: string): Kind<T> {
  return {
    ...kind,
    rule,
    check: (value) => {
      const checked = kind.check(value)
      return checked.ok ? checked : { ok: false, issues: checked.issues.map((issue) => ({ ...issue, rule })) }
    },
  }
}

const batchSize = optional(int({ min: 1, max: maxBatch }), '`reader.batch_size`', 'Samples of a training batch of one rank.')

const pytorch = section({
  name: 'framework_profiles.pytorch',
  aliases: ['pytorch_config'],
  keys: {
    batch_size: batchSize,
    num_workers: optional(
      inWords(
        int({ min: 0, max: maxWorkers }),
        `must be an integer of at least 0 and at most ${maxWorkers} (torch: num_workers option should be non-negative)`,
      ),
      '`reader.read_threads`',
      'Workers of one rank; 0: the training process reads itself.',
    ),
    shuffle: optional(
      bool(),
      'true where `reader.sample_shuffle` or `reader.file_shuffle` is not `off`',
      'Random order of all samples; RandomSampler, or DistributedSampler with several ranks.',
    ),
    seed: optional(
      inWords(
        int(),
        'must be an integer (torch: manual_seed takes −2^63 … 2^64−1), here within ±(2^53−1), beyond which a configuration rounds',
      ),
      '`train.seed`',
      'Seed of the loader’s generator, or of the DistributedSampler.',
    ),
    drop_last: optional(bool(), 'false', 'Leave out the short batch at the end of an epoch.'),
    prefetch_factor: optional(
      inWords(
        int({ min: 0, max: 2 ** 20 }),
        'must be an integer of at least 0 (torch: prefetch_factor option should be non-negative), above 0 with workers',
      ),
      'ceil(`reader.prefetch_size` ÷ workers), 2 where that is 0',
      'Batches outstanding for each worker.',
    ),
    persistent_workers: optional(bool(), 'false', 'Keep workers over epochs: no new base seed is drawn for the second and later ones.'),
    pin_memory: optional(bool(), '`reader.pin_memory`', 'Recorded; without effect on reads.'),
    in_order: optional(bool(), 'true', 'False: batches are delivered as they become ready.'),
    sampler: optional(
      choice(['sequential', 'random', 'distributed']),
      'by `shuffle` and the number of ranks',
      'A sampler of its own; it excludes `shuffle: true`.',
    ),
    multiprocessing_context: optional(
      choice(['fork', 'spawn', 'forkserver']),
      '`reader.multiprocessing_context`',
      'Recorded; without effect on reads.',
    ),
    return_type: optional(text(), 'none', 'Recorded; without effect on reads.'),
  },
})

const tensorflow = section({
  name: 'framework_profiles.tensorflow',
  aliases: ['tensorflow_config'],
  keys: {
    batch_size: batchSize,
    shuffle_buffer_size: optional(
      inWords(
        int({ min: 1, max: maxBuffer }),
        `must be an integer of at most ${maxBuffer} (tf.data: buffer_size must be greater than zero)`,
      ),
      '`reader.shuffle_size` where `reader.sample_shuffle` is not `off`, else no shuffle',
      'Records in the shuffle buffer.',
    ),
    seed: optional(
      inWords(
        int(),
        'must be an integer (tf.data reduces seeds modulo 2^31−1), here within ±(2^53−1), beyond which a configuration rounds',
      ),
      '`train.seed`',
      'Seed of the shuffle.',
    ),
    reshuffle_each_iteration: optional(bool(), 'true', 'Another order in each epoch.'),
    num_parallel_calls: optional(
      inWords(
        int({ min: -1, max: maxWorkers }),
        `must be −1 (AUTOTUNE) or an integer of at most ${maxWorkers} (tf.data: num_parallel_calls must be greater than zero)`,
      ),
      '`reader.read_threads`, at most the cycle',
      'Inputs of the interleave that are read at once; -1 is AUTOTUNE: all of the cycle.',
    ),
    num_parallel_reads: optional(
      inWords(
        int({ min: -1, max: maxWorkers }),
        `must be −1 (AUTOTUNE) or an integer of at most ${maxWorkers} (tf.data: cycle_length must be > 0)`,
      ),
      'none',
      'Without `cycle_length` and `block_length`: the cycle, all of it read at once; -1 is AUTOTUNE.',
    ),
    cycle_length: optional(
      inWords(
        int({ min: -1, max: maxWorkers }),
        `must be −1 (AUTOTUNE) or an integer of at most ${maxWorkers} (tf.data: cycle_length must be > 0)`,
      ),
      '`num_parallel_reads`, else `num_parallel_calls`, else `reader.read_threads`',
      'Files that the interleave has open.',
    ),
    block_length: optional(
      inWords(int({ min: 1, max: maxBuffer }), 'must be an integer of at least 1 (tf.data: block_length must be > 0)'),
      '1',
      'Records taken of a file before the next file’s turn.',
    ),
    prefetch_buffer_size: optional(
      inWords(int({ min: -1, max: 2 ** 20 }), `must be −1 (AUTOTUNE) or an integer of 0 … ${2 ** 20} (tf.data: buffer_size must be >= 0)`),
      '`reader.prefetch_size`',
      'Batches prefetched; -1 is AUTOTUNE: as many as the cycle, at least 2.',
    ),
    deterministic: optional(bool(), 'true', 'False: records in the order in which they become ready.'),
    drop_remainder: optional(bool(), 'false', 'Leave out the short batch at the end of an epoch.'),
  },
})

const jax = section({
  name: 'framework_profiles.jax',
  aliases: ['jax_config'],
  keys: {
    batch_size: batchSize,
    seed: optional(
      inWords(int({ min: 0, max: 2 ** 32 - 1 }), 'must be an integer of 0 … 2^32−1 (grain: Seed should be positive 32-bit integer)'),
      '`train.seed`',
      'Seed of the index sampler.',
    ),
    shuffle: optional(
      bool(),
      'true where `reader.sample_shuffle` or `reader.file_shuffle` is not `off`',
      'Random order of the samples of a shard.',
    ),
    worker_count: optional(
      inWords(
        int({ min: 0, max: maxWorkers }),
        `must be an integer of at most ${maxWorkers} (grain: worker_count must be greater than or equal to 0)`,
      ),
      '`reader.read_threads`',
      'Workers of one rank; 0: the training process reads itself.',
    ),
    prefetch_buffer_size: optional(
      inWords(
        int({ min: 0, max: 2 ** 20 }),
        `must be an integer of at most ${2 ** 20} (grain: prefetch_buffer_size must be greater than or equal to 0)`,
      ),
      '`reader.prefetch_size`',
      'Batches that a rank’s workers are ahead of the loop, together.',
    ),
    drop_remainder: optional(bool(), 'false', 'Leave out the short batch at the end of each worker.'),
    writable: optional(bool(), 'false', 'Recorded; without effect on reads.'),
  },
})

export const profileSections = { pytorch, tensorflow, jax } as const

/** Top-level names of one framework's profile → the framework. */
export const profileAliases: ReadonlyMap<string, FrameworkName> = new Map(
  Object.entries<Section<Keys>>(profileSections).map(([framework, { aliases = [] }]) => [aliases[0]!, framework as FrameworkName]),
)
/** The mapping of all profiles by framework, and the profile of whichever framework applies. */
export const profilesKey = 'framework_profiles'
export const generalProfileKey = 'framework_config'
/** All names under which profiles are given. */
export const profileNames: readonly string[] = [profilesKey, generalProfileKey, ...profileAliases.keys()]
