// Which flow a workload's loader has: DLIO's loaders, or a framework profile's.
import type { FrameworkProfile, Workload } from '../config/workload.js'
import type { EpochOrder } from '../order/types.js'
import { BatchFlow, type Flow, InProcessFlow, pytorchFlow, StreamFlow, tensorflowFlow } from './flow.js'
import { UnorderedBatchFlow, UnorderedStreamFlow } from './unordered.js'

/** Flow control of one rank for one epoch's order. */
export function createFlow({ profile, reader }: Workload, order: EpochOrder): Flow {
  if (profile !== null) return profileFlow(profile, order)
  return (reader.dataLoader === 'tensorflow' ? tensorflowFlow : pytorchFlow)(order, reader.prefetchSize)
}

/** How many readers of a rank read at once; the others of its lanes wait for their turn. */
export function readersAtOnce({ profile, reader }: Workload): number {
  return profile?.framework === 'tensorflow' ? profile.parallelReads : Math.max(1, reader.readThreads)
}

function profileFlow(profile: FrameworkProfile, order: EpochOrder): Flow {
  if (order.kind === 'stream') return streamFlow(profile, order)
  if (order.inProcess) return new InProcessFlow(order)
  if (profile.framework === 'jax') return new BatchFlow(order, profile.prefetchBatches, 0)
  // dataloader.py: prefetch_factor × num_workers tasks are outstanding; without order each worker keeps to its own share of them.
  const factor = profile.framework === 'pytorch' ? (profile.prefetchFactor ?? 1) : 1
  const ordered = profile.framework !== 'pytorch' || profile.inOrder
  return ordered ? new BatchFlow(order, factor * order.readers, 0) : new UnorderedBatchFlow(order, factor)
}

/** Each slot of a parallel interleave buffers 2 × block_length records (parallel_interleave_dataset_op.cc, kDefaultPerIteratorPrefetchFactor). */
function streamFlow(profile: FrameworkProfile, order: EpochOrder & { kind: 'stream' }): Flow {
  if (profile.framework !== 'tensorflow') throw new Error(`a ${profile.framework} profile reads no streams`)
  const slotBuffer = 2 * profile.blockLength
  const kind = profile.deterministic ? StreamFlow : UnorderedStreamFlow
  return new kind(order, profile.prefetchBatches, slotBuffer)
}
