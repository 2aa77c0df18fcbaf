// What the formats of single images, jpeg and png, have in common.
import type { Io } from '../../storage/types.js'
import type { SequentialSource } from '../sequential.js'

export interface ImageHeader {
  readonly width: number
  readonly height: number
}

/** How a format frames an image, and how it is decoded. */
export interface ImageCodec {
  readonly name: 'jpeg' | 'png'
  /** The first bytes of every such file. */
  readonly signature: readonly number[]
  /**
   * Follows the framing from the beginning of the file to its end; `verify` checks all that needs no decoding.
   * @throws DataError where the framing is broken or cut off
   */
  walk(source: SequentialSource, verify: boolean): Io<ImageHeader>
}

/** Pixels of a decoded image as Pillow gives them. */
export interface Pixels {
  /** (height, width), or (height, width, channels). */
  readonly shape: readonly number[]
  /** NumPy type string. */
  readonly dtype: string
  /** C order. */
  readonly bytes: Uint8Array
}

/** Longest image file that is decoded, by `verify` and `inspect`; both need it in memory. */
export const maxDecodedFileBytes = 2 ** 28
/** Most bytes of decoded pixels. */
export const maxPixelBytes = 2 ** 30
