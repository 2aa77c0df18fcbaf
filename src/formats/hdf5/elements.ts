// The elements of a dataset, sample by sample, whatever the layout that they are stored in.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { type ChunkIndex, openChunkIndex } from './chunk-index.js'
import { type Chunked, decodeChunk, eachChunk, findChunk } from './chunks.js'
import type { Dataset } from './layout.js'
import type { Metadata } from './metadata.js'
import { UnsupportedLayoutError, undefinedAddress } from './span.js'
import type { Superblock } from './superblock.js'

/** Decoded chunks kept because the next sample may need them again. */
const keptChunkBytes = 2 ** 28
/** Deflate cannot shrink data more; a file that claims to hold more than this per byte is not expanded. */
const mostExpansion = 1032
const freeExpansionBytes = 2 ** 26

/** The elements of one dataset, as h5py would return them: in C order, filters undone, fill values where nothing was stored. */
export class Elements {
  private index: ChunkIndex | undefined
  private readonly decoded = new Map<string, Uint8Array | undefined>()
  private decodedBytes = 0

  constructor(
    private readonly port: IoPort,
    private readonly metadata: Metadata,
    private readonly superblock: Superblock,
    readonly dataset: Dataset,
  ) {
    const { uri, fileBytes } = metadata
    const { name, kind, dims, type, sampleBytes } = dataset
    if (kind !== 'simple') throw new DataError(uri, `dataset ${name} is a ${kind} without an axis of samples; generate the file again`)
    if (type.dtype === undefined)
      throw new UnsupportedLayoutError(uri, `HDF5 dataset ${name}: a ${type.className} type of ${type.sizeBytes} bytes`)
    const samples = dims[0] as number
    // Each sample costs at least its line of output.
    if (Math.max(1, sampleBytes) * samples > fileBytes * mostExpansion + freeExpansionBytes)
      throw new DataError(uri, `dataset ${name} of shape [${dims.join(', ')}] claims more than a file of ${fileBytes} bytes can hold`)
  }

  /** The bytes of one sample. */
  *sample(sample: number): Io<Uint8Array> {
    const { storage, sampleBytes } = this.dataset
    const bytes = new Uint8Array(sampleBytes)
    if (storage.kind === 'compact') return storage.bytes.subarray(sample * sampleBytes, (sample + 1) * sampleBytes)
    if (storage.kind === 'chunked') {
      this.fill(bytes)
      yield* this.gather(storage, sample, bytes)
    } else if (storage.address === undefinedAddress) this.fill(bytes)
    else yield* this.read(this.superblock.baseOffset + storage.address + sample * sampleBytes, bytes)
    return bytes
  }

  private fill(bytes: Uint8Array): void {
    const { fill, type } = this.dataset
    if (fill !== undefined && fill.byteLength === type.sizeBytes)
      for (let at = 0; at < bytes.byteLength; at += fill.byteLength) bytes.set(fill, at)
  }

  private *gather(storage: Chunked, sample: number, into: Uint8Array): Io<void> {
    const { metadata, dataset } = this
    const elements = this
    this.metadata.beginSample()
    yield* eachChunk(metadata.uri, dataset, storage, sample, function* (place) {
      const chunk = yield* elements.chunk(storage, place)
      if (chunk !== undefined) copyRows(dataset, storage, place, sample, chunk, into)
    })
  }

  private *chunk(storage: Chunked, place: readonly number[]): Io<Uint8Array | undefined> {
    const key = place.join()
    if (this.decoded.has(key)) return this.decoded.get(key)
    const { metadata, dataset, superblock } = this
    const { uri, fileBytes } = metadata
    this.index ??= yield* openChunkIndex(metadata, dataset, storage, superblock.chunkK)
    const found = yield* findChunk(uri, dataset, this.index, place, superblock.baseOffset, fileBytes)
    let bytes: Uint8Array | undefined
    if (found !== undefined) {
      const stored = new Uint8Array(found.storedBytes)
      const begin = superblock.baseOffset + found.address
      yield* this.read(begin, stored)
      bytes = decodeChunk(uri, dataset, storage, place, found, stored, begin)
    }
    this.decodedBytes += storage.chunkBytes
    if (this.decodedBytes > keptChunkBytes) {
      this.decoded.clear()
      this.decodedBytes = storage.chunkBytes
    }
    this.decoded.set(key, bytes)
    return bytes
  }

  private *read(begin: number, into: Uint8Array): Io<void> {
    const { port, metadata } = this
    for (let done = 0; done < into.byteLength; ) {
      const answer: number = yield port.read(metadata.handle, begin + done, Math.min(port.window.capacity, into.byteLength - done))
      if (answer === 0)
        throw new DataError(
          metadata.uri,
          `data of ${this.dataset.name} lies beyond the end of the file: it is damaged; generate or copy it again`,
          begin + done,
        )
      into.set(port.window.bytes.subarray(port.window.begin, port.window.end), done)
      done += answer
    }
  }
}

/** Copies what a chunk holds of one sample to its place in the sample, row by row. */
function copyRows(dataset: Dataset, storage: Chunked, place: readonly number[], sample: number, chunk: Uint8Array, into: Uint8Array): void {
  const { chunkDims } = storage
  const elementBytes = dataset.type.sizeBytes
  const rank = chunkDims.length
  const first = place.map((p, axis) => (axis === 0 ? sample : p * (chunkDims[axis] as number)))
  const counts = first.map((begin, axis) => (axis === 0 ? 1 : Math.min(chunkDims[axis] as number, (dataset.dims[axis] as number) - begin)))
  const inChunk = first.map((begin, axis) => (axis === 0 ? begin - (place[0] as number) * (chunkDims[0] as number) : 0))
  const rowBytes = elementBytes * (rank > 1 ? (counts[rank - 1] as number) : 1)
  const rows = counts.slice(0, Math.max(1, rank - 1)).reduce((product, count) => product * count, 1)
  const offset = counts.map(() => 0)
  for (let row = 0; row < rows; row++) {
    let from = 0
    let to = 0
    for (let axis = 0; axis < rank; axis++) {
      from = from * (chunkDims[axis] as number) + (inChunk[axis] as number) + (offset[axis] as number)
      if (axis > 0) to = to * (dataset.dims[axis] as number) + (first[axis] as number) + (offset[axis] as number)
    }
    into.set(chunk.subarray(from * elementBytes, from * elementBytes + rowBytes), to * elementBytes)
    for (let axis = rank - 2; axis > 0; axis--) {
      offset[axis] = (offset[axis] as number) + 1
      if ((offset[axis] as number) < (counts[axis] as number)) break
      offset[axis] = 0
    }
  }
}
