// How many lanes a run has, which threads drive them, and how large their reads are. Pure.
import { availableParallelism } from 'node:os'
import type { RankRange } from '../cluster/world.js'
import type { FormatName, Workload } from '../config/workload.js'
import type { ReadExtent } from '../formats/types.js'
import { readersAtOnce } from '../frameworks/index.js'
import type { Plan } from '../plan/types.js'
import type { ObjectReadOptions } from '../storage/object/read-options.js'
import type { AccessGrant } from '../storage/object/types.js'
import type { ReadMode } from './messages.js'

export interface LaneLayout {
  /** Lanes of each rank: its readers, 1 when the training process reads itself. */
  readonly lanesPerRank: number
  readonly lanes: number
  readonly mode: ReadMode
  /** Lanes of each reader thread, in groups of which one lane at a time reads. */
  readonly threads: readonly (readonly (readonly number[])[])[]
  /** Size of libuv's pool that keeps every lane's read in flight; undefined where threads block. */
  readonly poolSize?: number
}

/** libuv's own limit. */
export const mostPoolThreads = 1024

/** How objects are fetched, where the data are objects. */
export type ObjectTransport = 'none' | 'http' | 'https'

export function transportOf(grant: AccessGrant | undefined): ObjectTransport {
  if (grant === undefined) return 'none'
  return grant.endpoints.some((endpoint) => endpoint.startsWith('https:')) ? 'https' : 'http'
}

/**
 * One blocking thread a lane while there are few of them: that is the cheapest way to read (3.5 µs for a tiny file against 8 to 11 µs
 * over the pool). Beyond that a thread's 20 ms and 9 MB each would outweigh it, and a few threads keep all lanes' reads in flight. Objects
 * come over sockets, which the event loop serves without the pool.
 */
export function layOutLanes(
  plan: Pick<Plan, 'workload'>,
  { begin, end }: RankRange,
  objects: ObjectTransport = 'none',
  cores: number = availableParallelism(),
): LaneLayout {
  const ranks = end - begin
  const lanesPerRank = Math.max(plan.workload.reader.readThreads, 1)
  const lanes = ranks * lanesPerRank
  const groups = laneGroups(ranks, lanesPerRank, Math.min(lanesPerRank, readersAtOnce(plan.workload)))
  const blocking = objects === 'none' && groups.length <= Math.min(Math.max(8, 2 * cores), 32)
  const threadCount = blocking ? groups.length : objects === 'none' ? Math.min(cores, 4) : objectThreads(groups.length, objects, cores)
  const threads = Array.from({ length: threadCount }, (): number[][] => [])
  for (const [g, group] of groups.entries()) threads[g % threadCount]!.push(group)
  if (objects !== 'none') return { lanesPerRank, lanes, mode: 'event-loop', threads }
  return blocking
    ? { lanesPerRank, lanes, mode: 'blocking', threads }
    : { lanesPerRank, lanes, mode: 'event-loop', threads, poolSize: Math.min(Math.max(groups.length, 4), mostPoolThreads) }
}

/**
 * Threads that fetch objects. A loop that finds several sockets ready at each wake-up does with a quarter less of the processor than two that
 * find half as many, and one carries 3 GB/s; decryption takes more, and gains more from another core.
 */
function objectThreads(groups: number, objects: 'http' | 'https', cores: number): number {
  const groupsOfThread = objects === 'https' ? 2 : 8
  return Math.min(cores, 16, Math.ceil(groups / groupsOfThread))
}

/** A rank's lanes dealt out to `atOnce` groups; one lane a group where all may read at once. */
function laneGroups(ranks: number, lanesPerRank: number, atOnce: number): number[][] {
  const groups = Array.from({ length: ranks * atOnce }, (): number[] => [])
  for (let rank = 0; rank < ranks; rank++)
    for (let reader = 0; reader < lanesPerRank; reader++) groups[rank * atOnce + (reader % atOnce)]!.push(rank * lanesPerRank + reader)
  return groups
}

/** Formats whose readers MLCommons' DLIO has left as upstream's are; its other readers take in whole files. */
const sharedReaders: readonly FormatName[] = ['csv', 'indexed_binary', 'mmap_indexed_binary']

/** Which bytes are asked for one sample: a framework profile reads what a data set of its own would, DLIO's mapping what DLIO does. */
export function readExtent({ profile, semantics, dataset }: Workload): ReadExtent {
  if (profile !== null) return 'sample'
  return semantics === 'upstream' || sharedReaders.includes(dataset.format) ? 'upstream' : 'file'
}

const KiB = 1024
const MiB = 1024 * KiB
/** Pieces of this size through the page cache are the same load as one large call, and stay in the processor's cache. */
const cachedRequestBytes = 512 * KiB
/** With O_DIRECT the size of a request decides how deep the device is driven: DLIO's, which is the whole file, up to this bound of memory. */
const mostDirectBytes = 64 * MiB
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

/** Most memory that all lanes' windows take while objects are read in plain GETs. */
const mostStreamBytes = 64 * MiB

/** Pieces in which bodies of objects are handed to readers, and how many of them a lane has room for. */
export function objectPieces({ workload, world }: Plan, options: ObjectReadOptions): { requestBytes: number; pieces: number } {
  // Several parts at once each need a place of their own.
  if (options.partBytes !== null && options.partsInFlight > 1) return { requestBytes: options.partBytes, pieces: options.partsInFlight }
  const lanes = world.ranks * Math.max(workload.reader.readThreads, 1)
  const fair = Math.floor(mostStreamBytes / (2 * lanes) / page) * page
  return { requestBytes: Math.min(cachedRequestBytes, Math.max(fair, 64 * KiB)), pieces: 2 }
}
