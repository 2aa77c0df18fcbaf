// A checkpoint's file on a local file system, written asynchronously. It gets its name when all of it is written.
import fs from 'node:fs'
import { attempt, storageError, temporaryPath } from '../dataset/complete-file.js'
import { StorageError } from '../errors.js'
import { directAlignment } from '../storage/local.js'
import type { PieceTarget } from './piece-writer.js'

/** A local file. O_DIRECT asks for whole blocks: the last one is cut off when the file is complete. */
export class LocalTarget implements PieceTarget {
  private handle: number

  constructor(
    private readonly path: string,
    private readonly options: { readonly direct: boolean; readonly fsync: boolean },
  ) {
    const { O_WRONLY, O_CREAT, O_TRUNC, O_DIRECT } = fs.constants
    const flags = O_WRONLY | O_CREAT | O_TRUNC | (options.direct ? O_DIRECT : 0)
    this.handle = this.refusable(() => attempt(path, 'write', () => fs.openSync(temporaryPath(path), flags)))
  }

  async write(bytes: Uint8Array, byteOffset: number): Promise<void> {
    const aligned = this.options.direct ? withWholeBlocks(bytes) : bytes
    for (let done = 0; done < aligned.length; )
      done += await this.call<number>('write', (ready) =>
        fs.write(this.handle, aligned, done, aligned.length - done, byteOffset + done, ready),
      )
  }

  async commit(byteLength: number): Promise<void> {
    if (this.options.direct && byteLength % directAlignment !== 0)
      await this.call('write', (ready) => fs.ftruncate(this.handle, byteLength, ready))
    if (this.options.fsync) await this.call('flush', (ready) => fs.fsync(this.handle, ready))
    const handle = this.handle
    this.handle = -1
    // A network file system may report a full disk only here.
    await this.call('write', (ready) => fs.close(handle, ready))
    await this.call('rename the finished file to', (ready) => fs.rename(temporaryPath(this.path), this.path, ready))
  }

  discard(): void {
    const handle = this.handle
    this.handle = -1
    try {
      if (handle >= 0) fs.closeSync(handle)
    } finally {
      attempt(this.path, 'remove the unfinished part of', () => fs.rmSync(temporaryPath(this.path), { force: true }))
    }
  }

  private call<T = void>(operation: string, start: (ready: (error: Error | null, value?: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) =>
      start((error, value) => {
        if (error) reject(this.named(error, operation))
        else resolve(value as T)
      }),
    )
  }

  private named(error: unknown, operation: string): unknown {
    const named = storageError(this.path, operation, error)
    const isRefusal = this.options.direct && named instanceof StorageError && named.code === 'EINVAL'
    return isRefusal
      ? new StorageError(this.path, operation, 'this file system refuses O_DIRECT; run without --direct or direct://', 'EINVAL')
      : named
  }

  private refusable<T>(call: () => T): T {
    try {
      return call()
    } catch (error) {
      if (error instanceof StorageError && error.code === 'EINVAL')
        throw new StorageError(this.path, 'write', 'this file system refuses O_DIRECT; run without --direct or direct://', 'EINVAL')
      throw error
    }
  }
}

/** The same memory up to the next whole block: buffers go on for a block behind each piece. */
function withWholeBlocks(bytes: Uint8Array): Uint8Array {
  const length = Math.ceil(bytes.length / directAlignment) * directAlignment
  return length === bytes.length ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, length)
}
