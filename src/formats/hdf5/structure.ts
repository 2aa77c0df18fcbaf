// What a file holds, as far as runs care: its superblock and the datasets records_0, records_1, … of its root group.
import { DataError } from '../../errors.js'
import type { Io } from '../../storage/types.js'
import { openRootGroup } from './group.js'
import type { Metadata } from './metadata.js'
import { Span, UnsupportedLayoutError } from './span.js'
import { hasSignature, parseSuperblock, type Superblock } from './superblock.js'

/** Most datasets a sample may be spread over. */
const mostRecords = 65_536
/** HDF5's library reads the signature, then as much as the smallest superblock, then what is left of a larger one. */
const signatureReadBytes = 8
const firstReadBytes = 48
const oldSuperblockBytes = 100

/** Finds and parses the superblock: at byte 0, 512, 1024, 2048, … Throws DataError for a foreign, empty or truncated file. */
export function* readSuperblock(metadata: Metadata): Io<Superblock> {
  const { uri } = metadata
  for (let offset = 0; offset + signatureReadBytes <= metadata.fileBytes; offset = Math.max(512, offset * 2)) {
    const start = yield* metadata.fetch(offset, signatureReadBytes, 'superblock', 0)
    if (start.length < signatureReadBytes) break
    if (!hasSignature(start.bytes)) continue
    const first = yield* metadata.fetch(offset, firstReadBytes, 'superblock', 12)
    const isOld = (first.bytes[8] as number) < 2
    if (!isOld) return parseSuperblock(first, metadata.verify)
    const rest = yield* metadata.fetch(offset + firstReadBytes, oldBytes(first) - firstReadBytes, 'superblock', 0)
    const whole = Buffer.concat([first.bytes, rest.bytes])
    return parseSuperblock(new Span(uri, whole, first.byteOffset, first.widths, first.what), metadata.verify)
  }
  const seen = metadata.fileBytes === 0 ? 'the file is empty (0 bytes)' : 'no HDF5 signature at byte 0 or a power of two from 512'
  throw new DataError(uri, `${seen}: this is no HDF5 file; point the data folder at HDF5 files or generate them`, 0)
}

/** Version 1 has four bytes more than version 0. */
const oldBytes = (first: Span) => (first.bytes[8] === 0 ? oldSuperblockBytes - 4 : oldSuperblockBytes)

/** Throws DataError where the file is shorter than its superblock says. */
export function checkEnd(uri: string, superblock: Superblock, fileBytes: number): void {
  if (fileBytes < superblock.endOffset)
    throw new DataError(
      uri,
      `the file is truncated: it has ${fileBytes} bytes, its superblock says ${superblock.endOffset}; generate or copy it again`,
      fileBytes,
    )
}

export interface DatasetPlace {
  readonly name: string
  readonly address: number
}

export interface RootDatasets {
  /** records_0, records_1, … in this order, at least one. */
  readonly records: readonly DatasetPlace[]
  readonly labels: DatasetPlace | undefined
}

/** Looks up the datasets of samples in the root group, and with `withLabels` the labels. Throws DataError, UnsupportedLayoutError. */
export function* readRoot(metadata: Metadata, superblock: Superblock, withLabels: boolean): Io<RootDatasets> {
  const group = yield* openRootGroup(metadata, superblock)
  const find = function* (name: string): Io<DatasetPlace | undefined> {
    const link = yield* group.find(name)
    if (link === undefined) return undefined
    if (link.kind !== 'hard') throw new UnsupportedLayoutError(metadata.uri, `HDF5 root group: ${name} is a ${link.kind} link`)
    return { name, address: link.address }
  }
  const records: DatasetPlace[] = []
  for (let i = 0; i < mostRecords; i++) {
    const place = yield* find(`records_${i}`)
    if (place === undefined) break
    records.push(place)
  }
  if (records.length === 0)
    throw new DataError(
      metadata.uri,
      'there is no dataset records_0 in the root group, where samples are looked for; generate the file again',
    )
  return { records, labels: withLabels ? yield* find('labels') : undefined }
}

/** Makes the metadata's addresses those of this superblock. */
export function useSuperblock(metadata: Metadata, superblock: Superblock): void {
  metadata.baseOffset = superblock.baseOffset
  metadata.widths = superblock
}
