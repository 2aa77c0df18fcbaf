// Thrift's compact protocol, as far as Parquet uses it. Reading is bounded by the bytes there are, whatever they claim. Pure.
// Source: Apache Thrift, "Thrift Compact protocol encoding".
import { DataError } from '../../errors.js'

export type ThriftValue = number | boolean | Uint8Array | ThriftValue[] | ThriftStruct
/** Fields by their number. */
export type ThriftStruct = Map<number, ThriftValue>

const typeTrue = 1
const typeFalse = 2
const typeByte = 3
const typeI16 = 4
const typeI32 = 5
const typeI64 = 6
const typeDouble = 7
const typeBinary = 8
const typeList = 9
const typeSet = 10
const typeStruct = 12
const maxDepth = 16

export class ThriftReader {
  constructor(
    private readonly uri: string,
    private readonly bytes: Uint8Array,
    /** Where in the file the bytes begin, for messages. */
    private readonly fileOffset: number,
    public at = 0,
  ) {}

  struct(depth = 0): ThriftStruct {
    if (depth > maxDepth) this.#fail(`structures are nested more than ${maxDepth} deep`)
    const fields: ThriftStruct = new Map()
    for (let field = 0; ; ) {
      const head = this.#byte()
      if (head === 0) return fields
      field = head >> 4 === 0 ? this.#zigzag() : field + (head >> 4)
      fields.set(field, this.#value(head & 15, depth))
    }
  }

  #value(type: number, depth: number): ThriftValue {
    switch (type) {
      case typeTrue:
        return true
      case typeFalse:
        return false
      case typeByte:
        return (this.#byte() << 24) >> 24
      case typeI16:
      case typeI32:
      case typeI64:
        return this.#zigzag()
      case typeDouble:
        return this.#double()
      case typeBinary:
        return this.#binary()
      case typeList:
      case typeSet:
        return this.#list(depth)
      case typeStruct:
        return this.struct(depth + 1)
      default:
        return this.#fail(`a field has type ${type}`)
    }
  }

  #list(depth: number): ThriftValue[] {
    const head = this.#byte()
    const count = head >> 4 === 15 ? this.#varint() : head >> 4
    const type = head & 15
    // Every element takes a byte at least.
    if (count > this.bytes.length - this.at) this.#fail(`a list claims ${count} elements`)
    return Array.from({ length: count }, () => (type === typeTrue || type === typeFalse ? this.#byte() === 1 : this.#value(type, depth)))
  }

  #binary(): Uint8Array {
    const length = this.#varint()
    if (length > this.bytes.length - this.at) this.#fail(`a text claims ${length} bytes`)
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  #double(): number {
    if (this.bytes.length - this.at < 8) this.#fail('it ends within a number')
    this.at += 8
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + this.at - 8, 8).getFloat64(0, true)
  }

  #varint(): number {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte()
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
    return this.#fail('a number has more than ten bytes')
  }

  /** Exact up to 2^53, which no size or count of a file exceeds. */
  #zigzag(): number {
    const value = this.#varint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  #byte(): number {
    return this.bytes[this.at++] ?? this.#fail('it ends within a structure')
  }

  #fail(why: string): never {
    throw new DataError(this.uri, `has metadata that cannot be read: ${why}`, this.fileOffset + this.at)
  }
}

/** A field to write: its number and what it is. */
export type ThriftField =
  | readonly [field: number, type: 'i32' | 'i64' | 'byte', value: number]
  | readonly [field: number, type: 'bool', value: boolean]
  | readonly [field: number, type: 'text', value: string]
  | readonly [field: number, type: 'struct', value: readonly ThriftField[]]
  | readonly [field: number, type: 'i32s', value: readonly number[]]
  | readonly [field: number, type: 'texts', value: readonly string[]]
  | readonly [field: number, type: 'structs', value: readonly (readonly ThriftField[])[]]

/** Bytes of a structure; its fields in ascending order of their numbers. */
export function encodeStruct(fields: readonly ThriftField[]): Uint8Array {
  const bytes: number[] = []
  putStruct(bytes, fields)
  return Uint8Array.from(bytes)
}

const codes = {
  byte: typeByte,
  i32: typeI32,
  i64: typeI64,
  text: typeBinary,
  struct: typeStruct,
  i32s: typeList,
  texts: typeList,
  structs: typeList,
}

function putStruct(to: number[], fields: readonly ThriftField[]): void {
  let last = 0
  for (const [field, type, value] of fields) {
    const code = type === 'bool' ? (value ? typeTrue : typeFalse) : codes[type]
    if (field - last <= 15) to.push(((field - last) << 4) | code)
    else {
      to.push(code)
      putVarint(to, zigzag(field))
    }
    last = field
    switch (type) {
      case 'bool':
        break
      case 'byte':
        to.push(value & 255)
        break
      case 'i32':
      case 'i64':
        putVarint(to, zigzag(value))
        break
      case 'text':
        putText(to, value)
        break
      case 'struct':
        putStruct(to, value)
        break
      case 'i32s':
        putListHead(to, value.length, typeI32)
        for (const item of value) putVarint(to, zigzag(item))
        break
      case 'texts':
        putListHead(to, value.length, typeBinary)
        for (const item of value) putText(to, item)
        break
      case 'structs':
        putListHead(to, value.length, typeStruct)
        for (const item of value) putStruct(to, item)
    }
  }
  to.push(0)
}

const zigzag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value)

function putListHead(to: number[], count: number, type: number): void {
  if (count < 15) to.push((count << 4) | type)
  else {
    to.push(0xf0 | type)
    putVarint(to, count)
  }
}

function putText(to: number[], text: string): void {
  const bytes = Buffer.from(text, 'utf8')
  putVarint(to, bytes.length)
  for (const byte of bytes) to.push(byte)
}

/** Seven bits a byte, lowest first. */
export function putVarint(to: number[], value: number): void {
  let left = value
  while (left > 127) {
    to.push((left % 128) | 128)
    left = Math.floor(left / 128)
  }
  to.push(left)
}
