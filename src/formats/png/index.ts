// PNG: one image a file, as DLIO writes and reads it through Pillow. Members load when they are first used.
import { lazily } from '../../package.js'
import type { Format } from '../types.js'

export const png: Format = {
  name: 'png',
  kind: 'sample',
  sampleReader(port, options) {
    const { ImageReader } = lazily<typeof import('../image/read.js')>('formats/image/read.js')
    const { pngCodec, pngDecoder } = lazily<typeof import('./codec.js')>('formats/png/codec.js')
    return new ImageReader(port, options, pngCodec, () => pngDecoder)
  },
  decoder(port, options) {
    const { ImageSampleDecoder } = lazily<typeof import('../image/decode.js')>('formats/image/decode.js')
    const { pngCodec, pngDecoder } = lazily<typeof import('./codec.js')>('formats/png/codec.js')
    return new ImageSampleDecoder(port, options, pngCodec, () => pngDecoder)
  },
  inspect(path) {
    const { inspectImage } = lazily<typeof import('../image/inspect.js')>('formats/image/inspect.js')
    const { pngCodec, decodePng } = lazily<typeof import('./codec.js')>('formats/png/codec.js')
    return inspectImage(path, pngCodec, decodePng)
  },
  get writer() {
    const { pngWriter } = lazily<typeof import('./write.js')>('formats/png/write.js')
    return pngWriter
  },
}
