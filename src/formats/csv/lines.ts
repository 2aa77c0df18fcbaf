// Walking the text of a CSV file: line by line without looking at numbers, or number by number.
import { DataError } from '../../errors.js'
import { isNumberText, maxNumberBytes } from './numbers.js'

const comma = 0x2c
const newline = 0x0a
const carriageReturn = 0x0d

/** What compressed files begin with; DLIO gives them no ending of their own. */
const magics: readonly (readonly [name: Compression, bytes: readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['zip', [0x50, 0x4b, 0x03, 0x04]],
  ['bz2', [0x42, 0x5a, 0x68]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
]

export type Compression = 'gzip' | 'zip' | 'bz2' | 'xz'

/** How a file is compressed, by its first bytes [begin, end); undefined for text. */
export function compressionOf(bytes: Uint8Array, begin: number, end: number): Compression | undefined {
  return magics.find(([, magic]) => magic.length <= end - begin && magic.every((byte, i) => bytes[begin + i] === byte))?.[0]
}

/** Checks that a file begins like numbers. @throws DataError */
export function checkBeginning(uri: string, bytes: Uint8Array, begin: number, end: number): void {
  if (begin === end) throw new DataError(uri, 'is empty: it has 0 bytes')
  const compression = compressionOf(bytes, begin, end)
  if (compression !== undefined)
    throw new DataError(
      uri,
      `is compressed with ${compression} under a plain name: DLIO's own reader takes it for text and fails; generate it again without dataset.compression`,
      0,
    )
  const text = Buffer.from(bytes.slice(begin, Math.min(end, begin + maxNumberBytes))).toString('latin1')
  const whole = /^[^,\r\n]*(?=[,\r\n])/.exec(text)?.[0]
  // A longer first number is cut off here.
  if (whole === undefined ? !/^[-+.\deEnaifNI]+$/.test(text) : !isNumberText(whole))
    throw new DataError(uri, `is no CSV file of numbers: it begins with ${JSON.stringify(text.slice(0, 20))}`, 0)
}

/** Counts the lines of text that passes by in pieces; says whether the last one has ended. */
export class LineCounter {
  lines = 0
  endsWithLine = false

  push(bytes: Uint8Array, begin: number, end: number): void {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + begin, end - begin)
    for (let at = text.indexOf(newline); at >= 0; at = text.indexOf(newline, at + 1)) this.lines++
    this.endsWithLine = bytes[end - 1] === newline
  }
}

/** Told about every number and the end of every line. */
export interface NumberVisitor {
  number(text: string, line: number, column: number): void
  line(line: number, columns: number): void
}

/** Cuts text that passes by in pieces into numbers. @throws DataError for what is no number, and lines of different lengths */
export class NumberWalker {
  readonly #field = Buffer.alloc(maxNumberBytes)
  #filled = 0
  #line = 0
  #column = 0
  #columns: number | undefined
  /** File offset of the next byte. */
  #offset = 0

  constructor(
    private readonly uri: string,
    private readonly visitor: NumberVisitor,
  ) {}

  push(bytes: Uint8Array, begin: number, end: number): void {
    for (let at = begin; at < end; at++, this.#offset++) {
      const byte = bytes[at]!
      if (byte === comma) this.#endNumber()
      else if (byte === newline) this.#endLine()
      else if (this.#filled === maxNumberBytes) this.#fail(`is longer than ${maxNumberBytes} bytes`)
      else this.#field[this.#filled++] = byte
    }
  }

  /** The end of the file. Returns the number of lines. */
  end(): number {
    if (this.#filled > 0 || this.#column > 0)
      throw new DataError(this.uri, `is truncated: line ${this.#line + 1} does not end`, this.#offset)
    return this.#line
  }

  #endNumber(): void {
    const text = this.#field.toString('latin1', 0, this.#filled)
    if (!isNumberText(text)) this.#fail(`is ${JSON.stringify(text)}, which is no number`)
    this.visitor.number(text, this.#line, this.#column)
    this.#column++
    this.#filled = 0
  }

  #endLine(): void {
    if (this.#filled > 0 && this.#field[this.#filled - 1] === carriageReturn) this.#filled--
    this.#endNumber()
    this.#columns ??= this.#column
    if (this.#column !== this.#columns)
      throw new DataError(this.uri, `line ${this.#line + 1} has ${this.#column} numbers, the first has ${this.#columns}`, this.#offset)
    this.visitor.line(this.#line, this.#column)
    this.#line++
    this.#column = 0
  }

  #fail(why: string): never {
    throw new DataError(this.uri, `number ${this.#column + 1} of line ${this.#line + 1} ${why}`, this.#offset)
  }
}
