// How far ahead of the training loop a framework lets its readers run, and when a batch is ready. Units are a reader's own count:
// batches where each batch has one reader, records where files are streamed (order/types.ts).
import type { BatchOrder, EpochOrder, StreamOrder } from '../order/types.js'

/** Called with the total number of units that a reader may have made so far. */
export type Grant = (reader: number, units: number) => void

/** What the readers of a rank have made. */
export interface Made {
  /** Whether a reader has made so many units. Where not, the loop is woken when it has. */
  has(reader: number, units: number): boolean
  /** Units that a reader has made. */
  count(reader: number): number
}

/** Flow control of one rank in one epoch of one split. */
export interface Flow {
  /** Keeps nothing in mind, so several threads may each have one and use them by turns. */
  readonly isStateless?: boolean
  /** Credits when the loop asks for its first batch. */
  start(grant: Grant): void
  /** The loop wants batch k and waits for it from now on. */
  wants(k: number, grant: Grant): void
  /** The loop has taken batch k. */
  taken(k: number, grant: Grant): void
  /** Whether the k-th batch can be delivered. Asked again after each time the loop is woken, and last before `taken(k)`. */
  isReady(k: number, made: Made): boolean
  /** The last batch that readers work on while the loop waits for batch k, where batches come in order. */
  lastOutstanding?(k: number): number
}

/** A loader that keeps `ahead` batches outstanding in total, each made by one reader, delivered in order. */
export class BatchFlow implements Flow {
  readonly isStateless = true
  private readonly available: number
  constructor(
    private readonly order: BatchOrder,
    private readonly ahead: number,
    /** Batches a reader may make beyond those `ahead` (the output buffer of an interleave slot). */
    private readonly readerBuffer: number,
  ) {
    let available = 0
    for (let reader = 0; reader < order.readers; reader++) available += order.unitsOf(reader)
    this.available = available
  }

  start(grant: Grant): void {
    for (let k = 0; k < this.ahead && k < this.available; k++) this.grantBatch(k, grant)
    if (this.readerBuffer > 0) for (let reader = 0; reader < this.order.readers; reader++) this.grantUnits(reader, this.readerBuffer, grant)
  }
  wants(k: number, grant: Grant): void {
    // Readers without anything to be ahead with work when they are asked.
    if (this.ahead === 0 && this.readerBuffer === 0) this.grantBatch(k, grant)
  }
  taken(k: number, grant: Grant): void {
    const next = k + this.ahead
    if (this.ahead + this.readerBuffer > 0 && next < this.available) this.grantBatch(next, grant)
  }
  isReady(k: number, made: Made): boolean {
    return made.has(readerIndex(this.order, k), this.order.unitOfBatch(k) + 1)
  }
  lastOutstanding(k: number): number {
    return Math.max(k, Math.min(k + this.ahead, this.available) - 1)
  }

  private grantBatch(k: number, grant: Grant): void {
    this.grantUnits(readerIndex(this.order, k), this.order.unitOfBatch(k) + 1 + this.readerBuffer, grant)
  }
  private grantUnits(reader: number, units: number, grant: Grant): void {
    const most = this.order.unitsOf(reader)
    grant(reader, units < most ? units : most)
  }
}

/** The training process reads itself, when it wants a batch and not before (`read_threads: 0`). */
export class InProcessFlow implements Flow {
  readonly isStateless = true
  constructor(private readonly order: BatchOrder) {}
  start(): void {}
  wants(k: number, grant: Grant): void {
    grant(0, this.order.unitOfBatch(k) + 1)
  }
  taken(): void {}
  isReady(k: number, made: Made): boolean {
    return made.has(0, this.order.unitOfBatch(k) + 1)
  }
}

/** Files streamed by the slots of a parallel interleave, a shuffle buffer behind them, batches prefetched behind that. */
export class StreamFlow implements Flow {
  constructor(
    protected readonly order: StreamOrder,
    private readonly prefetchBatches: number,
    protected readonly slotBufferRecords: number,
  ) {}
  start(grant: Grant): void {
    this.allow(this.prefetchBatches, grant)
  }
  wants(k: number, grant: Grant): void {
    // Without prefetch the pipeline works when it is asked.
    if (this.prefetchBatches === 0) this.allow(k + 1, grant)
  }
  taken(k: number, grant: Grant): void {
    this.allow(k + 1 + this.prefetchBatches, grant)
  }
  isReady(k: number, made: Made): boolean {
    const inputs = this.order.inputsNeeded(k)
    for (let reader = 0; reader < this.order.readers; reader++) if (!made.has(reader, this.order.recordsOf(reader, inputs))) return false
    return true
  }

  /** Allows what the first `batches` batches need, and the slots' own buffers. */
  protected allow(batches: number, grant: Grant): void {
    const { order } = this
    const last = Math.min(batches, order.batches) - 1
    const inputs = last < 0 ? 0 : order.inputsNeeded(last)
    for (let reader = 0; reader < order.readers; reader++) {
      const most = order.filesOf(reader) * order.recordsPerFile
      const units = order.recordsOf(reader, inputs) + this.slotBufferRecords
      grant(reader, units < most ? units : most)
    }
  }
}

function readerIndex(order: BatchOrder, k: number): number {
  return order.inProcess ? 0 : (order.readerOf(k) ?? 0)
}

/** torch DataLoader: prefetch_factor = ceil(prefetch_size / threads), 2 when that is 0 (DLIO torch_data_loader); outstanding ≤ factor × workers. */
export function pytorchFlow(order: EpochOrder, prefetchSize: number): Flow {
  if (order.kind === 'stream') return tensorflowFlow(order, prefetchSize)
  if (order.inProcess) return new InProcessFlow(order)
  const factor = Math.ceil(prefetchSize / order.readers) || 2
  return new BatchFlow(order, factor * order.readers, 0)
}

/**
 * tf.data: `prefetch(prefetch_size)` behind an interleave of `read_threads` slots. Generators: each slot holds one batch beyond what the
 * prefetch has taken. TFRecord: each slot of the legacy parallel interleave buffers 2 records (2 × block_length,
 * ParallelInterleaveDataset's default for buffer_output_elements).
 */
export function tensorflowFlow(order: EpochOrder, prefetchSize: number): Flow {
  if (order.kind === 'stream') return new StreamFlow(order, prefetchSize, 2)
  if (order.inProcess) return new InProcessFlow(order)
  return new BatchFlow(order, Math.max(prefetchSize, 0), 1)
}
