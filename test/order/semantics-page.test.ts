// docs/semantics.md and docs/differences.md name a test for every rule: each of them has to exist where the page says.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

function rowsOf(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| (?:rule|DLIO) /.test(line))
    .map((line) => line.slice(2, -2).split(' | '))
}

/** Titles in a test file; what is put in when it runs becomes `…`. */
function titlesOf(file: string): string[] {
  const source = readFileSync(file, 'utf8')
  return [...source.matchAll(/\btest\(\s*(['`"])(.*?)\1,\s/g)].map(([, , title]) => title!.replace(/\$\{.*?\}/g, '…'))
}

/** `` `file`: title · title · `file`: title `` → pairs. */
function citationsOf(cell: string): [file: string, title: string][] {
  const citations: [string, string][] = []
  let file = ''
  for (const part of cell.split(' · ')) {
    const named = /^`(test\/[^`]+)`: (.*)$/.exec(part)
    if (named !== null) file = named[1]!
    citations.push([file, (named?.[2] ?? part).replace(/ \(numbers of opens\)$/, '')])
  }
  return citations
}

test('every rule of docs/semantics.md names tests that exist, and files that exist', () => {
  const rows = rowsOf(readFileSync('docs/semantics.md', 'utf8'))
  assert.ok(rows.length > 40)
  for (const cells of rows) {
    const [rule] = cells
    const citations = citationsOf(cells.at(-1)!)
    for (const [file, title] of citations) {
      assert.ok(existsSync(file), `${rule}: ${file}`)
      assert.ok(titlesOf(file).includes(title), `${rule}: ${file} has no test “${title}”`)
    }
    for (const [, path] of cells.at(-2)!.matchAll(/`(src\/[^`]+)`/g)) assert.ok(existsSync(path!), `${rule}: ${path}`)
  }
})

test('every quirk of docs/differences.md names tests that exist', () => {
  const [, quirks = ''] = readFileSync('docs/differences.md', 'utf8').split('## Quirk by quirk')
  const rows = rowsOf(quirks)
  assert.ok(rows.length > 20)
  for (const cells of rows)
    for (const [file, title] of citationsOf(cells.at(-1)!)) {
      assert.ok(existsSync(file), `${cells[0]}: ${file}`)
      assert.ok(titlesOf(file).includes(title), `${cells[0]}: ${file} has no test “${title}”`)
    }
})
