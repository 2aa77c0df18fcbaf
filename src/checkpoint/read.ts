// Reading a checkpoint's file back, all of it, as the library does that DLIO would load it with. Contents are dropped.
import { DataError } from '../errors.js'
import { crc32, crc32c } from '../formats/checksums.js'
import { u32 } from '../formats/little-endian.js'
import {
  localFixedBytes,
  localHeaderBytes,
  localSignature,
  type MemberHeader,
  parseArchiveEnd,
  parseCentralDirectory,
  stored,
} from '../formats/npz/layout.js'
import type { IoPort } from '../storage/io.js'
import type { Io } from '../storage/types.js'
import { bundleIndex, bundleNames, bundleTail } from './tensorflow.js'
import { type State, stateBytes, tensorBytes, tensorsOf } from './types.js'

/** What torch asks for at the end of an archive and before each tensor. */
const torchPageBytes = 4096
/** Longest directory or pickle that is taken into memory. */
const mostBytes = 64 * 2 ** 20

/** Ends a reading where the run was stopped; called between requests. */
export type Check = () => void

/** Reads the file of a state that torch.save wrote. With `verify` its checksums are checked. Errors: DataError, StorageError. */
export function* readTorch(port: IoPort, path: string, state: State, verify: boolean, check: Check): Io<void> {
  const handle = yield port.open(path)
  try {
    const members = yield* readDirectory(port, path, handle)
    for (const member of expectedMembers(path, members, state)) yield* readMember(port, path, handle, member, verify, check)
  } finally {
    yield port.close(handle)
  }
}

function* readDirectory(port: IoPort, path: string, handle: number): Io<MemberHeader[]> {
  const { window } = port
  const sizeBytes = yield port.size(handle)
  const tailOffset = Math.max(0, sizeBytes - torchPageBytes)
  yield port.read(handle, 0, Math.min(4, sizeBytes))
  if (sizeBytes < 4 || u32(window.bytes, window.begin) !== localSignature)
    throw new DataError(path, `is no file of torch.save, which begins with bytes 50 4b 03 04; it has ${sizeBytes} bytes`, 0)
  yield port.read(handle, tailOffset, sizeBytes - tailOffset)
  const end = parseArchiveEnd(path, window.bytes.slice(window.begin, window.end), tailOffset)
  if (end.directoryBytes > mostBytes)
    throw new DataError(path, `its directory has ${end.directoryBytes} bytes; at most ${mostBytes} are read`, end.directoryOffset)
  return parseCentralDirectory(path, yield* readWhole(port, handle, end.directoryOffset, end.directoryBytes), end)
}

function* readWhole(port: IoPort, handle: number, byteOffset: number, byteLength: number): Io<Uint8Array> {
  const { window } = port
  const whole = new Uint8Array(byteLength)
  for (let done = 0; done < byteLength; ) {
    const got = yield port.read(handle, byteOffset + done, Math.min(window.capacity, byteLength - done))
    if (got === 0) return whole.subarray(0, done)
    whole.set(window.bytes.subarray(window.begin, window.end), done)
    done += got
  }
  return whole
}

/** The pickle and the tensors in the order of the file; the names before the last two parts do not matter. */
function expectedMembers(path: string, members: readonly MemberHeader[], state: State): MemberHeader[] {
  const tensors = tensorsOf(state)
  const sizes = new Map(members.map((member) => [member.name.slice(member.name.indexOf('/') + 1), member]))
  const named = (name: string): MemberHeader => {
    const member = sizes.get(name)
    if (member === undefined) throw new DataError(path, `has no member ${name}; a state with ${tensors.length} tensors is expected`)
    if (member.method !== stored)
      throw new DataError(path, `member ${member.name} is compressed (method ${member.method}), which torch.save never does`)
    return member
  }
  const pickle = named('data.pkl')
  if (pickle.uncompressedBytes > mostBytes)
    throw new DataError(path, `its data.pkl has ${pickle.uncompressedBytes} bytes; at most ${mostBytes} are read`, pickle.headerOffset)
  const contents = tensors.map((tensor, i) => {
    const member = named(`data/${i}`)
    if (member.uncompressedBytes !== tensorBytes(tensor))
      throw new DataError(
        path,
        `member ${member.name} has ${member.uncompressedBytes} bytes, the configuration's tensor ${tensorBytes(tensor)} (${tensor.elements} × ${tensor.type})`,
        member.headerOffset,
      )
    return member
  })
  if (sizes.has(`data/${tensors.length}`))
    throw new DataError(path, `has more than the ${tensors.length} tensors of the configuration's state`)
  return [pickle, ...contents]
}

