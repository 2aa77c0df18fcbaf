// DLIO's data loaders over a split's source: each makes a SplitMapping. The named DLIOs differ in the sources they give and in a few rules.
import type { Workload } from '../config/workload.js'
import {
  EmptyOrder,
  GeneratorOrder,
  type GeneratorRules,
  IterableOrder,
  MapStyleOrder,
  samplesOfThread,
  type ThreadBlocks,
} from './batch-orders.js'
import { epochCounts, type SplitMapping, type SplitSource, uncappedSteps } from './mapping.js'
import { dealtOut, type RoundRobin, roundRobin, withDroppedUnits } from './round-robin.js'

/** How many samples an epoch delivers over all ranks, and how many of them are different ones. */
export interface Delivery {
  readonly delivered: number
  readonly distinct: number
}

/** A mapping's numbers from its delivery. */
export function splitNumbers(source: SplitSource, steps: number, { delivered, distinct }: Delivery): Omit<SplitMapping, 'order'> {
  return {
    numFilesUsed: source.numFilesUsed,
    batchSize: source.batchSize,
    steps,
    samplesDropped: Math.max(0, source.numFilesGiven * source.samplesPerFile - distinct),
    samplesRepeated: delivered - distinct,
  }
}

/** PyTorch map-style and DALI: consecutive samples, full batches only, batch k to worker k mod T. */
export function mapStyle(workload: Workload, source: SplitSource): SplitMapping {
  const available = Math.floor(source.samplesPerRank / source.batchSize)
  const counts = epochCounts(source, available)
  const { readThreads } = workload.reader
  const schedule = dealtOut(available, Math.max(readThreads, 1))
  const delivered = uncappedSteps(source, available) * source.batchSize * source.ranks
  return {
    ...splitNumbers(source, counts.steps, { delivered, distinct: delivered }),
    order: (rank) =>
      new MapStyleOrder(
        counts,
        schedule,
        readThreads === 0,
        source.files(rank),
        source.firstSample(rank),
        source.samplesPerFile,
        source.batchSize,
      ),
  }
}

/** PyTorch over an iterable data set: see {@link IterableOrder}. */
export function iterable(workload: Workload, source: SplitSource): SplitMapping {
  const workers = Math.max(workload.reader.readThreads, 1)
  const files = source.samplesPerRank / source.samplesPerFile
  const lengths = Array.from({ length: workers }, (_, w) => Math.max(0, Math.ceil((files - w) / workers)) * source.samplesPerFile)
  const schedule = roundRobin(lengths.map((length) => Math.floor(length / source.batchSize)))
  const readings = withDroppedUnits(schedule, lengths, source.batchSize)
  const counts = epochCounts(source, schedule.total)
  const delivered = uncappedSteps(source, schedule.total) * source.batchSize * source.ranks
  return {
    ...splitNumbers(source, counts.steps, { delivered, distinct: delivered }),
    order: (rank) =>
      new IterableOrder(counts, readings, workload.reader.readThreads === 0, source.files(rank), source.samplesPerFile, source.batchSize),
  }
}

/** Rules in which the two trees' generators differ. */
export interface GeneratorVariant {
  /** Whether the short batch at the end of a thread is filled up with placeholders (upstream) or dropped (MLCommons). */
  readonly pads: boolean
  rules(rank: number): GeneratorRules
  /** How many different samples `perRank` delivered positions of each rank are. */
  distinct(perRank: number): number
}

/** tf.data over DLIO's generators: see {@link GeneratorOrder}. `read_threads: 0` becomes one thread (tf data loader). */
export function generators(workload: Workload, source: SplitSource, variant: GeneratorVariant): SplitMapping {
  const threads = Math.max(workload.reader.readThreads, 1)
  const samples = source.samplesPerRank
  // Fewer samples than threads make DLIO divide by zero; here the threads that have nothing to do have nothing to do.
  const blocks: ThreadBlocks = { threads, samples, samplesPerThread: Math.max(1, Math.floor(samples / threads)) }
  const lengths = Array.from({ length: threads }, (_, thread) => samplesOfThread(blocks, thread))
  const round = variant.pads ? Math.ceil : Math.floor
  const schedule = roundRobin(lengths.map((length) => round(length / source.batchSize)))
  const readings = variant.pads ? schedule : withDroppedUnits(schedule, lengths, source.batchSize)
  const counts = epochCounts(source, schedule.total)
  const perRank = samplesDelivered(schedule, lengths, source.batchSize, uncappedSteps(source, schedule.total))
  const delivered = perRank * source.ranks
  return {
    ...splitNumbers(source, counts.steps, { delivered, distinct: variant.distinct(perRank) }),
    order: (rank) =>
      new GeneratorOrder(counts, readings, source.files(rank), blocks, source.samplesPerFile, source.batchSize, variant.rules(rank)),
  }
}

/** Samples in the first `batches` batches of the schedule, placeholders left out. */
function samplesDelivered(schedule: RoundRobin, lengths: readonly number[], batchSize: number, batches: number): number {
  return lengths.reduce((sum, length, reader) => sum + Math.min(length, schedule.unitsBefore(reader, batches) * batchSize), 0)
}

/**
 * DLIO's `synthetic` loader (synthetic_data_loader.next): no reads; its counter starts at 1 and stops short of the batches of all ranks
 * together, so a single rank runs one step less than the epoch has.
 */
export function synthetic(source: SplitSource): SplitMapping {
  const all = source.samplesPerFile * source.numFilesUsed
  const available = Math.max(0, Math.floor(all / source.batchSize) - 1)
  const counts = epochCounts(source, available)
  const order = new EmptyOrder(counts, dealtOut(available, 1))
  return {
    ...splitNumbers(source, counts.steps, { delivered: 0, distinct: all }),
    samplesDropped: 0,
    samplesRepeated: 0,
    order: () => order,
  }
}
