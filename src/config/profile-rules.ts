// What a framework refuses in its own arguments, and what a profile comes to with DLIO's keys behind it.
import type { ProfileValues } from './profiles.js'
import type { AllValues } from './read-section.js'
import type { Report } from './report.js'
import type { FrameworkProfile, JaxProfile, PytorchProfile, Semantics, TensorflowProfile } from './workload.js'

/** −1 in tf.data's arguments. */
const autotune = -1

/** Checks the rules between the keys of the profile that applies. */
export function checkProfile(all: AllValues, profile: ProfileValues, report: Report): void {
  const complain = (key: string, rule: string, remedy: string) => {
    const given = profile.given(key)
    if (given) report.badValue(given.node, given.path, { rule, remedy })
  }
  if (is('pytorch', profile)) checkPytorch(all, profile, complain)
  else if (is('tensorflow', profile)) checkTensorflow(all, profile, complain)
}

type Complain = (key: string, rule: string, remedy: string) => void

function is<F extends FrameworkProfile['framework']>(framework: F, profile: ProfileValues): profile is ProfileValues<F> {
  return profile.framework === framework
}

function checkPytorch(all: AllValues, { values }: ProfileValues<'pytorch'>, complain: Complain): void {
  const workers = values.num_workers ?? all.reader.values.read_threads
  if (values.sampler !== null && values.shuffle === true)
    complain(
      'sampler',
      'torch: sampler option is mutually exclusive with shuffle',
      'delete shuffle (a distributed sampler shuffles by itself), or sampler',
    )
  if (workers === 0 && values.prefetch_factor !== null)
    complain(
      'prefetch_factor',
      'torch: prefetch_factor option could only be specified in multiprocessing, let num_workers > 0 to enable it',
      'delete prefetch_factor, or give workers',
    )
  if (workers > 0 && values.prefetch_factor === 0)
    complain(
      'prefetch_factor',
      'must be above 0 with workers (torch: assert prefetch_factor > 0)',
      'give 1 or more, or delete the key for ceil(reader.prefetch_size ÷ workers)',
    )
  if (workers === 0 && values.persistent_workers === true)
    complain('persistent_workers', 'torch: persistent_workers option needs num_workers > 0', 'delete persistent_workers, or give workers')
  if (workers === 0 && values.multiprocessing_context !== null)
    complain(
      'multiprocessing_context',
      'torch: multiprocessing_context can only be used with multi-process loading (num_workers > 0)',
      'delete multiprocessing_context, or give workers',
    )
}

function checkTensorflow(all: AllValues, { values }: ProfileValues<'tensorflow'>, complain: Complain): void {
  const { cycle_length: cycle, num_parallel_calls: calls, num_parallel_reads: reads, block_length: block } = values
  const files = all.dataset.values.num_files_train
  for (const [key, value] of Object.entries({ cycle_length: cycle, num_parallel_calls: calls, num_parallel_reads: reads }))
    if (value === 0)
      complain(
        key,
        key === 'num_parallel_calls' ? 'tf.data: num_parallel_calls must be greater than zero' : 'tf.data: cycle_length must be > 0',
        'give 1 or more, or -1 for AUTOTUNE',
      )
  if (cycle !== null && cycle > files && files > 0)
    complain(
      'cycle_length',
      `must be at most the number of inputs (tf.data: cycle_length input elements are processed concurrently), which is ${files} files`,
      `give ${files} or less`,
    )
  if (cycle !== null && calls !== null && cycle > 0 && calls > cycle)
    complain(
      'num_parallel_calls',
      `tf.data: num_parallel_calls must be less than or equal to cycle_length, which is ${cycle}`,
      `give ${cycle} or less`,
    )
  if (cycle === null && block !== null && reads !== null)
    complain(
      'num_parallel_reads',
      'block_length is an argument of interleave, which needs cycle_length; num_parallel_reads alone takes blocks of 1',
      'give cycle_length, or delete one of the two',
    )
}

/** The profile with everything filled in. To be called when nothing is wrong. */
export function resolveProfile(all: AllValues, profile: ProfileValues, semantics: Semantics): FrameworkProfile {
  if (is('pytorch', profile)) return pytorch(all, profile, semantics)
  if (is('tensorflow', profile)) return tensorflow(all, profile)
  return jax(all, profile as ProfileValues<'jax'>)
}

/** Whether DLIO's keys ask for shuffling; undefined where they say nothing. A profile takes `file_shuffle: off` at its word. */
function dlioShuffle({ reader }: AllValues): boolean | undefined {
  const files = reader.given('file_shuffle') !== undefined
  if (!files && reader.given('sample_shuffle') === undefined) return undefined
  const filesOn = files && (reader.values.file_shuffle === 'seed' || reader.values.file_shuffle === 'random')
  return filesOn || reader.values.sample_shuffle !== 'off'
}

