// The superblock: where an HDF5 file begins, how wide its addresses are, where it ends and where its root group is.
import { readChecksum } from './checksum.js'
import { type FieldWidths, Span } from './span.js'

export const signatureBytes = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a] as const

/** Fixed part that HDF5's own library reads first: enough for each version with 8-byte addresses. */
export const superblockBytes = { 0: 96, 1: 100, 2: 48, 3: 48 } as const

export interface Superblock extends FieldWidths {
  readonly version: number
  /** Absolute position of the superblock, to which all addresses are relative (a user block may precede it). */
  readonly baseOffset: number
  /** Absolute position of the end of the file as its writer left it. */
  readonly endOffset: number
  /** Address of the root group's object header. */
  readonly rootAddress: number
  /** Children of a version 1 B-tree node: half the most entries, for groups, their leaves and chunk indexes. */
  readonly groupLeafK: number
  readonly groupInternalK: number
  readonly chunkK: number
}

/** True if the bytes begin with HDF5's signature. */
export function hasSignature(bytes: Uint8Array, begin = 0): boolean {
  return signatureBytes.every((byte, i) => bytes[begin + i] === byte)
}

/**
 * Parses a superblock of version 0 to 3; the span begins at the signature. HDF5 lets the superblock's own place win over the base
 * address stored in it (a user block added or cut off later), and moves the end of the file with it (H5F__super_read).
 */
export function parseSuperblock(span: Span, verify: boolean): Superblock {
  if (!hasSignature(span.bytes)) throw span.error('signature is missing', 0)
  span.rewind(8)
  const version = span.version(3)
  const at = span.byteOffset
  if (version >= 2) {
    const widths = readWidths(span)
    const flags = span.u8()
    const [base = -1, , end = -1, root = -1] = addresses(span, widths, 4)
    readChecksum(span, verify)
    if (version === 3 && (flags & 0x05) !== 0)
      throw span.error('is marked as open for writing: its writer did not close it; generate the file again (or run h5clear -s)', 11)
    return result(
      span,
      { version, ...widths, baseOffset: at, endOffset: end + at - base, rootAddress: root, groupLeafK: 4, groupInternalK: 16, chunkK: 32 },
      base,
      end,
    )
  }
  span.skip(4)
  const widths = readWidths(span)
  span.skip(1)
  const groupLeafK = span.u16()
  const groupInternalK = span.u16()
  span.skip(4)
  const chunkK = version === 1 ? span.u16() : 32
  if (version === 1) span.skip(2)
  // Base, free space, end of file, driver information, then the root group's symbol table entry: name offset and header address.
  const [base = -1, , end = -1, , , root = -1] = addresses(span, widths, 6)
  return result(
    span,
    { version, ...widths, baseOffset: at, endOffset: end + at - base, rootAddress: root, groupLeafK, groupInternalK, chunkK },
    base,
    end,
  )
}

function readWidths(span: Span): FieldWidths {
  const begin = span.position
  const widths = { offsetBytes: span.u8(), lengthBytes: span.u8() }
  for (const width of [widths.offsetBytes, widths.lengthBytes])
    if (width !== 2 && width !== 4 && width !== 8)
      throw span.unsupported(`${width}-byte addresses or lengths (2, 4 and 8 are known)`, begin)
  return widths
}

function addresses(span: Span, widths: FieldWidths, count: number): number[] {
  const fields = span.take(widths.offsetBytes * count)
  const wide = new Span(span.uri, fields.bytes, fields.byteOffset, widths, span.what)
  return Array.from({ length: count }, () => wide.address())
}

function result(span: Span, superblock: Superblock, base: number, end: number): Superblock {
  if (base < 0 || end < 0 || superblock.rootAddress < 0) throw span.error('has no base address, end of file or root group', 8)
  return superblock
}
