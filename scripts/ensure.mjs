// Makes a checkout usable with nothing but Node: installs the dependencies and (with `build`) bundles, each only when something changed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Runs a command in the checkout with its output shown; ends this process with its code when it fails. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

// Standard output is left to the command that needs the result: `npm pack` comes by here too and prints a file name there.
const quiet = { stdio: ['ignore', 2, 2] }

export function ensureInstalled() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  const stamp = join(root, 'node_modules', '.installed-lock')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error', '--fetch-retries=5'], quiet)
  writeFileSync(stamp, lock)
}

/** Changes whenever a file that the bundle is made of does. */
function sourceState() {
  const hash = createHash('sha256')
  for (const name of [
    ...readdirSync(join(root, 'src'), { recursive: true }).map((entry) => join('src', entry)),
    'package-lock.json',
    'scripts/bundle.mjs',
  ].sort()) {
    const { mtimeMs, size } = statSync(join(root, name))
    hash.update(`${name} ${mtimeMs} ${size}\n`)
  }
  return hash.digest('hex')
}

/** Bundles `src` into `dist`, which is what the commands run. */
export async function ensureBuilt() {
  ensureInstalled()
  // Not in dist, which is published.
  const stamp = join(root, 'build', '.bundled-source-state')
  const state = sourceState()
  if (existsSync(join(root, 'dist')) && existsSync(stamp) && readFileSync(stamp, 'utf8') === state) return
  const { bundle } = await import('./bundle.mjs')
  rmSync(stamp, { force: true })
  await bundle(root)
  mkdirSync(join(root, 'build'), { recursive: true })
  writeFileSync(stamp, state)
}

/** Compiles `src` and `test` file by file into `build`, which is what tests run; checks types on the way. */
export function ensureCompiled() {
  ensureInstalled()
  mkdirSync(join(root, 'build'), { recursive: true })
  run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b', 'test'], quiet)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('build')) await ensureBuilt()
  else ensureInstalled()
  if (process.argv.includes('types')) ensureCompiled()
}
