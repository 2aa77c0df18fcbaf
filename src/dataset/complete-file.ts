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
/** Content is made in the buffer's rest as long as that is not too small to be worth it. */
const leastRoomBytes = 4096
/** Bytes lie in the buffer as far into a page as they will in the file: the system copies one to 15 bytes of difference at half the speed. */
const pageBytes = 4096

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
 * What is appended is gathered in `buffer` and written when that is full. Content can be made right there (`reserve`), so that it is
 * written without being copied, together with the headers around it.
 */
export class CompleteFile implements OutputFile {
  readonly #buffer: Uint8Array
  readonly #onWrite: (sizeBytes: number) => void
  #path = ''
  #temporaryPath = ''
  #handle = -1
  #writtenBytes = 0
  /** What is gathered, [begin, end) of the buffer. */
  #begin = 0
  #end = 0
  /** End of the content that was made in the buffer and may yet be appended. */
  #reservedEnd = 0
  #isReservable = true

  /** `onWrite` is called before each write with the number of bytes; what it throws stops the file. */
  constructor(buffer: Uint8Array, onWrite: (sizeBytes: number) => void) {
    this.#buffer = buffer
    this.#onWrite = onWrite
  }

  get byteLength(): number {
    return this.#writtenBytes + this.#end - this.#begin
  }

  /** True from `open` to `commit` or `discard`. */
  get isOpen(): boolean {
    return this.#path !== ''
  }

  /** Starts the file that will be called `path`. */
  open(path: string): void {
    this.#path = path
    this.#setWritten(0)
    this.#reservedEnd = 0
    this.#temporaryPath = temporaryPath(path)
    this.#handle = attempt(path, 'write', () => openSync(this.#temporaryPath, 'w'))
  }

  /**
   * Where in the buffer the next up to `maxBytes` of content may be made: appending just these bytes then costs nothing. Undefined for a
   * writer that was seen to append something else in between (it turns content into something, or puts a checksum before it).
   */
  reserve(maxBytes: number): Uint8Array | undefined {
    if (!this.#isReservable) return undefined
    if (this.#buffer.length - this.#end < Math.min(maxBytes, leastRoomBytes)) this.#flush()
    const room = this.#buffer.length - this.#end
    // Whole elements of any type.
    this.#reservedEnd = this.#end + (maxBytes <= room ? maxBytes : room - (room % 16))
    return this.#buffer.subarray(this.#end, this.#reservedEnd)
  }

  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    if (this.#isInPlace(bytes)) {
      this.#end += bytes.length
      return
    }
    if (this.#reservedEnd > this.#end) {
      // Copying these bytes into the buffer could overwrite content that is still to come.
      this.#isReservable = false
      this.#reservedEnd = 0
      this.#writeThrough(bytes)
      return
    }
    if (this.#end + bytes.length > this.#buffer.length) this.#flush()
    if (bytes.length > gatherBytes || this.#end + bytes.length > this.#buffer.length) this.#writeThrough(bytes)
    else {
      this.#buffer.set(bytes, this.#end)
      this.#end += bytes.length
    }
  }

  patch(byteOffset: number, bytes: Uint8Array): void {
    const end = byteOffset + bytes.length
    if (byteOffset < 0 || end > this.byteLength)
      throw new RangeError(`bytes ${byteOffset} to ${end} are beyond the ${this.byteLength} written so far`)
    if (byteOffset < this.#writtenBytes && end > this.#writtenBytes) this.#flush()
    if (byteOffset < this.#writtenBytes) this.#write(bytes, byteOffset)
    else this.#buffer.set(bytes, this.#begin + byteOffset - this.#writtenBytes)
  }

  /** Gives the file its name. A file that was there is replaced. */
  commit(): void {
    this.#flush()
    const handle = this.#handle
    this.#handle = -1
    // A network file system may report a full disk only here.
    attempt(this.#path, 'write', () => closeSync(handle))
    attempt(this.#path, 'rename the finished file to', () => renameSync(this.#temporaryPath, this.#path))
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
      attempt(path, 'remove the unfinished part of', () => rmSync(this.#temporaryPath, { force: true }))
    }
  }

  /** True for bytes that were made where they would be copied to. */
  #isInPlace(bytes: Uint8Array): boolean {
    return (
      bytes.buffer === this.#buffer.buffer &&
      bytes.byteOffset === this.#buffer.byteOffset + this.#end &&
      this.#end + bytes.length <= this.#reservedEnd
    )
  }

  #writeThrough(bytes: Uint8Array): void {
    this.#flush()
    this.#write(bytes, this.#writtenBytes)
    this.#setWritten(this.#writtenBytes + bytes.length)
  }

  #flush(): void {
    if (this.#end === this.#begin) return
    // Content that has all been appended leaves nothing to take care of.
    if (this.#end === this.#reservedEnd) this.#reservedEnd = 0
    this.#write(this.#buffer.subarray(this.#begin, this.#end), this.#writtenBytes)
    this.#setWritten(this.byteLength)
  }

  /** Notes that the file holds `byteLength` bytes and the buffer none. */
  #setWritten(byteLength: number): void {
    this.#writtenBytes = byteLength
    this.#begin = byteLength % pageBytes
    this.#end = this.#begin
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
