// The table of formats. A format's code is loaded when it is first asked for.
import { ConfigError } from '../errors.js'
import { lazily } from '../package.js'
import type { Format } from './types.js'

const indexedBinaries = () => lazily<typeof import('./indexed-binary/index.js')>('formats/indexed-binary/index.js')

/** Names of DLIO's formats → how to load them. */
const table: Readonly<Record<string, () => Format>> = {
  npz: () => lazily<typeof import('./npz/index.js')>('formats/npz/index.js').npz,
  hdf5: () => lazily<typeof import('./hdf5/index.js')>('formats/hdf5/index.js').hdf5,
  tfrecord: () => lazily<typeof import('./tfrecord/index.js')>('formats/tfrecord/index.js').tfrecord,
  npy: () => lazily<typeof import('./npy/index.js')>('formats/npy/index.js').npy,
  csv: () => lazily<typeof import('./csv/index.js')>('formats/csv/index.js').csv,
  jpeg: () => lazily<typeof import('./jpeg/index.js')>('formats/jpeg/index.js').jpeg,
  png: () => lazily<typeof import('./png/index.js')>('formats/png/index.js').png,
  indexed_binary: () => indexedBinaries().indexedBinary,
  mmap_indexed_binary: () => indexedBinaries().mmapIndexedBinary,
  synthetic: () => lazily<typeof import('./synthetic/index.js')>('formats/synthetic/index.js').synthetic,
  parquet: () => lazily<typeof import('./parquet/index.js')>('formats/parquet/index.js').parquet,
}

/** Names of the formats that can be read, written and inspected. */
export const formatNames: readonly string[] = Object.keys(table)

/** Whether `name` (`dataset.format`) is in the table. */
export function isFormatName(name: string): boolean {
  return Object.hasOwn(table, name)
}

/** The format called `name`. @throws ConfigError where it is not in the table */
export function getFormat(name: string): Format {
  if (!isFormatName(name)) throw new ConfigError(`format ${name} cannot be read or written; ${formatNames.join(', ')} can`)
  return table[name]!()
}

/** Endings of file names → format, beside the formats' own names, which are DLIO's endings. */
const endings: Readonly<Record<string, string>> = { h5: 'hdf5', tfrecords: 'tfrecord', jpg: 'jpeg' }

/**
 * The name of a file's format: by its ending, or by its first bytes where the ending is not known.
 * @param firstBytes gives the first twelve bytes of the file, asked for only when needed
 * @returns undefined where neither tells
 */
export function formatNameOf(fileName: string, firstBytes: () => Uint8Array): string | undefined {
  const ending = /\.([^./\\]+)$/.exec(fileName)?.[1]?.toLowerCase() ?? ''
  const named = endings[ending] ?? ending
  if (isFormatName(named)) return named
  const bytes = firstBytes()
  const starts = (...magic: number[]) => bytes.length >= magic.length && magic.every((byte, i) => bytes[i] === byte)
  if (starts(0x50, 0x4b, 0x03, 0x04)) return 'npz'
  if (starts(0xff, 0xd8, 0xff)) return 'jpeg'
  if (starts(0x50, 0x41, 0x52, 0x31)) return 'parquet'
  if (starts(0x89, 0x50, 0x4e, 0x47)) return 'png'
  if (starts(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59)) return 'npy'
  if (starts(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a)) return 'hdf5'
  if (bytes.length < 12) return undefined
  const { frameHeaderIsValid } = lazily<typeof import('./tfrecord/layout.js')>('formats/tfrecord/layout.js')
  const view = new DataView(bytes.buffer, bytes.byteOffset, 12)
  return frameHeaderIsValid(view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true)) ? 'tfrecord' : undefined
}
