// Where checkpoints lie: in a folder of files here, in an object store in object-place.ts.
import { readdirSync } from 'node:fs'
import { attempt } from '../dataset/complete-file.js'
import { removeLeftovers } from '../dataset/leftovers.js'
import { makeFolder } from '../storage/folders.js'
import type { AsyncStorage } from '../storage/types.js'
import { LocalTarget } from './local-target.js'
import type { PieceTarget } from './piece-writer.js'

/** Folders and files are named by path or URI, with slashes between their parts. */
export interface CheckpointPlace {
  readonly inObjects: boolean
  /** What checkpoints are read through. */
  readonly storage: AsyncStorage
  /** Makes the folder of one checkpoint ready to take files. Throws StorageError. */
  prepare(folder: string, stopped: () => boolean): void
  /** Begins a file, which appears when it is complete. Throws StorageError. */
  target(path: string, options: { readonly direct: boolean; readonly fsync: boolean }): PieceTarget
  /** How many checkpoints there are, as DLIO counts them: whatever lies in the folder. Counting may end at `most`. */
  count(most: number): Promise<number>
}

export class LocalPlace implements CheckpointPlace {
  readonly inObjects = false

  constructor(
    private readonly folder: string,
    readonly storage: AsyncStorage,
  ) {}

  /** Every rank makes the folder, as in DLIO; what a killed run left in it goes. */
  prepare(folder: string, stopped: () => boolean): void {
    if (attempt(folder, 'create folder', () => makeFolder(folder))) removeLeftovers(folder, stopped)
  }

  target(path: string, options: { readonly direct: boolean; readonly fsync: boolean }): PieceTarget {
    return new LocalTarget(path, options)
  }

  async count(): Promise<number> {
    try {
      return readdirSync(this.folder).length
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
      return attempt(this.folder, 'list', () => {
        throw error
      })
    }
  }
}
