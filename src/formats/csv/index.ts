// CSV: a line of numbers a sample, as DLIO writes and reads it through pandas. Members load when they are first used.
import { lazily } from '../../package.js'
import type { Format } from '../types.js'

export const csv: Format = {
  name: 'csv',
  kind: 'sample',
  sampleReader(port, options) {
    const { CsvReader } = lazily<typeof import('./read.js')>('formats/csv/read.js')
    return new CsvReader(port, options)
  },
  inspect(path) {
    const { inspectCsv } = lazily<typeof import('./inspect.js')>('formats/csv/inspect.js')
    return inspectCsv(path)
  },
  get writer() {
    const { csvWriter } = lazily<typeof import('./write.js')>('formats/csv/write.js')
    return csvWriter
  },
}
