// The head of an .npz file of the usual form: member x first, stored, so that local header and .npy header stand at its beginning.

import { DataError } from '../../errors.js'
import type { Window } from '../../storage/types.js'
import { u32 } from '../little-endian.js'
import { type NpyHeader, parseNpyHeader } from '../npy/layout.js'
import { checkSamples, type ExpectedSamples, samplesAreContiguous } from '../sample-array.js'
import { localFixedBytes, localHeaderBytes, localSignature, parseLocalHeader, stored } from './layout.js'
import { samplesArray, samplesMember } from './members.js'

export interface Head {
  /** The head's own bytes: two files with the same ones hold arrays of the same size and type. */
  readonly view: DataView
  readonly header: NpyHeader
  readonly samples: number
  readonly sampleBytes: number
  /** File offset of the array's data, and of the end of member x. */
  readonly dataOffset: number
  readonly memberEnd: number
  /** Whether the bytes of one sample lie side by side. */
  readonly contiguous: boolean
}

const crcOffset = 14 // in the local header; the only field that differs from file to file

/**
 * The head of a file whose first bytes are [begin, end) of `window`: `known`, that of the file before, where it is the same; undefined where
 * it is not of the usual form. @throws DataError where the file is empty, no .npz file, or wrong
 */
export function recogniseHead(
  uri: string,
  window: Window,
  begin: number,
  end: number,
  known: Head | undefined,
  expected: ExpectedSamples,
): Head | undefined {
  if (known !== undefined && sameHead(known, window.view, begin, end)) return known
  if (end === begin) throw new DataError(uri, 'is empty: it has 0 bytes')
  if (end - begin < 4) return undefined
  const signature = u32(window.bytes, begin)
  if (signature !== localSignature) failForeign(uri, signature)
  return parseHead(uri, window.bytes, begin, end, expected)
}

/**
 * Parses the head in bytes[begin, end), the beginning of a file; undefined where the file is not of the usual form or the head is longer
 * than that, so that it takes a walk through the archive. @throws DataError where it is wrong
 */
export function parseHead(uri: string, bytes: Uint8Array, begin: number, end: number, expected: ExpectedSamples): Head | undefined {
  const have = end - begin
  if (have < localFixedBytes) return undefined
  const npyOffset = localHeaderBytes(bytes, begin)
  if (have < npyOffset) return undefined
  const member = parseLocalHeader(uri, bytes, begin, 0)
  if (member.name !== samplesMember || member.method !== stored || member.sizesFollow) return undefined
  const header = parseNpyHeader(uri, bytes, begin + npyOffset, Math.min(end, begin + npyOffset + member.compressedBytes), npyOffset)
  if (typeof header === 'number') return undefined
  if (header.headerBytes + header.dataBytes !== member.compressedBytes)
    throw new DataError(
      uri,
      `member ${samplesMember} has ${member.compressedBytes} bytes, but its shape (${header.shape.join(', ')}) of ${header.type.descr} needs ${header.headerBytes + header.dataBytes}`,
      npyOffset,
    )
  const samples = checkSamples(uri, header, expected, samplesArray)
  const dataOffset = npyOffset + header.headerBytes
  return {
    view: new DataView(bytes.slice(begin, begin + dataOffset).buffer),
    header,
    samples,
    sampleBytes: header.dataBytes / samples,
    dataOffset,
    memberEnd: npyOffset + member.compressedBytes,
    contiguous: samplesAreContiguous(header, samples),
  }
}

/** Whether bytes [begin, end) of `view` begin with the same head, its CRC aside. About 50 ns for NumPy's 183 bytes. */
export function sameHead(head: Head, view: DataView, begin: number, end: number): boolean {
  const known = head.view
  const length = known.byteLength
  if (end - begin < length) return false
  if (view.getInt16(begin) !== known.getInt16(0)) return false
  for (let i = 2; i + 4 <= length; i += 4) if (i !== crcOffset && view.getInt32(begin + i) !== known.getInt32(i)) return false
  return view.getInt32(begin + length - 4) === known.getInt32(length - 4)
}

/** @throws DataError for a file that does not begin as an archive does */
export function failForeign(uri: string, signature: number): never {
  const bytes = Array.from({ length: 4 }, (_, i) => ((signature >>> (8 * i)) & 255).toString(16).padStart(2, '0')).join(' ')
  throw new DataError(uri, `is no .npz file: it begins with bytes ${bytes}, a zip archive with 50 4b 03 04`, 0)
}
