// What a file holds, for people and for comparison with h5py: shape, type and hash of each sample of each dataset, and the labels.
import { createHash } from 'node:crypto'
import { DataError } from '../../errors.js'
import { createWindow, IoPort, runBlocking } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { PlainFiles } from '../plain-files.js'
import type { ArrayInfo, Inspection } from '../types.js'
import { Elements } from './elements.js'
import { type Dataset, readDataset } from './layout.js'
import { Metadata } from './metadata.js'
import { UnsupportedLayoutError } from './span.js'
import { checkEnd, readRoot, readSuperblock, useSuperblock } from './structure.js'

const windowBytes = 2 ** 20

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
    return { file: uri, format: 'hdf5', samples, labels: labelArray === undefined ? null : yield* numbersOf(labelArray) }
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

/** All elements as numbers, nested where there is more than one axis. */
function* numbersOf(array: Elements): Io<unknown[]> {
  const { dims, type } = array.dataset
  const list: unknown[] = []
  for (let i = 0; i < (dims[0] as number); i++) list.push(toNumbers(yield* array.sample(i), type.dtype as string, dims.slice(1)))
  return list
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
