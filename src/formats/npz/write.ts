// Writes the .npz files that DLIO's generator makes through `np.savez`: two stored members x and y, in one pass. Layout: README.md.
import { crc32 } from '../checksums.js'
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
  readonly offset: number
}

function membersOf(spec: FileSpec): { members: Member[]; directoryOffset: number } {
  const { type, sampleBytes } = checkedType(spec, 'an .npz file')
  const xHeader = encodeNpyHeader(type, [...spec.dims, spec.samples])
  const yHeader = encodeNpyHeader(elementTypeByName('int64')!, [spec.samples])
  const x = { name: samplesMember, header: xHeader, byteLength: xHeader.length + sampleBytes * spec.samples, offset: 0 }
  const y = { name: labelsMember, header: yHeader, byteLength: yHeader.length + 8 * spec.samples, offset: memberBytes(x) }
  return { members: [x, y], directoryOffset: y.offset + memberBytes(y) }
}

function memberBytes(member: { name: string; byteLength: number }): number {
  return localFixedBytes + member.name.length + localExtraBytes + member.byteLength
}

/** The zip64 values of a member's central entry, in their order (`zipfile.ZipFile._write_end_record`). */
function wideValues(member: Member): number[] {
  const sizes = member.byteLength > zip64Limit ? [member.byteLength, member.byteLength] : []
  return member.offset > zip64Limit ? [...sizes, member.offset] : sizes
}

function centralEntryBytes(member: Member): number {
  const wide = wideValues(member).length
  return centralFixedBytes + member.name.length + (wide === 0 ? 0 : 4 + 8 * wide)
}

export const npzWriter: FormatWriter = {
  sizeBytes(spec: FileSpec): number {
    const { members, directoryOffset } = membersOf(spec)
    const directoryBytes = members.reduce((sum, member) => sum + centralEntryBytes(member), 0)
    return directoryOffset + directoryBytes + (directoryOffset > zip64Limit ? end64Bytes + end64LocatorBytes : 0) + endBytes
  },

  write(spec: FileSpec, content: ContentSource, out: OutputFile): void {
    const { members, directoryOffset } = membersOf(spec)
    const [x, y] = members as [Member, Member]
    const crcs = [writeMember(x, out, content), writeMember(y, out, zeros)]
    const directory = members.map((member, i) => centralEntry(member, crcs[i]!))
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

/** Writes a member and returns its CRC-32, which is put into the header once it is known. */
function writeMember(member: Member, out: OutputFile, data: ContentSource): number {
  const begin = out.byteLength
  out.append(localHeader(member))
  out.append(member.header)
  let crc = crc32(member.header)
  appendContent(data, member.byteLength - member.header.length, (piece) => {
    crc = crc32(piece, crc)
    out.append(piece)
  })
  const patch = new Uint8Array(4)
  new DataView(patch.buffer).setUint32(0, crc, true)
  out.patch(begin + 14, patch)
  return crc
}

function localHeader(member: Member): Uint8Array {
  const bytes = new Uint8Array(localFixedBytes + member.name.length + localExtraBytes)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, localSignature, true)
  view.setUint16(4, version, true)
  view.setUint16(12, dosDate, true)
  view.setUint32(18, 0xffffffff, true)
  view.setUint32(22, 0xffffffff, true)
  view.setUint16(26, member.name.length, true)
  view.setUint16(28, localExtraBytes, true)
  setText(bytes, localFixedBytes, member.name)
  const extra = localFixedBytes + member.name.length
  view.setUint16(extra, 1, true)
  view.setUint16(extra + 2, 16, true)
  setU64(view, extra + 4, member.byteLength)
  setU64(view, extra + 12, member.byteLength)
  return bytes
}

function centralEntry(member: Member, crc: number): Uint8Array {
  const wide = wideValues(member)
  const bytes = new Uint8Array(centralEntryBytes(member))
  const view = new DataView(bytes.buffer)
  const sizeBytes = member.byteLength > zip64Limit ? 0xffffffff : member.byteLength
  view.setUint32(0, centralSignature, true)
  view.setUint16(4, 0x0300 | version, true) // made by: Unix
  view.setUint16(6, version, true)
  view.setUint16(14, dosDate, true)
  view.setUint32(16, crc, true)
  view.setUint32(20, sizeBytes, true)
  view.setUint32(24, sizeBytes, true)
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
