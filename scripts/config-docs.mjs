// Writes docs/config.md and configs/dlio.schema.json from the schema (`node scripts/config-docs.mjs`, after a build); with --check only says
// whether they are up to date.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { sections, topLevel } from '../build/src/config/schema/index.js'
import { workloadJsonSchema } from '../build/src/config/schema/json-schema.js'
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
const tables = [topLevel, ...Object.values(sections), ...Object.values(profileSections)].map(table).join('\n')
const made = new Map([
  [path, `${page.slice(0, end)}${begin}\n\n${tables}`],
  [join(root, 'configs', 'dlio.schema.json'), `${JSON.stringify(workloadJsonSchema(), null, 2)}\n`],
])
for (const [file, text] of made)
  if (!process.argv.includes('--check')) writeFileSync(file, text)
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    console.error(`${relative(root, file)} is out of date; run node scripts/config-docs.mjs`)
    process.exitCode = 1
  }
