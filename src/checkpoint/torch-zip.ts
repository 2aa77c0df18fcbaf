// The zip archive of torch.save (caffe2/serialize/inline_container.cc over miniz): stored members whose data begin at multiples of 64 bytes,
// sizes behind the data. Pure: where everything lies, and the bytes around the tensors.
import {
  centralFixedBytes,
  centralSignature,
  descriptorSignature,
  end64Bytes,
  end64LocatorBytes,
  end64LocatorSignature,
  end64Signature,
  endRecordsBytes,
  endSignature,
  localFixedBytes,
  localSignature,
} from '../formats/npz/layout.js'
import { pickleState } from './pickle.js'
import { type State, tensorBytes, tensorsOf } from './types.js'

const alignment = 64
/** From here on sizes and offsets are 64 bits wide. */
const wideFrom = 0xffffffff
const flags = 0x0808
const idDigits = 40

/** A member in its place. `content` is undefined for a tensor's data. */
export interface TorchMember {
  readonly name: string
  readonly headerOffset: number
  readonly dataOffset: number
  readonly byteLength: number
  readonly content: Uint8Array | undefined
  /** Of `tensorsOf(state)`, for a tensor's data. */
  readonly tensorIndex: number | undefined
}

export interface TorchArchive {
  readonly members: readonly TorchMember[]
  readonly directoryOffset: number
  readonly byteLength: number
}

/** The archive of a state. `serializationId`: 40 digits, which tell one saving from another. */
export function torchArchive(state: State, serializationId: string): TorchArchive {
  const text = (value: string) => Buffer.from(value, 'latin1')
  if (!/^\d{40}$/.test(serializationId)) throw new RangeError(`a serialization id has ${idDigits} digits, not ${serializationId}`)
  const members: TorchMember[] = []
  let offset = 0
  const add = (path: string, byteLength: number, content?: Uint8Array, tensorIndex?: number) => {
    const member = placed(`archive/${path}`, offset, byteLength, content, tensorIndex)
    members.push(member)
    offset = member.dataOffset + byteLength + (isWide(member) ? 24 : 16)
  }
  const small = (path: string, content: Uint8Array) => add(path, content.length, content)
  small('data.pkl', pickleState(state))
  small('.format_version', text('1'))
  small('.storage_alignment', text(String(alignment)))
  small('byteorder', text('little'))
  for (const [i, tensor] of tensorsOf(state).entries()) add(`data/${i}`, tensorBytes(tensor), undefined, i)
  small('version', text('3\n'))
  small('.data/serialization_id', text(serializationId))
  const directoryBytes = members.reduce((sum, member) => sum + centralEntryBytes(member), 0)
  return { members, directoryOffset: offset, byteLength: offset + directoryBytes + endRecordsBytes }
}

function placed(
  name: string,
  headerOffset: number,
  byteLength: number,
  content: Uint8Array | undefined,
  tensorIndex: number | undefined,
): TorchMember {
  const wide = wideExtraBytes({ headerOffset, byteLength })
  const unpadded = headerOffset + localFixedBytes + name.length + wide + 4
  return { name, headerOffset, byteLength, content, tensorIndex, dataOffset: Math.ceil(unpadded / alignment) * alignment }
}

type Extent = Pick<TorchMember, 'headerOffset' | 'byteLength'>

function isWide({ headerOffset, byteLength }: Extent): boolean {
  return headerOffset >= wideFrom || byteLength >= wideFrom
}

function wideExtraBytes(member: Extent): number {
  if (!isWide(member)) return 0
  return 4 + (member.byteLength >= wideFrom ? 16 : 0) + (member.headerOffset >= wideFrom ? 8 : 0)
}

function centralEntryBytes(member: TorchMember): number {
  return centralFixedBytes + member.name.length + wideExtraBytes(member)
}

function wideExtra(member: TorchMember): Buffer {
  const bytes = Buffer.alloc(wideExtraBytes(member))
  if (bytes.length === 0) return bytes
  bytes.writeUInt16LE(1, 0)
  bytes.writeUInt16LE(bytes.length - 4, 2)
  let at = 4
  const put = (value: number) => {
    bytes.writeBigUInt64LE(BigInt(value), at)
    at += 8
  }
  if (member.byteLength >= wideFrom) {
    put(member.byteLength)
    put(member.byteLength)
  }
  if (member.headerOffset >= wideFrom) put(member.headerOffset)
  return bytes
}

