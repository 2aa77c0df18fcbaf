// The zip structures that an .npz file is made of. Pure: bytes in, numbers out. Layout: PKWARE APPNOTE 6.3, Python `zipfile.py`; see README.md.
import { DataError } from '../../errors.js'
import { u16, u32, u64 } from '../little-endian.js'

export const localSignature = 0x04034b50
export const centralSignature = 0x02014b50
export const endSignature = 0x06054b50
export const end64Signature = 0x06064b50
export const end64LocatorSignature = 0x07064b50
export const descriptorSignature = 0x08074b50

export const localFixedBytes = 30
export const centralFixedBytes = 46
export const endBytes = 22
export const end64Bytes = 56
export const end64LocatorBytes = 20
/** The end records of an archive without a comment, zip64 ones included. */
export const endRecordsBytes = end64Bytes + end64LocatorBytes + endBytes
/** Longest archive comment. */
export const maxCommentBytes = 65_535

export const stored = 0
export const deflated = 8

/** What a member's header says, local or central. */
export interface MemberHeader {
  readonly name: string
  readonly method: number
  readonly crc32: number
  readonly compressedBytes: number
  readonly uncompressedBytes: number
  /** True where the local header knows neither sizes nor CRC: a data descriptor follows the data. */
  readonly sizesFollow: boolean
  /** True where a zip64 extra field is present, which makes a data descriptor's sizes 64 bits wide. */
  readonly zip64: boolean
  /** File offset of the local header. */
  readonly headerOffset: number
  /** Length of this header with its name, extra fields and comment. */
  readonly headerBytes: number
}

/** Length of a whole local header, whose 30 fixed bytes are at `at`. */
export function localHeaderBytes(bytes: Uint8Array, at: number): number {
  return localFixedBytes + u16(bytes, at + 26) + u16(bytes, at + 28)
}

/** Length of a whole central entry, whose 46 fixed bytes are at `at`. */
export function centralEntryBytes(bytes: Uint8Array, at: number): number {
  return centralFixedBytes + u16(bytes, at + 28) + u16(bytes, at + 30) + u16(bytes, at + 32)
}

/** Parses a whole local header at `at`, which stands at `fileOffset`. @throws DataError */
export function parseLocalHeader(uri: string, bytes: Uint8Array, at: number, fileOffset: number): MemberHeader {
  const nameBytes = u16(bytes, at + 26)
  const extraBytes = u16(bytes, at + 28)
  const nameAt = at + localFixedBytes
  const flags = u16(bytes, at + 6)
  const sizesFollow = (flags & 8) !== 0
  const name = memberName(bytes, nameAt, nameBytes)
  checkFlags(uri, name, flags, fileOffset)
  // APPNOTE 4.5.3: a local zip64 field holds both sizes, uncompressed first.
  const field = zip64Field(bytes, nameAt + nameBytes, extraBytes)
  let compressedBytes = u32(bytes, at + 18)
  let uncompressedBytes = u32(bytes, at + 22)
  let next = field?.begin ?? 0
  const wide = () => {
    if (field === undefined || next + 8 > field.end)
      throw new DataError(uri, `member ${name}: its size is said to be in a zip64 field, which is absent or too short`, fileOffset)
    next += 8
    return u64(bytes, next - 8)
  }
  if (uncompressedBytes === 0xffffffff) uncompressedBytes = wide()
  if (compressedBytes === 0xffffffff) compressedBytes = wide()
  if (!sizesFollow) checkSizes(uri, name, u16(bytes, at + 8), compressedBytes, uncompressedBytes, fileOffset)
  return {
    name,
    method: u16(bytes, at + 8),
    crc32: u32(bytes, at + 14),
    compressedBytes,
    uncompressedBytes,
    sizesFollow,
    zip64: field !== undefined,
    headerOffset: fileOffset,
    headerBytes: localFixedBytes + nameBytes + extraBytes,
  }
}

/** Parses a whole central entry at `at`, which stands at `fileOffset`. @throws DataError */
export function parseCentralEntry(uri: string, bytes: Uint8Array, at: number, fileOffset: number): MemberHeader {
  const nameBytes = u16(bytes, at + 28)
  const extraBytes = u16(bytes, at + 30)
  const nameAt = at + centralFixedBytes
  const flags = u16(bytes, at + 8)
  const name = memberName(bytes, nameAt, nameBytes)
  checkFlags(uri, name, flags, fileOffset)
  const field = zip64Field(bytes, nameAt + nameBytes, extraBytes)
  let next = field?.begin ?? 0
  // Only those fields are 64 bits wide whose 32-bit place is full, in this order (APPNOTE 4.5.3).
  const wide = (narrow: number) => {
    if (narrow !== 0xffffffff) return narrow
    if (field === undefined || next + 8 > field.end)
      throw new DataError(uri, `member ${name}: the central directory lacks its zip64 field, or it is too short`, fileOffset)
    next += 8
    return u64(bytes, next - 8)
  }
  const uncompressedBytes = wide(u32(bytes, at + 24))
  const compressedBytes = wide(u32(bytes, at + 20))
  const headerOffset = wide(u32(bytes, at + 42))
  checkSizes(uri, name, u16(bytes, at + 10), compressedBytes, uncompressedBytes, fileOffset)
  return {
    name,
    method: u16(bytes, at + 10),
    crc32: u32(bytes, at + 16),
    compressedBytes,
    uncompressedBytes,
    sizesFollow: false,
    zip64: field !== undefined,
    headerOffset,
    headerBytes: centralEntryBytes(bytes, at),
  }
}

