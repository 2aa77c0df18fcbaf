// libjpeg, as sharp brings it: decoding as Pillow does, encoding with its defaults. Loaded at first use.
import type Sharp from 'sharp'
import { DataError } from '../../errors.js'
import { dependency } from '../../package.js'
import { type ImageHeader, maxPixelBytes, type Pixels } from '../image/codec.js'

let loaded: typeof Sharp | undefined
function library(): typeof Sharp {
  if (loaded === undefined) {
    loaded = dependency<typeof Sharp>('sharp')
    // Each file has a thread of ours; nothing is decoded twice.
    loaded.concurrency(1)
    loaded.cache(false)
  }
  return loaded
}

/** The pixels as Pillow returns them. @throws DataError where the library finds anything wrong, or not the header's size */
export async function decodeJpeg(uri: string, bytes: Uint8Array, header: ImageHeader): Promise<Pixels> {
  const limitInputPixels = maxPixelBytes / 4
  if (header.width * header.height > limitInputPixels)
    throw new DataError(uri, `has ${header.height} × ${header.width} pixels; at most ${limitInputPixels} are decoded`)
  const sharp = library()
  const failed = (error: unknown): never => {
    throw new DataError(uri, `cannot be decoded: ${(error as Error).message.replaceAll('\n', ' ').trim()}`)
  }
  // Its own colours, unchanged: Pillow does not convert them either.
  const { space } = await sharp(bytes, { limitInputPixels }).metadata().catch(failed)
  const { data, info } = await sharp(bytes, { failOn: 'warning', limitInputPixels })
    .toColourspace(space)
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch(failed)
  if (info.width !== header.width || info.height !== header.height)
    throw new DataError(uri, `decodes to ${info.height} × ${info.width} pixels, its header says ${header.height} × ${header.width}`)
  const shape = info.channels === 1 ? [info.height, info.width] : [info.height, info.width, info.channels]
  return { shape, dtype: '|u1', bytes: data }
}

/** JFIF 1.01 without a resolution: the segment that Pillow writes behind the first marker and sharp does not. */
const jfif = Buffer.from('ffe000104a46494600010100000100010000', 'hex')

/** A grey JPEG file with Pillow's defaults: quality 75, baseline, the standard Huffman tables. */
export async function encodeGreyJpeg(pixels: Uint8Array, width: number, height: number): Promise<Uint8Array[]> {
  const encoded = await library()(pixels, { raw: { width, height, channels: 1 }, limitInputPixels: false })
    .toColourspace('b-w')
    .jpeg({ quality: 75, optimiseCoding: false })
    .toBuffer()
  return [encoded.subarray(0, 2), jfif, encoded.subarray(2)]
}
