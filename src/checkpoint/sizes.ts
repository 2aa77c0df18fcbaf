// How large the requests of checkpoints are, and how many threads make them. Pure.
import { availableParallelism } from 'node:os'
import type { RankRange } from '../cluster/world.js'
import type { Workload } from '../config/workload.js'
import { isObjectLocation, parseLocation } from '../storage/uri.js'
import { rankFiles } from './layout.js'
import { rawParts } from './read.js'

const KiB = 1024
const MiB = 1024 * KiB
/** Through the page cache requests of 256 KiB to 1 MiB are the same load as one large call. */
const cachedWriteBytes = { least: 256 * KiB, most: MiB, memory: 256 * MiB }
const cachedReadBytes = { least: 256 * KiB, most: 512 * KiB, memory: 256 * MiB }
/** MLCommons' DLIO writes pieces of 32 MiB. */
const directBytes = { least: MiB, most: 32 * MiB, memory: 2048 * MiB }
/** Each is a ranged GET. */
const objectReadBytes = { least: MiB, most: 8 * MiB, memory: 1024 * MiB }

export interface CrewLayout {
  /** Ranks of this process (from 0) that each thread serves. Those that have nothing to save are in it too. */
  readonly threads: readonly (readonly number[])[]
  /** Calls that may be in flight at once. */
  readonly calls: number
  readonly pieceBytes: number
  readonly requestBytes: number
}

/** `ranks`: of the job. One thread for each processor at most: they only make content, the system's calls run in libuv's pool. */
export function layOutCrew(
  workload: Workload,
  ranks: number,
  { begin, end }: RankRange = { begin: 0, end: ranks },
  cores: number = availableParallelism(),
): CrewLayout {
  const inObjects = isObjectLocation(parseLocation(workload.checkpoint.folder))
  // Past the page cache is a matter of files: a run that reads its data so may put its checkpoints elsewhere.
  const direct = workload.checkpoint.direct && !inObjects
  const local = Array.from({ length: end - begin }, (_, rank) => rank)
  const busy = local.filter((rank) => rankFiles(workload, ranks, begin + rank).length > 0).length
  const count = Math.max(1, Math.min(busy, cores))
  const threads = Array.from({ length: count }, (_, thread) => local.filter((rank) => rank % count === thread))
  /** A power of two, so that the buffers of all ranks fit into some memory where that leaves each enough. */
  const share = ({ least, most, memory }: typeof directBytes, buffers: number) =>
    Math.min(most, Math.max(least, 2 ** Math.floor(Math.log2(memory / (buffers * Math.max(busy, 1))))))
  return {
    threads,
    calls: busy * rawParts,
    pieceBytes: share(direct ? directBytes : cachedWriteBytes, 2),
    requestBytes: share(inObjects ? objectReadBytes : direct ? directBytes : cachedReadBytes, rawParts),
  }
}
