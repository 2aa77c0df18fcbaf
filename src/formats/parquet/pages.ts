// The pages of column chunks: their headers, held against what the footer says. Pure.
import { DataError } from '../../errors.js'
import { crc32 } from '../checksums.js'
import type { ColumnChunk, RowGroup } from './footer.js'
import { ThriftReader, type ThriftStruct } from './thrift.js'

const dataPage = 0
const indexPage = 1
const dictionaryPage = 2
const dataPage2 = 3

/** Checks the pages of a row group's chosen columns, whose bytes begin at file offset `begin`. @throws DataError */
export function checkPages(uri: string, group: RowGroup, columns: readonly string[] | undefined, bytes: Uint8Array, begin: number): void {
  for (const chunk of group.columns)
    if (columns === undefined || columns.includes(chunk.path[0]!))
      checkChunk(uri, chunk, bytes.subarray(chunk.begin - begin, chunk.begin - begin + chunk.byteLength))
}

function checkChunk(uri: string, chunk: ColumnChunk, bytes: Uint8Array): void {
  const name = chunk.path.join('.')
  let values = 0
  for (let at = 0; at < bytes.length; ) {
    const pageOffset = chunk.begin + at
    const problem = (why: string) => new DataError(uri, `column ${name} has a page that ${why}`, pageOffset)
    const reader = new ThriftReader(uri, bytes, chunk.begin, at)
    const header = reader.struct()
    const byteLength = header.get(3)
    if (typeof byteLength !== 'number' || byteLength < 0 || reader.at + byteLength > bytes.length)
      throw problem(`says ${String(byteLength)} bytes where ${bytes.length - reader.at} are left`)
    const body = bytes.subarray(reader.at, reader.at + byteLength)
    const crc = header.get(4)
    if (typeof crc === 'number' && crc32(body) !== crc >>> 0) throw problem('does not have the CRC-32 that it says')
    const type = header.get(1)
    if (type === dataPage || type === dataPage2) values += valuesOf(header.get(type === dataPage ? 5 : 8), problem)
    else if (type !== indexPage && type !== dictionaryPage) throw problem(`is of type ${String(type)}`)
    at = reader.at + byteLength
  }
  if (values !== chunk.values)
    throw new DataError(uri, `column ${name} has ${values} values in its pages where the footer says ${chunk.values}`, chunk.begin)
}

function valuesOf(header: unknown, problem: (why: string) => DataError): number {
  const values = header instanceof Map ? (header as ThriftStruct).get(1) : undefined
  if (typeof values !== 'number' || values < 0) throw problem('does not say how many values it has')
  return values
}
