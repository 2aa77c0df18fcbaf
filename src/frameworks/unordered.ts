// Loaders that deliver what becomes ready first: torch's `in_order=False`, tf.data's `deterministic=False`. Who makes what stays as planned;
// only the order of delivery, and how far each reader gets, follows from who is fast.
import type { BatchOrder, StreamOrder } from '../order/types.js'
import { type Flow, type Grant, type Made, StreamFlow } from './flow.js'

/** torch: each worker keeps `factor` batches outstanding; whichever has one ready delivers it. */
export class UnorderedBatchFlow implements Flow {
  private readonly delivered: Float64Array
  private chosen = -1

  constructor(
    private readonly order: BatchOrder,
    private readonly factor: number,
  ) {
    this.delivered = new Float64Array(order.readers)
  }

  start(grant: Grant): void {
    for (let reader = 0; reader < this.order.readers; reader++) this.allow(reader, grant)
  }
  wants(): void {}
  isReady(_k: number, made: Made): boolean {
    const { readers } = this.order
    for (let turn = 1; turn <= readers; turn++) {
      const reader = (this.chosen + turn) % readers
      const next = this.delivered[reader]! + 1
      if (next > this.order.unitsOf(reader) || !made.has(reader, next)) continue
      this.chosen = reader
      return true
    }
    return false
  }
  taken(_k: number, grant: Grant): void {
    this.delivered[this.chosen]! += 1
    this.allow(this.chosen, grant)
  }

  private allow(reader: number, grant: Grant): void {
    grant(reader, Math.min(this.delivered[reader]! + this.factor, this.order.unitsOf(reader)))
  }
}

/** tf.data: a batch is ready when enough records have come from any slots; what is allowed ahead goes to the slots with least to do. */
export class UnorderedStreamFlow extends StreamFlow {
  private readonly granted: Float64Array
  private readonly made: Float64Array
  private grantedInAll = 0

  constructor(order: StreamOrder, prefetchBatches: number, slotBufferRecords: number) {
    super(order, prefetchBatches, slotBufferRecords)
    this.granted = new Float64Array(order.readers)
    this.made = new Float64Array(order.readers)
  }

  override isReady(k: number, made: Made): boolean {
    const { readers } = this.order
    const needed = this.order.inputsNeeded(k)
    for (;;) {
      let missing = needed
      for (let reader = 0; reader < readers; reader++) {
        this.made[reader] = made.count(reader)
        missing -= this.made[reader]!
      }
      if (missing <= 0) return true
      // Of `missing` records one reader at least must make its share; that one wakes the loop.
      const share = Math.ceil(missing / readers)
      let moved = false
      for (let reader = 0; reader < readers; reader++) moved = made.has(reader, this.made[reader]! + share) || moved
      if (!moved) return false
    }
  }

  protected override allow(batches: number, grant: Grant): void {
    const { order, slotBufferRecords } = this
    const last = Math.min(batches, order.batches) - 1
    const total = (last < 0 ? 0 : order.inputsNeeded(last)) + slotBufferRecords * order.readers
    while (this.grantedInAll < total) {
      const reader = this.leastBusy()
      if (reader < 0) return
      const most = order.filesOf(reader) * order.recordsPerFile - this.granted[reader]!
      const more = Math.min(Math.max(1, slotBufferRecords), most, total - this.grantedInAll)
      this.granted[reader]! += more
      this.grantedInAll += more
      grant(reader, this.granted[reader]!)
    }
  }

  /** The slot with the fewest records still to make, of those whose files hold more; −1 when there is none. */
  private leastBusy(): number {
    let best = -1
    let least = Number.POSITIVE_INFINITY
    for (let reader = 0; reader < this.order.readers; reader++) {
      const busy = this.granted[reader]! - this.made[reader]!
      if (busy >= least || this.granted[reader]! >= this.order.filesOf(reader) * this.order.recordsPerFile) continue
      best = reader
      least = busy
    }
    return best
  }
}
