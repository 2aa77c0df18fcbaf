// `npm test [-- FILTER...]`: installs and builds what is missing, then runs every test (or those whose path contains a FILTER).
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ensureBuilt, ensureCompiled, root, run } from './ensure.mjs'

const filters = process.argv.slice(2)
await ensureBuilt()
ensureCompiled()
const built = join(root, 'build', 'test')
const compiled = readdirSync(built, { recursive: true }).filter((name) => name.endsWith('.js'))
// What a removed source left behind must not run.
for (const name of compiled.filter((file) => !existsSync(join(root, 'test', file.replace(/\.js$/, '.ts'))))) rmSync(join(built, name))
const files = compiled
  .filter((name) => name.endsWith('.test.js') && (filters.length === 0 || filters.some((filter) => name.includes(filter))))
  .map((name) => join(built, name))
  .filter((path) => existsSync(path))
  .sort()
if (files.length === 0) {
  console.error(`no test file matches ${filters.join(', ')}`)
  process.exit(1)
}
const cases = process.env.CI ? [`--import=${pathToFileURL(join(built, 'cases.js'))}`] : []
// A test that hangs fails after 15 minutes: making the Python environment may take some of them.
run(process.execPath, [...cases, '--test', '--test-concurrency=2', '--test-reporter=spec', '--test-timeout=900000', ...files])
