// The log's lines about what a run is going to do, told before it begins.
import type { RunLog } from '../output/events.js'
import type { Plan } from '../plan/types.js'

/** DLIO's counts of steps, files and samples. */
export function announceSteps(plan: Plan, log: RunLog): void {
  const { workload } = plan
  const { totalTrainingSteps } = workload.train
  const samplesPerFile = workload.dataset.numSamplesPerFile
  const isUpstream = workload.semantics === 'upstream'
  const filesOf = (count: number) => (isUpstream ? count : Math.floor(count / plan.world.ranks))
  const trainFiles = filesOf(plan.train.numFilesUsed)
  // What the data has: total_training_steps, which caps the plan's steps, is told behind it.
  const steps = Math.floor((samplesPerFile * trainFiles) / plan.train.batchSize / (isUpstream ? plan.world.ranks : 1))
  if (workload.workflow.train)
    log.event({
      type: 'trainPlanned',
      atMs: Date.now(),
      steps: totalTrainingSteps > 0 ? steps : plan.train.steps,
      samplesPerFile,
      files: trainFiles,
      batchSize: plan.train.batchSize,
      ...(totalTrainingSteps > 0 && { cappedSteps: totalTrainingSteps }),
    })
  if (workload.workflow.evaluation)
    log.event({
      type: 'evalPlanned',
      atMs: Date.now(),
      steps: plan.valid.steps,
      samplesPerFile,
      files: filesOf(plan.valid.numFilesUsed),
      batchSize: plan.valid.batchSize,
    })
}
