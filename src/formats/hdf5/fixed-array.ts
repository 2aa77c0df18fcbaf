// Fixed arrays as the generator writes them: the index of chunked datasets without unlimited axes.
import type { Encoder } from './encoder.js'

/** 1024 entries a page, HDF5's default. */
export const pageBits = 10
const pageEntries = 2 ** pageBits
const headerBytes = 28
const blockPrefixBytes = 14
const checksumBytes = 4

/** Places of chunks in the file, by their number. */
export interface ChunkTable {
  /** Address of each chunk; 0 where it was never stored. */
  readonly addresses: Float64Array
  readonly storedBytes: Float64Array
  readonly filterMasks: Uint8Array
}

export function createChunkTable(chunks: number): ChunkTable {
  return { addresses: new Float64Array(chunks), storedBytes: new Float64Array(chunks), filterMasks: new Uint8Array(chunks) }
}

/** Width of a stored size: one byte more than the chunk's own size needs (H5D__farray_idx_create). */
const storedSizeBytes = (chunkBytes: number) => Math.min(8, 1 + Math.floor((Math.floor(Math.log2(chunkBytes)) + 8) / 8))
const entryBytesOf = (chunkBytes: number, isFiltered: boolean) => (isFiltered ? 8 + storedSizeBytes(chunkBytes) + 4 : 8)
const pagesOf = (entries: number) => (entries > pageEntries ? Math.ceil(entries / pageEntries) : 0)

/** Bytes of header, data block and pages. */
export function fixedArrayBytes(entries: number, chunkBytes: number, isFiltered: boolean): number {
  const pages = pagesOf(entries)
  const entriesBytes = entries * entryBytesOf(chunkBytes, isFiltered)
  return headerBytes + blockPrefixBytes + Math.ceil(pages / 8) + entriesBytes + checksumBytes * (pages + 1)
}

/** Writes header, data block and pages at the encoder's position, which is their address. */
export function putFixedArray(encoder: Encoder, table: ChunkTable, chunkBytes: number, isFiltered: boolean): void {
  const address = encoder.position
  const entries = table.addresses.length
  const entryBytes = entryBytesOf(chunkBytes, isFiltered)
  const blockAddress = address + headerBytes
  const client = isFiltered ? 1 : 0
  encoder.text('FAHD').u8(0, client, entryBytes, pageBits).u64(entries).u64(blockAddress).checksum(address)
  encoder.text('FADB').u8(0, client).u64(address)
  const pages = pagesOf(entries)
  if (pages === 0) {
    putEntries(encoder, table, 0, entries, entryBytes, isFiltered)
    encoder.checksum(blockAddress)
    return
  }
  // Which pages hold anything, highest bit first.
  const bitmap = new Uint8Array(Math.ceil(pages / 8))
  for (let page = 0; page < pages; page++) bitmap[page >>> 3] = (bitmap[page >>> 3] as number) | (0x80 >>> (page & 7))
  encoder.put(bitmap).checksum(blockAddress)
  for (let page = 0; page < pages; page++) {
    const begin = encoder.position
    putEntries(encoder, table, page * pageEntries, Math.min(entries, (page + 1) * pageEntries), entryBytes, isFiltered)
    encoder.checksum(begin)
  }
}

function putEntries(encoder: Encoder, table: ChunkTable, begin: number, end: number, entryBytes: number, isFiltered: boolean): void {
  for (let i = begin; i < end; i++) {
    const chunkAddress = table.addresses[i] as number
    if (chunkAddress === 0) encoder.undefinedAddress()
    else encoder.u64(chunkAddress)
    if (isFiltered) encoder.uint(table.storedBytes[i] as number, entryBytes - 12).u32(table.filterMasks[i] as number)
  }
}
