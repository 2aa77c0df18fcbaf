// `npm run bench -- NAME... [--rounds N] [--json]`: runs benchmarks (all without a name) and prints their figures as Markdown.
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureBuilt } from '../scripts/ensure.mjs'
import { machine } from './lib.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const args = process.argv.slice(2)
const at = args.indexOf('--rounds')
const rounds = at < 0 ? undefined : Number(args.splice(at, 2)[1])
const json = args.includes('--json') && args.splice(args.indexOf('--json'), 1)
const all = readdirSync(here)
  .filter((name) => name.endsWith('.mjs') && !['run.mjs', 'lib.mjs', 'objects-bare.mjs', 'objects-sink.mjs'].includes(name))
  .map((name) => name.slice(0, -4))
const unknown = args.filter((name) => !all.includes(name))
if (unknown.length > 0) {
  console.error(`unknown benchmark ${unknown.join(', ')}; there are ${all.join(', ')}`)
  process.exit(2)
}

await ensureBuilt()

/** Nothing to compare where both figures are 0. */
const ratioText = (ratio) => (Number.isFinite(ratio) ? ratio.toFixed(2) : '-')
const round = (value) => (Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : Number(value.toPrecision(3)).toString())

for (const name of args.length > 0 ? args : all) {
  const { run } = await import(join(here, `${name}.mjs`))
  const { title, rows } = await run(rounds === undefined ? {} : { rounds })
  if (json) {
    console.log(JSON.stringify({ name, title, machine: machine(), rows }))
    continue
  }
  console.log(`\n## ${title}\n\n${machine()}; \`npm run bench -- ${name}\`\n`)
  for (const [label, alternatives] of Object.entries(rows)) {
    const figures = Object.keys(Object.values(alternatives)[0]).filter((key) => key !== 'ratio')
    const compared = Object.values(alternatives).some(({ ratio }) => ratio !== undefined)
    console.log(
      `${label}\n\n| | ${figures.join(' | ')} |${compared ? ` first ÷ this: ${figures.join(', ')} |` : ''}\n|---|${'---|'.repeat(figures.length + (compared ? 1 : 0))}`,
    )
    for (const [who, value] of Object.entries(alternatives)) {
      const ratios = compared ? ` ${figures.map((key) => ratioText(value.ratio[key])).join(', ')} |` : ''
      console.log(`| ${who} | ${figures.map((key) => round(value[key])).join(' | ')} |${ratios}`)
    }
    console.log()
  }
}
