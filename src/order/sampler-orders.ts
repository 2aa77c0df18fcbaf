// Orders of frameworks' own samplers over random access data: sample g of all samples lies in file ⌊g/S⌋ at index g mod S.
import { type EpochCounts, ScheduledOrder } from './batch-orders.js'
import type { FileMap } from './file-map.js'
import type { RoundRobin } from './round-robin.js'
import type { BatchSink } from './types.js'

/** Which samples a sampler gives: position p of a rank is sample `list[(first + p · stride) mod length]`, or that position itself. */
export interface SampledRange {
  readonly files: FileMap
  readonly samplesPerFile: number
  /** Samples that the positions count through, cyclically. */
  readonly length: number
  readonly first: number
  readonly stride: number
  /** How many positions the rank has. */
  readonly count: number
  /** Permutation of 0 … length−1; without it the positions are in order. */
  readonly list: Uint32Array | undefined
  /** Added to what the list gives: where the rank's shard begins. */
  readonly offset: number
}

function fill(range: SampledRange, into: BatchSink, i: number, position: number): void {
  const { list, length, samplesPerFile } = range
  let at = range.first + position * range.stride
  if (at >= length) at %= length
  const sample = range.offset + (list === undefined ? at : list[at]!)
  const file = Math.floor(sample / samplesPerFile)
  into.files[i] = range.files.at(file)
  into.samples[i] = sample - file * samplesPerFile
}

/** torch's BatchSampler over a sampler: consecutive positions, the last batch may be short. */
export class SamplerOrder extends ScheduledOrder {
  constructor(
    counts: EpochCounts,
    schedule: RoundRobin,
    inProcess: boolean,
    protected readonly range: SampledRange,
    protected readonly batchSize: number,
  ) {
    super(counts, schedule, inProcess)
  }

  batch(k: number, into: BatchSink): number {
    const first = k * this.batchSize
    const count = Math.min(this.batchSize, this.range.count - first)
    for (let i = 0; i < count; i++) fill(this.range, into, i, first + i)
    return count
  }
}

/** grain's workers: worker w of W takes positions w, w + W, … and cuts its own batches from them; the last one of each may be short. */
export class WorkerSamplerOrder extends SamplerOrder {
  override batch(k: number, into: BatchSink): number {
    const { readers } = this.schedule
    const worker = this.schedule.readerOf(k)
    const first = this.schedule.unitOf(k) * this.batchSize
    const count = Math.min(this.batchSize, Math.ceil((this.range.count - worker) / readers) - first)
    for (let i = 0; i < count; i++) fill(this.range, into, i, worker + (first + i) * readers)
    return count
  }
}
