// Files that appear under their final name only when they are complete.
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { StorageError } from '../errors.js'

const prefix = '.dl-driver-'

/** Whether a file is one that {@link writeAtomically} left behind when its process was killed. */
export function isLeftover(name: string): boolean {
  return name.startsWith(prefix) && name.endsWith('.tmp')
}

/** Text is written in pieces of at least so many characters. */
const pieceChars = 1 << 16

/**
 * Writes `text` (or what a function emits piece by piece) as UTF-8 beside `path` and renames it there, so that readers see all of it or nothing. `durable` asks the disk for it too: where
 * other programs act upon the file alone. Errors: StorageError.
 */
export function writeAtomically(path: string, text: string | ((emit: (piece: string) => void) => void), durable = false): void {
  const temporary = join(dirname(path), `${prefix}${basename(path)}.${process.pid}.tmp`)
  try {
    const file = openSync(temporary, 'w')
    try {
      let pending = ''
      const flush = () => {
        const bytes = Buffer.from(pending)
        for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written)
        pending = ''
      }
      const emit = (piece: string) => {
        pending += piece
        if (pending.length >= pieceChars) flush()
      }
      if (typeof text === 'string') emit(text)
      else text(emit)
      flush()
      if (durable) fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw fileError(path, 'write', error)
  }
}

/** A system error as one for people. */
export function fileError(path: string, operation: string, error: unknown): StorageError {
  const { code, message } = error as NodeJS.ErrnoException
  return new StorageError(path, operation, message, code)
}
