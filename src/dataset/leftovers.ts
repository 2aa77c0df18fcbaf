// Temporary files of generations that were killed and could not clean up behind themselves.
import { opendirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { attempt } from './complete-file.js'

/** A file that was written to this recently may belong to a generation on another host, whose processes are not seen here. */
const restMs = 60_000

/** The shape of `temporaryPath`'s names. */
const temporaryName = /^\..+\.tmp-(\d+)$/

/**
 * Removes from `folder` the temporary files that no process of this host is writing and nobody wrote to for a minute. Returns how many.
 * `stopped` is asked now and then whether to give up: folders may hold millions of files.
 */
export function removeLeftovers(folder: string, stopped: () => boolean): number {
  const directory = attempt(folder, 'list', () => opendirSync(folder, { bufferSize: 1024 }))
  let removed = 0
  try {
    for (let entry = directory.readSync(); entry !== null && !stopped(); entry = directory.readSync()) {
      const processId = temporaryName.exec(entry.name)?.[1]
      if (processId === undefined || !entry.isFile() || isAlive(Number(processId))) continue
      const path = join(folder, entry.name)
      const found = attempt(path, 'look at', () => statSync(path, { throwIfNoEntry: false }))
      if (found === undefined || Date.now() - found.mtimeMs < restMs) continue
      attempt(path, 'remove the unfinished file', () => rmSync(path, { force: true }))
      removed++
    }
  } finally {
    directory.closeSync()
  }
  return removed
}

function isAlive(processId: number): boolean {
  try {
    return process.kill(processId, 0)
  } catch (error) {
    // EPERM: it is there and somebody else's.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
