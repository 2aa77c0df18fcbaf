// Deleting a data set at the end of a run, for `dataset.keep_files: false` (DLIO main.finalize).
import { readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { StorageError } from '../errors.js'

/** What generators make in a data folder. */
export const datasetParts = ['train', 'valid', 'index/train', 'index/valid'] as const

/**
 * Deletes the data set in a local folder, and the folder itself where nothing else lies in it: unlike DLIO, which deletes all there is.
 * Returns the names that were left. Throws StorageError.
 */
export function deleteDataset(folder: string): string[] {
  try {
    for (const part of datasetParts) rmSync(join(folder, part), { recursive: true, force: true })
    removeIfEmpty(join(folder, 'index'))
    return removeIfEmpty(folder)
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    throw new StorageError(folder, 'delete', message, code)
  }
}

function removeIfEmpty(folder: string): string[] {
  let left: string[]
  try {
    left = readdirSync(folder).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  if (left.length === 0) rmdirSync(folder)
  return left
}
