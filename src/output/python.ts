// Text as Python writes it: json.dump, repr of numbers, format of floats and the time stamps of DLIO. Consumers compare and parse these.

/** Marks a number as a Python float: written `1.0` where a plain number would be written `1`. */
class PythonFloat {
  constructor(readonly value: number) {}
}

export const float = (value: number) => new PythonFloat(value)

/**
 * What can be written. Plain numbers are Python ints; what is undefined is left out. Keys that look like integers need a Map, as JavaScript
 * moves them to the front of an object.
 */
export type PythonValue =
  | null
  | boolean
  | number
  | string
  | PythonFloat
  /** A list of floats. */
  | Float64Array
  | readonly PythonValue[]
  | ReadonlyMap<string, PythonValue | undefined>
  | { readonly [key: string]: PythonValue | undefined }

/** `repr(float)` of CPython: shortest digits that round-trip, exponent below 1e-4 and from 1e16 on. */
export function pythonFloat(value: number): string {
  if (Object.is(value, -0)) return '-0.0'
  const size = Math.abs(value)
  // JavaScript agrees on the digits, and within these bounds on the notation.
  if (size >= 1e-4 && size < 1e16) return Number.isInteger(value) ? `${value}.0` : String(value)
  const [mantissa = '', exponentText = '0'] = value.toExponential().split('e')
  const exponent = Number(exponentText)
  return value === 0 ? '0.0' : `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
}

/** `'{:.Nf}'.format(value)`: rounds the exact binary value, ties to even (JavaScript's toFixed takes the larger). */
export function pythonFixed(value: number, digits: number): string {
  const text = value.toFixed(digits)
  // A tie is an odd multiple of 1 / (2 × 10^digits), and such a double has at most digits + 1 binary places.
  const scaled = Math.abs(value) * 10 ** digits
  const tie = Number.isInteger(value * 2 ** (digits + 1)) && scaled % 1 === 0.5
  if (!tie || Math.floor(scaled) % 2 !== 0) return text
  return `${value < 0 ? '-' : ''}${(Math.floor(scaled) / 10 ** digits).toFixed(digits)}`
}

/** Python's `repr` of plain data, as DLIO logs computation times: `{'type': 'normal', 'mean': 0.01}`. Whole numbers are ints. */
export function pythonLiteral(value: unknown): string {
  if (typeof value === 'string') return `'${value.replace(/[\\']/g, '\\$&')}'`
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : pythonFloat(value)
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value !== 'object' || value === null) return 'None'
  if (Array.isArray(value)) return `[${value.map(pythonLiteral).join(', ')}]`
  const items = Object.entries(value).map(([key, item]) => `${pythonLiteral(key)}: ${pythonLiteral(item)}`)
  return `{${items.join(', ')}}`
}

/** `json.dump(value, indent=4)` with its defaults: ASCII only, no newline at the end. Errors: TypeError for numbers that JSON cannot hold. */
export function pythonJson(value: PythonValue): string {
  const parts: string[] = []
  emitPythonJson(value, (text) => parts.push(text))
  return parts.join('')
}

/** The same text piece by piece, for lists that are too long to be held as text. */
export function emitPythonJson(value: PythonValue, emit: Emit): void {
  write(value, '\n', emit)
}

export type Emit = (text: string) => void

function write(value: PythonValue, newline: string, emit: Emit): void {
  if (value === null || typeof value === 'boolean') emit(String(value))
  else if (typeof value === 'string') emit(quote(value))
  else if (typeof value === 'number') {
    if (!Number.isInteger(value)) throw new TypeError(`${value} is not an integer; mark floats`)
    emit(BigInt(value).toString())
  } else if (value instanceof PythonFloat) {
    if (!Number.isFinite(value.value)) throw new TypeError(`JSON cannot hold ${value.value}`)
    emit(pythonFloat(value.value))
  } else if (value instanceof Float64Array) floatList(value, newline, emit)
  else if (Array.isArray(value)) writeList('[', ']', value.length, newline, emit, (i, inner) => write(value[i] as PythonValue, inner, emit))
  else {
    const entries = [...(value instanceof Map ? value : Object.entries(value))].filter(
      (entry): entry is [string, PythonValue] => entry[1] !== undefined,
    )
    writeList('{', '}', entries.length, newline, emit, (i, inner) => {
      const [key, item] = entries[i]!
      emit(`${quote(key)}: `)
      write(item, inner, emit)
    })
  }
}

/** Step times come by the hundred thousand: pieces of text, and no object for each. */
function floatList(values: Float64Array, newline: string, emit: Emit): void {
  if (values.length === 0) {
    emit('[]')
    return
  }
  const inner = `${newline}    `
  const pieceLength = 1024
  for (let begin = 0; begin < values.length; begin += pieceLength) {
    const texts = Array.from(values.subarray(begin, begin + pieceLength), (value) => {
      if (!Number.isFinite(value)) throw new TypeError(`JSON cannot hold ${value}`)
      return pythonFloat(value)
    })
    emit(`${begin === 0 ? '[' : ','}${inner}${texts.join(`,${inner}`)}`)
  }
  emit(`${newline}]`)
}

function writeList(
  open: string,
  close: string,
  count: number,
  newline: string,
  emit: Emit,
  item: (i: number, newline: string) => void,
): void {
  if (count === 0) {
    emit(open + close)
    return
  }
  const inner = `${newline}    `
  for (let i = 0; i < count; i++) {
    emit((i === 0 ? open : ',') + inner)
    item(i, inner)
  }
  emit(newline + close)
}

/** A JSON string in ASCII, escaped as Python's encoder does. */
function quote(text: string): string {
  return JSON.stringify(text).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** DLIO's stamps: local time without zone, always six decimals (utility.py: utcnow). `timeMs` counts from the Unix epoch, fractions are kept. */
export function dlioTimestamp(timeMs: number): string {
  const micros = Math.round(timeMs * 1000)
  const date = new Date(Math.floor(micros / 1000))
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  return `${day}T${time}.${String(micros - Math.floor(micros / 1e6) * 1e6).padStart(6, '0')}`
}
