// Making folders without mkdir's own recursion, which in Node never ends where the system answers ENOENT below a folder that exists (/proc).
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Makes one folder; returns whether it was there already. Throws the system's error. */
export function makeFolder(path: string): boolean {
  try {
    mkdirSync(path)
    return false
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !statSync(path).isDirectory()) throw error
    return true
  }
}

/** Makes a folder and its parents. Throws the system's error. */
export function makeFolders(path: string): void {
  const parent = dirname(path)
  if (!existsSync(path) && !existsSync(parent)) makeFolders(parent)
  makeFolder(path)
}
