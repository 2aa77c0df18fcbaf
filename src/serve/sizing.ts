// How large the ring is, and how many threads fill it how far ahead.
import type { Workload } from '../config/workload.js'
import { RunError } from '../errors.js'
import { type ArrayLayout, slackBytes } from '../formats/decoder.js'
import { batchSink } from '../plan/batch-sink.js'
import type { Plan } from '../plan/types.js'
import { privateMeter } from '../storage/meter.js'
import { blockAlignment } from './arena.js'
import { blockHeaderBytes, type RingLayout, roundUp } from './layout.js'
import type { OpenOptions } from './messages.js'
import { openReads, type ReadPlan } from './reads.js'

/** Batches of each thread that the consumer may have in use at once, in a ring of the default size. */
const leasedBatches = 3
const leastArenaBytes = 4 * 2 ** 20
const probeBytes = 256 * 1024

/** Size of the block of an epoch's first batch, told by the head of its first file: nothing of the data is placed. */
export async function firstBatchBytes(workload: Workload, plan: Plan, { split, rank }: OpenOptions, read: ReadPlan): Promise<number> {
  plan.advance(1)
  const order = plan.order(split, rank, 1)
  if (order.steps === 0) throw new RunError(`the ${split} split has no batch for rank ${rank}`)
  const sink = batchSink(plan)
  const samples = order.batch(0, sink)
  if (samples === 0) throw new RunError(`data_loader ${workload.reader.dataLoader} reads no samples, so there are none to load`, 2)
  const { dataset } = workload
  const found: ArrayLayout[] = []
  const target = {
    bytes: new Uint8Array(0),
    place: (layout: ArrayLayout): number => {
      found.push(layout)
      throw new Enough()
    },
  }
  const reads = openReads(workload, { ...read, requestBytes: probeBytes }, privateMeter(), 0, () => {})
  try {
    await reads.run(reads.decoder.decode(read.folder + plan[split].files.name(sink.files[0]!), sink.samples[0]!, target))
  } catch (error) {
    if (!(error instanceof Enough)) throw error
  }
  await reads.run(reads.decoder.close())
  reads.close()
  const sampleBytes = Math.max(1, found[0]?.sizeBytes ?? 1) * Math.max(1, dataset.hdf5.numDsetPerRecord)
  // Sizes that are drawn differ from file to file: three deviations above the mean leave nearly none out, and blocks can grow.
  const { recordLengthBytes, recordLengthBytesStdev } = dataset
  const spread = recordLengthBytes > 0 ? 1 + (3 * recordLengthBytesStdev) / recordLengthBytes : 1
  const rows = Math.max(plan.train.batchSize, plan.valid.batchSize)
  const arrays = rows * (Math.ceil(sampleBytes * Math.min(spread, 4)) + 64)
  return roundUp(blockHeaderBytes + arrays + 4 * slackBytes, blockAlignment)
}

class Enough extends Error {}

interface Machine {
  readonly cores: number
  readonly memoryBytes: number
}

/**
 * One thread for each reader of a rank, as long as they are few: batch k is made by thread k mod threads, as PyTorch deals batches to
 * workers. As far ahead as the framework's readers are together, unless memory is too small for that.
 */
export function ringLayout(
  workload: Workload,
  plan: Plan,
  batchBytes: number,
  givenBytes: number | undefined,
  { cores, memoryBytes }: Machine,
): { ring: RingLayout; ahead: number } {
  const { profile, reader } = workload
  const readers = Math.max(1, reader.readThreads)
  const batchesAhead =
    profile?.framework === 'pytorch' ? (profile.prefetchFactor ?? 1) * Math.max(1, profile.numWorkers) : Math.max(reader.prefetchSize, 2)
  const most = givenBytes ?? memoryBytes / 4
  const steps = Math.max(1, plan.train.steps, plan.valid.steps)
  // A thread needs room for the batch that it makes and one that is in use.
  const fitting = Math.max(1, Math.floor(most / (2 * batchBytes)))
  const threads = Math.min(readers, Math.max(8, 2 * cores), 32, fitting, steps)
  const wished = Math.max(2, Math.ceil(batchesAhead / threads))
  const arenaBytes =
    givenBytes === undefined
      ? Math.max(leastArenaBytes, Math.min((wished + 1 + leasedBatches) * batchBytes, Math.max(2 * batchBytes, Math.floor(most / threads))))
      : Math.floor(givenBytes / threads)
  if (arenaBytes < batchBytes)
    throw new RunError(
      `ring_bytes ${givenBytes}: a batch takes ${batchBytes} bytes; give at least ${2 * batchBytes}, better ${5 * batchBytes}`,
      2,
    )
  const ahead = Math.max(1, Math.min(wished, Math.floor(arenaBytes / batchBytes) - 1))
  return { ring: { threads, arenaBytes: Math.floor(arenaBytes / blockAlignment) * blockAlignment }, ahead }
}
