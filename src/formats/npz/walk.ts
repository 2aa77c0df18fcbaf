// Walks an .npz archive front to back, member by member, in one pass over its bytes, and holds everything it says against everything else.
import { DataError } from '../../errors.js'
import type { Io } from '../../storage/types.js'
import { crc32 } from '../checksums.js'
import type { Inflater } from '../inflate.js'
import { u32, u64 } from '../little-endian.js'
import { maxNpyHeaderBytes, type NpyHeader, parseNpyHeader } from '../npy/layout.js'
import type { ByteSink, SequentialSource } from '../sequential.js'
import { failForeign } from './head.js'
import {
  type ArchiveEnd,
  centralEntryBytes,
  centralFixedBytes,
  centralSignature,
  descriptorSignature,
  endBytes,
  endRecordsBytes,
  findEndRecord,
  localFixedBytes,
  localHeaderBytes,
  localSignature,
  type MemberHeader,
  maxCommentBytes,
  parseArchiveEnd,
  parseCentralEntry,
  parseLocalHeader,
  stored,
} from './layout.js'
import { samplesMember } from './members.js'

export interface ArchiveVisitor {
  /** True: everything is decoded and checked. False: of `x` the headers are parsed, the rest is fetched and passed over. */
  readonly decode: boolean
  /** An array begins. */
  array?(name: string, header: NpyHeader): void
  /** Bytes of its data, decoded (only with `decode`). */
  data?(name: string, bytes: Uint8Array, begin: number, end: number): void
}

/** Most members that are walked; an .npz of DLIO has two. */
const maxMembers = 65_536

/** Walks the archive from the source's position (its beginning) to its end; the file must end with it. @throws DataError */
export function* walkArchive(source: SequentialSource, visitor: ArchiveVisitor, inflater: () => Inflater): Io<void> {
  const { uri } = source
  const members = new Map<number, MemberHeader>()
  const names = new Set<string>()
  let signature = u32(yield* source.take(4, 'its first signature'), 0)
  if (signature !== localSignature) failForeign(uri, signature)
  while (signature === localSignature) {
    const header = yield* takeLocalHeader(source, signature)
    if (names.has(header.name)) throw new DataError(uri, `has two members ${header.name}`, header.headerOffset)
    if (members.size === maxMembers) throw new DataError(uri, `has more than ${maxMembers} members`, header.headerOffset)
    names.add(header.name)
    const member = yield* passMember(source, header, visitor, inflater)
    members.set(member.headerOffset, member)
    signature = u32(yield* source.take(4, 'the signature behind a member'), 0)
  }
  if (!names.has(samplesMember)) failMissing(uri, [...names])
  yield* passDirectory(source, signature, members)
}

export function failMissing(uri: string, names: readonly string[]): never {
  throw new DataError(uri, `has no member ${samplesMember}, which holds the samples; it has ${names.slice(0, 10).join(', ') || 'none'}`)
}

/** A local header with name and extra fields; `signature` was just taken. @throws DataError where it is none */
export function* takeLocalHeader(source: SequentialSource, signature: number): Io<MemberHeader> {
  const fileOffset = source.position - 4
  if (signature !== localSignature) throw new DataError(source.uri, 'has no member header here', fileOffset)
  const fixed = Uint8Array.from(yield* source.take(localFixedBytes - 4, 'a member header'))
  // The signature's place is not looked at again.
  const moreBytes = localHeaderBytes(fixed, -4) - localFixedBytes
  const header = new Uint8Array(localFixedBytes + moreBytes)
  header.set(fixed, 4)
  header.set(yield* source.take(moreBytes, 'the name and extra fields of a member'), localFixedBytes)
  return parseLocalHeader(source.uri, header, 0, fileOffset)
}

/** Collects a member's .npy header, then lets its data through, counting and summing all of it. */
class MemberContent {
  header: NpyHeader | undefined
  /** Decoded bytes so far. */
  byteLength = 0
  crc = 0
  #collected = new Uint8Array(256)
  #need = 10

  constructor(
    private readonly uri: string,
    private readonly member: MemberHeader,
    private readonly visitor: ArchiveVisitor,
    /** File offset at which the content begins, for messages. */
    private readonly fileOffset: number,
  ) {}

  /** Bytes still to come before the .npy header is known, as far as can be told. */
  get missingBytes(): number {
    return this.header === undefined ? this.#need - this.byteLength : 0
  }

  /** Decoded bytes that the member may have at most; beyond, decoding stops with an error. */
  get limitBytes(): number {
    if (!this.member.sizesFollow) return this.member.uncompressedBytes
    return this.header === undefined ? maxNpyHeaderBytes : this.header.headerBytes + this.header.dataBytes
  }

