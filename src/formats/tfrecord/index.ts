// TFRecord: TensorFlow's files of framed records, as DLIO writes and reads them. Members load when they are first used.
import { lazily } from '../../package.js'
import type { Format } from '../types.js'

export const tfrecord: Format = {
  name: 'tfrecord',
  kind: 'stream',
  streamReader(port, options) {
    const { TfrecordReader } = lazily<typeof import('./read.js')>('formats/tfrecord/read.js')
    return new TfrecordReader(port, options)
  },
  decoder(port, options) {
    const { TfrecordDecoder } = lazily<typeof import('./decode.js')>('formats/tfrecord/decode.js')
    return new TfrecordDecoder(port, options)
  },
  inspect(path) {
    const { inspectTfrecord } = lazily<typeof import('./inspect.js')>('formats/tfrecord/inspect.js')
    return inspectTfrecord(path)
  },
  get writer() {
    const { tfrecordWriter } = lazily<typeof import('./write.js')>('formats/tfrecord/write.js')
    return tfrecordWriter
  },
}