function* readMember(port: IoPort, path: string, handle: number, member: MemberHeader, verify: boolean, check: Check): Io<void> {
  const { window } = port
  check()
  yield port.read(handle, member.headerOffset, torchPageBytes)
  const at = window.begin
  if (window.end - at < localFixedBytes || u32(window.bytes, at) !== localSignature)
    throw new DataError(path, `has no header of member ${member.name} here`, member.headerOffset)
  const begin = member.headerOffset + localHeaderBytes(window.bytes, at)
  const end = begin + member.uncompressedBytes
  // The page with the header holds the first bytes of the data too.
  const held = window.bytes.subarray(
    Math.min(at + begin - member.headerOffset, window.end),
    Math.min(at + end - member.headerOffset, window.end),
  )
  let crc = verify ? crc32(held) : 0
  const next = begin + held.length
  if (member.name.endsWith('/data.pkl')) checkPickle(path, held, begin, next === end)
  crc = yield* readPieces(port, path, handle, next, end, verify ? crc32 : undefined, crc, check)
  if (verify && crc !== member.crc32)
    throw new DataError(path, `member ${member.name} has CRC-32 ${hex(crc)}, its directory says ${hex(member.crc32)}: damaged`, begin)
}

/** Reads [begin, end) and returns the checksum of it behind `crc`, where asked. */
function* readPieces(
  port: IoPort,
  path: string,
  handle: number,
  begin: number,
  end: number,
  sumOf: ((bytes: Uint8Array, initial: number) => number) | undefined,
  crc: number,
  check: Check,
): Io<number> {
  const { window } = port
  let sum = crc
  for (let next = begin; next < end; ) {
    check()
    const got = yield port.read(handle, next, Math.min(window.capacity, end - next))
    if (got === 0) throw new DataError(path, `ends at byte ${next}; ${end - next} more bytes belong there: truncated`, next)
    if (sumOf) sum = sumOf(window.bytes.subarray(window.begin, window.end), sum)
    next += got
  }
  return sum
}

/** Its content is not run, only looked at from outside. */
function checkPickle(path: string, head: Uint8Array, byteOffset: number, isWhole: boolean): void {
  const proto = head[0] === 0x80 && head[1]! >= 2
  const stop = !isWhole || head.at(-1) === 0x2e
  if (!proto || !stop) throw new DataError(path, 'its data.pkl is no pickle of protocol 2 or later', byteOffset)
}

const hex = (crc: number): string => crc.toString(16).padStart(8, '0')

/** Files of raw bytes are read in so many parts at once, each through a descriptor of its own. */
export const rawParts = 4

/** The parts of a raw file: equally long but for the last. */
export function rawRanges(byteLength: number): { readonly begin: number; readonly end: number }[] {
  const each = Math.ceil(byteLength / rawParts)
  return Array.from({ length: rawParts }, (_, part) => ({
    begin: Math.min(part * each, byteLength),
    end: Math.min((part + 1) * each, byteLength),
  })).filter(({ begin, end }) => end > begin)
}

/**
 * Reads one part of a state's raw file. Returns its CRC-32 where `verify` asks for it. The file must have exactly the bytes of the tensors.
 * Errors: DataError, StorageError.
 */
export function* readRawPart(
  port: IoPort,
  path: string,
  state: State,
  range: { readonly begin: number; readonly end: number },
  verify: boolean,
  check: Check,
): Io<number> {
  const handle = yield port.open(path)
  try {
    yield* expectSize(port, path, handle, stateBytes(state))
    return yield* readPieces(port, path, handle, range.begin, range.end, verify ? crc32 : undefined, 0, check)
  } finally {
    yield port.close(handle)
  }
}

/**
 * Reads what TensorFlow saved under the prefix `path`: the index, then the data. With `verify` the index must be the one of just this content.
 * Errors: DataError, StorageError.
 */
export function* readBundle(port: IoPort, path: string, state: State, verify: boolean, check: Check): Io<void> {
  const bytes = stateBytes(state)
  const { data, index } = bundleNames(path)
  const stored = yield* readSized(port, index, bundleIndex(bytes, 0).length)
  const tail = bundleTail()
  const handle = yield port.open(data)
  try {
    yield* expectSize(port, data, handle, bytes + tail.length)
    const crc = yield* readPieces(port, data, handle, 0, bytes, verify ? crc32c : undefined, 0, check)
    yield port.read(handle, bytes, tail.length)
    const isSame = Buffer.compare(tail, port.window.bytes.subarray(port.window.begin, port.window.end)) === 0
    if (!isSame) throw new DataError(data, 'does not end with the object graph of one variable a', bytes)
    if (verify && Buffer.compare(bundleIndex(bytes, crc), stored) !== 0)
      throw new DataError(data, `has CRC-32C ${hex(crc)}, which is not what ${index} says: damaged`)
  } finally {
    yield port.close(handle)
  }
}

function* readSized(port: IoPort, path: string, byteLength: number): Io<Uint8Array> {
  const handle = yield port.open(path)
  try {
    yield* expectSize(port, path, handle, byteLength)
    return yield* readWhole(port, handle, 0, byteLength)
  } finally {
    yield port.close(handle)
  }
}

function* expectSize(port: IoPort, path: string, handle: number, expectedBytes: number): Io<void> {
  const sizeBytes = yield port.size(handle)
  if (sizeBytes !== expectedBytes)
    throw new DataError(path, `has ${sizeBytes} bytes, the configuration's state ${expectedBytes}`, Math.min(sizeBytes, expectedBytes))
}
