// Makes a checkout usable with nothing but Node: installs the dependencies and (with `build`) compiles, each only when something changed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Runs a command in the checkout with its output shown; ends this process with its code when it fails. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

export function ensureInstalled() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  const stamp = join(root, 'node_modules', '.installed-lock')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  // Standard output is left to the command that needs the dependencies: `npm pack` runs this too and prints the file name there.
  run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], { stdio: ['ignore', 2, 2] })
  writeFileSync(stamp, lock)
}

/** Compiles `src` (and `test` when asked); the compiler itself skips what is up to date. */
export function ensureBuilt({ tests = false } = {}) {
  ensureInstalled()
  mkdirSync(join(root, 'build'), { recursive: true })
  run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b', tests ? 'test' : 'tsconfig.json'], {
    stdio: ['ignore', 2, 2],
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.argv.includes('build') ? ensureBuilt() : ensureInstalled()
