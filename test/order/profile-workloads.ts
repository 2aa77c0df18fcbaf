// Workloads with a framework profile, for tests of order and plan.
import { readerOfProfile } from '#src/config/profile-rules.js'
import type { FrameworkProfile, JaxProfile, PytorchProfile, TensorflowProfile, Workload } from '#src/config/workload.js'
import { computedFiles } from '#src/dataset/naming.js'
import { createPlan } from '#src/plan/plan.js'
import type { Plan } from '#src/plan/types.js'
import type { Sample } from './eager-model.js'
import { workloadFromGolden } from './workload-from-golden.js'

export const pytorch = (changed: Partial<PytorchProfile>): PytorchProfile => ({
  framework: 'pytorch',
  batchSize: 2,
  numWorkers: 2,
  sampler: null,
  shuffle: false,
  seed: 0,
  dropLast: false,
  prefetchFactor: changed.numWorkers === 0 ? null : 2,
  persistentWorkers: false,
  pinMemory: true,
  inOrder: true,
  multiprocessingContext: 'fork',
  returnType: null,
  ...changed,
})

export const tensorflow = (changed: Partial<TensorflowProfile>): TensorflowProfile => ({
  framework: 'tensorflow',
  batchSize: 2,
  shuffleBufferSize: null,
  seed: 0,
  reshuffleEachIteration: true,
  cycleLength: 2,
  cycleGiven: false,
  blockLength: 1,
  parallelReads: 2,
  prefetchBatches: 2,
  deterministic: true,
  dropRemainder: false,
  ...changed,
})

export const jax = (changed: Partial<JaxProfile>): JaxProfile => ({
  framework: 'jax',
  batchSize: 2,
  seed: 0,
  shuffle: false,
  workerCount: 2,
  prefetchBatches: 2,
  dropRemainder: false,
  writable: false,
  ...changed,
})

export interface Size {
  readonly files: number
  readonly samplesPerFile?: number
  readonly filesEval?: number
  readonly ranks?: number
  readonly epochs?: number
  readonly cap?: number
  readonly format?: string
}

export function profileWorkload(profile: FrameworkProfile, size: Size): Workload {
  const dlio = workloadFromGolden(
    {
      framework: profile.framework,
      workflow: { train: true, evaluation: (size.filesEval ?? 0) > 0 },
      dataset: {
        format: size.format ?? 'npz',
        num_files_train: size.files,
        num_files_eval: size.filesEval ?? 0,
        num_samples_per_file: size.samplesPerFile ?? 1,
      },
      reader: { data_loader: profile.framework, batch_size_eval: 2 },
      train: { epochs: size.epochs ?? 2, total_training_steps: size.cap ?? -1 },
    },
    'fork',
  )
  return { ...dlio, profile, reader: { ...dlio.reader, ...readerOfProfile(profile) } }
}

export function profilePlan(profile: FrameworkProfile, size: Size): Plan {
  const workload = profileWorkload(profile, size)
  return createPlan(workload, { ranks: size.ranks ?? 1, hosts: 1 }, computedFiles(workload))
}

/** The steps of a rank's epoch; the plan is brought to that epoch. */
export function stepsOf(plan: Plan, rank: number, epoch: number, split: 'train' | 'valid' = 'train'): Sample[][] {
  plan.advance(epoch)
  const order = plan.order(split, rank, epoch)
  const most = plan[split].batchSize
  const sink = { files: new Float64Array(most), samples: new Float64Array(most) }
  return Array.from({ length: order.steps }, (_, k) => {
    const count = order.batch(k, sink)
    return Array.from({ length: count }, (_, i): Sample => [sink.files[i]!, sink.samples[i]!])
  })
}
