// The ways in which HDF5 finds a chunk: by its place in a list, an array or a tree.
import type { Io } from '../../storage/types.js'
import { BTree2 } from './btree2.js'
import { readChecksum } from './checksum.js'
import { ExtensibleArray } from './extensible-array.js'
import { readNodePrefix } from './group.js'
import type { ChunkIndexLayout, Dataset, StorageLayout } from './layout.js'
import type { Metadata } from './metadata.js'
import { type Span, undefinedAddress } from './span.js'

/** Where a chunk's stored bytes are. */
export interface StoredChunk {
  readonly address: number
  readonly storedBytes: number
  /** Bit i: filter i was not applied to this chunk. */
  readonly filterMask: number
}

/** Finds a chunk by its place, counted in chunks along each axis; undefined where it was never stored. */
export interface ChunkIndex {
  find(place: readonly number[]): Io<StoredChunk | undefined>
}

type Chunked = StorageLayout & { kind: 'chunked' }
type IndexOf<Kind> = ChunkIndexLayout & { kind: Kind }

/** Opens the index of a chunked dataset. Throws DataError where it is damaged. */
export function* openChunkIndex(metadata: Metadata, dataset: Dataset, storage: Chunked, superblockChunkK: number): Io<ChunkIndex> {
  const { index } = storage
  if (index.address === undefinedAddress) return { find: nothing }
  switch (index.kind) {
    case 'single chunk':
      return { find: singleChunk(index, storage, dataset) }
    case 'implicit':
      return { find: implicit(index, storage, dataset) }
    case 'version 1 B-tree':
      return { find: versionOneTree(metadata, index, storage, superblockChunkK) }
    case 'version 2 B-tree':
      return { find: yield* versionTwoTree(metadata, index, storage, dataset) }
    case 'fixed array':
      return { find: yield* fixedArray(metadata, index, storage, dataset) }
    case 'extensible array':
      return { find: yield* extensibleArray(metadata, index, storage, dataset) }
  }
}

type Find = ChunkIndex['find']

function* nothing(): Io<undefined> {}

function singleChunk(index: IndexOf<'single chunk'>, storage: Chunked, dataset: Dataset): Find {
  const storedBytes = dataset.filters.length > 0 ? index.storedBytes : storage.chunkBytes
  return function* (place) {
    return place.every((p) => p === 0) ? { address: index.address, storedBytes, filterMask: index.filterMask } : undefined
  }
}

/** All chunks one after the other, allocated when the dataset was made; never filtered. */
function implicit(index: IndexOf<'implicit'>, storage: Chunked, dataset: Dataset): Find {
  const strides = placeStrides(storage, dataset)
  // biome-ignore lint/correctness/useYield: other indexes need I/O to find a chunk
  return function* (place) {
    return { address: index.address + dot(place, strides) * storage.chunkBytes, storedBytes: storage.chunkBytes, filterMask: 0 }
  }
}

const chunkNodeType = 1

function versionOneTree(metadata: Metadata, index: IndexOf<'version 1 B-tree'>, storage: Chunked, chunkK: number): Find {
  const { offsetBytes } = metadata.widths
  const rank = storage.chunkDims.length
  const prefixBytes = 8 + 2 * offsetBytes
  const keyBytes = 8 + 8 * (rank + 1)
  const nodeBytes = prefixBytes + (2 * chunkK + 1) * keyBytes + 2 * chunkK * offsetBytes
  return function* (place) {
    let address = index.address
    let expectedLevel = -1
    for (;;) {
      const node = yield* metadata.node(address, nodeBytes, 'chunk B-tree node', undefined, prefixBytes)
      const { level, entries } = readNodePrefix(node, chunkNodeType, expectedLevel)
      const keyAt = (i: number) => prefixBytes + i * (keyBytes + offsetBytes)
      const orderAt = (i: number) => {
        node.rewind(keyAt(i) + 8)
        for (let axis = 0; axis < rank; axis++) {
          const difference = node.u64() - (place[axis] as number) * (storage.chunkDims[axis] as number)
          if (difference !== 0) return difference
        }
        return 0
      }
      // The last entry that does not lie behind the place sought, by halving.
      let low = 0
      let high = entries
      while (low < high) {
        const middle = (low + high) >>> 1
        if (orderAt(middle) <= 0) low = middle + 1
        else high = middle
      }
      const entry = low - 1
      if (entry < 0) return undefined
      if (level === 0) {
        if (orderAt(entry) !== 0) return undefined
        node.rewind(keyAt(entry))
        const storedBytes = node.u32()
        const filterMask = node.u32()
        return { address: node.rewind(keyAt(entry) + keyBytes).address(), storedBytes, filterMask }
      }
      address = node.rewind(keyAt(entry) + keyBytes).address()
      expectedLevel = level - 1
    }
  }
}

const unfilteredChunkType = 10
const filteredChunkType = 11

function* versionTwoTree(metadata: Metadata, index: IndexOf<'version 2 B-tree'>, storage: Chunked, dataset: Dataset): Io<Find> {
  const isFiltered = dataset.filters.length > 0
  const rank = storage.chunkDims.length
  const tree = yield* BTree2.open(metadata, index.address, isFiltered ? filteredChunkType : unfilteredChunkType, 'chunk B-tree')
  const entryBytes = tree.recordBytes - 8 * rank
  checkEntryBytes(metadata, index, entryBytes, isFiltered)
  return function* (place) {
    const [record] = yield* tree.matching((candidate) => {
      candidate.skip(entryBytes)
      for (let axis = 0; axis < rank; axis++) {
        const difference = candidate.u64() - (place[axis] as number)
        if (difference !== 0) return difference
      }
      return 0
    })
    return record === undefined ? undefined : readEntry(record, entryBytes, isFiltered, storage)
  }
}

