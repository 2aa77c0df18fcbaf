// Undoing the filters of chunks: deflate, shuffle, Fletcher-32 and h5py's LZF.
import { inflateSync } from 'node:zlib'
import { DataError } from '../../errors.js'
import { fletcher32 } from './checksum.js'
import { expandLzf } from './lzf.js'
import type { Filter } from './messages.js'
import { UnsupportedLayoutError } from './span.js'

export const FilterId = { deflate: 1, shuffle: 2, fletcher32: 3, lzf: 32000 } as const

/** Deflate cannot shrink data more than this (RFC 1951: 258 bytes from 2 bits); a larger claim is a lie. */
const deflateMostRatio = 1032
const lzfMostRatio = 132
/** Largest chunk that is expanded in memory: HDF5's own limit before version 2. */
const mostChunkBytes = 2 ** 32 - 1

/** What a chunk is, for messages. */
export interface ChunkPlace {
  readonly uri: string
  readonly what: string
  readonly byteOffset: number
}

/**
 * The chunk's elements: `stored` with all filters undone whose bit in `filterMask` is clear.
 * Throws DataError where a checksum fails or the data does not give `chunkBytes` bytes, UnsupportedLayoutError for unknown filters.
 */
export function undoFilters(
  stored: Uint8Array,
  filters: readonly Filter[],
  filterMask: number,
  chunkBytes: number,
  elementBytes: number,
  place: ChunkPlace,
): Uint8Array {
  const fail = (detail: string) =>
    new DataError(place.uri, `HDF5 ${place.what}: ${detail}; generate or copy the file again`, place.byteOffset)
  if (chunkBytes > mostChunkBytes)
    throw new UnsupportedLayoutError(place.uri, `HDF5 ${place.what}: chunks of ${chunkBytes} bytes`, place.byteOffset)
  // Fletcher-32 before a compressor adds its 4 bytes to what comes out of it.
  const mostBytes = chunkBytes + 4 * filters.length
  let bytes = stored
  for (let i = filters.length - 1; i >= 0; i--) {
    const filter = filters[i] as Filter
    if ((filterMask >>> i) & 1) continue
    switch (filter.id) {
      case FilterId.deflate:
        if (chunkBytes > bytes.byteLength * deflateMostRatio) throw fail(`${bytes.byteLength} deflated bytes cannot hold ${chunkBytes}`)
        bytes = inflate(bytes, mostBytes, fail)
        break
      case FilterId.shuffle:
        bytes = unshuffle(bytes, filter.values[0] ?? elementBytes)
        break
      case FilterId.fletcher32:
        bytes = checkFletcher32(bytes, fail)
        break
      case FilterId.lzf: {
        const expandedBytes = filters.slice(0, i).reduce((sum, f) => sum + (f.id === FilterId.fletcher32 ? 4 : 0), chunkBytes)
        if (chunkBytes > bytes.byteLength * lzfMostRatio) throw fail(`${bytes.byteLength} LZF bytes cannot hold ${chunkBytes}`)
        const expanded = expandLzf(bytes, expandedBytes)
        if (expanded === undefined) throw fail(`the LZF data does not give ${expandedBytes} bytes`)
        bytes = expanded
        break
      }
      default:
        throw new UnsupportedLayoutError(
          place.uri,
          `HDF5 ${place.what}: filter ${filter.id}${filter.name === '' ? '' : ` (${filter.name})`} is not known; gzip, shuffle, fletcher32 and lzf are`,
          place.byteOffset,
        )
    }
  }
  if (bytes.byteLength !== chunkBytes) throw fail(`has ${bytes.byteLength} bytes after its filters, expected ${chunkBytes}`)
  return bytes
}

function inflate(bytes: Uint8Array, mostBytes: number, fail: (detail: string) => DataError): Uint8Array {
  try {
    return inflateSync(bytes, { maxOutputLength: mostBytes })
  } catch (error) {
    throw fail(`the deflated data is damaged (${(error as Error).message})`)
  }
}

/** HDF5's shuffle puts the first bytes of all elements first, then the second ones; bytes beyond whole elements stay at the end. */
function unshuffle(bytes: Uint8Array, elementBytes: number): Uint8Array {
  const elements = elementBytes > 1 ? Math.floor(bytes.byteLength / elementBytes) : 0
  if (elements < 2) return bytes
  const output = new Uint8Array(bytes.byteLength)
  for (let b = 0, from = 0; b < elementBytes; b++)
    for (let e = 0, to = b; e < elements; e++, to += elementBytes) output[to] = bytes[from++] as number
  output.set(bytes.subarray(elements * elementBytes), elements * elementBytes)
  return output
}

function checkFletcher32(bytes: Uint8Array, fail: (detail: string) => DataError): Uint8Array {
  const end = bytes.byteLength - 4
  if (end < 0) throw fail(`${bytes.byteLength} bytes are too few for a checksum`)
  const stored = new DataView(bytes.buffer, bytes.byteOffset + end, 4).getUint32(0, true)
  const computed = fletcher32(bytes.subarray(0, end))
  // HDF5 before 1.6.3 stored the bytes of each half swapped, and readers accept both (H5Z__filter_fletcher32).
  const swapped = (((computed & 0x00ff00ff) << 8) | ((computed >>> 8) & 0x00ff00ff)) >>> 0
  if (stored !== computed && stored !== swapped) throw fail(`its Fletcher-32 checksum is ${stored}, the bytes give ${computed}`)
  return bytes.subarray(0, end)
}
