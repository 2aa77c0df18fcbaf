// Files that appear under their name only when they are complete.
import { createHash } from 'node:crypto'
import { closeSync, openSync, readlinkSync, renameSync, rmSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { getSystemErrorMap } from 'node:util'
import { StorageError } from '../errors.js'
import type { OutputFile } from '../formats/types.js'

/** Pieces up to this size are gathered; copying larger ones would cost more than a system call of their own. */
const gatherBytes = 16 * 1024
const bufferBytes = 64 * 1024

/** Tells the processes of this host and process namespace (container) from others', whose numbers mean nothing here. */
const hostTag = createHash('sha256')
  .update(hostname())
  .update(process.platform === 'linux' ? readlinkSync('/proc/self/ns/pid') : '')
  .digest('hex')
  .slice(0, 8)

/**
 * The name under which file `path` is written: hidden, in the same folder (a rename must stay within one file system), and not ending in
 * any format's name, which is all that DLIO asks of a data file.
 */
export function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.tmp-${hostTag}-${process.pid}`)
}

/** Who writes the file called `name`, if that is a temporary name: a process of this host, or undefined where it is another host's. */
export function temporaryOwner(name: string): { readonly processId: number | undefined } | undefined {
  const [, tag, processId] = /^\..+\.tmp-([0-9a-f]{8})-(\d+)$/.exec(name) ?? []
  return tag === undefined ? undefined : { processId: tag === hostTag ? Number(processId) : undefined }
}

/** A StorageError that tells what the system said about `operation` on `path`. Errors that are not the system's come back as they are. */
export function storageError(path: string, operation: string, error: unknown): unknown {
  if (!(error instanceof Error) || typeof (error as NodeJS.ErrnoException).errno !== 'number') return error
  const { errno, code } = error as NodeJS.ErrnoException
  return new StorageError(path, operation, getSystemErrorMap().get(errno!)?.[1] ?? error.message, code)
}

/** Runs a file system call; what it throws becomes a StorageError. */
export function attempt<T>(path: string, operation: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw storageError(path, operation, error)
  }
}

/**
 * Writes one file after another, each under a temporary name until `commit`. After any error `discard` removes what there is.
 * `onWrite` is called before each write with the number of bytes; what it throws stops the file.
 */
export class CompleteFile implements OutputFile {
  readonly #gathered = new Uint8Array(bufferBytes)
  readonly #onWrite: (sizeBytes: number) => void
  #path = ''
  #handle = -1
  #gatheredBytes = 0
  #writtenBytes = 0

  constructor(onWrite: (sizeBytes: number) => void) {
    this.#onWrite = onWrite
  }

  get byteLength(): number {
    return this.#writtenBytes + this.#gatheredBytes
  }

  /** True from `open` to `commit` or `discard`. */
  get isOpen(): boolean {
    return this.#path !== ''
  }

  /** Starts the file that will be called `path`. */
  open(path: string): void {
    this.#path = path
    this.#gatheredBytes = 0
    this.#writtenBytes = 0
    this.#handle = attempt(path, 'write', () => openSync(temporaryPath(path), 'w'))
  }

  append(bytes: Uint8Array): void {
    if (bytes.length > gatherBytes) {
      this.#flush()
      this.#write(bytes, this.#writtenBytes)
      this.#writtenBytes += bytes.length
      return
    }
    if (this.#gatheredBytes + bytes.length > bufferBytes) this.#flush()
    this.#gathered.set(bytes, this.#gatheredBytes)
    this.#gatheredBytes += bytes.length
  }

  patch(byteOffset: number, bytes: Uint8Array): void {
    if (byteOffset < 0 || byteOffset + bytes.length > this.byteLength)
      throw new RangeError(`bytes ${byteOffset} to ${byteOffset + bytes.length} are beyond the ${this.byteLength} written so far`)
    if (byteOffset < this.#writtenBytes) this.#flush()
    if (byteOffset < this.#writtenBytes) this.#write(bytes, byteOffset)
    else this.#gathered.set(bytes, byteOffset - this.#writtenBytes)
  }

  /** Gives the file its name. A file that was there is replaced. */
  commit(): void {
    this.#flush()
    const handle = this.#handle
    this.#handle = -1
    // A network file system may report a full disk only here.
    attempt(this.#path, 'write', () => closeSync(handle))
    attempt(this.#path, 'rename the finished file to', () => renameSync(temporaryPath(this.#path), this.#path))
    this.#path = ''
  }

  /** Removes an unfinished file; does nothing when there is none. */
  discard(): void {
    if (this.#path === '') return
    const [path, handle] = [this.#path, this.#handle]
    this.#path = ''
    this.#handle = -1
    try {
      if (handle >= 0) closeSync(handle)
    } finally {
      attempt(path, 'remove the unfinished part of', () => rmSync(temporaryPath(path), { force: true }))
    }
  }

  #flush(): void {
    if (this.#gatheredBytes === 0) return
    const sizeBytes = this.#gatheredBytes
    this.#write(this.#gathered.subarray(0, sizeBytes), this.#writtenBytes)
    this.#writtenBytes += sizeBytes
    this.#gatheredBytes = 0
  }

  /** Writes all of `bytes`, also when the system takes them in parts. */
  #write(bytes: Uint8Array, byteOffset: number): void {
    this.#onWrite(bytes.length)
    for (let done = 0; done < bytes.length; ) {
      const from = done
      done += attempt(this.#path, 'write', () => writeSync(this.#handle, bytes, from, bytes.length - from, byteOffset + from))
    }
  }
}
