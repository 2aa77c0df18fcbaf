// After which epochs DLIO evaluates (main.run: next_eval starts at eval_after_epoch and advances by one interval per evaluation).
import type { Workload } from '../config/workload.js'

/** Whether the evaluation runs after epoch `epoch` (1-based). */
export function evaluates(workload: Workload, epoch: number): boolean {
  return evaluationsBefore(workload, epoch + 1) > evaluationsBefore(workload, epoch)
}

/** How many evaluations have run before the one that epoch `epoch` may have. */
export function evaluationsBefore(workload: Workload, epoch: number): number {
  if (!workload.workflow.evaluation) return 0
  const { evalAfterEpoch, epochsBetweenEvals } = workload.evaluation
  let next = evalAfterEpoch
  let count = 0
  for (let e = 1; e < epoch; e++)
    if (e >= next) {
      count++
      next += epochsBetweenEvals
    }
  return count
}
