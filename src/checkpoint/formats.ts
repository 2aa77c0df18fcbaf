// The file formats of checkpoints, chosen as DLIO chooses its mechanism, and the sizes of their files. Pure.
import type { Workload } from '../config/workload.js'
import { rankFiles } from './layout.js'
import { parallelismOf, placeOf } from './parallel.js'
import { bundleIndex, bundleTail, checkpointList } from './tensorflow.js'
import { torchArchive } from './torch-zip.js'
import { type StateFile, stateBytes } from './types.js'

/**
 * `torch`: what torch.save writes. `raw`: as many random bytes as the tensors have, as MLCommons' DLIO writes without torch. `tensorflow`: what
 * tf.train.Checkpoint writes.
 */
export type StateFormat = 'torch' | 'raw' | 'tensorflow'

/** Which of the formats DLIO writes states in: it goes by the framework, and only upstream saves with torch itself. */
export function stateFormat({ semantics, framework }: Pick<Workload, 'semantics' | 'framework'>): StateFormat {
  if (framework === 'tensorflow') return 'tensorflow'
  return semantics === 'upstream' ? 'torch' : 'raw'
}

/** Extension that DLIO gives the name of a state, with its dot. Its raw files are called as torch's; upstream's mechanism for S3 has one of its own. */
export function extensionOf(format: StateFormat, inObjects = false): string {
  if (format === 'torch' && inObjects) return '.pts3'
  return format === 'tensorflow' ? '.pb' : '.pt'
}

/** Bytes of all files that a state is saved in. */
export function fileBytes({ name, state }: StateFile, format: StateFormat): number {
  if (format === 'raw') return stateBytes(state)
  if (format === 'torch') return torchArchive(state, '0'.repeat(40)).byteLength
  const bytes = stateBytes(state)
  return bytes + bundleTail().length + bundleIndex(bytes, 0).length + checkpointList(name + extensionOf(format)).length
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
    const bytes = known.get(key) ?? rankFiles(workload, ranks, rank).reduce((sum, file) => sum + fileBytes(file, format), 0)
    known.set(key, bytes)
    return bytes
  })
}
