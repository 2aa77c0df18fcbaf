// One column chunk: pages of whole rows, with the levels that say where lists begin. What it takes is known before a byte is made, but for texts.
import { appendContent } from '../content.js'
import type { ContentSource } from '../types.js'
import { type Column, physical } from './columns.js'
import { encodeStruct, putVarint } from './thrift.js'

/** pyarrow's size of a data page. */
const pageBytes = 2 ** 20
const dictionaryValues = 256

export const encodings = { plain: 0, rle: 3, rleDictionary: 8 } as const

/** Where pieces of a file go. */
export type Put = (bytes: Uint8Array) => void

export interface WrittenChunk {
  readonly byteLength: number
  /** Bytes before the first data page. */
  readonly dictionaryBytes: number
  readonly values: number
}

const rowValues = ({ listSize }: Column): number => listSize ?? 1

/** Rows of each page: as many as fit, one at least. */
function* pageRows(column: Column, rows: number): Iterable<number> {
  const { storage } = column
  const valueBytes =
    storage.kind === 'plain'
      ? storage.valueBytes
      : storage.kind === 'widened'
        ? 4
        : storage.kind === 'bytes'
          ? 4 + storage.length
          : storage.kind === 'text'
            ? 16
            : 1
  const most = Math.max(1, Math.floor(pageBytes / (valueBytes * rowValues(column))))
  for (let left = rows; left > 0; left -= most) yield Math.min(most, left)
}

/** Bytes of the chunk of `rows` rows; undefined where they depend on the content. Pure. */
export function chunkBytes(column: Column, rows: number): number | undefined {
  if (column.storage.kind === 'text') return undefined
  let bytes = dictionaryPage(column)?.length ?? 0
  for (const count of pageRows(column, rows)) {
    const body = levels(column, count).length + valuesBytes(column, count * rowValues(column))
    bytes += pageHeader(column, count, body).length + body
  }
  return bytes
}

/** Writes the chunk of `rows` rows. */
export function writeChunk(column: Column, rows: number, random: RandomBytes, put: Put): WrittenChunk {
  let byteLength = 0
  const count: Put = (bytes) => {
    byteLength += bytes.length
    put(bytes)
  }
  const dictionary = dictionaryPage(column)
  if (dictionary !== undefined) count(dictionary)
  for (const pageRowCount of pageRows(column, rows)) {
    const values = pageRowCount * rowValues(column)
    const own = levels(column, pageRowCount)
    const texts = column.storage.kind === 'text' ? encodeTexts(values, random) : undefined
    const valueBytes = texts?.length ?? valuesBytes(column, values)
    count(pageHeader(column, pageRowCount, own.length + valueBytes))
    count(own)
    if (texts !== undefined) count(texts)
    else writeValues(column, values, random, count)
  }
  return { byteLength, dictionaryBytes: dictionary?.length ?? 0, values: rows * rowValues(column) }
}

function pageHeader(column: Column, rows: number, bodyBytes: number): Uint8Array {
  const encoding = column.storage.kind === 'dictionary' ? encodings.rleDictionary : encodings.plain
  return encodeStruct([
    [1, 'i32', 0],
    [2, 'i32', bodyBytes],
    [3, 'i32', bodyBytes],
    [
      5,
      'struct',
      [
        [1, 'i32', rows * rowValues(column)],
        [2, 'i32', encoding],
        [3, 'i32', encodings.rle],
        [4, 'i32', encodings.rle],
      ],
    ],
  ])
}

/** All 256 values as they are stored plainly. */
function dictionaryPage(column: Column): Uint8Array | undefined {
  if (column.storage.kind !== 'dictionary') return undefined
  const body = new Uint8Array(Int32Array.from({ length: dictionaryValues }, (_, i) => i).buffer)
  const header = encodeStruct([
    [1, 'i32', 2],
    [2, 'i32', body.length],
    [3, 'i32', body.length],
    [
      7,
      'struct',
      [
        [1, 'i32', dictionaryValues],
        [2, 'i32', encodings.plain],
      ],
    ],
  ])
  return Buffer.concat([header, body])
}

