// Values of command-line overrides by Hydra's grammar (hydra/grammar/OverrideLexer.g4 and OverrideParser.g4): numbers, booleans, null,
// quoted and unquoted text, lists and mappings. `off`, `on`, `yes` and `no` are text here, unlike in a file.
import { type ConfigNode, type Entry, listNode, mapNode, type Origin, type Scalar, scalarNode } from './tree.js'

/** The text of an override is not a value of Hydra's grammar. `at` is the offset in that text. */
export class OverrideSyntaxError extends Error {
  constructor(
    readonly rule: string,
    readonly remedy: string,
    readonly at: number,
    /** It is several values, which Hydra would try one after the other. */
    readonly sweep = false,
  ) {
    super(rule)
  }
}

/** OmegaConf's references to other values. */
export const interpolationRule = 'interpolations, written with $ and braces, are not resolved'

const digits = '(?:0|[1-9](?:_?[0-9])*)'
const point = `(?:${digits}\\.|${digits}?\\.[0-9](?:_?[0-9])*)`
const integer = new RegExp(`^[+-]?${digits}$`)
const float = new RegExp(`^[+-]?(?:${point}|(?:${digits}|${point})[eE][+-]?${digits})$`)
const infinity = /^[+-]?inf$/i
const notANumber = /^[+-]?nan$/i
const unquoted = /[A-Za-z0-9_/\-\\+.$%*@?|: \t]/
const escapable = '\\()[]{}:=, \t'
const maxDepth = 32

export interface ValueOptions {
  /** Text may refer to other values with `${…}`, which is kept as it stands for the caller to resolve. Refused unless set. */
  readonly interpolations?: boolean
}

/** Parses the part of an override behind `=`. Throws OverrideSyntaxError. */
export function parseOverrideValue(text: string, origin: Origin, options: ValueOptions = {}): ConfigNode {
  const parser = new ValueParser(text, origin, options)
  return parser.whole()
}

class ValueParser {
  private at = 0

  constructor(
    private readonly text: string,
    private readonly origin: Origin,
    private readonly options: ValueOptions,
  ) {}

  whole(): ConfigNode {
    if (this.text.trim() === '') return scalarNode('', this.origin)
    const value = this.element('', 0)
    if (this.at < this.text.length) {
      if (this.text[this.at] === ',')
        throw new OverrideSyntaxError(
          'one value, not several: a comma outside brackets asks Hydra for a sweep',
          'write a list as [a,b], a comma in text as \\,',
          this.at,
          true,
        )
      throw this.error(`nothing may follow the value; found ${JSON.stringify(this.text.slice(this.at))}`, quoteRemedy)
    }
    return value
  }

  /** `closing`: the bracket that ends the list or mapping around this value. */
  private element(closing: string, depth: number): ConfigNode {
    if (depth > maxDepth) throw this.error(`brackets are nested at most ${maxDepth} levels deep`, 'write the value to a file')
    this.space()
    const first = this.text[this.at]
    let value: ConfigNode
    if (first === '[') value = this.list(depth)
    else if (first === '{') value = this.map(depth)
    else if (first === '"' || first === "'") value = scalarNode(this.quoted(first), this.origin)
    else value = this.primitive(closing)
    this.space()
    return value
  }

  private list(depth: number): ConfigNode {
    const items: ConfigNode[] = []
    this.sequence('[', ']', () => items.push(this.element(']', depth + 1)))
    return listNode(items, this.origin)
  }

  private map(depth: number): ConfigNode {
    const entries = new Map<string, Entry>()
    this.sequence('{', '}', () => {
      this.space()
      const key = /^[A-Za-z0-9_/\-+.$%*@?|]+(?=\s*:)/.exec(this.text.slice(this.at))?.[0]
      if (key === undefined) throw this.error('a mapping is written {key:value,…}', quoteRemedy)
      this.at += key.length
      this.space()
      this.at++ // the colon that the pattern above has seen
      entries.set(key, { key: this.origin, value: this.element('}', depth + 1) })
    })
    return mapNode(entries, this.origin)
  }

