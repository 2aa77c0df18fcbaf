// The data layout message: where a dataset's elements are in the file. And the dataset as a whole, put together from its messages.
import type { Io } from '../../storage/types.js'
import { type Datatype, parseDatatype } from './datatype.js'
import { type Dataspace, type Filter, parseDataspace, parseFill, parseFilters, parseOldFill } from './messages.js'
import type { Metadata } from './metadata.js'
import { type Message, MessageType, readObjectHeader } from './object-header.js'
import { type Span, undefinedAddress } from './span.js'

/** How the chunks of a chunked dataset are found. */
export type ChunkIndexLayout =
  | { readonly kind: 'version 1 B-tree'; readonly address: number }
  | { readonly kind: 'single chunk'; readonly address: number; readonly storedBytes: number; readonly filterMask: number }
  | { readonly kind: 'implicit'; readonly address: number }
  | { readonly kind: 'fixed array'; readonly address: number }
  | { readonly kind: 'extensible array'; readonly address: number }
  | { readonly kind: 'version 2 B-tree'; readonly address: number }

export type StorageLayout =
  | { readonly kind: 'compact'; readonly bytes: Uint8Array }
  | { readonly kind: 'contiguous'; readonly address: number; readonly sizeBytes: number }
  | {
      readonly kind: 'chunked'
      /** Shape of a chunk in elements. */
      readonly chunkDims: readonly number[]
      /** Bytes of a whole chunk before filters. */
      readonly chunkBytes: number
      /** Chunks that stick out over the dataset's end are stored without filters. */
      readonly edgeChunksUnfiltered: boolean
      readonly index: ChunkIndexLayout
    }

export interface Dataset extends Dataspace {
  readonly name: string
  readonly type: Datatype
  readonly storage: StorageLayout
  readonly filters: readonly Filter[]
  readonly fill: Uint8Array | undefined
  /** Bytes of one sample: all elements with one index on the first axis. */
  readonly sampleBytes: number
}

/** Reads the object header at `address` and makes a dataset of it. Throws DataError, UnsupportedLayoutError. */
export function* readDataset(metadata: Metadata, name: string, address: number): Io<Dataset> {
  const messages = yield* readObjectHeader(metadata, address, `header of ${name}`)
  const find = (type: number) => messages.find((message) => message.type === type)
  const needed = (type: number, what: string): Message => {
    const message = find(type)
    if (message === undefined) {
      const isGroup = find(MessageType.symbolTable) !== undefined || find(MessageType.linkInfo) !== undefined
      throw metadata.error(`${name} is ${isGroup ? 'a group' : 'an object'} without a ${what}: it is no dataset`, address)
    }
    return message
  }
  const dataspace = parseDataspace(own(needed(MessageType.dataspace, 'dataspace')))
  const type = yield* readDatatype(metadata, needed(MessageType.datatype, 'datatype'), true)
  const layoutMessage = own(needed(MessageType.layout, 'data layout'))
  if (find(MessageType.externalFiles) !== undefined)
    throw layoutMessage.unsupported('the data is in external files; store it in the HDF5 file itself', 0)
  const storage = parseLayout(layoutMessage, dataspace, type.sizeBytes)
  const filtersMessage = find(MessageType.filters)
  const fillMessage = find(MessageType.fill)
  const oldFillMessage = find(MessageType.oldFill)
  const fill =
    fillMessage !== undefined ? parseFill(own(fillMessage)) : oldFillMessage !== undefined ? parseOldFill(own(oldFillMessage)) : undefined
  const sampleBytes = dataspace.dims.slice(1).reduce((bytes, dim) => bytes * dim, type.sizeBytes)
  if (!Number.isSafeInteger(sampleBytes * Math.max(1, dataspace.dims[0] ?? 1)))
    throw layoutMessage.error(`shape [${dataspace.dims.join(', ')}] has more than 2^53 bytes`, 0)
  const filters = filtersMessage === undefined ? [] : parseFilters(own(filtersMessage))
  return { ...dataspace, name, type, storage, filters, fill, sampleBytes }
}

/** A message's own bytes; messages shared through a heap of the file are beyond this reader. */
function own(message: Message): Span {
  if (message.flags & 0x02) throw message.body.unsupported('the message is shared', 0)
  return message.body.rewind(0)
}

/** A datatype, which may be a committed one: then the message only names the object header that has it. */
function* readDatatype(metadata: Metadata, message: Message, mayBeCommitted: boolean): Io<Datatype> {
  const { body } = message
  if ((message.flags & 0x02) === 0) return parseDatatype(body.rewind(0))
  body.rewind(0)
  const version = body.version(3, 1)
  const where = body.u8()
  if (version === 1) body.skip(6)
  if (!mayBeCommitted || (version === 3 && where !== 2)) throw body.unsupported('the datatype is shared through a heap', 0)
  const messages = yield* readObjectHeader(metadata, body.address(), 'committed datatype')
  const target = messages.find((candidate) => candidate.type === MessageType.datatype)
  if (target === undefined) throw body.error('the committed datatype has no datatype message', 0)
  return yield* readDatatype(metadata, target, false)
}

