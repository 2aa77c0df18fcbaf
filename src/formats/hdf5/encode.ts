// Metadata of the files that the generator writes: HDF5's latest format, as h5py writes it with libver='latest' for DLIO.
import type { DatasetPlan } from './dataset-plan.js'
import { encodeDatatype, type NumberType } from './datatype.js'
import { Encoder } from './encoder.js'
import { FilterId } from './filters.js'
import { MessageType } from './object-header.js'
import { signatureBytes } from './superblock.js'

export const superblockBytes = 48
/** Smallest message areas that HDF5 reserves, for the root group and for a dataset. */
const rootMessageBytes = 120
const datasetMessageBytes = 256
const rootPrefixBytes = 4 + 1 + 1 + 16
const checksumBytes = 4
const messageIsConstant = 0x01

interface Message {
  readonly type: number
  readonly flags: number
  readonly body: Uint8Array
}

export interface LinkTarget {
  readonly name: string
  readonly address: number
}

function message(type: number, flags: number, byteLength: number, write: (encoder: Encoder) => void): Message {
  const encoder = new Encoder(byteLength)
  write(encoder)
  return { type, flags, body: encoder.bytes }
}

const messagesBytes = (messages: readonly Message[]) => messages.reduce((sum, { body }) => sum + 4 + body.byteLength, 0)

/** Room for messages: the smallest one, or what they need; a remainder must take a NIL message or be nothing. */
const roomFor = (messages: readonly Message[], smallest: number) => {
  const needed = messagesBytes(messages)
  return needed === smallest || needed + 4 <= smallest ? smallest : needed + 4
}

function putMessages(encoder: Encoder, messages: readonly Message[], room: number): void {
  const end = encoder.position + room
  for (const { type, flags, body } of messages) encoder.u8(type).u16(body.byteLength).u8(flags).put(body)
  if (encoder.position < end) {
    const rest = end - encoder.position - 4
    encoder.u8(MessageType.nil).u16(rest).u8(0)
    encoder.at(end)
  }
}

const sizeFieldBytes = (room: number) => (room < 2 ** 8 ? 1 : room < 2 ** 16 ? 2 : 4)
const sizeFieldFlag = (room: number) => ({ 1: 0, 2: 1, 4: 2 })[sizeFieldBytes(room)] as number

export function putSuperblock(encoder: Encoder, fileBytes: number): void {
  encoder.at(0).u8(...signatureBytes)
  encoder.u8(3, 8, 8, 0).u64(0).undefinedAddress().u64(fileBytes).u64(superblockBytes).checksum(0)
}

function rootMessages(links: readonly LinkTarget[]): Message[] {
  return [
    message(MessageType.linkInfo, 0, 18, (e) => e.u8(0, 0).undefinedAddress().undefinedAddress()),
    message(0x0a, messageIsConstant, 2, (e) => e.u8(0, 0)),
    ...links.map(({ name, address }) =>
      message(MessageType.link, 0, 3 + name.length + 8, (e) => e.u8(1, 0, name.length).text(name).u64(address)),
    ),
  ]
}

export function rootHeaderBytes(links: readonly LinkTarget[]): number {
  const room = roomFor(rootMessages(links), rootMessageBytes)
  return rootPrefixBytes + sizeFieldBytes(room) + room + checksumBytes
}

/** The root group's header: links are kept in it, however many they are; `seconds` is the time since 1970 in its four time stamps. */
export function putRootHeader(encoder: Encoder, links: readonly LinkTarget[], seconds: number): void {
  const begin = encoder.position
  const messages = rootMessages(links)
  const room = roomFor(messages, rootMessageBytes)
  encoder.text('OHDR').u8(2, 0x20 | sizeFieldFlag(room))
  for (let i = 0; i < 4; i++) encoder.u32(seconds)
  encoder.uint(room, sizeFieldBytes(room))
  putMessages(encoder, messages, room)
  encoder.checksum(begin)
}

