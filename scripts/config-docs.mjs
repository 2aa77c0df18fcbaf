// Writes docs/config.md from the schema (`node scripts/config-docs.mjs`, after a build); with --check only says whether it is up to date.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sections, topLevel } from '../build/src/config/schema/index.js'
import { profileSections } from '../build/src/config/schema/profiles.js'
import { root } from './ensure.mjs'

const path = join(root, 'docs', 'config.md')
const begin = '<!-- The rest is made by scripts/config-docs.mjs from src/config/schema. -->'

function defaultOf({ default: value, defaultText }) {
  if (defaultText !== undefined) return defaultText
  if (value === null || value === undefined) return 'none'
  if (typeof value === 'object') return Array.isArray(value) ? '`[]`' : '`0`'
  return `\`${value}\``
}

function row([key, spec]) {
  const { kind, doc, unit, mlcommonsOnly } = spec
  const type = `${kind.type}${unit ? `, ${unit}` : ''}`.replace(/(?<!\\)\|/g, '\\|')
  return `| \`${key}\` | ${type} | ${defaultOf(spec).replace(/\|/g, '\\|')} | ${doc}${mlcommonsOnly ? ' (MLCommons’ DLIO)' : ''} |`
}

function table({ name, aliases, keys }) {
  const title = name ? `### ${name}${aliases ? ` (or ${aliases.join(', ')})` : ''}` : '### Beside the sections'
  return [title, '', '| key | type | default | what it does here |', '|---|---|---|---|', ...Object.entries(keys).map(row), ''].join('\n')
}

const page = readFileSync(path, 'utf8')
const end = page.indexOf(begin)
if (end < 0) throw new Error(`${path} lacks the line ${begin}`)
const made = `${page.slice(0, end)}${begin}\n\n${[topLevel, ...Object.values(sections), ...Object.values(profileSections)].map(table).join('\n')}`
if (!process.argv.includes('--check')) writeFileSync(path, made)
else if (made !== page) {
  console.error('docs/config.md is out of date; run node scripts/config-docs.mjs')
  process.exitCode = 1
}
