// Object headers, version 1 and 2, with their continuation blocks: lists of messages that say what an object is.
import type { Io } from '../../storage/types.js'
import { readChecksum } from './checksum.js'
import type { Metadata } from './metadata.js'
import { Span } from './span.js'

/** Message types by their names in the HDF5 file format specification, section IV.A.2. */
export const MessageType = {
  nil: 0x00,
  dataspace: 0x01,
  linkInfo: 0x02,
  datatype: 0x03,
  oldFill: 0x04,
  fill: 0x05,
  link: 0x06,
  externalFiles: 0x07,
  layout: 0x08,
  filters: 0x0b,
  continuation: 0x10,
  symbolTable: 0x11,
} as const

export interface Message {
  readonly type: number
  readonly flags: number
  readonly body: Span
}

/** What HDF5's library reads of an object header before it knows its length (H5O_SPEC_READ_SIZE). */
const speculativeBytes = 512
const smallestHeaderBytes = 11
const mostContinuations = 4096

interface Block {
  readonly address: number
  readonly byteLength: number
}

/** Reads all messages of the object header at `address`. Throws DataError where it is damaged. */
export function* readObjectHeader(metadata: Metadata, address: number, what: string): Io<Message[]> {
  const first = yield* metadata.fetch(address, speculativeBytes, what, smallestHeaderBytes)
  const messages: Message[] = []
  const blocks: Block[] = []
  const visited = new Set<number>([address])
  const version2 = first.bytes[0] === 0x4f
  const flags = version2
    ? yield* readPrefixed(metadata, first, address, messages, blocks)
    : yield* readVersion1(metadata, first, address, messages, blocks)
  for (let block = blocks.shift(); block !== undefined; block = blocks.shift()) {
    if (visited.has(block.address) || visited.size > mostContinuations)
      throw first.error(`its continuation blocks form a loop (address ${block.address} comes twice)`, 0)
    visited.add(block.address)
    const span = yield* metadata.fetch(block.address, block.byteLength, `${what} continuation`)
    if (!version2) {
      readMessages1(span, messages, blocks)
      continue
    }
    if (block.byteLength < 8) throw span.error(`is ${block.byteLength} bytes long, at least 8 are needed`, 0)
    span.signature('OCHK')
    readMessages2(span.take(block.byteLength - 8), flags, messages, blocks)
    readChecksum(span, metadata.verify)
  }
  return messages
}

function* readPrefixed(metadata: Metadata, first: Span, address: number, messages: Message[], blocks: Block[]): Io<number> {
  first.signature('OHDR')
  first.version(2, 2)
  const flags = first.u8()
  if (flags & 0x20) {
    // Times of access, modification, change and birth differ from file to file, and with them the checksum.
    first.ignore(first.skip(16), first.position)
  }
  if (flags & 0x10) first.skip(4)
  const messageBytes = first.uint(1 << (flags & 0x03))
  const end = first.position + messageBytes
  const whole = end + 4 <= first.length ? first : yield* extend(metadata, first, address, end + 4)
  readMessages2(whole.take(messageBytes), flags, messages, blocks)
  if (whole === first && flags & 0x20) first.ignore(end, end + 4)
  readChecksum(whole, metadata.verify)
  return flags
}

function* readVersion1(metadata: Metadata, first: Span, address: number, messages: Message[], blocks: Block[]): Io<number> {
  first.version(1, 1)
  first.skip(7)
  const messageBytes = first.u32()
  first.skip(4)
  const end = first.position + messageBytes
  const whole = end <= first.length ? first : yield* extend(metadata, first, address, end)
  readMessages1(whole.take(messageBytes), messages, blocks)
  return 0
}

/** Fetches what the first, speculative read did not cover. */
function* extend(metadata: Metadata, first: Span, address: number, byteLength: number): Io<Span> {
  const rest = yield* metadata.fetch(address + first.length, byteLength - first.length, first.what)
  const bytes = new Uint8Array(byteLength)
  bytes.set(first.bytes)
  bytes.set(rest.bytes, first.length)
  return new Span(first.uri, bytes, first.byteOffset, first.widths, first.what).rewind(first.position)
}

function readMessages1(span: Span, messages: Message[], blocks: Block[]): void {
  while (span.remaining >= 8) {
    const type = span.u16()
    const byteLength = span.u16()
    const flags = span.u8()
    span.skip(3)
    collect(type, flags, span.take(byteLength), messages, blocks)
  }
}

function readMessages2(span: Span, headerFlags: number, messages: Message[], blocks: Block[]): void {
  const prefixBytes = headerFlags & 0x04 ? 6 : 4
  // Fewer bytes than a message's prefix at the end are a gap.
  while (span.remaining >= prefixBytes) {
    const type = span.u8()
    const byteLength = span.u16()
    const flags = span.u8()
    if (headerFlags & 0x04) span.skip(2)
    collect(type, flags, span.take(byteLength), messages, blocks)
  }
}

function collect(type: number, flags: number, body: Span, messages: Message[], blocks: Block[]): void {
  if (type === MessageType.continuation) blocks.push({ address: body.address(), byteLength: body.size() })
  else if (type !== MessageType.nil) messages.push({ type, flags, body })
}