function pytorch(all: AllValues, { values }: ProfileValues<'pytorch'>, semantics: Semantics): PytorchProfile {
  const reader = all.reader.values
  const numWorkers = values.num_workers ?? reader.read_threads
  const { sampler } = values
  // DistributedSampler's own default is to shuffle, the loader's is not to.
  const ownDefault = sampler === 'distributed'
  const shuffle = sampler === 'random' || (sampler !== 'sequential' && (values.shuffle ?? dlioShuffle(all) ?? ownDefault))
  return {
    framework: 'pytorch',
    batchSize: values.batch_size ?? reader.batch_size,
    numWorkers,
    sampler,
    shuffle,
    seed: values.seed ?? all.train.values.seed,
    dropLast: values.drop_last ?? false,
    prefetchFactor: numWorkers === 0 ? null : (values.prefetch_factor ?? (Math.ceil(reader.prefetch_size / numWorkers) || 2)),
    persistentWorkers: values.persistent_workers ?? false,
    pinMemory: values.pin_memory ?? reader.pin_memory,
    inOrder: values.in_order ?? true,
    multiprocessingContext:
      values.multiprocessing_context ?? reader.multiprocessing_context ?? (semantics === 'upstream' ? 'fork' : 'spawn'),
    returnType: values.return_type,
  }
}

function tensorflow(all: AllValues, { values }: ProfileValues<'tensorflow'>): TensorflowProfile {
  const reader = all.reader.values
  const threads = Math.max(1, reader.read_threads)
  const { cycleLength, parallelReads } = interleaveOf(values, threads)
  const prefetch = values.prefetch_buffer_size ?? reader.prefetch_size
  return {
    framework: 'tensorflow',
    batchSize: values.batch_size ?? reader.batch_size,
    shuffleBufferSize: values.shuffle_buffer_size ?? (reader.sample_shuffle === 'off' ? null : reader.shuffle_size),
    seed: values.seed ?? all.train.values.seed,
    reshuffleEachIteration: values.reshuffle_each_iteration ?? true,
    cycleLength,
    cycleGiven: values.cycle_length !== null && values.cycle_length !== autotune,
    blockLength: values.block_length ?? 1,
    parallelReads,
    prefetchBatches: prefetch === autotune ? Math.max(2, cycleLength) : prefetch,
    deterministic: values.deterministic ?? true,
    dropRemainder: values.drop_remainder ?? false,
  }
}

/**
 * The cycle and how much of it reads at once. `TFRecordDataset(num_parallel_reads=k)` is a cycle of k, all of it at once. AUTOTUNE depends
 * on the machine in tf.data; here it is a fixed rule, so that any machine reads in the same order (docs/profiles.md).
 */
function interleaveOf(
  values: ProfileValues<'tensorflow'>['values'],
  threads: number,
): { readonly cycleLength: number; readonly parallelReads: number } {
  const { cycle_length: cycle, block_length: block, num_parallel_calls: calls, num_parallel_reads: reads } = values
  if (cycle === null && block === null && reads !== null) {
    const cycleLength = reads === autotune ? threads : reads
    return { cycleLength, parallelReads: cycleLength }
  }
  const asked = calls === null || calls === autotune ? threads : calls
  const cycleLength = cycle === null || cycle === autotune ? asked : cycle
  return { cycleLength, parallelReads: calls === autotune ? cycleLength : Math.min(asked, cycleLength) }
}

function jax(all: AllValues, { values }: ProfileValues<'jax'>): JaxProfile {
  const reader = all.reader.values
  return {
    framework: 'jax',
    batchSize: values.batch_size ?? reader.batch_size,
    seed: values.seed ?? all.train.values.seed,
    shuffle: values.shuffle ?? dlioShuffle(all) ?? false,
    workerCount: values.worker_count ?? reader.read_threads,
    prefetchBatches: values.prefetch_buffer_size ?? reader.prefetch_size,
    dropRemainder: values.drop_remainder ?? false,
    writable: values.writable ?? false,
  }
}

/** What a profile makes of the keys that the rest of the program asks `reader` for. */
export function readerOfProfile(profile: FrameworkProfile): { batchSize: number; readThreads: number; prefetchSize: number } {
  const { batchSize } = profile
  switch (profile.framework) {
    case 'pytorch':
      return { batchSize, readThreads: profile.numWorkers, prefetchSize: (profile.prefetchFactor ?? 0) * profile.numWorkers }
    case 'tensorflow':
      return { batchSize, readThreads: profile.cycleLength, prefetchSize: profile.prefetchBatches }
    case 'jax':
      return { batchSize, readThreads: profile.workerCount, prefetchSize: profile.prefetchBatches }
  }
}
