// NPY: one NumPy array a file, as DLIO writes and reads it. Members load when they are first used.
import { lazily } from '../../package.js'
import type { Format } from '../types.js'

export const npy: Format = {
  name: 'npy',
  kind: 'sample',
  sampleReader(port, options) {
    const { NpyReader } = lazily<typeof import('./read.js')>('formats/npy/read.js')
    return new NpyReader(port, options)
  },
  decoder(port, options) {
    const { NpyDecoder } = lazily<typeof import('./decode.js')>('formats/npy/decode.js')
    return new NpyDecoder(port, options)
  },
  inspect(path) {
    const { inspectNpy } = lazily<typeof import('./inspect.js')>('formats/npy/inspect.js')
    return inspectNpy(path)
  },
  get writer() {
    const { npyWriter } = lazily<typeof import('./write.js')>('formats/npy/write.js')
    return npyWriter
  },
}