function parseLayout(span: Span, dataspace: Dataspace, elementBytes: number): StorageLayout {
  const version = span.version(5, 1)
  const datasetBytes = dataspace.dims.reduce((bytes, dim) => bytes * dim, elementBytes)
  const storage = version <= 2 ? parseOld(span, datasetBytes) : parseNew(span, version)
  if (storage.kind === 'chunked') {
    checkChunks(span, dataspace, storage.chunkDims, storage.chunkBytes)
  } else {
    const sizeBytes = storage.kind === 'compact' ? storage.bytes.byteLength : storage.sizeBytes
    if (sizeBytes < datasetBytes && !(storage.kind === 'contiguous' && storage.address === undefinedAddress))
      throw span.error(`the data has ${sizeBytes} bytes, its shape [${dataspace.dims.join(', ')}] needs ${datasetBytes}`, 0)
  }
  return storage
}

/** Versions 1 and 2, HDF5 before 1.6: dimensions are there for each class, sizes are not. */
function parseOld(span: Span, datasetBytes: number): StorageLayout {
  const dimensions = span.u8()
  const layoutClass = span.u8()
  span.skip(5)
  const address = layoutClass === 0 ? undefinedAddress : span.address()
  const sizes = Array.from({ length: dimensions }, () => span.u32())
  if (layoutClass === 0) return { kind: 'compact', bytes: span.take(span.u32()).bytes }
  if (layoutClass === 1) return { kind: 'contiguous', address, sizeBytes: datasetBytes }
  return chunked(span, layoutClass, sizes, { kind: 'version 1 B-tree', address }, false)
}

function parseNew(span: Span, version: number): StorageLayout {
  const layoutClass = span.u8()
  if (layoutClass === 0) return { kind: 'compact', bytes: span.take(span.u16()).bytes }
  if (layoutClass === 1) return { kind: 'contiguous', address: span.address(), sizeBytes: span.size() }
  if (layoutClass === 3) throw span.unsupported('a virtual dataset, its data is in other files; copy it into one file', 1)
  if (version === 3) {
    const dimensions = span.u8()
    const address = span.address()
    const sizes = Array.from({ length: dimensions }, () => span.u32())
    return chunked(span, layoutClass, sizes, { kind: 'version 1 B-tree', address }, false)
  }
  if (layoutClass !== 2) throw span.unsupported(`layout class ${layoutClass} is not known (0 to 3 are)`, 1)
  const flags = span.u8()
  const dimensions = span.u8()
  const sizeBytes = span.u8()
  if (sizeBytes < 1 || sizeBytes > 8) throw span.error(`chunk dimensions of ${sizeBytes} bytes, 1 to 8 are allowed`, 4)
  const sizes = Array.from({ length: dimensions }, () => span.uint(sizeBytes))
  return chunked(span, layoutClass, sizes, parseChunkIndex(span, flags), (flags & 0x01) !== 0)
}

function parseChunkIndex(span: Span, flags: number): ChunkIndexLayout {
  const type = span.u8()
  switch (type) {
    case 1: {
      const isFiltered = (flags & 0x02) !== 0
      const storedBytes = isFiltered ? span.size() : 0
      const filterMask = isFiltered ? span.u32() : 0
      return { kind: 'single chunk', address: span.address(), storedBytes, filterMask }
    }
    case 2:
      return { kind: 'implicit', address: span.address() }
    case 3:
      span.skip(1)
      return { kind: 'fixed array', address: span.address() }
    case 4:
      span.skip(5)
      return { kind: 'extensible array', address: span.address() }
    case 5:
      span.skip(6)
      return { kind: 'version 2 B-tree', address: span.address() }
    default:
      throw span.unsupported(`chunk index type ${type} is not known (1 to 5 are)`)
  }
}

/** `sizes` are the chunk's dimensions with the element's size as the last one. */
function chunked(
  span: Span,
  layoutClass: number,
  sizes: number[],
  index: ChunkIndexLayout,
  edgeChunksUnfiltered: boolean,
): StorageLayout & { kind: 'chunked' } {
  if (layoutClass !== 2) throw span.unsupported(`layout class ${layoutClass} is not known (0 to 3 are)`, 1)
  const chunkBytes = sizes.reduce((product, size) => product * size, 1)
  return { kind: 'chunked', chunkDims: sizes.slice(0, -1), chunkBytes, edgeChunksUnfiltered, index }
}

function checkChunks(span: Span, dataspace: Dataspace, chunkDims: readonly number[], chunkBytes: number): void {
  if (chunkDims.length !== dataspace.dims.length || chunkDims.some((dim) => dim < 1))
    throw span.error(`chunks [${chunkDims.join(', ')}] do not fit the shape [${dataspace.dims.join(', ')}]`, 0)
  if (!Number.isSafeInteger(chunkBytes) || chunkBytes < 1) throw span.error(`chunks of ${chunkBytes} bytes`, 0)
}
