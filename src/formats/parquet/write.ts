// Writes the Parquet files that MLCommons' DLIO makes through pyarrow, in one pass: row groups, then the footer. Layout: README.md.
import { ConfigError } from '../../errors.js'
import type { ContentSource, FileSpec, FormatWriter, OutputFile } from '../types.js'
import { arrowSchema } from './arrow-schema.js'
import { chunkBytes, encodings, RandomBytes, type WrittenChunk, writeChunk } from './chunk.js'
import { type Column, columnsOf, pathOf, schemaElements } from './columns.js'
import { endBytes, parquetMagic } from './footer.js'
import { encodeStruct, type ThriftField } from './thrift.js'

const createdBy = 'dl-driver'
/** Longest page there can be: its length is a signed number of 32 bits. */
const maxRowBytes = 2 ** 30

interface WrittenGroup {
  readonly rows: number
  readonly offset: number
  readonly chunks: readonly WrittenChunk[]
}

/** Rows of each row group: DLIO writes batches, and each write begins a row group. */
function* groupRows(spec: FileSpec): Iterable<number> {
  const { rowGroupSize, generationBatchSize } = spec.parquet ?? { rowGroupSize: 1024, generationBatchSize: 0 }
  const batch = generationBatchSize > 0 ? generationBatchSize : rowGroupSize
  for (let left = spec.samples; left > 0; left -= batch)
    for (let inBatch = Math.min(batch, left); inBatch > 0; inBatch -= rowGroupSize) yield Math.min(rowGroupSize, inBatch)
}

function check(spec: FileSpec): Column[] {
  if (![...spec.dims, spec.samples].every((n) => Number.isInteger(n) && n >= 1))
    throw new ConfigError(`a Parquet file cannot hold ${spec.samples} samples of shape (${spec.dims.join(', ')}): impossible numbers`)
  if (spec.parquet?.partitionBy != null)
    throw new ConfigError(
      `dataset.parquet.partition_by: ${spec.parquet.partitionBy}: DLIO then writes folders of files under names that it cannot read itself; delete the key`,
    )
  const columns = columnsOf(spec)
  for (const column of columns) {
    const bytes = chunkBytes(column, 1) ?? 0
    if (bytes > maxRowBytes)
      throw new ConfigError(`parquet column ${column.name} takes ${bytes} bytes a row; at most ${maxRowBytes} fit a page`)
  }
  return columns
}

/** The last size that was worked out: files of one data set mostly have the same one, and row groups can be many. */
let known: { readonly key: string; readonly sizeBytes: number | undefined } | undefined

export const parquetWriter: FormatWriter = {
  sizeBytes(spec: FileSpec): number | undefined {
    const key = JSON.stringify([spec.dims, spec.samples, spec.parquet])
    if (known?.key !== key) known = { key, sizeBytes: plannedBytes(spec) }
    return known.sizeBytes
  },

  write(spec: FileSpec, content: ContentSource, out: OutputFile): void {
    const columns = check(spec)
    const random = new RandomBytes(content)
    out.append(Uint8Array.from(parquetMagic))
    const groups: WrittenGroup[] = []
    for (const rows of groupRows(spec)) {
      const offset = out.byteLength
      groups.push({ rows, offset, chunks: columns.map((column) => writeChunk(column, rows, random, (bytes) => out.append(bytes))) })
    }
    out.append(encodeEnd(columns, spec.samples, groups))
  },
}

/** The size of the file, without a byte of it; undefined with columns of texts. */
function plannedBytes(spec: FileSpec): number | undefined {
  const columns = check(spec)
  const groups: WrittenGroup[] = []
  const knownChunks = new Map<number, WrittenChunk[]>()
  let offset: number = parquetMagic.length
  for (const rows of groupRows(spec)) {
    let chunks = knownChunks.get(rows)
    if (chunks === undefined) {
      chunks = []
      for (const column of columns) {
        const byteLength = chunkBytes(column, rows)
        if (byteLength === undefined) return undefined
        const dictionaryBytes = chunkBytes(column, 0)!
        chunks.push({ byteLength, dictionaryBytes, values: rows * (column.listSize ?? 1) })
      }
      knownChunks.set(rows, chunks)
    }
    groups.push({ rows, offset, chunks })
    for (const chunk of chunks) offset += chunk.byteLength
  }
  return offset + encodeEnd(columns, spec.samples, groups).length
}

/** The footer, its length, and the magic. */
function encodeEnd(columns: readonly Column[], rows: number, groups: readonly WrittenGroup[]): Uint8Array {
  const footer = encodeStruct([
    [1, 'i32', 2],
    [2, 'structs', schemaElements(columns)],
    [3, 'i64', rows],
    [4, 'structs', groups.map((group) => encodeGroup(columns, group))],
    [
      5,
      'structs',
      [
        [
          [1, 'text', 'ARROW:schema'],
          [2, 'text', arrowSchema(columns)],
        ],
      ],
    ],
    [6, 'text', createdBy],
  ])
  const end = new Uint8Array(endBytes)
  new DataView(end.buffer).setUint32(0, footer.length, true)
  end.set(parquetMagic, 4)
  return Buffer.concat([footer, end])
}

function encodeGroup(columns: readonly Column[], { rows, offset, chunks }: WrittenGroup): readonly ThriftField[] {
  let at = offset
  const encoded = columns.map((column, i): readonly ThriftField[] => {
    const chunk = chunks[i]!
    const begin = at
    at += chunk.byteLength
    const hasDictionary = chunk.dictionaryBytes > 0
    const metadata: ThriftField[] = [
      [1, 'i32', column.physicalType],
      [2, 'i32s', hasDictionary ? [encodings.plain, encodings.rle, encodings.rleDictionary] : [encodings.plain, encodings.rle]],
      [3, 'texts', pathOf(column)],
      [4, 'i32', 0],
      [5, 'i64', chunk.values],
      [6, 'i64', chunk.byteLength],
      [7, 'i64', chunk.byteLength],
      [9, 'i64', begin + chunk.dictionaryBytes],
    ]
    if (hasDictionary) metadata.push([11, 'i64', begin])
    return [
      [2, 'i64', 0],
      [3, 'struct', metadata],
    ]
  })
  return [
    [1, 'structs', encoded],
    [2, 'i64', at - offset],
    [3, 'i64', rows],
  ]
}
