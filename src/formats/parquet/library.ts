// hyparquet: decoding rows. It trusts what it reads, so it runs in threads that are bounded, on files whose footer and pages were checked.
import { type AsyncBuffer, type FileMetaData, parquetMetadata, parquetReadObjects } from 'hyparquet'
import { DataError } from '../../errors.js'
import type { CheckRequest } from './checker.js'
import { endBytes } from './footer.js'

/** Decodes one row group. @throws DataError */
export async function decodeGroup({ uri, tail, bytes, begin, number, columns }: CheckRequest): Promise<void> {
  try {
    const metadata = metadataOf(tail)
    const groups = metadata.row_groups
    const rowStart = groups.slice(0, number).reduce((sum, group) => sum + Number(group.num_rows), 0)
    const rowEnd = rowStart + Number(groups[number]!.num_rows)
    const file: AsyncBuffer = {
      byteLength: begin + bytes.length,
      slice: (from, to = begin + bytes.length) => {
        if (from < begin || to > begin + bytes.length) throw new Error(`bytes [${from}, ${to}) are outside of the row group`)
        return bytes.slice(from - begin, to - begin).buffer as ArrayBuffer
      },
    }
    const rows = await parquetReadObjects({ file, metadata, rowStart, rowEnd, utf8: false, ...(columns && { columns: [...columns] }) })
    if (rows.length !== rowEnd - rowStart) throw new Error(`${rows.length} rows come out where there should be ${rowEnd - rowStart}`)
  } catch (error) {
    throw new DataError(uri, `row group ${number} cannot be decoded: ${(error as Error).message}`, begin)
  }
}

/** Metadata from the end of a file. */
export function metadataOf(tail: Uint8Array): FileMetaData {
  return parquetMetadata(tail.slice(tail.length - endBytes - lengthIn(tail)).buffer as ArrayBuffer)
}

function lengthIn(tail: Uint8Array): number {
  return new DataView(tail.buffer, tail.byteOffset + tail.length - endBytes, 4).getUint32(0, true)
}
