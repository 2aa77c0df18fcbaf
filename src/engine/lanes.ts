// How many lanes a run has, which threads drive them, and how large their reads are. Pure.
import { availableParallelism } from 'node:os'
import type { Plan } from '../plan/types.js'
import type { ReadMode } from './messages.js'

export interface LaneLayout {
  /** Lanes of each rank: its readers, 1 when the training process reads itself. */
  readonly lanesPerRank: number
  readonly lanes: number
  readonly mode: ReadMode
  /** Lanes of each reader thread. */
  readonly threads: readonly (readonly number[])[]
  /** Size of libuv's pool that keeps every lane's read in flight; undefined where threads block. */
  readonly poolSize?: number
}

/** libuv's own limit. */
const mostPoolThreads = 1024

/**
 * One blocking thread a lane while there are few of them: that is the cheapest way to read (3.5 µs for a tiny file against 8 to 11 µs
 * over the pool). Beyond that a thread's 20 ms and 9 MB each would outweigh it, and a few threads keep all lanes' reads in flight.
 */
export function layOutLanes(plan: Plan, cores: number = availableParallelism()): LaneLayout {
  const { ranks } = plan.world
  const lanesPerRank = Math.max(plan.workload.reader.readThreads, 1)
  const lanes = ranks * lanesPerRank
  const blocking = lanes <= Math.min(Math.max(8, 2 * cores), 32)
  const threadCount = blocking ? lanes : Math.min(cores, 4)
  const threads = Array.from({ length: threadCount }, (): number[] => [])
  for (let lane = 0; lane < lanes; lane++) threads[lane % threadCount]!.push(lane)
  return blocking
    ? { lanesPerRank, lanes, mode: 'blocking', threads }
    : { lanesPerRank, lanes, mode: 'event-loop', threads, poolSize: Math.min(Math.max(lanes, 4), mostPoolThreads) }
}

const KiB = 1024
const MiB = 1024 * KiB
/** Pieces of this size through the page cache are the same load as one large call, and stay in the processor's cache. */
export const cachedRequestBytes = 512 * KiB
/** With O_DIRECT the size of a request decides how deep the device is driven: DLIO's, which is the whole file, up to this bound of memory. */
export const mostDirectBytes = 64 * MiB
const page = 4096

/** Size of one read request in bytes, and whether it is smaller than DLIO's. */
export function requestSize(plan: Plan, direct: boolean, mode: ReadMode): { requestBytes: number; bounded: boolean } {
  const { dataset, reader } = plan.workload
  if (dataset.format === 'tfrecord') return { requestBytes: reader.transferSizeBytes, bounded: false }
  if (!direct) return { requestBytes: mode === 'blocking' ? cachedRequestBytes : cachedRequestBytes / 2, bounded: false }
  // Generously above the configured mean, since sizes vary: reading stops at the end of the file anyway.
  const fileBytes = (dataset.recordLengthBytes + 4 * dataset.recordLengthBytesStdev) * dataset.numSamplesPerFile * 8 + 64 * KiB
  const whole = Math.ceil(fileBytes / page) * page
  return whole <= mostDirectBytes ? { requestBytes: whole, bounded: false } : { requestBytes: mostDirectBytes, bounded: true }
}
