// Workloads for tests of plans, in DLIO's keys.
import type { Workload } from '#src/config/workload.js'
import { computedFiles } from '#src/dataset/naming.js'
import { createPlan } from '#src/plan/plan.js'
import type { Plan } from '#src/plan/types.js'
import { type GoldenWorkload, workloadFromGolden } from '../order/workload-from-golden.js'

export interface Sections {
  readonly tree?: 'upstream' | 'fork'
  readonly dataset?: Record<string, unknown>
  readonly reader?: Record<string, unknown>
  readonly train?: Record<string, unknown>
  readonly evaluation?: Record<string, unknown>
  readonly workflow?: Record<string, unknown>
}

/** A small PyTorch workload with the given keys changed. */
export function workload(sections: Sections = {}): Workload {
  const golden: GoldenWorkload = {
    framework: 'pytorch',
    workflow: { train: true, ...sections.workflow },
    dataset: { format: 'npz', num_files_train: 16, ...sections.dataset },
    reader: { data_loader: 'pytorch', batch_size: 2, read_threads: 2, ...sections.reader },
    train: { epochs: 2, computation_time: 0.01, ...sections.train },
    evaluation: sections.evaluation ?? {},
  }
  return workloadFromGolden(golden, sections.tree ?? 'fork')
}

export function plan(sections: Sections = {}, ranks = 1): Plan {
  const own = workload(sections)
  return createPlan(own, { ranks, hosts: 1 }, computedFiles(own))
}

export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