function* fixedArray(metadata: Metadata, index: IndexOf<'fixed array'>, storage: Chunked, dataset: Dataset): Io<Find> {
  const { offsetBytes, lengthBytes } = metadata.widths
  const isFiltered = dataset.filters.length > 0
  const header = yield* metadata.node(index.address, 12 + lengthBytes + offsetBytes, 'chunk array')
  header.signature('FAHD')
  header.version(0)
  header.skip(1)
  const entryBytes = header.u8()
  const pageBits = header.u8()
  const entries = header.size()
  const blockAddress = header.address()
  readChecksum(header, metadata.verify)
  checkEntryBytes(metadata, index, entryBytes, isFiltered)
  if (blockAddress === undefinedAddress) return nothing
  const pageEntries = 2 ** Math.min(pageBits, 52)
  const isPaged = entries > pageEntries
  const pages = isPaged ? Math.ceil(entries / pageEntries) : 0
  const bitmapBytes = Math.ceil(pages / 8)
  const prefixBytes = 6 + offsetBytes
  const blockBytes = prefixBytes + bitmapBytes + (isPaged ? 0 : entries * entryBytes) + 4
  const strides = placeStrides(storage, dataset)

  return function* (place) {
    const number = dot(place, strides)
    if (number >= entries) throw metadata.error(`chunk ${number} of an array of ${entries}`, index.address)
    const block = yield* metadata.node(blockAddress, blockBytes, 'chunk array block', (span) => {
      span.signature('FADB')
      readChecksum(span.rewind(blockBytes - 4), metadata.verify)
    })
    if (!isPaged) return readEntry(block.rewind(prefixBytes + number * entryBytes), entryBytes, isFiltered, storage)
    const page = Math.floor(number / pageEntries)
    if (((block.bytes[prefixBytes + (page >>> 3)] as number) & (0x80 >>> (page & 7))) === 0) return undefined
    const entriesHere = Math.min(pageEntries, entries - page * pageEntries)
    const pageAddress = blockAddress + blockBytes + page * (pageEntries * entryBytes + 4)
    const found = yield* metadata.node(pageAddress, entriesHere * entryBytes + 4, 'chunk array page', (span) =>
      readChecksum(span.rewind(span.length - 4), metadata.verify),
    )
    return readEntry(found.rewind((number - page * pageEntries) * entryBytes), entryBytes, isFiltered, storage)
  }
}

function* extensibleArray(metadata: Metadata, index: IndexOf<'extensible array'>, storage: Chunked, dataset: Dataset): Io<Find> {
  const isFiltered = dataset.filters.length > 0
  const unlimited = dataset.maxDims.indexOf(Number.POSITIVE_INFINITY)
  if (unlimited < 0) throw metadata.error('an extensible chunk array, but no axis is unlimited', index.address)
  const array = yield* ExtensibleArray.open(metadata, index.address)
  checkEntryBytes(metadata, index, array.entryBytes, isFiltered)
  // The unlimited axis varies slowest, so that growing never renumbers chunks (H5D__earray_idx_get_addr).
  const order = [unlimited, ...storage.chunkDims.keys()].filter((axis, i) => i === 0 || axis !== unlimited)
  const strides = placeStrides(storage, dataset, order)
  return function* (place) {
    const entry = yield* array.find(dot(place, strides))
    return entry === undefined ? undefined : readEntry(entry, array.entryBytes, isFiltered, storage)
  }
}

function checkEntryBytes(metadata: Metadata, index: ChunkIndexLayout, entryBytes: number, isFiltered: boolean): void {
  const extra = entryBytes - metadata.widths.offsetBytes
  if (isFiltered ? extra < 5 || extra > 12 : extra !== 0)
    throw metadata.error(
      `entries of ${entryBytes} bytes in a ${index.kind} of ${isFiltered ? 'filtered' : 'unfiltered'} chunks`,
      index.address,
    )
}

/** Address, and for filtered chunks the stored size (as wide as is left) and the filter mask. */
function readEntry(span: Span, entryBytes: number, isFiltered: boolean, storage: Chunked): StoredChunk | undefined {
  const address = span.address()
  if (address === undefinedAddress) return undefined
  if (!isFiltered) return { address, storedBytes: storage.chunkBytes, filterMask: 0 }
  const storedBytes = span.uint(entryBytes - span.widths.offsetBytes - 4)
  return { address, storedBytes, filterMask: span.u32() }
}

/** How far apart neighbouring chunks along each axis are in the numbering; `order` names the axes from slowest to fastest. */
function placeStrides(storage: Chunked, dataset: Dataset, order: readonly number[] = [...storage.chunkDims.keys()]): number[] {
  const strides = storage.chunkDims.map(() => 1)
  let stride = 1
  for (const axis of [...order].reverse()) {
    strides[axis] = stride
    stride *= Math.ceil((dataset.maxDims[axis] as number) / (storage.chunkDims[axis] as number))
  }
  return strides
}

function dot(place: readonly number[], strides: readonly number[]): number {
  let sum = 0
  // A place of 0 on the unlimited axis' stride must not become 0 × infinity.
  for (let i = 0; i < place.length; i++) if (place[i] !== 0) sum += (place[i] as number) * (strides[i] as number)
  return sum
}
