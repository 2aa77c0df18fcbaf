// Reading a report as a program would: sections, rows of tables, exact values; and whether its tags are in balance.
import assert from 'node:assert/strict'

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }

/** Text of a piece of HTML, tags taken out. */
export function textOf(html: string): string {
  return html.replace(/<[^>]*>/g, '').replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name]!)
}

/** The exact numbers in a piece of HTML, in order. */
export function valuesOf(html: string): number[] {
  return [...html.matchAll(/<data value="([^"]*)">/g)].map(([, value]) => Number(value))
}

export interface Row {
  readonly text: string
  readonly values: readonly number[]
}

/** The section with this id. */
export function section(page: string, id: string): string {
  const begin = page.indexOf(`<section id="${id}">`)
  assert.ok(begin >= 0, `the page has no section ${id}`)
  return page.slice(begin, page.indexOf('</section>', begin))
}

export function hasSection(page: string, id: string): boolean {
  return page.includes(`<section id="${id}">`)
}

/** All rows of a piece of a page by their titles; the last one of the same title. */
export function rows(html: string): Map<string, Row> {
  const found = [...html.matchAll(/<tr><th scope="row">(.*?)<\/th>(.*?)<\/tr>/gs)]
  return new Map(found.map(([, title = '', cells = '']) => [textOf(title).trim(), { text: textOf(cells).trim(), values: valuesOf(cells) }]))
}

/** Exact values of the row with this title. */
export function row(html: string, title: string): readonly number[] {
  const found = rows(html).get(title)
  assert.ok(found, `no row "${title}" in ${[...rows(html).keys()].join(', ')}`)
  return found.values
}

const single = new Set(['!doctype', 'meta', 'br'])

/** Names of all elements of a page, in order. Fails where a tag is not closed, or closed by another. */
export function elements(page: string): string[] {
  const open: string[] = []
  const names: string[] = []
  for (const [tag, slash, name = '', self] of page
    .replace(/<style>[\s\S]*?<\/style>/, '')
    .matchAll(/<(\/?)([!a-zA-Z][\w-]*)(?:\s[^<>]*?)?(\/?)>/g)) {
    if (slash === '/') assert.equal(open.pop(), name, `${tag} closes another element`)
    else {
      names.push(name.toLowerCase())
      if (self !== '/' && !single.has(name.toLowerCase())) open.push(name)
    }
  }
  assert.deepEqual(open, [], 'elements that are not closed')
  return names
}
