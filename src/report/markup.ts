// HTML from untrusted text: whatever is put into a template is escaped, unless it is markup itself.
import { hideSecret } from '../config/problems.js'
import { Redactor } from '../storage/object/redactor.js'

/** HTML that was made by {@link html}, and so is safe to show as it is. */
export class Markup {
  constructor(readonly text: string) {}
}

type Value = Markup | string | number | false | undefined | readonly Value[]

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const redactor = new Redactor()

/**
 * Text for elements and quoted attributes. Control characters, which are illegal in HTML, and those that turn the direction of writing (a
 * name could pose as another) become U+FFFD; what looks like a credential is hidden.
 */
export function escapeText(text: string): string {
  return (
    redactor
      .clean(text)
      .replace(/\p{Surrogate}/gu, '\ufffd')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach the page
      .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufffe\uffff]/g, '\ufffd')
      .replace(/[&<>"']/g, (character) => entities[character]!)
  )
}

/** A template whose values are escaped; lists are joined, `false` and `undefined` are nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return new Markup(parts.reduce((text, part, i) => text + part + (i < values.length ? rendered(values[i]) : ''), ''))
}

function rendered(value: Value): string {
  if (value instanceof Markup) return value.text
  if (value === undefined || value === false) return ''
  if (typeof value === 'object') return value.map(rendered).join('')
  return escapeText(String(value))
}

/** A number for people with the exact value for programs: `<data value="93.17241">93.2 %</data>`. */
export function exact(value: number, shown: string): Markup {
  return html`<data value="${value}">${shown}</data>`
}

/** A command line as one line of text, secrets hidden, words with blanks quoted. */
export function commandText(words: readonly string[]): string {
  return words
    .map(hideSecret)
    .map((word) => (/^[\w@%+=:,./~[\]{}()-]+$/.test(word) ? word : `'${word}'`))
    .join(' ')
}
