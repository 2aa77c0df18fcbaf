// Writes the .npz files that DLIO's generator makes through `np.savez` (or, with compression zip, means to make through `np.savez_compressed`):
// two members x and y, in one pass. Layout: README.md.
import { constants, deflateRawSync } from 'node:zlib'
import { contentCrc, crc32 } from '../checksums.js'
import { appendContent, checkedType } from '../content.js'
import { elementTypeByName } from '../dtype.js'
import { setU64 } from '../little-endian.js'
import { encodeNpyHeader } from '../npy/layout.js'
import type { ContentSource, FileSpec, FormatWriter, OutputFile } from '../types.js'
import {
  centralFixedBytes,
  centralSignature,
  end64Bytes,
  end64LocatorBytes,
  end64LocatorSignature,
  end64Signature,
  endBytes,
  endSignature,
  localFixedBytes,
  localSignature,
} from './layout.js'
import { labelsMember, samplesMember } from './members.js'

/** Beyond these, sizes and offsets of the central directory are 64 bits wide (Python `zipfile.ZIP64_LIMIT`; not 4 GiB). */
const zip64Limit = 2 ** 31 - 1
/** "Version needed" 4.5, which means zip64: `np.savez` forces zip64 local headers. */
const version = 45
/** 1 January 1980, the earliest date there is, in MS-DOS form (NumPy writes through `ZipFile.open`, which takes it). */
const dosDate = 0x21
/** Of the local header: the zip64 extra field with both sizes. */
const localExtraBytes = 20

interface Member {
  readonly name: string
  readonly header: Uint8Array
  readonly byteLength: number
  /** Bytes in the file: as many as `byteLength` where it is not deflated. */
  readonly storedBytes: number
  readonly offset: number
}

/** Methods of ZIP members. */
const stored = 0
const deflated = 8
const methodOf = ({ compression }: FileSpec): number => (compression === 'zip' ? deflated : stored)

function membersOf(spec: FileSpec): { members: Member[]; directoryOffset: number } {
  const { type, sampleBytes } = checkedType(spec, 'an .npz file')
  const xHeader = encodeNpyHeader(type, [...spec.dims, spec.samples])
  const yHeader = encodeNpyHeader(elementTypeByName('int64')!, [spec.samples])
  const xBytes = xHeader.length + sampleBytes * spec.samples
  const yBytes = yHeader.length + 8 * spec.samples
  const x = { name: samplesMember, header: xHeader, byteLength: xBytes, storedBytes: xBytes, offset: 0 }
  const y = { name: labelsMember, header: yHeader, byteLength: yBytes, storedBytes: yBytes, offset: memberBytes(x) }
  return { members: [x, y], directoryOffset: y.offset + memberBytes(y) }
}

function memberBytes(member: { name: string; storedBytes: number }): number {
  return localFixedBytes + member.name.length + localExtraBytes + member.storedBytes
}

/** Whether either size needs 64 bits. */
function isWide({ byteLength, storedBytes }: Member): boolean {
  return byteLength > zip64Limit || storedBytes > zip64Limit
}

/** The zip64 values of a member's central entry, in their order (`zipfile.ZipFile._write_end_record`). */
function wideValues(member: Member): number[] {
  const sizes = isWide(member) ? [member.byteLength, member.storedBytes] : []
  return member.offset > zip64Limit ? [...sizes, member.offset] : sizes
}

function centralEntryBytes(member: Member): number {
  const wide = wideValues(member).length
  return centralFixedBytes + member.name.length + (wide === 0 ? 0 : 4 + 8 * wide)
}

export const npzWriter: FormatWriter = {
  sizeBytes(spec: FileSpec): number | undefined {
    if (methodOf(spec) === deflated) return undefined
    const { members, directoryOffset } = membersOf(spec)
    const directoryBytes = members.reduce((sum, member) => sum + centralEntryBytes(member), 0)
    return directoryOffset + directoryBytes + (directoryOffset > zip64Limit ? end64Bytes + end64LocatorBytes : 0) + endBytes
  },

  write(spec: FileSpec, content: ContentSource, out: OutputFile): void {
    const [x, y] = membersOf(spec).members as [Member, Member]
    const method = methodOf(spec)
    const members = [writeMember(x, method, out, content), writeMember(y, method, out, zeros)]
    const directoryOffset = out.byteLength
    const directory = members.map((member) => centralEntry(member, method))
    for (const entry of directory) out.append(entry)
    out.append(
      endRecords(
        members.length,
        directoryOffset,
        directory.reduce((sum, entry) => sum + entry.length, 0),
      ),
    )
  },
}

const zeroPiece = new Uint8Array(65_536)
const zeros: ContentSource = {
  preferredBytes: zeroPiece.length,
  next: (maxBytes) => (maxBytes < zeroPiece.length ? zeroPiece.subarray(0, maxBytes) : zeroPiece),
}

interface WrittenMember extends Member {
  readonly crc: number
}