/** A dataset's header, made of its dataspace, datatype, fill value, filters and layout. */
export interface HeaderContent {
  readonly dims: readonly number[]
  readonly maxDims: readonly number[]
  readonly type: NumberType
  readonly filterMessage: Message | undefined
  readonly layoutMessage: Message
  readonly isChunked: boolean
}

function datasetMessages(content: HeaderContent): Message[] {
  const { dims, maxDims, type, filterMessage, layoutMessage, isChunked } = content
  const dataspace = message(MessageType.dataspace, 0, 4 + 16 * dims.length, (e) => {
    e.u8(2, dims.length, 1, 1)
    for (const dim of [...dims, ...maxDims]) e.u64(dim)
  })
  const datatype = { type: MessageType.datatype, flags: messageIsConstant, body: encodeDatatype(type) }
  // Version 3; contiguous data is allocated late, chunks one by one; the (default) fill value is written if one is set.
  const fill = message(MessageType.fill, messageIsConstant, 2, (e) => e.u8(3, isChunked ? 0x0b : 0x0a))
  return [dataspace, datatype, fill, ...(filterMessage === undefined ? [] : [filterMessage]), layoutMessage]
}

export function datasetHeaderBytes(content: HeaderContent): number {
  const room = roomFor(datasetMessages(content), datasetMessageBytes)
  return 6 + sizeFieldBytes(room) + room + checksumBytes
}

export function putDatasetHeader(encoder: Encoder, content: HeaderContent): void {
  const begin = encoder.position
  const messages = datasetMessages(content)
  const room = roomFor(messages, datasetMessageBytes)
  encoder.text('OHDR').u8(2, sizeFieldFlag(room)).uint(room, sizeFieldBytes(room))
  putMessages(encoder, messages, room)
  encoder.checksum(begin)
}

export function contiguousLayout(address: number, sizeBytes: number): Message {
  return message(MessageType.layout, 0, 18, (e) => e.u8(4, 1).u64(address).u64(sizeBytes))
}

/** One chunk that is the whole dataset: its place is in the layout message. */
export function singleChunkLayout(plan: DatasetPlan, address: number, storedBytes: number, filterMask: number): Message {
  const isFiltered = plan.filter !== undefined
  return chunkedLayout(plan, isFiltered ? 2 : 0, isFiltered ? 21 : 9, (e) => {
    e.u8(1)
    if (isFiltered) e.u64(storedBytes).u32(filterMask)
    e.u64(address)
  })
}

export function fixedArrayLayout(plan: DatasetPlan, pageBits: number, address: number): Message {
  return chunkedLayout(plan, 0, 10, (e) => e.u8(3, pageBits).u64(address))
}

function chunkedLayout(plan: DatasetPlan, flags: number, indexBytes: number, putIndex: (encoder: Encoder) => void): Message {
  const sizes = [...(plan.chunkDims as readonly number[]), plan.type.sizeBytes]
  const sizeBytes = Math.floor(Math.log2(Math.max(...sizes)) / 8) + 1
  return message(MessageType.layout, 0, 5 + sizes.length * sizeBytes + indexBytes, (e) => {
    e.u8(4, 2, flags, sizes.length, sizeBytes)
    for (const size of sizes) e.uint(size, sizeBytes)
    putIndex(e)
  })
}

/** Version of h5py's LZF filter and of the LZF library, which the filter stores as its first two values. */
const lzfValues = [4, 0x0105]
const filterIsOptional = 1

export function filterMessage(plan: DatasetPlan, chunkBytes: number): Message | undefined {
  const { filter } = plan
  if (filter === undefined) return undefined
  if (filter.id === FilterId.deflate)
    return message(MessageType.filters, messageIsConstant, 12, (e) =>
      e.u8(2, 1).u16(filter.id).u16(filterIsOptional).u16(1).u32(filter.level),
    )
  return message(MessageType.filters, messageIsConstant, 26, (e) => {
    e.u8(2, 1).u16(filter.id).u16(4).u16(filterIsOptional).u16(3).text('lzf').u8(0)
    for (const value of [...lzfValues, chunkBytes]) e.u32(value)
  })
}
