// The .npy header: a magic, a version, a length and a Python dict literal. Pure. Layout: NumPy `numpy/lib/format.py`.
import { DataError } from '../../errors.js'
import { type ElementType, elementTypeByDescr } from '../dtype.js'

export interface NpyHeader {
  /** Length of the header in bytes: the data begin here. */
  readonly headerBytes: number
  readonly type: ElementType
  readonly fortranOrder: boolean
  readonly shape: readonly number[]
  /** Number of elements. */
  readonly elements: number
  readonly dataBytes: number
}

/** Longest header text accepted: NumPy's own limit for untrusted files (`format.py`, `max_header_size`). */
const maxHeaderTextBytes = 10_000
/** NumPy's limit on the number of dimensions (`NPY_MAXDIMS` of NumPy 2). */
const maxDimensions = 64
/** Longest header that {@link parseNpyHeader} ever asks for. */
export const maxNpyHeaderBytes = 12 + maxHeaderTextBytes

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59] // \x93NUMPY

/**
 * Parses the .npy header at bytes[begin, end), which may hold more or less than the header.
 * Returns the number of bytes needed where there are too few, so that callers can collect them.
 * @param fileOffset where in the file `begin` is, for messages
 * @throws DataError where it is no .npy header, or one of a type that is not a fixed-size number
 */
export function parseNpyHeader(uri: string, bytes: Uint8Array, begin: number, end: number, fileOffset: number): NpyHeader | number {
  const have = end - begin
  for (let i = 0; i < Math.min(6, have); i++)
    if (bytes[begin + i] !== magic[i])
      throw new DataError(
        uri,
        `holds no .npy array: its first bytes are ${hex(bytes, begin, Math.min(end, begin + 6))}, not 93 4e 55 4d 50 59`,
        fileOffset,
      )
  if (have < 10) return 10
  const version = bytes[begin + 6]!
  if (version < 1 || version > 3)
    throw new DataError(uri, `.npy version ${version}.${bytes[begin + 7]} is not known (1.0, 2.0 and 3.0 are)`, fileOffset + 6)
  const prefixBytes = version === 1 ? 10 : 12
  if (have < prefixBytes) return prefixBytes
  const low = bytes[begin + 8]! + 256 * bytes[begin + 9]!
  const textBytes = version === 1 ? low : low + 65_536 * bytes[begin + 10]! + 16_777_216 * bytes[begin + 11]!
  if (textBytes > maxHeaderTextBytes)
    throw new DataError(
      uri,
      `.npy header of ${textBytes} bytes is longer than the ${maxHeaderTextBytes} bytes NumPy accepts`,
      fileOffset + 8,
    )
  const headerBytes = prefixBytes + textBytes
  if (have < headerBytes) return headerBytes
  let text = ''
  for (let i = begin + prefixBytes; i < begin + headerBytes; i++) text += String.fromCharCode(bytes[i]!)
  return parseHeaderText(uri, text, headerBytes, fileOffset)
}

function parseHeaderText(uri: string, text: string, headerBytes: number, fileOffset: number): NpyHeader {
  const bad = (why: string): never => {
    throw new DataError(uri, `.npy header ${why}: ${JSON.stringify(text.trim().slice(0, 200))}`, fileOffset)
  }
  // One key and value at a time; the values of the three keys have one form each, so no Python parser is needed.
  const pair = /\s*(['"])(\w+)\1\s*:\s*(?:(['"])([^'"\\]*)\3|(True|False)|\(([\d\sL,]*)\)|(\[[^\]]*\]))\s*(,|\})/y
  const open = /^\s*\{/.exec(text)
  if (open === null) return bad('is no dict')
  let at = open[0].length
  let descr: string | undefined
  let fortranOrder: boolean | undefined
  let shapeText: string | undefined
  for (;;) {
    if (/^\s*\}\s*$/.test(text.slice(at))) break
    pair.lastIndex = at
    const match = pair.exec(text)
    if (match === null) return bad('cannot be read')
    at = pair.lastIndex
    const key = match[2]!
    if (key === 'descr' && descr === undefined && (match[4] ?? match[7]) !== undefined) descr = match[4] ?? match[7]
    else if (key === 'fortran_order' && fortranOrder === undefined && match[5] !== undefined) fortranOrder = match[5] === 'True'
    else if (key === 'shape' && shapeText === undefined && match[6] !== undefined) shapeText = match[6]
    else return bad(`has an unexpected key or value ${key}`)
    if (match[8] === '}') {
      if (text.slice(at).trim() !== '') return bad('goes on after its dict')
      break
    }
  }
  if (descr === undefined || fortranOrder === undefined || shapeText === undefined) return bad('lacks one of descr, fortran_order, shape')
  const type = elementTypeByDescr(descr)
  if (type === undefined) {
    const why = /O/.test(descr) ? 'Python objects are never loaded' : 'only arrays of numbers can be read'
    return bad(`says element type ${descr}, ${why}`)
  }
  const parts = shapeText.split(',').map((part) => part.trim())
  if (parts.at(-1) === '') parts.pop()
  if (parts.length > maxDimensions) return bad(`has ${parts.length} dimensions, more than ${maxDimensions}`)
  const shape = parts.map((part) => (/^\d+L?$/.test(part) ? Number.parseInt(part, 10) : bad('has a shape that is no tuple of numbers')))
  const elements = shape.reduce((product, n) => product * n, 1)
  const dataBytes = elements * type.itemBytes
  if (!shape.every(Number.isSafeInteger) || !Number.isSafeInteger(dataBytes)) return bad('has an impossibly large shape')
  return { headerBytes, type, fortranOrder, shape, elements, dataBytes }
}

/** Digits for which NumPy leaves room so that the growing axis can be rewritten in place (`format.py`, GROWTH_AXIS_MAX_DIGITS). */
const growthAxisDigits = 21
const alignBytes = 64

/** The header NumPy writes for a C-ordered array, byte for byte (`format.py`, `_write_array_header` and `_wrap_header`). */
export function encodeNpyHeader(type: ElementType, shape: readonly number[]): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  let text = `{'descr': '${type.descr}', 'fortran_order': False, 'shape': ${tuple}, }`
  if (shape.length > 0) text += ' '.repeat(Math.max(0, growthAxisDigits - String(shape[0]).length))
  const unpadded = text.length + 1
  const version = unpadded + 10 + alignBytes > 65_535 ? 2 : 1
  const prefixBytes = version === 1 ? 10 : 12
  text += `${' '.repeat(alignBytes - ((prefixBytes + unpadded) % alignBytes))}\n`
  const header = new Uint8Array(prefixBytes + text.length)
  header.set(magic)
  header[6] = version
  const view = new DataView(header.buffer)
  if (version === 1) view.setUint16(8, text.length, true)
  else view.setUint32(8, text.length, true)
  for (let i = 0; i < text.length; i++) header[prefixBytes + i] = text.charCodeAt(i)
  return header
}

function hex(bytes: Uint8Array, begin: number, end: number): string {
  return Array.from(bytes.subarray(begin, end), (byte) => byte.toString(16).padStart(2, '0')).join(' ')
}
