// What a file holds, for people and for comparison with h5py: shape, type and hash of each sample of each dataset, and the labels.
import { createHash } from 'node:crypto'
import { DataError } from '../../errors.js'
import { createWindow, IoPort, runBlocking } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { PlainFiles } from '../plain-files.js'
import type { ArrayInfo, Inspection } from '../types.js'
import { type ChunkIndex, openChunkIndex } from './chunk-index.js'
import { type Chunked, decodeChunk, eachChunk, findChunk } from './chunks.js'
import { type Dataset, readDataset } from './layout.js'
import { Metadata } from './metadata.js'
import { UnsupportedLayoutError, undefinedAddress } from './span.js'
import { checkEnd, readRoot, readSuperblock, useSuperblock } from './structure.js'
import type { Superblock } from './superblock.js'

const windowBytes = 2 ** 20
/** Decoded chunks kept because the next sample may need them again. */
const keptChunkBytes = 2 ** 28
/** Deflate cannot shrink data more; a file that claims to hold more than this per byte is not expanded. */
const mostExpansion = 1032
const freeExpansionBytes = 2 ** 26

/**
 * Inspects a local HDF5 file with all checksums checked. Layouts that this reader does not know are left to the HDF5 library itself.
 * Throws DataError where the file is damaged, StorageError where it cannot be read.
 */
export async function inspectHdf5(path: string): Promise<Inspection> {
  const port = new IoPort(createWindow(windowBytes))
  try {
    return runBlocking(inspectFile(port, path), new PlainFiles())
  } catch (error) {
    if (!(error instanceof UnsupportedLayoutError)) throw error
    const { inspectWithLibrary } = await import('./library.js')
    return await inspectWithLibrary(path, error)
  }
}

/** Inspects a file of any storage; layouts beyond the own reader throw UnsupportedLayoutError. */
export function* inspectFile(port: IoPort, uri: string): Io<Inspection> {
  const handle: number = yield port.open(uri)
  try {
    const fileBytes: number = yield port.size(handle)
    const metadata = new Metadata(port, true)
    metadata.begin(uri, handle, fileBytes)
    const superblock = yield* readSuperblock(metadata)
    checkEnd(uri, superblock, fileBytes)
    useSuperblock(metadata, superblock)
    const root = yield* readRoot(metadata, superblock, true)
    const arrays: Elements[] = []
    for (const place of root.records)
      arrays.push(new Elements(port, metadata, superblock, yield* readDataset(metadata, place.name, place.address)))
    const count = sampleCount(uri, arrays)
    const samples: Record<string, ArrayInfo>[] = []
    for (let i = 0; i < count; i++) {
      const sample: Record<string, ArrayInfo> = {}
      for (const array of arrays) sample[array.dataset.name] = describe(array.dataset, yield* array.sample(i))
      samples.push(sample)
    }
    const { labels } = root
    const labelArray =
      labels === undefined ? undefined : new Elements(port, metadata, superblock, yield* readDataset(metadata, labels.name, labels.address))
    return { file: uri, format: 'hdf5', samples, labels: labelArray === undefined ? null : yield* labelArray.numbers() }
  } finally {
    yield port.close(handle)
  }
}

function describe(dataset: Dataset, bytes: Uint8Array): ArrayInfo {
  return {
    shape: dataset.dims.slice(1),
    dtype: dataset.type.dtype as string,
    nbytes: bytes.byteLength,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  }
}

function sampleCount(uri: string, arrays: readonly Elements[]): number {
  const [first] = arrays
  const counts = arrays.map(({ dataset }) => dataset.dims[0] as number)
  if (counts.some((count) => count !== counts[0]))
    throw new DataError(uri, `the datasets of samples hold ${counts.join(', ')} samples: their numbers differ; generate the file again`)
  return first === undefined ? 0 : (counts[0] as number)
}

/** The elements of one dataset, as h5py would return them: in C order, filters undone, fill values where nothing was stored. */
class Elements {
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

  /** All elements as numbers, nested where there is more than one axis. */
  *numbers(): Io<unknown[]> {
    const { dims, type } = this.dataset
    const list: unknown[] = []
    for (let i = 0; i < (dims[0] as number); i++) list.push(toNumbers(yield* this.sample(i), type.dtype as string, dims.slice(1)))
    return list
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

function toNumbers(bytes: Uint8Array, dtype: string, dims: readonly number[]): unknown {
  const [count] = dims
  if (count === undefined) return toNumber(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), dtype)
  const step = count === 0 ? 0 : bytes.byteLength / count
  return Array.from({ length: count }, (_, i) => toNumbers(bytes.subarray(i * step, (i + 1) * step), dtype, dims.slice(1)))
}

function toNumber(view: DataView, dtype: string): number | string {
  const little = dtype[0] !== '>'
  switch (dtype.slice(1)) {
    case 'i1':
      return view.getInt8(0)
    case 'u1':
      return view.getUint8(0)
    case 'i2':
      return view.getInt16(0, little)
    case 'u2':
      return view.getUint16(0, little)
    case 'i4':
      return view.getInt32(0, little)
    case 'u4':
      return view.getUint32(0, little)
    case 'i8':
      return exact(view.getBigInt64(0, little))
    case 'u8':
      return exact(view.getBigUint64(0, little))
    case 'f4':
      return view.getFloat32(0, little)
    case 'f8':
      return view.getFloat64(0, little)
    default:
      return Buffer.from(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength).toString('hex')
  }
}

/** JSON has no integers beyond 2^53: such a label is told as text. */
function exact(value: bigint): number | string {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()
}
