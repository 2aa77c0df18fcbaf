// `npm test [-- FILTER...]`: installs and builds what is missing, then runs every test (or those whose path contains a FILTER).
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ensureBuilt, root, run } from './ensure.mjs'

const filters = process.argv.slice(2)
ensureBuilt({ tests: true })
const built = join(root, 'build', 'test')
const files = readdirSync(built, { recursive: true })
  .filter((name) => name.endsWith('.test.js') && (filters.length === 0 || filters.some((filter) => name.includes(filter))))
  .sort()
  .map((name) => join(built, name))
if (files.length === 0) {
  console.error(`no test file matches ${filters.join(', ')}`)
  process.exit(1)
}
run(process.execPath, ['--test', '--test-concurrency=2', ...files])
