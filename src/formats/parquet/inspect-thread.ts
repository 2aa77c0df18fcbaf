// Runs in a thread of its own: reads a Parquet file with hyparquet and posts what `inspect` wants to know.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import {
  type AsyncBuffer,
  type FileMetaData,
  type ParquetType,
  parquetReadObjects,
  parquetSchema,
  type SchemaElement,
  type SchemaTree,
} from 'hyparquet'
import { elementTypeByName } from '../dtype.js'
import { halfOf } from '../half.js'
import type { InspectAnswer } from './inspect.js'
import { metadataOf } from './library.js'
import { pythonHex } from './python-hex.js'

const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** The NumPy name of a leaf's values; undefined for texts and bytes. */
function numpyName({ type, converted_type: converted, logical_type: logical }: SchemaElement): string | undefined {
  const named = /^(U?)INT_(8|16|32|64)$/.exec(converted ?? '')
  if (named !== null) return `${named[1] === 'U' ? 'u' : ''}int${named[2]}`
  if (logical?.type === 'FLOAT16') return 'float16'
  return { BOOLEAN: 'bool', INT32: 'int32', INT64: 'int64', FLOAT: 'float32', DOUBLE: 'float64' }[type as string]
}

/**
 * The same file with floats taken for integers of their width, and texts for bytes: a NaN that goes through a JavaScript number may
 * come out with other bits.
 */
function withBits(metadata: FileMetaData): FileMetaData {
  const bitsOf: Partial<Record<string, ParquetType>> = { FLOAT: 'INT32', DOUBLE: 'INT64' }
  const schema = metadata.schema.map((element) => {
    if (element.num_children !== undefined || element.type === undefined) return element
    const { converted_type: _converted, logical_type: _logical, ...plain } = element
    return { ...plain, type: bitsOf[element.type] ?? element.type }
  })
  const row_groups = metadata.row_groups.map((group) => ({
    ...group,
    columns: group.columns.map((column) => ({
      ...column,
      ...(column.meta_data && { meta_data: { ...column.meta_data, type: bitsOf[column.meta_data.type] ?? column.meta_data.type } }),
    })),
  }))
  return { ...metadata, schema, row_groups }
}

/** Puts a value as it comes out of {@link withBits} into an array of NumPy's. */
function putBits(view: DataView, at: number, itemBytes: number, value: unknown): void {
  if (value instanceof Uint8Array) for (let i = 0; i < itemBytes; i++) view.setUint8(at + i, value[i]!)
  else if (itemBytes === 8) view.setBigInt64(at, BigInt.asIntN(64, BigInt(value as number | bigint)), true)
  else if (itemBytes === 4) view.setInt32(at, Number(value), true)
  else if (itemBytes === 2) view.setInt16(at, Number(value), true)
  else view.setInt8(at, Number(value))
}

function describeList(values: readonly unknown[], name: string): Record<string, unknown> {
  const { descr, itemBytes } = elementTypeByName(name)!
  const bytes = new Uint8Array(values.length * itemBytes)
  const view = new DataView(bytes.buffer)
  for (const [i, value] of values.entries()) putBits(view, i * itemBytes, itemBytes, value)
  return { shape: [values.length], dtype: descr, nbytes: bytes.length, sha256: hash(bytes) }
}

function describeNumber(value: unknown, name: string): Record<string, unknown> {
  if (name === 'bool') return { value }
  const { kind, itemBytes } = elementTypeByName(name)!
  const view = new DataView(new ArrayBuffer(8))
  putBits(view, 0, itemBytes, value)
  if (kind === 'f') {
    const number = itemBytes === 2 ? halfOf(view.getUint16(0, true)) : itemBytes === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true)
    return { value: Number.isFinite(number) ? number : null, hex: pythonHex(number) }
  }
  if (itemBytes === 8) return { value: Number(kind === 'u' ? view.getBigUint64(0, true) : view.getBigInt64(0, true)) }
  const isSigned = kind === 'i'
  if (itemBytes === 4) return { value: isSigned ? view.getInt32(0, true) : view.getUint32(0, true) }
  if (itemBytes === 2) return { value: isSigned ? view.getInt16(0, true) : view.getUint16(0, true) }
  return { value: isSigned ? view.getInt8(0) : view.getUint8(0) }
}

function describeValue(value: unknown, column: SchemaTree): Record<string, unknown> {
  if (value === null || value === undefined) return { value: null }
  let { element, children } = column
  for (; children.length > 0; { element, children } = children[0]!)
    if (children.length > 1) throw new Error(`column ${column.element.name} holds structures`)
  const name = numpyName(element)
  if (Array.isArray(value)) {
    if (name === undefined || value.some((item) => item === null || Array.isArray(item)))
      throw new Error(`column ${column.element.name} holds lists of something else than numbers`)
    return describeList(value, name)
  }
  if (name !== undefined) return describeNumber(value, name)
  if (!(value instanceof Uint8Array)) throw new Error(`column ${column.element.name} holds values of type ${element.type}`)
  const isText = element.converted_type === 'UTF8' || element.logical_type?.type === 'STRING'
  return isText ? { value: Buffer.from(value).toString('utf8') } : { nbytes: value.length, sha256: hash(value) }
}

async function inspect(path: string, maxListedRows: number): Promise<InspectAnswer> {
  const bytes = readFileSync(path)
  const metadata = metadataOf(bytes)
  if (Number(metadata.num_rows) > maxListedRows)
    return { problem: `it holds ${metadata.num_rows} rows; inspect lists at most ${maxListedRows}` }
  const file: AsyncBuffer = {
    byteLength: bytes.length,
    slice: (from, to) => new Uint8Array(bytes.subarray(from, to)).buffer as ArrayBuffer,
  }
  const columns = parquetSchema(metadata).children
  const rows = await parquetReadObjects({ file, metadata: withBits(metadata), utf8: false })
  return {
    samples: rows.map((row) =>
      Object.fromEntries(columns.map((column) => [column.element.name, describeValue(row[column.element.name], column)])),
    ),
  }
}

const { path, maxListedRows } = workerData as { path: string; maxListedRows: number }
inspect(path, maxListedRows)
  .catch((error: unknown): InspectAnswer => ({ problem: error instanceof Error ? error.message : String(error) }))
  .then((answer) => parentPort?.postMessage(answer))
