// Memory that a batch's samples are written to.
import type { BatchSink } from '../order/types.js'
import type { Plan } from './types.js'

/** Room for a batch of either split. */
export function batchSink(plan: Plan): BatchSink {
  const most = Math.max(plan.train.batchSize, plan.valid.batchSize)
  return { files: new Float64Array(most), samples: new Float64Array(most) }
}
