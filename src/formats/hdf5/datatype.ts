// Datatypes: fixed-point and floating-point numbers, as NumPy writes them. Of any other type only the size is known.
import type { Span } from './span.js'

export interface Datatype {
  readonly sizeBytes: number
  /** NumPy dtype string such as `|u1` or `<f4`; undefined for types that are no plain numbers. */
  readonly dtype: string | undefined
  /** The class's name, for messages. */
  readonly className: string
}

/** A NumPy number type, by the name that configurations use. */
export interface NumberType {
  readonly kind: 'i' | 'u' | 'f'
  readonly sizeBytes: number
}

/** Kind and size of a NumPy type name such as `uint8`, `float32`; undefined for what HDF5 cannot hold as a plain number. */
export function numberType(name: string): NumberType | undefined {
  const match = /^(u?int|float)(8|16|32|64)$/.exec(name)
  if (match === null || name === 'float8') return undefined
  return { kind: match[1] === 'float' ? 'f' : match[1] === 'int' ? 'i' : 'u', sizeBytes: Number(match[2]) / 8 }
}

const classNames = [
  'fixed-point',
  'floating-point',
  'time',
  'string',
  'bit field',
  'opaque',
  'compound',
  'reference',
  'enumeration',
  'variable-length',
  'array',
  'complex',
]

export function parseDatatype(span: Span): Datatype {
  const classAndVersion = span.u8()
  const typeClass = classAndVersion & 0x0f
  const version = classAndVersion >>> 4
  if (version < 1 || version > 5) throw span.unsupported(`datatype version ${version} is not known (1 to 5 are)`, 0)
  const bits = span.uint(3)
  const sizeBytes = span.u32()
  if (sizeBytes === 0) throw span.error('a datatype of 0 bytes', 4)
  const className = classNames[typeClass] ?? `class ${typeClass}`
  const dtype = typeClass === 0 ? fixedPoint(span, bits, sizeBytes) : typeClass === 1 ? floatingPoint(span, bits, sizeBytes) : undefined
  return { sizeBytes, dtype, className }
}

const order = (bits: number, sizeBytes: number) => (sizeBytes === 1 ? '|' : bits & 1 ? '>' : '<')

function fixedPoint(span: Span, bits: number, sizeBytes: number): string | undefined {
  const bitOffset = span.u16()
  const precision = span.u16()
  if (bitOffset !== 0 || precision !== sizeBytes * 8 || ![1, 2, 4, 8].includes(sizeBytes)) return undefined
  return `${order(bits, sizeBytes)}${bits & 0x08 ? 'i' : 'u'}${sizeBytes}`
}

/** IEEE 754 layouts by size: exponent position and width, mantissa width, exponent bias. */
const ieee: Readonly<Record<number, readonly [number, number, number, number]>> = {
  2: [10, 5, 10, 15],
  4: [23, 8, 23, 127],
  8: [52, 11, 52, 1023],
}

function floatingPoint(span: Span, bits: number, sizeBytes: number): string | undefined {
  const bitOffset = span.u16()
  const precision = span.u16()
  const exponentAt = span.u8()
  const exponentBits = span.u8()
  const mantissaAt = span.u8()
  const mantissaBits = span.u8()
  const bias = span.u32()
  const known = ieee[sizeBytes]
  const isVax = (bits & 0x40) !== 0
  if (known === undefined || isVax || bitOffset !== 0 || precision !== sizeBytes * 8 || mantissaAt !== 0) return undefined
  if (known[0] !== exponentAt || known[1] !== exponentBits || known[2] !== mantissaBits || known[3] !== bias) return undefined
  return `${order(bits, sizeBytes)}f${sizeBytes}`
}

/** Encodes a number type as HDF5 stores it, little-endian (datatype message version 1). */
export function encodeDatatype({ kind, sizeBytes }: NumberType): Uint8Array {
  const bytes = new Uint8Array(kind === 'f' ? 20 : 12)
  const view = new DataView(bytes.buffer)
  view.setUint32(4, sizeBytes, true)
  view.setUint16(10, sizeBytes * 8, true)
  if (kind !== 'f') {
    bytes[0] = 0x10
    bytes[1] = kind === 'i' ? 0x08 : 0
    return bytes
  }
  const [exponentAt, exponentBits, mantissaBits, bias] = ieee[sizeBytes] as (typeof ieee)[number]
  bytes[0] = 0x11
  // Normalised mantissa with an implied leading bit; the sign is the highest bit.
  bytes[1] = 0x20
  bytes[2] = sizeBytes * 8 - 1
  bytes.set([exponentAt, exponentBits, 0, mantissaBits], 12)
  view.setUint32(16, bias, true)
  return bytes
}
