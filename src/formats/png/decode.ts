// Decoding PNG images that are in memory: inflating, checking and undoing the filters of the rows.
import { inflateSync } from 'node:zlib'
import { DataError } from '../../errors.js'
import type { ImageHeader, Pixels } from '../image/codec.js'
import type { ImageDecoder } from '../image/read.js'
import { chunkFrameBytes, inflatedBytes, type PngHeader, pngSignature, u32be } from './layout.js'

/** Inflates the image data of a file whose chunks have been walked; exactly the bytes that the header's image takes. @throws DataError */
function inflateImage(uri: string, file: Uint8Array, header: PngHeader): Uint8Array {
  const parts: Uint8Array[] = []
  for (let at: number = pngSignature.length; at + chunkFrameBytes <= file.length; ) {
    const byteLength = u32be(file, at)
    const type = u32be(file, at + 4)
    if (type === 0x49454e44) break // IEND
    if (type === 0x49444154) parts.push(file.subarray(at + 8, at + 8 + byteLength)) // IDAT
    at += chunkFrameBytes + byteLength
  }
  const data = Buffer.concat(parts)
  const wanted = inflatedBytes(uri, header, data.length)
  let rows: Uint8Array
  try {
    rows = inflateSync(data, { maxOutputLength: wanted })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why = code === 'ERR_BUFFER_TOO_LARGE' ? `they inflate to more than the ${wanted} bytes of the image` : message
    throw new DataError(uri, `has image data that cannot be inflated: ${why}`)
  }
  if (rows.length !== wanted) throw new DataError(uri, `has image data of ${rows.length} bytes where its image takes ${wanted}`)
  return rows
}

export const pngDecoder: ImageDecoder = {
  check(uri, bytes, header) {
    const png = header as PngHeader
    const rows = inflateImage(uri, bytes, png)
    if (png.interlaced) return
    for (let row = 0; row < png.height; row++) checkFilter(uri, rows[row * (1 + png.rowBytes)]!, row)
  },
  decode: decodePng,
  close() {},
}

/** The pixels as Pillow returns them. @throws DataError for images that are not of 8 bits a channel, or palettes, which Pillow shows otherwise */
export function decodePng(uri: string, bytes: Uint8Array, header: ImageHeader): Pixels {
  const png = header as PngHeader
  if (png.interlaced || png.bitDepth !== 8 || png.colourType === 3)
    throw new DataError(
      uri,
      `is ${png.interlaced ? 'interlaced' : `of colour type ${png.colourType} with ${png.bitDepth} bits`}; only grey and colour images of 8 bits that are not interlaced are decoded to pixels`,
    )
  const rows = inflateImage(uri, bytes, png)
  const { height, width, rowBytes, channels } = png
  const pixels = new Uint8Array(height * rowBytes)
  for (let row = 0; row < height; row++) {
    const filter = rows[row * (1 + rowBytes)]!
    checkFilter(uri, filter, row)
    unfilter(filter, rows, row * (1 + rowBytes) + 1, pixels, row * rowBytes, rowBytes, channels, row === 0)
  }
  return { shape: channels === 1 ? [height, width] : [height, width, channels], dtype: '|u1', bytes: pixels }
}

function checkFilter(uri: string, filter: number, row: number): void {
  if (filter > 4) throw new DataError(uri, `has row ${row} filtered by method ${filter}; there are 0 to 4`)
}

/** Specification, section 9: each byte is told by its difference to what its neighbours predict. */
function unfilter(
  filter: number,
  from: Uint8Array,
  fromAt: number,
  to: Uint8Array,
  toAt: number,
  rowBytes: number,
  pixelBytes: number,
  isFirst: boolean,
): void {
  for (let i = 0; i < rowBytes; i++) {
    const left = i < pixelBytes ? 0 : to[toAt + i - pixelBytes]!
    const up = isFirst ? 0 : to[toAt + i - rowBytes]!
    const upLeft = isFirst || i < pixelBytes ? 0 : to[toAt + i - rowBytes - pixelBytes]!
    to[toAt + i] = from[fromAt + i]! + prediction(filter, left, up, upLeft)
  }
}

function prediction(filter: number, left: number, up: number, upLeft: number): number {
  if (filter === 1) return left
  if (filter === 2) return up
  if (filter === 3) return (left + up) >> 1
  if (filter !== 4) return 0
  const estimate = left + up - upLeft
  const toLeft = Math.abs(estimate - left)
  const toUp = Math.abs(estimate - up)
  const toUpLeft = Math.abs(estimate - upLeft)
  if (toLeft <= toUp && toLeft <= toUpLeft) return left
  return toUp <= toUpLeft ? up : upLeft
}
