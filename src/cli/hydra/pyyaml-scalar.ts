// How PyYAML writes one scalar (yaml/emitter.py: analyze_scalar, choose_scalar_style, write_plain, write_single_quoted,
// write_double_quoted), with OmegaConf's representer, which quotes all text that Python could read as a number or a boolean.
import { isPlainFloat, resolvePlainScalar } from '../../config/yaml-scalars.js'

/** PyYAML breaks text at the first space behind this column. */
const bestWidth = 80

const yamlBooleans = /^(?:y|yes|n|no|true|false|on|off)$/i
const pythonNumber =
  /^\s*[+-]?(?:\d+(?:_\d+)*|(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+(?:_\d+)*)?|inf|infinity|nan)\s*$/i
/** Dates, which PyYAML's resolver (though not OmegaConf's loader) would read as such, and its two special words. */
const otherTag = /^(?:\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?|=|<<)$/

const lineBreak = /[\n\u0085\u2028\u2029]/
const space = /[\0 \t\r\n\u0085\u2028\u2029]/

export interface Place {
  /** Characters before the scalar in its line. */
  readonly column: number
  /** Spaces before continued lines. */
  readonly indent: number
  /** A key, which is never broken into lines. */
  readonly isKey?: boolean
}

/** The text of a string, in the style that PyYAML chooses. */
export function yamlString(text: string, place: Place): string {
  const quoted = yamlBooleans.test(text) || pythonNumber.test(text)
  const analysis = analyze(text)
  const isKey = place.isKey === true
  const resolvesToText = typeof resolvePlainScalar(text) === 'string' && !isPlainFloat(text) && !otherTag.test(text) && text !== ''
  if (!quoted && resolvesToText && analysis.plain && !(isKey && analysis.multiline)) return plain(text, place)
  if (analysis.singleQuoted && !(isKey && analysis.multiline)) return singleQuoted(text, place)
  return doubleQuoted(text, place)
}

function analyze(text: string): { plain: boolean; singleQuoted: boolean; multiline: boolean } {
  if (text === '') return { plain: true, singleQuoted: true, multiline: false }
  const characters = [...text]
  const at = (i: number) => characters[i] ?? ' '
  const multiline = characters.some((c) => lineBreak.test(c))
  const special = characters.some((c) => !isPrintable(c))
  const indicator =
    /^(?:---|\.\.\.)/.test(text) ||
    /^[#,[\]{}&*!|>'"%@`]/.test(text) ||
    characters.some((c, i) => {
      const spaceBehind = i === characters.length - 1 || space.test(at(i + 1))
      if (i === 0) return (c === '?' || c === ':' || c === '-') && spaceBehind
      return (c === ':' && spaceBehind) || (c === '#' && space.test(at(i - 1)))
    })
  const edge = /^[ \n\u0085\u2028\u2029]|[ \n\u0085\u2028\u2029]$/.test(text)
  const breakSpace = /[\n\u0085\u2028\u2029] /.test(text)
  const spaceBreak = / [\n\u0085\u2028\u2029]/.test(text)
  return {
    plain: !(indicator || edge || breakSpace || spaceBreak || special || multiline),
    singleQuoted: !(breakSpace || spaceBreak || special),
    multiline,
  }
}

/** Printable to PyYAML where Unicode is allowed. */
function isPrintable(character: string): boolean {
  return character === '\n' || /^[\x20-\x7e\u0085\u00a0-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10fffe}]$/u.test(character)
}

class Writer {
  private text = ''
  private column: number
  constructor(private readonly place: Place) {
    this.column = place.column
  }
  write(part: string): void {
    this.text += part
    this.column += [...part].length
  }
  newLine(character = '\n'): void {
    this.text += character
    this.column = 0
  }
  indent(): void {
    this.text += `\n${' '.repeat(this.place.indent)}`
    this.column = this.place.indent
  }
  /** Indents a line that has just begun. */
  pad(): void {
    this.text += ' '.repeat(this.place.indent)
    this.column = this.place.indent
  }
  get isWide(): boolean {
    return this.place.isKey !== true && this.column > bestWidth
  }
  wouldBeWide(more: number): boolean {
    return this.place.isKey !== true && this.column + more > bestWidth
  }
  toString(): string {
    return this.text
  }
}

/** Words, and the spaces between them; a single space behind the width becomes a line break. */
function plain(text: string, place: Place): string {
  const writer = new Writer(place)
  for (const part of text.split(/( +)/)) {
    if (part === ' ' && writer.isWide) writer.indent()
    else writer.write(part)
  }
  return writer.toString()
}

function singleQuoted(text: string, place: Place): string {
  const writer = new Writer(place)
  writer.write("'")
  const parts = text.split(/( +|[\n\u0085\u2028\u2029]+)/)
  let offset = 0
  for (const part of parts) {
    const inside = offset > 0 && offset + part.length < text.length
    if (part === ' ' && inside && writer.isWide) writer.indent()
    else if (part !== '' && lineBreak.test(part)) {
      // One break alone would be read as a space.
      if (part[0] === '\n') writer.newLine()
      for (const character of part) writer.newLine(character)
      writer.pad()
    } else writer.write(part.replaceAll("'", "''"))
    offset += part.length
  }
  writer.write("'")
  return writer.toString()
}

const escapes = new Map([
  ['\0', '0'],
  ['\x07', 'a'],
  ['\x08', 'b'],
  ['\x09', 't'],
  ['\x0a', 'n'],
  ['\x0b', 'v'],
  ['\x0c', 'f'],
  ['\x0d', 'r'],
  ['\x1b', 'e'],
  ['"', '"'],
  ['\\', '\\'],
  ['\u0085', 'N'],
  ['\u00a0', '_'],
  ['\u2028', 'L'],
  ['\u2029', 'P'],
])

function doubleQuoted(text: string, place: Place): string {
  const writer = new Writer(place)
  writer.write('"')
  const characters = [...text]
  let pending = ''
  for (const [i, c] of characters.entries()) {
    const isEscaped = /["\\\u0085\u2028\u2029\ufeff]/.test(c) || !/^[\x20-\x7e\u00a0-\ud7ff\ue000-\ufffd]$/u.test(c)
    if (isEscaped) {
      writer.write(pending)
      pending = ''
      writer.write(escaped(c))
    }
    const breaks =
      i > 0 && i < characters.length - 1 && (c === ' ' || pending === '') && writer.wouldBeWide(isEscaped ? -1 : [...pending].length)
    if (breaks) {
      writer.write(`${pending}\\`)
      pending = ''
      writer.indent()
      if ((isEscaped ? characters[i + 1] : c) === ' ') writer.write('\\')
    }
    if (!isEscaped) pending += c
  }
  writer.write(`${pending}"`)
  return writer.toString()
}

function escaped(character: string): string {
  const short = escapes.get(character)
  if (short !== undefined) return `\\${short}`
  const code = character.codePointAt(0)!
  const hex = (width: number) => code.toString(16).toUpperCase().padStart(width, '0')
  return code <= 0xff ? `\\x${hex(2)}` : code <= 0xffff ? `\\u${hex(4)}` : `\\U${hex(8)}`
}