function memberName(bytes: Uint8Array, begin: number, byteLength: number): string {
  // ASCII is enough to find members; other bytes need only be told apart and printed.
  let name = ''
  for (let i = begin; i < begin + Math.min(byteLength, 255); i++) name += String.fromCharCode(bytes[i]!)
  return byteLength > 255 ? `${name}…` : name
}

function checkFlags(uri: string, name: string, flags: number, fileOffset: number): void {
  if (flags & 1) throw new DataError(uri, `member ${name} is encrypted`, fileOffset)
}

/** A deflate stream makes at most 258 bytes of two bits and a bit of framing (zlib's technical note: 1032 to 1). */
const maxDeflateRatio = 1032

function checkSizes(
  uri: string,
  name: string,
  method: number,
  compressedBytes: number,
  uncompressedBytes: number,
  fileOffset: number,
): void {
  if (method !== stored && method !== deflated)
    throw new DataError(uri, `member ${name} is compressed with method ${method}; stored (0) and deflated (8) can be read`, fileOffset)
  if (method === stored && compressedBytes !== uncompressedBytes)
    throw new DataError(uri, `member ${name} is stored, but says ${compressedBytes} bytes there and ${uncompressedBytes} in it`, fileOffset)
  if (method === deflated && uncompressedBytes > compressedBytes * maxDeflateRatio)
    throw new DataError(
      uri,
      `member ${name} says ${uncompressedBytes} bytes in ${compressedBytes} deflated ones, more than deflate can hold`,
      fileOffset,
    )
}

/** Where the content of the zip64 extra field (id 1) lies, undefined where there is none. */
function zip64Field(bytes: Uint8Array, begin: number, byteLength: number): { begin: number; end: number } | undefined {
  const end = begin + byteLength
  for (let at = begin; at + 4 <= end; ) {
    const length = u16(bytes, at + 2)
    if (u16(bytes, at) === 1 && at + 4 + length <= end) return { begin: at + 4, end: at + 4 + length }
    at += 4 + length
  }
  return undefined
}

/** The central directory as the end records describe it. */
export interface ArchiveEnd {
  readonly entries: number
  readonly directoryOffset: number
  readonly directoryBytes: number
  /** File offset of the first end record: the central directory ends there. */
  readonly recordsOffset: number
}

/** Index of the end record whose comment ends exactly at `end`, −1 where there is none. */
export function findEndRecord(bytes: Uint8Array, end: number): number {
  for (let at = end - endBytes; at >= 0 && at >= end - endBytes - maxCommentBytes; at--)
    if (u32(bytes, at) === endSignature && at + endBytes + u16(bytes, at + 20) === end) return at
  return -1
}

/**
 * Finds the end records in the last bytes of a file: `tail` holds those from `tailOffset` to the end of the file.
 * @throws DataError where they are not there or contradict each other or the file's length
 */
export function parseArchiveEnd(uri: string, tail: Uint8Array, tailOffset: number): ArchiveEnd {
  const fileBytes = tailOffset + tail.length
  const at = findEndRecord(tail, tail.length)
  if (at < 0)
    throw new DataError(uri, `has no end of a zip archive within its last ${tail.length} bytes: truncated, or no .npz file`, fileBytes)
  if (u16(tail, at + 4) !== 0 || u16(tail, at + 6) !== 0) throw new DataError(uri, 'is part of a split archive', tailOffset + at)
  let entries = u16(tail, at + 10)
  let directoryBytes = u32(tail, at + 12)
  let directoryOffset = u32(tail, at + 16)
  let recordsAt = at
  const locatorAt = at - end64LocatorBytes
  if (locatorAt >= 0 && u32(tail, locatorAt) === end64LocatorSignature) {
    const recordOffset = u64(tail, locatorAt + 8)
    recordsAt = recordOffset - tailOffset
    if (recordsAt < 0 || recordsAt + end64Bytes > locatorAt || u32(tail, recordsAt) !== end64Signature)
      throw new DataError(uri, `has no zip64 end record at byte ${recordOffset}, where its locator says`, tailOffset + locatorAt)
    if (entries === 0xffff) entries = u64(tail, recordsAt + 32)
    if (directoryBytes === 0xffffffff) directoryBytes = u64(tail, recordsAt + 40)
    if (directoryOffset === 0xffffffff) directoryOffset = u64(tail, recordsAt + 48)
  }
  const recordsOffset = tailOffset + recordsAt
  if (directoryOffset + directoryBytes !== recordsOffset)
    throw new DataError(
      uri,
      `its central directory should end at byte ${directoryOffset + directoryBytes} but its end record is at ${recordsOffset}: ` +
        'truncated, or put together wrongly',
      recordsOffset,
    )
  return { entries, directoryOffset, directoryBytes, recordsOffset }
}

/** Parses a whole central directory. @throws DataError */
export function parseCentralDirectory(uri: string, bytes: Uint8Array, end: ArchiveEnd): MemberHeader[] {
  const members: MemberHeader[] = []
  let at = 0
  for (let i = 0; i < end.entries; i++) {
    const fileOffset = end.directoryOffset + at
    const left = end.directoryBytes - at
    if (left < centralFixedBytes || u32(bytes, at) !== centralSignature || left < centralEntryBytes(bytes, at))
      throw new DataError(uri, `central directory entry ${i} of ${end.entries} is cut off or damaged`, fileOffset)
    const member = parseCentralEntry(uri, bytes, at, fileOffset)
    if (member.headerOffset + localFixedBytes + member.compressedBytes > end.directoryOffset)
      throw new DataError(uri, `member ${member.name} reaches into the central directory`, fileOffset)
    members.push(member)
    at += member.headerBytes
  }
  if (at !== end.directoryBytes)
    throw new DataError(uri, `central directory has ${end.directoryBytes - at} bytes behind its last entry`, end.directoryOffset + at)
  return members
}
