// Temporary files of generations that were killed and could not clean up behind themselves.
import { opendirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { attempt, temporaryOwner } from './complete-file.js'

/** A file of another host, whose processes are not seen here, counts as left behind when nobody wrote to it for this long. */
const restMs = 600_000

/**
 * Removes from `folder` the temporary files whose process is gone. Returns how many.
 * `stopped` is asked now and then whether to give up: folders may hold millions of files.
 */
export function removeLeftovers(folder: string, stopped: () => boolean): number {
  const directory = attempt(folder, 'list', () => opendirSync(folder, { bufferSize: 1024 }))
  let removed = 0
  try {
    for (let entry = directory.readSync(); entry !== null && !stopped(); entry = directory.readSync()) {
      const owner = temporaryOwner(entry.name)
      if (owner === undefined || !entry.isFile()) continue
      const path = join(folder, entry.name)
      if (owner.processId === undefined ? !isAtRest(path) : isAlive(owner.processId)) continue
      attempt(path, 'remove the unfinished file', () => rmSync(path, { force: true }))
      removed++
    }
  } finally {
    directory.closeSync()
  }
  return removed
}

function isAtRest(path: string): boolean {
  const found = attempt(path, 'look at', () => statSync(path, { throwIfNoEntry: false }))
  return found !== undefined && Date.now() - found.mtimeMs > restMs
}

function isAlive(processId: number): boolean {
  try {
    return process.kill(processId, 0)
  } catch (error) {
    // EPERM: it is there and somebody else's.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
