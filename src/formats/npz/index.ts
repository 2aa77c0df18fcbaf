// NPZ: NumPy's zip archives of arrays, as DLIO writes and reads them. Members load when they are first used.
import { createRequire } from 'node:module'
import type { Format } from '../types.js'

const require = createRequire(import.meta.url)

export const npz: Format = {
  name: 'npz',
  kind: 'sample',
  sampleReader(port, options) {
    const { NpzReader } = require('./read.js') as typeof import('./read.js')
    return new NpzReader(port, options)
  },
  inspect(path) {
    const { inspectNpz } = require('./inspect.js') as typeof import('./inspect.js')
    return inspectNpz(path)
  },
  get writer() {
    const { npzWriter } = require('./write.js') as typeof import('./write.js')
    return npzWriter
  },
}
