// NPZ: NumPy's zip archives of arrays, as DLIO writes and reads them. Members load when they are first used.
import { lazily } from '../../package.js'
import type { Format } from '../types.js'

export const npz: Format = {
  name: 'npz',
  kind: 'sample',
  sampleReader(port, options) {
    const { NpzReader } = lazily<typeof import('./read.js')>('formats/npz/read.js')
    return new NpzReader(port, options)
  },
  decoder(port, options) {
    const { NpzDecoder } = lazily<typeof import('./decode.js')>('formats/npz/decode.js')
    return new NpzDecoder(port, options)
  },
  inspect(path) {
    const { inspectNpz } = lazily<typeof import('./inspect.js')>('formats/npz/inspect.js')
    return inspectNpz(path)
  },
  get writer() {
    const { npzWriter } = lazily<typeof import('./write.js')>('formats/npz/write.js')
    return npzWriter
  },
}
