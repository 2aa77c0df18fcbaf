// Indexed binaries: raw samples with two index files beside them, read or mapped. Members load when they are first used.
import { lazily } from '../../package.js'
import type { Format } from '../types.js'

function indexedFormat(name: string, mapped: boolean): Format {
  return {
    name,
    kind: 'sample',
    sampleReader(port, options) {
      const { IndexedBinaryReader } = lazily<typeof import('./read.js')>('formats/indexed-binary/read.js')
      return new IndexedBinaryReader(port, options, mapped)
    },
    inspect(path) {
      const { inspectIndexedBinary } = lazily<typeof import('./inspect.js')>('formats/indexed-binary/inspect.js')
      return inspectIndexedBinary(path, name)
    },
    get writer() {
      const { indexedBinaryWriter } = lazily<typeof import('./write.js')>('formats/indexed-binary/write.js')
      return indexedBinaryWriter
    },
  }
}

export const indexedBinary = indexedFormat('indexed_binary', false)
export const mmapIndexedBinary = indexedFormat('mmap_indexed_binary', true)