/** Repetition levels (of lists: 0 where a row begins, 1 elsewhere) and definition levels (all values are there), each behind its length. */
function levels({ listSize }: Column, rows: number): Uint8Array {
  if (listSize === undefined) return withLength(runs([[rows, 1]]))
  const repetitions =
    listSize === 1
      ? runs([[rows, 0]])
      : repeat(
          runs([
            [1, 0],
            [listSize - 1, 1],
          ]),
          rows,
        )
  return Buffer.concat([withLength(repetitions), withLength(runs([[rows * listSize, 3]]))])
}

/** Runs of equal levels (parquet-format, "RLE/bit-packing hybrid"): twice the length, and the level in one byte. */
function runs(of: readonly (readonly [count: number, level: number])[]): Uint8Array {
  const bytes: number[] = []
  for (const [count, level] of of) {
    putVarint(bytes, 2 * count)
    bytes.push(level)
  }
  return Uint8Array.from(bytes)
}

const repeat = (bytes: Uint8Array, times: number): Uint8Array => Buffer.alloc(bytes.length * times, bytes)

function withLength(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(4 + bytes.length)
  new DataView(result.buffer).setUint32(0, bytes.length, true)
  result.set(bytes, 4)
  return result
}

function valuesBytes({ storage }: Column, values: number): number {
  switch (storage.kind) {
    case 'plain':
      return values * storage.valueBytes
    case 'widened':
      return values * 4
    case 'bits':
      return Math.ceil(values / 8)
    case 'bytes':
      return values * (4 + storage.length)
    case 'dictionary':
      return indicesHead(values).length + 8 * Math.ceil(values / 8)
    case 'text':
      throw new RangeError('the length of texts depends on them')
  }
}

/** The width of indices, and the head of one run of groups of eight: at a width of eight bits the indices themselves are bytes. */
function indicesHead(values: number): Uint8Array {
  const bytes = [8]
  putVarint(bytes, 2 * Math.ceil(values / 8) + 1)
  return Uint8Array.from(bytes)
}

function writeValues({ storage, physicalType }: Column, values: number, random: RandomBytes, put: Put): void {
  switch (storage.kind) {
    case 'dictionary':
      put(indicesHead(values))
      random.stream(values, put)
      put(new Uint8Array(8 * Math.ceil(values / 8) - values))
      break
    case 'plain':
      random.stream(values * storage.valueBytes, put)
      break
    case 'bits': {
      const bytes = random.take(Math.ceil(values / 8))
      if (values % 8 !== 0) bytes[bytes.length - 1]! &= (1 << (values % 8)) - 1
      put(bytes)
      break
    }
    case 'bytes':
      for (let i = 0; i < values; i++) {
        put(withLength(random.take(storage.length)))
      }
      break
    case 'widened':
      if (physicalType === physical.int32) put(widen(random.take(values * storage.sourceBytes), storage.sourceBytes, storage.signed))
      break
    case 'text':
      throw new RangeError('texts are encoded before their page begins')
  }
}

function widen(bytes: Uint8Array, sourceBytes: 1 | 2, signed: boolean): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const wide = new Int32Array(bytes.length / sourceBytes)
  for (let i = 0; i < wide.length; i++) {
    if (sourceBytes === 1) wide[i] = signed ? view.getInt8(i) : view.getUint8(i)
    else wide[i] = signed ? view.getInt16(2 * i, true) : view.getUint16(2 * i, true)
  }
  return new Uint8Array(wide.buffer)
}

function encodeTexts(count: number, random: RandomBytes): Uint8Array {
  const numbers = random.take(4 * count)
  const view = new DataView(numbers.buffer, numbers.byteOffset, numbers.length)
  const parts: Uint8Array[] = []
  for (let i = 0; i < count; i++) parts.push(withLength(Buffer.from(`s_${view.getUint32(4 * i, true) & 0x7fffffff}`, 'latin1')))
  return Buffer.concat(parts)
}

/** Content of any length from a source that gives whole elements of some type. */
export class RandomBytes {
  constructor(private readonly content: ContentSource) {}

  /** `byteLength` bytes to `put`, piece by piece. */
  stream(byteLength: number, put: Put): void {
    appendContent(this.content, byteLength, put)
  }

  /** `byteLength` bytes in memory of their own. */
  take(byteLength: number): Uint8Array {
    const bytes = new Uint8Array(byteLength)
    let filled = 0
    this.stream(byteLength, (piece) => {
      bytes.set(piece, filled)
      filled += piece.length
    })
    return bytes
  }
}
