// Walks a TFRecord file record by record and holds both checksums of each against its bytes: `verify` and `inspect`.
import { DataError } from '../../errors.js'
import type { Io } from '../../storage/types.js'
import { crc32c, maskCrc } from '../checksums.js'
import { u32 } from '../little-endian.js'
import type { SequentialSource } from '../sequential.js'
import { type Feature, parseExample, type ValueSink } from './example.js'
import { frameFooterBytes, frameHeaderBytes, frameHeaderIsValid } from './layout.js'

export interface RecordInfo {
  /** File offset of its frame. */
  readonly byteOffset: number
  readonly payloadBytes: number
  readonly features: ReadonlyMap<string, Feature>
}

/** What `inspect` wants to see besides. */
export interface RecordTaps {
  payload(bytes: Uint8Array): void
  readonly values: ValueSink
}

/** The next record, checked and parsed; undefined at the end of the file. @throws DataError */
export function* checkRecord(source: SequentialSource, record: number, taps?: RecordTaps): Io<RecordInfo | undefined> {
  if (source.begin === source.end && !(yield* source.fill())) return undefined
  const { uri } = source
  const byteOffset = source.position
  const what = `record ${record}`
  const header = yield* source.take(frameHeaderBytes, `the header of ${what}`)
  const payloadBytes = payloadLength(uri, u32(header, 0), u32(header, 4), u32(header, 8), record, byteOffset)
  let crc = 0
  source.tap((bytes) => {
    crc = crc32c(bytes, crc)
    taps?.payload(bytes)
  })
  const features = yield* parseExample(source, source.position + payloadBytes, record, taps?.values)
  source.untap()
  const recorded = u32(yield* source.take(frameFooterBytes, `the checksum of ${what}`), 0)
  if (maskCrc(crc) !== recorded)
    throw new DataError(uri, `${what} has masked CRC-32C ${hex(maskCrc(crc))} where ${hex(recorded)} is recorded: damaged`, byteOffset)
  return { byteOffset, payloadBytes, features }
}

/** The length in a frame header, once its checksum fits. @throws DataError */
export function payloadLength(uri: string, low: number, high: number, crc: number, record: number, byteOffset: number): number {
  if (!frameHeaderIsValid(low, high, crc)) failHeader(uri, low, crc, record, byteOffset)
  const byteLength = low + 4_294_967_296 * high
  if (!Number.isSafeInteger(byteLength)) throw new DataError(uri, `record ${record} claims ${byteLength} bytes`, byteOffset)
  return byteLength
}

function failHeader(uri: string, low: number, crc: number, record: number, byteOffset: number): never {
  const gzip = record === 0 && (low & 0xffff) === 0x8b1f // its magic number
  throw new DataError(
    uri,
    gzip
      ? 'is compressed with gzip; only TFRecord files without compression can be read'
      : `is no TFRecord file here: the length of record ${record} does not fit its checksum ${hex(crc)}`,
    byteOffset,
  )
}

function hex(crc: number): string {
  return `0x${crc.toString(16).padStart(8, '0')}`
}
