// Orders in which every batch is made by one reader. All of them are arithmetic over a file map; none allocates per batch.
import type { FileMap } from './file-map.js'
import type { RoundRobin } from './round-robin.js'
import type { IndexArray } from './shared-lists.js'
import type { BatchOrder, BatchSink } from './types.js'

/** What an order knows of its epoch beside the samples. */
export interface EpochCounts {
  readonly steps: number
  readonly batches: number
}

/** Batches that several readers make in a fixed turn. */
export abstract class ScheduledOrder implements BatchOrder {
  readonly kind = 'batch'
  readonly steps: number
  readonly batches: number
  readonly readers: number

  protected constructor(
    counts: EpochCounts,
    protected readonly schedule: RoundRobin,
    readonly inProcess: boolean,
  ) {
    this.steps = counts.steps
    this.batches = counts.batches
    this.readers = schedule.readers
  }

  abstract batch(k: number, into: BatchSink): number

  readerOf(k: number): number {
    return this.inProcess ? -1 : this.schedule.readerOf(k)
  }
  unitsOf(reader: number): number {
    return this.schedule.unitsOf(reader)
  }
  batchOfUnit(reader: number, unit: number): number {
    return this.schedule.batchOf(reader, unit)
  }
  unitOfBatch(k: number): number {
    return this.schedule.unitOf(k)
  }
}

/**
 * PyTorch's map-style loading of consecutive samples: batch k holds samples k·B … (k+1)·B−1 of the rank's block, sample g lies in file
 * ⌊g/S⌋ of the list (torch sampler `dlio_sampler`, config.get_global_map_index).
 */
export class MapStyleOrder extends ScheduledOrder {
  constructor(
    counts: EpochCounts,
    schedule: RoundRobin,
    inProcess: boolean,
    private readonly files: FileMap,
    private readonly firstSample: number,
    private readonly samplesPerFile: number,
    private readonly batchSize: number,
  ) {
    super(counts, schedule, inProcess)
  }

  batch(k: number, into: BatchSink): number {
    fillRun(this.files, this.firstSample + k * this.batchSize, this.samplesPerFile, this.batchSize, into)
    return this.batchSize
  }
}

/** Fills a batch with `count` consecutive samples from sample `first` on, counted through the files of the map. */
function fillRun(files: FileMap, first: number, samplesPerFile: number, count: number, into: BatchSink): void {
  let position = Math.floor(first / samplesPerFile)
  let sample = first - position * samplesPerFile
  let file = count > 0 ? files.at(position) : 0
  for (let i = 0; i < count; i++) {
    if (sample === samplesPerFile) {
      sample = 0
      file = files.at(++position)
    }
    into.files[i] = file
    into.samples[i] = sample++
  }
}

/**
 * PyTorch's iterable loading (MLCommons: parquet, and images and arrays on object storage): worker w walks files w, w+W, … of the rank and
 * emits a batch whenever B samples have come together; what is left at its end is read and dropped.
 */
export class IterableOrder extends ScheduledOrder {
  private readonly filesOfWorker: readonly FileMap[]
  constructor(
    counts: EpochCounts,
    schedule: RoundRobin,
    inProcess: boolean,
    files: FileMap,
    private readonly samplesPerFile: number,
    private readonly batchSize: number,
  ) {
    super(counts, schedule, inProcess)
    this.filesOfWorker = Array.from({ length: schedule.readers }, (_, worker) => files.everyNth(worker, schedule.readers))
  }

  batch(k: number, into: BatchSink): number {
    const files = this.filesOfWorker[this.schedule.readerOf(k)]!
    const begin = this.schedule.unitOf(k) * this.batchSize
    const count = Math.min(this.batchSize, files.count * this.samplesPerFile - begin)
    fillRun(files, begin, this.samplesPerFile, count, into)
    return count
  }
}

/** How DLIO deals a rank's samples out to its threads (config.build_sample_map_iter). */
export interface ThreadBlocks {
  readonly threads: number
  /** Samples of a thread's main block; what remains over all threads is dealt out in blocks of the same size from thread 0 on. */
  readonly samplesPerThread: number
  readonly samples: number
}

/** Samples of thread `thread`: its main block and its part of the remainder. */
export function samplesOfThread(blocks: ThreadBlocks, thread: number): number {
  const { threads, samplesPerThread, samples } = blocks
  const main = Math.min(samplesPerThread, Math.max(0, samples - thread * samplesPerThread))
  const rest = samples - (threads + thread) * samplesPerThread
  return main + Math.min(samplesPerThread, Math.max(0, rest))
}

/** What is special about a generator order. */
export interface GeneratorRules {
  /** Upstream: the very first sample comes from this position of the list instead of position 0 (quirk 35). */
  readonly firstPosition?: number | undefined
  /** MLCommons with `sample_shuffle`: sample index in the file by position, permuted apart from the files. */
  readonly sampleTable?: IndexArray | undefined
}

/** DLIO's generators under tf.data (reader_handler.next): a thread cuts its own samples into batches, an interleave mixes the threads. */
export class GeneratorOrder extends ScheduledOrder {
  private readonly lengths: Float64Array
  private readonly firstPosition: number
  private readonly sampleTable: IndexArray | undefined

  constructor(
    counts: EpochCounts,
    schedule: RoundRobin,
    private readonly files: FileMap,
    private readonly blocks: ThreadBlocks,
    private readonly samplesPerFile: number,
    private readonly batchSize: number,
    rules: GeneratorRules,
  ) {
    super(counts, schedule, false)
    this.lengths = Float64Array.from({ length: schedule.readers }, (_, thread) => samplesOfThread(blocks, thread))
    this.firstPosition = rules.firstPosition ?? 0
    this.sampleTable = rules.sampleTable
  }

  batch(k: number, into: BatchSink): number {
    const { samplesPerFile, files, sampleTable } = this
    const { threads, samplesPerThread } = this.blocks
    const thread = this.schedule.readerOf(k)
    const begin = this.schedule.unitOf(k) * this.batchSize
    const count = Math.min(this.batchSize, this.lengths[thread]! - begin)
    // A thread's stream is its main block, then its block of the remainder: position in the rank's samples jumps between them.
    const mainBegin = thread * samplesPerThread
    const restBegin = (threads + thread) * samplesPerThread - samplesPerThread
    for (let i = 0; i < count; i++) {
      const x = begin + i
      const position = x + (x < samplesPerThread ? mainBegin : restBegin)
      const file = Math.floor(position / samplesPerFile)
      into.files[i] = files.at(position === 0 ? this.firstPosition : file)
      into.samples[i] = sampleTable === undefined ? position - file * samplesPerFile : sampleTable[position]!
    }
    return count
  }
}

/** Batches without samples: DLIO's `synthetic` loader hands out the same zeros again and again. */
export class EmptyOrder extends ScheduledOrder {
  constructor(counts: EpochCounts, schedule: RoundRobin) {
    super(counts, schedule, true)
  }
  batch(): number {
    return 0
  }
}
