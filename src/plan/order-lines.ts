// `plan --order`: what is delivered when, as text. Generated as it is written, so that memory does not grow with the plan.
import { OrderDigest, splitsOf } from '../order/digest.js'
import type { BatchSink, EpochOrder, FileList, Split } from '../order/types.js'
import { batchSink } from './batch-sink.js'
import type { Plan } from './types.js'

/** One JSON line per step, epoch by epoch and rank by rank, in the order of delivery. */
export function* orderLines(plan: Plan, epochs: number): Generator<string> {
  const sink = batchSink(plan)
  for (let epoch = 1; epoch <= epochs; epoch++) {
    plan.advance(epoch)
    for (let rank = 0; rank < plan.world.ranks; rank++)
      for (const split of splitsOf(plan, epoch)) {
        const order = plan.order(split, rank, epoch)
        const files = new QuotedNames(plan[split].files)
        for (let k = 0; k < order.steps; k++) yield line(order, k, sink, files, { rank, epoch, split })
      }
  }
}

/** One JSON line per rank and epoch with its digest, and a last one for the whole. */
export function* digestLines(plan: Plan, epochs: number): Generator<string> {
  const digest = new OrderDigest(plan)
  for (let epoch = 1; epoch <= epochs; epoch++) {
    plan.advance(epoch)
    for (let rank = 0; rank < plan.world.ranks; rank++) yield `${JSON.stringify({ rank, epoch, digest: digest.epoch(rank, epoch) })}\n`
  }
  yield `${JSON.stringify({ orderDigest: digest.hex() })}\n`
}

interface Where {
  readonly rank: number
  readonly epoch: number
  readonly split: Split
}

function line(order: EpochOrder, k: number, sink: BatchSink, files: QuotedNames, { rank, epoch, split }: Where): string {
  const count = order.batch(k, sink)
  const reader = order.readerOf(k)
  let samples = ''
  for (let i = 0; i < count; i++) samples += `${i === 0 ? '' : ','}[${files.name(sink.files[i]!)},${sink.samples[i]!}]`
  const readerField = reader === undefined ? '' : `"reader":${reader},`
  return `{"rank":${rank},"epoch":${epoch},"split":"${split}","step":${k + 1},${readerField}"samples":[${samples}]}\n`
}

/** File names as JSON strings; consecutive samples mostly share a file. */
class QuotedNames {
  private last = -1
  private quoted = ''
  constructor(private readonly files: FileList) {}

  name(fileIndex: number): string {
    if (fileIndex !== this.last) {
      this.quoted = JSON.stringify(this.files.name(fileIndex))
      this.last = fileIndex
    }
    return this.quoted
  }
}
