// PNG as one of the image formats.
import type { ImageCodec } from '../image/codec.js'
import { pngSignature, walkPng } from './layout.js'

export { decodePng, pngDecoder } from './decode.js'

export const pngCodec: ImageCodec = { name: 'png', signature: pngSignature, walk: (source, verify) => walkPng(source, verify) }
