// The footer of a Parquet file: which rows lie where. Pure. Layout: parquet-format, `parquet.thrift`; README.md.
import { DataError } from '../../errors.js'
import { u32 } from '../little-endian.js'
import { ThriftReader, type ThriftStruct, type ThriftValue } from './thrift.js'

/** `PAR1`, at both ends. */
export const parquetMagic = [0x50, 0x41, 0x52, 0x31] as const
/** Length of the footer and the magic, at the end. */
export const endBytes = 8
/** Longest footer that is parsed. */
const maxFooterBytes = 2 ** 26

/** One column of one row group. */
export interface ColumnChunk {
  /** Names from the root to the leaf. */
  readonly path: readonly string[]
  /** File offset of its first page. */
  readonly begin: number
  readonly byteLength: number
  readonly values: number
}

export interface RowGroup {
  /** Number of its first row in the file. */
  readonly firstRow: number
  readonly rows: number
  readonly columns: readonly ColumnChunk[]
}

export interface Footer {
  readonly rows: number
  readonly groups: readonly RowGroup[]
}

/** Length in bytes of the footer without its end, from the file's last 8 bytes at bytes[end − 8, end). @throws DataError */
export function footerLength(uri: string, bytes: Uint8Array, end: number, fileBytes: number): number {
  if (!parquetMagic.every((byte, i) => bytes[end - 4 + i] === byte)) {
    const found = Buffer.from(bytes.slice(end - 4, end)).toString('hex')
    throw new DataError(
      uri,
      found === '50415245' ? 'has an encrypted footer' : `does not end with PAR1 but with 0x${found}: truncated, or no Parquet file`,
      fileBytes - 4,
    )
  }
  const length = u32(bytes, end - endBytes)
  if (length === 0 || length + endBytes + parquetMagic.length > fileBytes)
    throw new DataError(uri, `says that its footer has ${length} bytes; the file has ${fileBytes}`, fileBytes - endBytes)
  if (length > maxFooterBytes)
    throw new DataError(uri, `has a footer of ${length} bytes; at most ${maxFooterBytes} are read`, fileBytes - endBytes)
  return length
}

/** Parses a footer that begins at file offset `footerOffset`; all of the file's data lies before it. @throws DataError */
export function parseFooter(uri: string, bytes: Uint8Array, footerOffset: number): Footer {
  const metadata = new ThriftReader(uri, bytes, footerOffset).struct()
  const fail = (why: string): never => {
    throw new DataError(uri, `has a footer in which ${why}`, footerOffset)
  }
  const number = (struct: ThriftStruct, field: number, what: string): number => {
    const value = struct.get(field)
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : fail(`${what} is ${showThrift(value)}`)
  }
  const structs = (value: ThriftValue | undefined, what: string): ThriftStruct[] =>
    Array.isArray(value) && value.every((item) => item instanceof Map) ? (value as ThriftStruct[]) : fail(`there are no ${what}`)

  const parseChunk = (chunk: ThriftStruct, what: string): ColumnChunk => {
    const column = chunk.get(3)
    if (!(column instanceof Map)) return fail(`${what} has no metadata`)
    if (chunk.has(1)) fail(`${what} lies in another file`)
    const path = column.get(3)
    if (!Array.isArray(path) || !path.every((name) => name instanceof Uint8Array)) return fail(`${what} has no path`)
    const dataOffset = number(column, 9, `the data of ${what}`)
    const dictionaryOffset = column.has(11) ? number(column, 11, `the dictionary of ${what}`) : 0
    // Writers that have no dictionary have been seen to say 0.
    const begin = dictionaryOffset >= parquetMagic.length && dictionaryOffset < dataOffset ? dictionaryOffset : dataOffset
    const byteLength = number(column, 7, `the length of ${what}`)
    if (begin < parquetMagic.length || begin + byteLength > footerOffset)
      fail(`${what} is bytes [${begin}, ${begin + byteLength}), beyond the data before byte ${footerOffset}`)
    return {
      path: (path as Uint8Array[]).map((name) => Buffer.from(name).toString('utf8')),
      begin,
      byteLength,
      values: number(column, 5, `the number of values of ${what}`),
    }
  }

  let firstRow = 0
  const groups = structs(metadata.get(4), 'row groups').map((group, i): RowGroup => {
    const rows = number(group, 3, `the number of rows of row group ${i}`)
    const columns = structs(group.get(1), `columns of row group ${i}`).map((chunk, k) => parseChunk(chunk, `column ${k} of row group ${i}`))
    if (columns.length === 0) fail(`row group ${i} has no columns`)
    firstRow += rows
    return { firstRow: firstRow - rows, rows, columns }
  })
  const rows = number(metadata, 3, 'the number of rows')
  if (rows !== firstRow) fail(`there are ${rows} rows, and ${firstRow} in its row groups`)
  return { rows, groups }
}

function showThrift(value: ThriftValue | undefined): string {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value === undefined ? 'absent' : 'no number'
}

/** Bytes [begin, end) of the file from the first to the last of the chosen columns of a row group (MLCommons' DLIO reads them in one go). */
export function groupRange(
  uri: string,
  group: RowGroup,
  columns: readonly string[] | undefined,
): { readonly begin: number; readonly end: number } {
  const chosen = columns === undefined ? group.columns : group.columns.filter(({ path }) => columns.includes(path[0]!))
  if (chosen.length === 0)
    throw new DataError(
      uri,
      `has none of the columns ${columns!.join(', ')} of storage_options.columns; it has ${[...new Set(group.columns.map(({ path }) => path[0]))].slice(0, 20).join(', ')}`,
    )
  let begin = Number.POSITIVE_INFINITY
  let end = 0
  for (const column of chosen) {
    begin = Math.min(begin, column.begin)
    end = Math.max(end, column.begin + column.byteLength)
  }
  return { begin, end }
}

/** Number of the row group that holds `row`. */
export function findGroup(footer: Footer, row: number): number {
  let low = 0
  let high = footer.groups.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (footer.groups[middle]!.firstRow <= row) low = middle
    else high = middle - 1
  }
  // Empty row groups begin where the next one does.
  return low
}
