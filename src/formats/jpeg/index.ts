// JPEG: one image a file, as DLIO writes and reads it through Pillow. Members load when they are first used.
import { lazily } from '../../package.js'
import type { ImageDecoder } from '../image/read.js'
import type { Format } from '../types.js'

function createDecoder(): ImageDecoder {
  const { WaitingDecoder } = lazily<typeof import('./decoder.js')>('formats/jpeg/decoder.js')
  return new WaitingDecoder()
}

export const jpeg: Format = {
  name: 'jpeg',
  kind: 'sample',
  sampleReader(port, options) {
    const { ImageReader } = lazily<typeof import('../image/read.js')>('formats/image/read.js')
    const { jpegCodec } = lazily<typeof import('./layout.js')>('formats/jpeg/layout.js')
    return new ImageReader(port, options, jpegCodec, createDecoder)
  },
  decoder(port, options) {
    const { ImageSampleDecoder } = lazily<typeof import('../image/decode.js')>('formats/image/decode.js')
    const { jpegCodec } = lazily<typeof import('./layout.js')>('formats/jpeg/layout.js')
    return new ImageSampleDecoder(port, options, jpegCodec, createDecoder)
  },
  inspect(path) {
    const { inspectImage } = lazily<typeof import('../image/inspect.js')>('formats/image/inspect.js')
    const { jpegCodec } = lazily<typeof import('./layout.js')>('formats/jpeg/layout.js')
    const { decodeJpeg } = lazily<typeof import('./library.js')>('formats/jpeg/library.js')
    return inspectImage(path, jpegCodec, decodeJpeg)
  },
  get writer() {
    const { jpegWriter } = lazily<typeof import('./write.js')>('formats/jpeg/write.js')
    return jpegWriter
  },
}