  readonly push: ByteSink = (bytes, begin, end) => {
    const before = this.byteLength
    this.byteLength += end - begin
    let at = begin
    if (this.header === undefined && this.member.name.endsWith('.npy')) at = this.#collect(bytes, begin, end, before)
    if (this.byteLength > this.limitBytes && (this.header !== undefined || !this.member.sizesFollow))
      throw new DataError(
        this.uri,
        `member ${this.member.name} inflates to more than the ${this.limitBytes} bytes it declares`,
        this.fileOffset,
      )
    if (!this.visitor.decode) return
    this.crc = crc32(bytes.subarray(begin, end), this.crc)
    if (this.header !== undefined && end > at) this.visitor.data?.(this.member.name, bytes, at, end)
  }

  /** Takes header bytes from [begin, end) and returns where the data begin. */
  #collect(bytes: Uint8Array, begin: number, end: number, before: number): number {
    let filled = before
    let at = begin
    for (;;) {
      const n = Math.min(this.#need - filled, end - at)
      this.#collected.set(bytes.subarray(at, at + n), filled)
      filled += n
      at += n
      if (filled < this.#need) return at
      const parsed = parseNpyHeader(this.uri, this.#collected, 0, filled, this.fileOffset)
      if (typeof parsed !== 'number') {
        this.header = parsed
        const { name, sizesFollow, uncompressedBytes } = this.member
        if (!sizesFollow && parsed.headerBytes + parsed.dataBytes !== uncompressedBytes)
          throw new DataError(
            this.uri,
            `member ${name} has ${uncompressedBytes} bytes, but its shape (${parsed.shape.join(', ')}) of ${parsed.type.descr} needs ${parsed.headerBytes + parsed.dataBytes}`,
            this.fileOffset,
          )
        this.visitor.array?.(name, parsed)
        return at
      }
      this.#need = parsed
      if (this.#collected.length < parsed) {
        const longer = new Uint8Array(parsed)
        longer.set(this.#collected)
        this.#collected = longer
      }
    }
  }

  /** @throws DataError where the member ended too early */
  finish(): void {
    const { name, uncompressedBytes, sizesFollow } = this.member
    if (name.endsWith('.npy') && this.header === undefined)
      throw new DataError(this.uri, `member ${name} ends within its .npy header`, this.fileOffset)
    const expected = sizesFollow && this.header === undefined ? this.byteLength : sizesFollow ? this.limitBytes : uncompressedBytes
    if (this.byteLength !== expected)
      throw new DataError(this.uri, `member ${name} has ${this.byteLength} bytes where ${expected} are declared`, this.fileOffset)
  }
}

/** Passes over a member's data (and data descriptor) and returns its header with CRC and sizes known. @throws DataError */
export function* passMember(
  source: SequentialSource,
  header: MemberHeader,
  visitor: ArchiveVisitor,
  inflater: () => Inflater,
): Io<MemberHeader> {
  const { uri } = source
  const { method, sizesFollow } = header
  const what = `member ${header.name}`
  const begin = source.position
  const content = new MemberContent(uri, header, visitor, begin)
  if (sizesFollow) {
    if (method === stored) yield* passStoredOfUnknownSize(source, header, content, what)
    else yield* inflater().run(source, Number.POSITIVE_INFINITY, what, content.push)
    content.finish()
    return yield* takeDescriptor(source, header, content, visitor.decode, source.position - begin)
  }
  const end = begin + header.compressedBytes
  if (visitor.decode) {
    if (method === stored) yield* source.pass(header.compressedBytes, what, content.push)
    else yield* inflater().run(source, end, what, content.push)
    if (source.position < end)
      throw new DataError(uri, `${what} has ${end - source.position} bytes behind its deflated data`, source.position)
    content.finish()
    checkCrc(uri, header, content.crc)
  } else if (header.name === samplesMember) {
    const known = () => content.header !== undefined
    if (method !== stored) yield* inflater().run(source, end, what, content.push, known)
    else
      while (!known() && source.position < end)
        yield* source.pass(Math.min(content.missingBytes, end - source.position), what, content.push)
    if (!known()) content.finish()
  }
  yield* source.pass(end - source.position, what)
  return header
}

/** A stored member whose size follows it: as long as its .npy header says. */
function* passStoredOfUnknownSize(source: SequentialSource, header: MemberHeader, content: MemberContent, what: string): Io<void> {
  if (!header.name.endsWith('.npy'))
    throw new DataError(source.uri, `${what} is stored without saying its size, and is no array that would tell it`, header.headerOffset)
  while (content.header === undefined) yield* source.pass(content.missingBytes, what, content.push)
  yield* source.pass(content.limitBytes - content.byteLength, what, content.push)
}

function checkCrc(uri: string, header: MemberHeader, crc: number): void {
  if (crc !== header.crc32)
    throw new DataError(
      uri,
      `member ${header.name} has CRC-32 ${hex(crc)} where ${hex(header.crc32)} is recorded: damaged`,
      header.headerOffset,
    )
}

function hex(crc: number): string {
  return `0x${crc.toString(16).padStart(8, '0')}`
}

/** The data descriptor behind a member whose local header says neither sizes nor CRC (APPNOTE 4.3.9). */
function* takeDescriptor(
  source: SequentialSource,
  header: MemberHeader,
  content: MemberContent,
  decode: boolean,
  compressedBytes: number,
): Io<MemberHeader> {
  const what = `the data descriptor of member ${header.name}`
  let crc = u32(yield* source.take(4, what), 0)
  if (crc === descriptorSignature) crc = u32(yield* source.take(4, what), 0)
  const sizes = yield* source.take(header.zip64 ? 16 : 8, what)
  const saysCompressed = header.zip64 ? u64(sizes, 0) : u32(sizes, 0)
  const saysUncompressed = header.zip64 ? u64(sizes, 8) : u32(sizes, 4)
  if (saysCompressed !== compressedBytes || saysUncompressed !== content.byteLength)
    throw new DataError(
      source.uri,
      `${what} says ${saysCompressed} and ${saysUncompressed} bytes where there are ${compressedBytes} and ${content.byteLength}`,
      source.position,
    )
  const member = { ...header, crc32: crc, compressedBytes, uncompressedBytes: content.byteLength }
  if (decode) checkCrc(source.uri, member, content.crc)
  return member
}

/** The central directory and the end records, whose first signature was just taken. */
function* passDirectory(source: SequentialSource, firstSignature: number, members: ReadonlyMap<number, MemberHeader>): Io<void> {
  const { uri } = source
  const directoryOffset = source.position - 4
  let signature = firstSignature
  let entries = 0
  while (signature === centralSignature) {
    const fileOffset = source.position - 4
    const fixed = Uint8Array.from(yield* source.take(centralFixedBytes - 4, 'its central directory'))
    const moreBytes = centralEntryBytes(fixed, -4) - centralFixedBytes
    const entry = new Uint8Array(centralFixedBytes + moreBytes)
    entry.set(fixed, 4)
    entry.set(yield* source.take(moreBytes, 'its central directory'), centralFixedBytes)
    const central = parseCentralEntry(uri, entry, 0, fileOffset)
    const local = members.get(central.headerOffset)
    for (const key of ['name', 'method', 'crc32', 'compressedBytes', 'uncompressedBytes'] as const)
      if (local?.[key] !== central[key])
        throw new DataError(
          uri,
          `its central directory says ${key} ${central[key]} for the member at byte ${central.headerOffset}, ` +
            (local === undefined ? 'where there is none' : `the member itself ${local[key]}`),
          fileOffset,
        )
    entries++
    signature = u32(yield* source.take(4, 'its central directory'), 0)
  }
  const end = yield* takeEnd(source, signature)
  if (end.directoryOffset !== directoryOffset || end.entries !== entries || entries !== members.size)
    throw new DataError(
      uri,
      `its end record says ${end.entries} members listed from byte ${end.directoryOffset}; ` +
        `${members.size} members and ${entries} entries from byte ${directoryOffset} are there`,
      end.recordsOffset,
    )
}

/** The rest of the file, of which the first four bytes were just taken: nothing but the end records. */
function* takeEnd(source: SequentialSource, signature: number): Io<ArchiveEnd> {
  const begin = source.position - 4
  let records = new Uint8Array(endRecordsBytes)
  new DataView(records.buffer).setUint32(0, signature, true)
  let filled = 4
  for (;;) {
    // A short piece is the end of the file where the end record says so too; then there is no need to ask once more.
    const atEnd = source.begin === source.end && source.lastPieceWasShort && findEndRecord(records, filled) >= 0
    if (atEnd || (source.begin === source.end && !(yield* source.fill()))) break
    const n = source.end - source.begin
    if (filled + n > endRecordsBytes + maxCommentBytes)
      throw new DataError(
        source.uri,
        'has neither a member, nor a central directory entry, nor its end here: damaged, or foreign bytes',
        begin,
      )
    if (filled + n > records.length) {
      const longer = new Uint8Array(filled + n)
      longer.set(records)
      records = longer
    }
    records.set(yield* source.take(n, 'its end'), filled)
    filled += n
  }
  if (filled < endBytes) source.failEnd('its end record', endBytes - filled)
  return parseArchiveEnd(source.uri, records.subarray(0, filled), begin)
}
