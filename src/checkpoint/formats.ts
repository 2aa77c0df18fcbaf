// The file formats of checkpoints, chosen as DLIO chooses its mechanism, and the sizes of their files. Pure.
import type { Workload } from '../config/workload.js'
import { rankFiles } from './layout.js'
import { parallelismOf, placeOf } from './parallel.js'
import { torchArchive } from './torch-zip.js'
import { type State, stateBytes } from './types.js'

/** `torch`: what torch.save writes. `raw`: as many random bytes as the tensors have, as MLCommons' DLIO writes without torch. */
export type StateFormat = 'torch' | 'raw'

export function stateFormat({ semantics }: Pick<Workload, 'semantics'>): StateFormat {
  return semantics === 'upstream' ? 'torch' : 'raw'
}

/** Extension of the files, with its dot: the same for both, since DLIO's raw files are called so too. */
export const extension = '.pt'

/** Bytes that the file of a state has. */
export function fileBytes(state: State, format: StateFormat): number {
  return format === 'torch' ? torchArchive(state, '0'.repeat(40)).byteLength : stateBytes(state)
}

/** Bytes of all files of one checkpoint, by rank. */
export function rankFileBytes(workload: Workload, ranks: number): number[] {
  const format = stateFormat(workload)
  const parallelism = parallelismOf(workload, ranks)
  // Ranks that hold the same stage of the first replica, or of another, write as much.
  const known = new Map<string, number>()
  return Array.from({ length: ranks }, (_, rank) => {
    const { pipelineRank, dataRank } = placeOf(rank, parallelism)
    const key = `${pipelineRank} ${dataRank === 0}`
    const bytes = known.get(key) ?? rankFiles(workload, ranks, rank).reduce((sum, { state }) => sum + fileBytes(state, format), 0)
    known.set(key, bytes)
    return bytes
  })
}
