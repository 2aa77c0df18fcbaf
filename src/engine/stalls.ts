// Tells of ranks that have waited very long for a batch, and of the file they wait for.
import type { Split } from '../order/types.js'
import { batchSink } from '../plan/batch-sink.js'
import type { Plan } from '../plan/types.js'
import type { ThreadMessage } from './messages.js'
import type { Rank } from './rank.js'

/** A waiting rank without any completed batch for so long is reported. */
const stallMs = 60_000

/** Reports each of the waiting ranks that stalls, once for the batch it waits for. */
export function reportStalls(
  waiting: readonly Rank[],
  plan: Plan,
  split: Split,
  nowMs: number,
  send: (message: ThreadMessage) => void,
): void {
  for (const rank of waiting) {
    if (rank.stallReported || nowMs - rank.loadStartMs < stallMs) continue
    rank.stallReported = true
    const sink = batchSink(plan)
    const count = rank.order.batch(rank.batch, sink)
    const file = count > 0 ? plan[split].files.name(sink.files[0]!) : '(none)'
    const seconds = Math.round((nowMs - rank.loadStartMs) / 1000)
    send({ kind: 'stalled', rank: rank.jobRank, step: rank.batch + 1, file, seconds })
  }
}
