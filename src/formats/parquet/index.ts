// Parquet, as MLCommons' DLIO writes and reads it. Members load when they are first used.
import { lazily } from '../../package.js'
import type { Format } from '../types.js'

export const parquet: Format = {
  name: 'parquet',
  kind: 'sample',
  sampleReader(port, options) {
    const { ParquetReader } = lazily<typeof import('./read.js')>('formats/parquet/read.js')
    return new ParquetReader(port, options, () => {
      const { WaitingChecker } = lazily<typeof import('./checker.js')>('formats/parquet/checker.js')
      return new WaitingChecker()
    })
  },
  inspect(path) {
    const { inspectParquet } = lazily<typeof import('./inspect.js')>('formats/parquet/inspect.js')
    return inspectParquet(path)
  },
  get writer() {
    const { parquetWriter } = lazily<typeof import('./write.js')>('formats/parquet/write.js')
    return parquetWriter
  },
}
