// Numbers as text: how pandas writes each element type, and what it reads as a number.
import type { ElementType } from '../dtype.js'
import { halfOf, toHalf } from '../half.js'

/** Longest text of one number that is accepted. */
export const maxNumberBytes = 64

const integer = /^[+-]?\d+$/
const real = /^[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|nan|NaN|inf|Inf|infinity|Infinity)$/

export const isIntegerText = (text: string): boolean => integer.test(text)
export const isNumberText = (text: string): boolean => real.test(text)

/** The value of a text that {@link isNumberText}. */
export function realOf(text: string): number {
  const word = /[a-zA-Z]{3,}$/.exec(text)
  if (word === null) return Number(text)
  if (word[0].toLowerCase() === 'nan') return Number.NaN
  return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
}

/** Smallest and largest value of an integer type. */
export function integerRange({ kind, itemBytes }: ElementType): readonly [bigint, bigint] {
  const bits = BigInt(8 * itemBytes)
  return kind === 'u' ? [0n, (1n << bits) - 1n] : [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n]
}

/** Gives the text of element i of bytes, as a function of its own for each type. */
export function elementText(type: ElementType): (view: DataView, at: number) => string {
  switch (`${type.kind}${type.itemBytes}`) {
    case 'u1':
      return (view, at) => String(view.getUint8(at))
    case 'i1':
      return (view, at) => String(view.getInt8(at))
    case 'u2':
      return (view, at) => String(view.getUint16(at, true))
    case 'i2':
      return (view, at) => String(view.getInt16(at, true))
    case 'u4':
      return (view, at) => String(view.getUint32(at, true))
    case 'i4':
      return (view, at) => String(view.getInt32(at, true))
    case 'u8':
      return (view, at) => String(view.getBigUint64(at, true))
    case 'i8':
      return (view, at) => String(view.getBigInt64(at, true))
    case 'f2':
      return (view, at) => shortest(halfOf(view.getUint16(at, true)), 5, toHalf)
    case 'f4':
      return (view, at) => shortest(view.getFloat32(at, true), 9, Math.fround)
    default:
      return (view, at) => pythonText(String(view.getFloat64(at, true)))
  }
}

/** The fewest digits that read back as the same number of the narrower type. `most` always suffice. */
function shortest(value: number, most: number, narrow: (value: number) => number): string {
  if (!Number.isFinite(value)) return pythonText(String(value))
  let text = value.toPrecision(most)
  for (let digits = most - 1; digits >= 1; digits--) {
    const shorter = value.toPrecision(digits)
    if (narrow(Number(shorter)) !== value) break
    text = shorter
  }
  return pythonText(String(Number(text)))
}

/** A number as Python writes floats: exponents below 1e-4 and from 1e16 on, of two digits at least, and always a point or an exponent. */
function pythonText(text: string): string {
  if (text === 'NaN') return ''
  if (text === 'Infinity' || text === '-Infinity') return text.replace('Infinity', 'inf')
  const value = Number(text)
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    const [mantissa, exponent] = digitsOf(text)
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
  }
  return Number.isInteger(value) ? `${text}.0` : text
}

/** The same digits with one of them before the point. */
function digitsOf(text: string): [mantissa: string, exponent: number] {
  const digits = text
    .replace(/^-|e.*$/g, '')
    .replace('.', '')
    .replace(/^0+|0+$/g, '').length
  const [mantissa, exponent] = Number(text)
    .toExponential(Math.max(0, digits - 1))
    .split('e') as [string, string]
  return [mantissa, Number(exponent)]
}
