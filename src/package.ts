// Where this program's files lie, and loading parts of it only when they are used. Compiled files move (bundles share chunks), so places
// are told from the package's root and never relative to a source file.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(import.meta.url)

/** The folder with this package's package.json. */
export const packageRoot: string = (() => {
  for (let folder = dirname(here); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (folder === dirname(folder)) throw new Error(`${here} lies in no package; install dl-driver again`)
  }
})()

/** The folder of compiled files that this one belongs to: `dist`, or `build/src` where tests run single modules. */
const codeRoot: string = (() => {
  const parts = relative(packageRoot, here).split(sep)
  return join(packageRoot, ...(parts[0] === 'build' ? parts.slice(0, 2) : parts.slice(0, 1)))
})()

const require = createRequire(import.meta.url)

/** Path of a compiled entry, for example `entryFile('engine/thread.js')`. The build finds these calls and makes an entry of each. */
export function entryFile(path: string): string {
  return join(codeRoot, path)
}

/**
 * Loads a part of the program when a command needs it: `lazily<typeof import('./x.js')>('cli/x.js')`. With require(), not import(): a
 * dynamic import reads files through libuv's pool, which fixes the pool's size before a run knows how many reads it keeps in flight.
 * The build finds these calls and makes an entry of each.
 */
export function lazily<Module>(path: string): Module {
  return require(entryFile(path)) as Module
}

/** Loads a dependency when it is used. */
export function dependency<Module>(name: string): Module {
  return require(name) as Module
}

/** Name and version from package.json. */
export function packageInfo(): { readonly name: string; readonly version: string } {
  return require(join(packageRoot, 'package.json')) as { name: string; version: string }
}
