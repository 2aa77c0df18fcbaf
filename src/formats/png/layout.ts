// The container of PNG files: a signature and chunks. Pure, but for walking them. Layout: PNG specification (W3C, third edition), README.md.
import { DataError } from '../../errors.js'
import type { Io } from '../../storage/types.js'
import { crc32 } from '../checksums.js'
import { type ImageHeader, maxPixelBytes } from '../image/codec.js'
import type { SequentialSource } from '../sequential.js'

export const pngSignature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] as const
/** Length and type before a chunk's data, CRC behind them. */
export const chunkFrameBytes = 12
export const headerDataBytes = 13
/** The specification's limit on lengths and sides. */
export const maxPngNumber = 2 ** 31 - 1

export interface PngHeader extends ImageHeader {
  readonly bitDepth: number
  readonly colourType: number
  readonly interlaced: boolean
  /** Bytes of a row of pixels, without its filter byte. */
  readonly rowBytes: number
  readonly channels: number
}

/** Channels and allowed bit depths by colour type (specification, table 12). */
const colourTypes: Readonly<Record<number, { readonly channels: number; readonly depths: readonly number[] }>> = {
  0: { channels: 1, depths: [1, 2, 4, 8, 16] },
  2: { channels: 3, depths: [8, 16] },
  3: { channels: 1, depths: [1, 2, 4, 8] },
  4: { channels: 2, depths: [8, 16] },
  6: { channels: 4, depths: [8, 16] },
}

export const u32be = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0

/** Told about the data of each IDAT chunk. */
export type ImageDataSink = (bytes: Uint8Array, begin: number, end: number) => void

/**
 * Follows the chunks from the signature to IEND and reads on to the end of the file.
 * @param verify whether the CRC of every chunk is checked
 * @throws DataError
 */
export function* walkPng(source: SequentialSource, verify: boolean, data?: ImageDataSink): Io<PngHeader> {
  const { uri } = source
  yield* source.take(pngSignature.length, 'its signature')
  let header: PngHeader | undefined
  let hasData = false
  for (;;) {
    const at = source.position
    const frame = yield* source.take(8, 'a chunk')
    const byteLength = u32be(frame, 0)
    const type = Buffer.from(frame.subarray(4, 8)).toString('latin1')
    if (byteLength > maxPngNumber || !/^[A-Za-z]{4}$/.test(type))
      throw new DataError(uri, `has no chunk here, but ${Buffer.from(frame.subarray(0, 8)).toString('hex')}: damaged, or foreign bytes`, at)
    if ((header === undefined) !== (type === 'IHDR')) throw new DataError(uri, `has chunk ${type} where IHDR, once and first, is due`, at)
    let crc = verify ? crc32(frame.subarray(4, 8)) : 0
    const see = (bytes: Uint8Array, begin: number, end: number) => {
      if (verify) crc = crc32(bytes.subarray(begin, end), crc)
      if (type === 'IDAT') data?.(bytes, begin, end)
    }
    if (type === 'IHDR') {
      if (byteLength !== headerDataBytes) throw new DataError(uri, `has an IHDR of ${byteLength} bytes, not ${headerDataBytes}`, at)
      const bytes = yield* source.take(headerDataBytes, 'its IHDR')
      see(bytes, 0, headerDataBytes)
      header = parseHeader(uri, bytes, at)
    } else yield* source.pass(byteLength, `chunk ${type}`, see)
    const recorded = u32be(yield* source.take(4, `the CRC of chunk ${type}`), 0)
    if (verify && recorded !== crc)
      throw new DataError(uri, `chunk ${type} has CRC-32 0x${crc.toString(16)} where 0x${recorded.toString(16)} is recorded: damaged`, at)
    if (type === 'IDAT') hasData = true
    if (type !== 'IEND') continue
    if (!hasData) throw new DataError(uri, 'has no chunk IDAT, and so no pixels', at)
    yield* source.passRest()
    return header!
  }
}

function parseHeader(uri: string, bytes: Uint8Array, at: number): PngHeader {
  const width = u32be(bytes, 0)
  const height = u32be(bytes, 4)
  const [bitDepth, colourType, compression, filter, interlace] = bytes.subarray(8, 13) as unknown as [
    number,
    number,
    number,
    number,
    number,
  ]
  const colours = colourTypes[colourType]
  const fail = (why: string): never => {
    throw new DataError(uri, `has an IHDR with ${why}`, at)
  }
  if (width < 1 || height < 1 || width > maxPngNumber || height > maxPngNumber) fail(`an image of ${height} × ${width} pixels`)
  if (colours === undefined || !colours.depths.includes(bitDepth)) return fail(`colour type ${colourType} and bit depth ${bitDepth}`)
  if (compression !== 0 || filter !== 0 || interlace > 1) fail(`compression ${compression}, filter ${filter}, interlace ${interlace}`)
  const rowBytes = Math.ceil((width * colours.channels * bitDepth) / 8)
  return { width, height, bitDepth, colourType, interlaced: interlace === 1, rowBytes, channels: colours.channels }
}

/** Bytes that the image data of `header` inflate to, where at most `dataBytes` can stand for them. @throws DataError beyond bounds */
export function inflatedBytes(uri: string, header: PngHeader, dataBytes: number): number {
  const bytes = header.interlaced ? interlacedBytes(header) : header.height * (1 + header.rowBytes)
  // Deflate makes at most 1032 bytes of one; beyond, a header lies.
  if (bytes > 1032 * dataBytes + 1024)
    throw new DataError(uri, `says ${header.height} × ${header.width} pixels, which ${dataBytes} bytes of image data cannot hold`)
  if (bytes > maxPixelBytes) throw new DataError(uri, `takes ${bytes} bytes decoded; at most ${maxPixelBytes} are decoded`)
  return bytes
}

/** Adam7: seven smaller images (specification, section 8.1). */
function interlacedBytes({ width, height, bitDepth, channels }: PngHeader): number {
  const passes = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
  ] as const
  return passes.reduce((sum, [x, y, stepX, stepY]) => {
    const columns = Math.ceil((width - x) / stepX)
    const rows = Math.ceil((height - y) / stepY)
    return columns <= 0 || rows <= 0 ? sum : sum + rows * (1 + Math.ceil((columns * channels * bitDepth) / 8))
  }, 0)
}
