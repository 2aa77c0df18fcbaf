// Which chunks a sample touches, and what a stored chunk is.
import { DataError } from '../../errors.js'
import type { Io } from '../../storage/types.js'
import type { ChunkIndex, StoredChunk } from './chunk-index.js'
import { undoFilters } from './filters.js'
import type { Dataset, StorageLayout } from './layout.js'
import { UnsupportedLayoutError } from './span.js'

export type Chunked = StorageLayout & { kind: 'chunked' }

/** More chunks than this for one sample are refused: their bookkeeping, not the storage, would be measured. */
const mostChunksPerSample = 2 ** 20

/** Calls `visit` with the place (in chunks) of each chunk that holds a part of sample `sample`, in the order of the file's numbering. */
export function* eachChunk(
  uri: string,
  dataset: Dataset,
  storage: Chunked,
  sample: number,
  visit: (place: readonly number[]) => Io<void>,
): Io<void> {
  const counts = dataset.dims.map((dim, axis) => (axis === 0 ? 1 : Math.ceil(dim / (storage.chunkDims[axis] as number))))
  const chunks = counts.reduce((product, count) => product * count, 1)
  if (chunks > mostChunksPerSample)
    throw new UnsupportedLayoutError(
      uri,
      `HDF5 dataset ${dataset.name}: a sample is cut into ${chunks} chunks, at most ${mostChunksPerSample} are read; use larger chunks`,
    )
  const place = counts.map(() => 0)
  place[0] = Math.floor(sample / (storage.chunkDims[0] as number))
  for (let i = 0; i < chunks; i++) {
    yield* visit(place)
    for (let axis = place.length - 1; axis > 0; axis--) {
      place[axis] = (place[axis] as number) + 1
      if ((place[axis] as number) < (counts[axis] as number)) break
      place[axis] = 0
    }
  }
}

/** The chunk at `place`, checked against the file's end; undefined where it was never stored. */
export function* findChunk(
  uri: string,
  dataset: Dataset,
  index: ChunkIndex,
  place: readonly number[],
  baseOffset: number,
  fileBytes: number,
): Io<StoredChunk | undefined> {
  const chunk = yield* index.find(place)
  if (chunk === undefined) return undefined
  const end = baseOffset + chunk.address + chunk.storedBytes
  if (!Number.isSafeInteger(end) || end > fileBytes)
    throw new DataError(
      uri,
      `HDF5 chunk [${place.join(', ')}] of ${dataset.name}: its ${chunk.storedBytes} bytes lie beyond the end of the file (${fileBytes} bytes); it is damaged: generate or copy it again`,
      baseOffset + chunk.address,
    )
  return chunk
}

/** Undoes the filters of a chunk's stored bytes. Throws DataError where they are damaged. */
export function decodeChunk(
  uri: string,
  dataset: Dataset,
  storage: Chunked,
  place: readonly number[],
  chunk: StoredChunk,
  stored: Uint8Array,
  byteOffset: number,
): Uint8Array {
  const isEdge = place.some((p, axis) => (p + 1) * (storage.chunkDims[axis] as number) > (dataset.dims[axis] as number))
  const filterMask = isEdge && storage.edgeChunksUnfiltered ? 0xffffffff : chunk.filterMask
  const what = `chunk [${place.join(', ')}] of ${dataset.name}`
  return undoFilters(stored, dataset.filters, filterMask, storage.chunkBytes, dataset.type.sizeBytes, { uri, what, byteOffset })
}