  /** Bracket, items with commas between them, bracket. */
  private sequence(open: string, close: string, item: () => void): void {
    const begin = this.at
    this.at += open.length
    this.space()
    if (this.text[this.at] !== close) {
      item()
      while (this.text[this.at] === ',') {
        this.at++
        item()
      }
    }
    if (this.text[this.at] !== close) {
      if (this.at < this.text.length) throw this.error(`expected , or ${close}, found ${JSON.stringify(this.text[this.at])}`, quoteRemedy)
      this.at = begin
      throw this.error(`the bracket ${open} is never closed`, `add ${close}; in a shell, put the whole override in quotes`)
    }
    this.at++
  }

  /** Quoted text: a backslash escapes only the quote, and itself before a quote. */
  private quoted(quote: string): string {
    const begin = this.at++
    let result = ''
    while (this.at < this.text.length) {
      const slashes = /^\\*/.exec(this.text.slice(this.at))![0].length
      if (slashes > 0) {
        const beforeQuote = this.text[this.at + slashes] === quote
        this.at += slashes
        result += '\\'.repeat(beforeQuote ? slashes >> 1 : slashes)
        if (beforeQuote && slashes % 2 === 1) {
          result += quote
          this.at++
        }
        continue
      }
      const character = this.text[this.at++]!
      if (character === quote) return result
      result += character
    }
    this.at = begin
    throw this.error('the quoted text is never closed', `add ${quote}; in a shell, put the whole override in quotes of the other kind`)
  }

  private primitive(closing: string): ConfigNode {
    let result = ''
    let isText = false // not to be read as a number or a word such as null
    let kept = 0 // length of the result up to its last character that is no unescaped white space
    while (this.at < this.text.length) {
      const character = this.text[this.at]!
      const next = this.text[this.at + 1]
      if (character === ',' || (closing !== '' && character === closing)) break
      if (character === '\\' && next !== undefined && escapable.includes(next)) {
        isText = true
        result += next
        kept = result.length
        this.at += 2
        continue
      }
      if (character === '$' && next === '{') {
        if (this.options.interpolations !== true) throw this.error(interpolationRule, 'write the value itself')
        isText = true
        result += this.interpolation()
        kept = result.length
        continue
      }
      if (character === '(') throw this.error('functions of Hydra are not evaluated', `write the value itself; ${quoteRemedy}`)
      if (!unquoted.test(character)) throw this.error(`unquoted text cannot hold ${JSON.stringify(character)}`, quoteRemedy)
      result += character
      if (character !== ' ' && character !== '\t') kept = result.length
      this.at++
    }
    result = result.slice(0, kept)
    if (result === '') throw this.error('a value is missing here', "write '' for empty text")
    const value = isText ? result : resolve(result)
    return scalarNode(value, this.origin, typeof value === 'number' && !integer.test(result))
  }

  /** From `${` to its brace, others inside included. */
  private interpolation(): string {
    const begin = this.at
    let depth = 0
    for (; this.at < this.text.length; this.at++) {
      if (this.text.startsWith('${', this.at)) depth++
      else if (this.text[this.at] === '}' && --depth === 0) return this.text.slice(begin, ++this.at)
    }
    this.at = begin
    throw this.error('the interpolation ${ is never closed', 'add }')
  }

  private space(): void {
    while (this.text[this.at] === ' ' || this.text[this.at] === '\t') this.at++
  }

  private error(rule: string, remedy: string): OverrideSyntaxError {
    return new OverrideSyntaxError(rule, remedy, this.at)
  }
}

const quoteRemedy = `quote the text for the shell and for Hydra's grammar, as in 'key="text"'`

function resolve(text: string): Scalar {
  const lower = text.toLowerCase()
  if (lower === 'null') return null
  if (lower === 'true' || lower === 'false') return lower === 'true'
  if (integer.test(text) || float.test(text)) return Number(text.replace(/_/g, ''))
  if (infinity.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  if (notANumber.test(text)) return Number.NaN
  return text
}