/** The bytes from a member's header to its data. */
export function memberHeader(member: TorchMember): Uint8Array {
  const name = Buffer.from(member.name, 'latin1')
  const head = Buffer.alloc(localFixedBytes)
  const wide = wideExtra(member)
  const padding = member.dataOffset - member.headerOffset - localFixedBytes - name.length - wide.length - 4
  head.writeUInt32LE(localSignature, 0)
  head.writeUInt16LE(flags, 6)
  head.writeUInt16LE(name.length, 26)
  head.writeUInt16LE(wide.length + 4 + padding, 28)
  const pad = Buffer.alloc(4 + padding, 'Z')
  pad.write('FB', 0, 'latin1')
  pad.writeUInt16LE(padding, 2)
  return Buffer.concat([head, name, wide, pad])
}

/** The bytes behind a member's data. */
export function memberTrailer(member: TorchMember, crc: number): Uint8Array {
  const wide = isWide(member)
  const bytes = Buffer.alloc(wide ? 24 : 16)
  bytes.writeUInt32LE(descriptorSignature, 0)
  bytes.writeUInt32LE(crc, 4)
  if (wide) {
    bytes.writeBigUInt64LE(BigInt(member.byteLength), 8)
    bytes.writeBigUInt64LE(BigInt(member.byteLength), 16)
  } else {
    bytes.writeUInt32LE(member.byteLength, 8)
    bytes.writeUInt32LE(member.byteLength, 12)
  }
  return bytes
}

/** Everything behind the last member: the directory and the end records. `crcs` are those of the members. */
export function archiveEnd({ members, directoryOffset, byteLength }: TorchArchive, crcs: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(byteLength - directoryOffset)
  let at = 0
  members.forEach((member, i) => {
    const wide = wideExtra(member)
    bytes.writeUInt32LE(centralSignature, at)
    bytes.writeUInt16LE(flags, at + 8)
    bytes.writeUInt32LE(crcs[i]!, at + 16)
    bytes.writeUInt32LE(Math.min(member.byteLength, wideFrom), at + 20)
    bytes.writeUInt32LE(Math.min(member.byteLength, wideFrom), at + 24)
    bytes.writeUInt16LE(member.name.length, at + 28)
    bytes.writeUInt16LE(wide.length, at + 30)
    bytes.writeUInt32LE(Math.min(member.headerOffset, wideFrom), at + 42)
    bytes.write(member.name, at + centralFixedBytes, 'latin1')
    wide.copy(bytes, at + centralFixedBytes + member.name.length)
    at += centralEntryBytes(member)
  })
  const directoryBytes = at
  bytes.writeUInt32LE(end64Signature, at)
  bytes.writeBigUInt64LE(BigInt(end64Bytes - 12), at + 4)
  bytes.writeUInt16LE(0x031e, at + 12)
  bytes.writeUInt16LE(45, at + 14)
  bytes.writeBigUInt64LE(BigInt(members.length), at + 24)
  bytes.writeBigUInt64LE(BigInt(members.length), at + 32)
  bytes.writeBigUInt64LE(BigInt(directoryBytes), at + 40)
  bytes.writeBigUInt64LE(BigInt(directoryOffset), at + 48)
  bytes.writeUInt32LE(end64LocatorSignature, at + end64Bytes)
  bytes.writeBigUInt64LE(BigInt(directoryOffset + directoryBytes), at + end64Bytes + 8)
  bytes.writeUInt32LE(1, at + end64Bytes + 16)
  const end = at + end64Bytes + end64LocatorBytes
  bytes.writeUInt32LE(endSignature, end)
  bytes.writeUInt16LE(Math.min(members.length, 0xffff), end + 8)
  bytes.writeUInt16LE(Math.min(members.length, 0xffff), end + 10)
  bytes.writeUInt32LE(Math.min(directoryBytes, wideFrom), end + 12)
  bytes.writeUInt32LE(Math.min(directoryOffset, wideFrom), end + 16)
  return bytes
}
