// TFRecord: TensorFlow's files of framed records, as DLIO writes and reads them. Members load when they are first used.
import { createRequire } from 'node:module'
import type { Format } from '../types.js'

const require = createRequire(import.meta.url)

export const tfrecord: Format = {
  name: 'tfrecord',
  kind: 'stream',
  streamReader(port, options) {
    const { TfrecordReader } = require('./read.js') as typeof import('./read.js')
    return new TfrecordReader(port, options)
  },
  inspect(path) {
    const { inspectTfrecord } = require('./inspect.js') as typeof import('./inspect.js')
    return inspectTfrecord(path)
  },
  get writer() {
    const { tfrecordWriter } = require('./write.js') as typeof import('./write.js')
    return tfrecordWriter
  },
}
