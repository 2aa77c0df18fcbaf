// Batches at the end of an epoch may be short (framework profiles without drop_last): what steps × batch size counts too much.
import type { RunRecord } from './records.js'

export type ShortBatchInput = Pick<RunRecord, 'stepsPerEpoch' | 'stepsPerEval' | 'samplesPerEpoch' | 'samplesPerEval'>

/**
 * Samples that full batches would have had beyond those that were there. Only an epoch that ran all its steps has had its short batches.
 * @param stepsOfEpochs steps that each rank has made in each of its epochs (or evaluations)
 */
export function missingSamples(
  input: ShortBatchInput,
  phase: 'train' | 'eval',
  batchSize: number,
  stepsOfEpochs: readonly (readonly number[])[],
): number {
  const [steps, samples] = phase === 'train' ? [input.stepsPerEpoch, input.samplesPerEpoch] : [input.stepsPerEval, input.samplesPerEval]
  if (samples === undefined || stepsOfEpochs.length === 0) return 0
  const missingOfRank = steps * batchSize - samples / stepsOfEpochs.length
  const whole = stepsOfEpochs.flat().filter((made) => made === steps).length
  return Math.round(whole * missingOfRank)
}