/** One piece of a deflate stream: pieces are deflated each on its own and end on a byte, which costs no memory and next to no space. */
function deflatePiece(piece: Uint8Array, isLast: boolean): Uint8Array {
  return deflateRawSync(piece, { finishFlush: isLast ? constants.Z_FINISH : constants.Z_SYNC_FLUSH })
}

/** Writes a member. Its CRC-32, and its size where it is deflated, are put into the header once they are known. */
function writeMember(member: Member, method: number, out: OutputFile, data: ContentSource): WrittenMember {
  const begin = out.byteLength
  out.append(localHeader(member, method))
  const dataBegin = out.byteLength
  let left = member.byteLength
  let crc = 0
  const append = (piece: Uint8Array, crcOf: (piece: Uint8Array, initial: number) => number) => {
    left -= piece.length
    crc = crcOf(piece, crc)
    out.append(method === deflated ? deflatePiece(piece, left === 0) : piece)
  }
  append(member.header, crc32)
  appendContent(data, left, (piece) => append(piece, (bytes, initial) => contentCrc(data, 'crc32', bytes, initial)))
  const patch = new Uint8Array(4)
  new DataView(patch.buffer).setUint32(0, crc, true)
  out.patch(begin + 14, patch)
  const written = { ...member, offset: begin, storedBytes: out.byteLength - dataBegin, crc }
  if (method === deflated) out.patch(begin, localHeader(written, method, crc))
  return written
}

function localHeader(member: Member, method: number, crc = 0): Uint8Array {
  const bytes = new Uint8Array(localFixedBytes + member.name.length + localExtraBytes)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, localSignature, true)
  view.setUint16(4, version, true)
  view.setUint16(8, method, true)
  view.setUint16(12, dosDate, true)
  view.setUint32(14, crc, true)
  view.setUint32(18, 0xffffffff, true)
  view.setUint32(22, 0xffffffff, true)
  view.setUint16(26, member.name.length, true)
  view.setUint16(28, localExtraBytes, true)
  setText(bytes, localFixedBytes, member.name)
  const extra = localFixedBytes + member.name.length
  view.setUint16(extra, 1, true)
  view.setUint16(extra + 2, 16, true)
  setU64(view, extra + 4, member.byteLength)
  setU64(view, extra + 12, member.storedBytes)
  return bytes
}

function centralEntry(member: WrittenMember, method: number): Uint8Array {
  const wide = wideValues(member)
  const sizeOf = (bytes: number) => (isWide(member) ? 0xffffffff : bytes)
  const bytes = new Uint8Array(centralEntryBytes(member))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, centralSignature, true)
  view.setUint16(4, 0x0300 | version, true) // made by: Unix
  view.setUint16(6, version, true)
  view.setUint16(10, method, true)
  view.setUint16(14, dosDate, true)
  view.setUint32(16, member.crc, true)
  view.setUint32(20, sizeOf(member.storedBytes), true)
  view.setUint32(24, sizeOf(member.byteLength), true)
  view.setUint16(28, member.name.length, true)
  view.setUint16(30, wide.length === 0 ? 0 : 4 + 8 * wide.length, true)
  view.setUint32(38, 0o600 << 16, true) // external attributes: readable and writable by the owner
  view.setUint32(42, member.offset > zip64Limit ? 0xffffffff : member.offset, true)
  setText(bytes, centralFixedBytes, member.name)
  if (wide.length > 0) {
    const extra = centralFixedBytes + member.name.length
    view.setUint16(extra, 1, true)
    view.setUint16(extra + 2, 8 * wide.length, true)
    wide.forEach((value, i) => {
      setU64(view, extra + 4 + 8 * i, value)
    })
  }
  return bytes
}

function endRecords(entries: number, directoryOffset: number, directoryBytes: number): Uint8Array {
  const wide = directoryOffset > zip64Limit
  const wideBytes = wide ? end64Bytes + end64LocatorBytes : 0
  const bytes = new Uint8Array(wideBytes + endBytes)
  const view = new DataView(bytes.buffer)
  if (wide) {
    view.setUint32(0, end64Signature, true)
    setU64(view, 4, end64Bytes - 12)
    view.setUint16(12, version, true)
    view.setUint16(14, version, true)
    setU64(view, 24, entries)
    setU64(view, 32, entries)
    setU64(view, 40, directoryBytes)
    setU64(view, 48, directoryOffset)
    view.setUint32(end64Bytes, end64LocatorSignature, true)
    setU64(view, end64Bytes + 8, directoryOffset + directoryBytes)
    view.setUint32(end64Bytes + 16, 1, true)
  }
  view.setUint32(wideBytes, endSignature, true)
  view.setUint16(wideBytes + 8, entries, true)
  view.setUint16(wideBytes + 10, entries, true)
  view.setUint32(wideBytes + 12, directoryBytes, true)
  view.setUint32(wideBytes + 16, Math.min(directoryOffset, 0xffffffff), true)
  return bytes
}

function setText(bytes: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i)
}
