// When checkpoints are taken in training (DLIO main._train). Pure.
import type { Workload } from '../config/workload.js'

type Settings = Pick<Workload, 'workflow' | 'checkpoint'>

/** Whether checkpoints follow steps; else they follow epochs. */
function followsSteps({ checkpoint }: Pick<Workload, 'checkpoint'>): boolean {
  return checkpoint.stepsBetweenCheckpoints >= 0
}

/** Whether a checkpoint follows step `step` (from 1) of an epoch. An interval of 0 never comes. */
export function savesAfterStep(workload: Settings, step: number): boolean {
  const { stepsBetweenCheckpoints: interval } = workload.checkpoint
  return workload.workflow.checkpoint && interval > 0 && step % interval === 0
}

/**
 * Whether a checkpoint follows the training of epoch `epoch` (from 1). The next one is due exactly one interval after the last; with an
 * interval of 0 it is due in an epoch that is over.
 */
export function savesAfterEpoch(workload: Settings, epoch: number): boolean {
  const { checkpointAfterEpoch: first, epochsBetweenCheckpoints: interval } = workload.checkpoint
  if (!workload.workflow.checkpoint || followsSteps(workload)) return false
  return epoch === first || (interval > 0 && first > 0 && epoch > first && (epoch - first) % interval === 0)
}

/** The folder of a checkpoint. After an epoch DLIO counts one step more than there were. */
export function checkpointFolder(epoch: number, step: number): string {
  return `global_epoch${epoch}_step${step}`
}

/** How many checkpoints training of `epochs` epochs of `steps` steps takes. */
export function trainingCheckpoints(workload: Settings, epochs: number, steps: number): number {
  const { stepsBetweenCheckpoints: interval, checkpointAfterEpoch: first, epochsBetweenCheckpoints } = workload.checkpoint
  if (!workload.workflow.checkpoint) return 0
  if (followsSteps(workload)) return interval > 0 ? epochs * Math.floor(steps / interval) : 0
  if (first < 1 || first > epochs) return 0
  return epochsBetweenCheckpoints > 0 ? 1 + Math.floor((epochs - first) / epochsBetweenCheckpoints) : 1
}
