// The messages of a dataset's object header: dataspace, fill value, filters, links. (Datatype and layout have files of their own.)
import type { Span } from './span.js'
import { decodeText, undefinedAddress } from './span.js'

export interface Dataspace {
  readonly kind: 'scalar' | 'simple' | 'null'
  readonly dims: readonly number[]
  /** Infinite where unlimited. */
  readonly maxDims: readonly number[]
}

/** HDF5's own limit (H5S_MAX_RANK). */
const mostDimensions = 32

export function parseDataspace(span: Span): Dataspace {
  const version = span.version(2, 1)
  const rank = span.u8()
  if (rank > mostDimensions) throw span.error(`${rank} dimensions, at most ${mostDimensions} are allowed`, 1)
  const flags = span.u8()
  const type = version === 2 ? span.u8() : rank === 0 ? 0 : 1
  if (version === 1) span.skip(5)
  if (type > 2) throw span.error(`dataspace type ${type}, 0 to 2 are known`, 3)
  const dims = Array.from({ length: rank }, () => span.size())
  const maxDims = flags & 0x01 ? Array.from({ length: rank }, () => span.sizeOrUnlimited()) : dims
  dims.forEach((dim, axis) => {
    if ((maxDims[axis] as number) < dim) throw span.error(`axis ${axis} has ${dim} elements, at most ${maxDims[axis]} are allowed`, 2)
  })
  return { kind: type === 0 ? 'scalar' : type === 1 ? 'simple' : 'null', dims, maxDims }
}

/** The fill value's bytes, undefined where it is the default (zeros). */
export function parseFill(span: Span): Uint8Array | undefined {
  const version = span.version(3, 1)
  if (version === 3) {
    const flags = span.u8()
    return flags & 0x20 ? span.take(span.u32()).bytes : undefined
  }
  span.skip(2)
  const isDefined = span.u8()
  if (version === 2 && isDefined === 0) return undefined
  const byteLength = span.u32()
  return byteLength === 0 ? undefined : span.take(byteLength).bytes
}

/** The fill value message of HDF5 before 1.6. */
export function parseOldFill(span: Span): Uint8Array | undefined {
  const byteLength = span.u32()
  return byteLength === 0 ? undefined : span.take(byteLength).bytes
}

export interface Filter {
  readonly id: number
  readonly name: string
  /** True if the writer may leave the filter out for a chunk that it does not shrink. */
  readonly optional: boolean
  readonly values: readonly number[]
}

/** HDF5's own limit (H5Z_MAX_NFILTERS). */
const mostFilters = 32

export function parseFilters(span: Span): Filter[] {
  const version = span.version(2, 1)
  const count = span.u8()
  if (count > mostFilters) throw span.error(`${count} filters, at most ${mostFilters} are allowed`, 1)
  if (version === 1) span.skip(6)
  return Array.from({ length: count }, () => {
    const id = span.u16()
    // Version 2 leaves the names of HDF5's own filters out.
    const nameBytes = version === 1 || id >= 256 ? span.u16() : 0
    const flags = span.u16()
    const valueCount = span.u16()
    const name = decodeText(span.take(version === 1 ? Math.ceil(nameBytes / 8) * 8 : nameBytes).bytes).replace(/\0.*$/s, '')
    const values = Array.from({ length: valueCount }, () => span.u32())
    if (version === 1 && valueCount % 2 === 1) span.skip(4)
    return { id, name, optional: (flags & 1) === 1, values }
  })
}

export interface Link {
  readonly name: string
  readonly kind: 'hard' | 'soft' | 'external' | 'other'
  /** Address of the object header, for hard links. */
  readonly address: number
}

export function parseLink(span: Span): Link {
  span.version(1, 1)
  const flags = span.u8()
  const type = flags & 0x08 ? span.u8() : 0
  if (flags & 0x04) span.skip(8)
  if (flags & 0x10) span.skip(1)
  const name = decodeText(span.take(span.uint(1 << (flags & 0x03))).bytes)
  if (type === 0) return { name, kind: 'hard', address: span.address() }
  return { name, kind: type === 1 ? 'soft' : type === 64 ? 'external' : 'other', address: undefinedAddress }
}

/** Where a group's links are when they are too many for its header; undefined addresses where they are not. */
export interface LinkInfo {
  readonly heapAddress: number
  readonly nameIndexAddress: number
}

export function parseLinkInfo(span: Span): LinkInfo {
  span.version(0)
  const flags = span.u8()
  if (flags & 0x01) span.skip(8)
  return { heapAddress: span.address(), nameIndexAddress: span.address() }
}
