// A storage for tests: files in memory, and a count of everything that was asked of it.
import { StorageError } from '#src/errors.js'
import { createWindow, IoPort, runBlocking } from '#src/storage/io.js'
import type { BlockingStorage, Io, IoRequest } from '#src/storage/types.js'

/** Requests after which a reader is taken to hang. */
const maxRequests = 100_000

export class MemoryStorage implements BlockingStorage {
  opens = 0
  closes = 0
  sizes = 0
  /** Reads that were answered with at least one byte, and those that were answered with none. */
  reads = 0
  emptyReads = 0
  bytesRead = 0
  /** Every read as [offset, bytes asked, bytes answered]. */
  readonly log: [byteOffset: number, askedBytes: number, answeredBytes: number][] = []
  readonly #files = new Map<string, Uint8Array>()
  readonly #open = new Map<number, Uint8Array>()
  #requests = 0

  constructor(
    files: Record<string, Uint8Array> = {},
    /** Where in the window the bytes are put: as a storage that reads aligned supersets does. */
    private readonly windowOffset = 0,
  ) {
    for (const [uri, bytes] of Object.entries(files)) this.#files.set(uri, bytes)
  }

  get openFiles(): number {
    return this.#open.size
  }

  perform(request: IoRequest): number {
    if (++this.#requests > maxRequests) throw new Error(`more than ${maxRequests} requests: the reader hangs`)
    if (request.op === 'open') {
      const bytes = this.#files.get(request.uri)
      if (bytes === undefined) throw new StorageError(request.uri, 'open', 'there is no such file', 'ENOENT')
      this.#open.set(++this.opens, bytes)
      return this.opens
    }
    const bytes = this.#open.get(request.handle)
    if (bytes === undefined) throw new Error(`${request.op} of handle ${request.handle}, which is not open`)
    if (request.op === 'size') {
      this.sizes++
      return bytes.length
    }
    if (request.op === 'close') {
      this.closes++
      this.#open.delete(request.handle)
      return 0
    }
    const { byteOffset, byteLength, window } = request
    if (!(byteLength > 0 && byteLength <= window.capacity && byteOffset >= 0))
      throw new Error(`impossible read of ${byteLength} bytes at ${byteOffset}`)
    const got = Math.max(0, Math.min(byteLength, bytes.length - byteOffset))
    // What lies around the answer must not be taken for it.
    window.bytes.fill(0xee, 0, Math.min(window.bytes.length, got + 256))
    window.bytes.set(bytes.subarray(byteOffset, byteOffset + got), this.windowOffset)
    window.begin = this.windowOffset
    window.end = this.windowOffset + got
    if (got > 0) this.reads++
    else this.emptyReads++
    this.bytesRead += got
    this.log.push([byteOffset, byteLength, got])
    return got
  }
}

export interface Harness {
  readonly storage: MemoryStorage
  readonly port: IoPort
  run<T>(io: Io<T>): T
}

const windows = new Map<number, ReturnType<typeof createWindow>>()

/** A storage with files, and a port to it whose window holds `requestBytes` (at least 4 KiB). */
export function harness(files: Record<string, Uint8Array>, requestBytes: number, windowOffset = 0): Harness {
  const storage = new MemoryStorage(files, windowOffset)
  const capacity = Math.max(4096, requestBytes)
  const window = windows.get(capacity) ?? createWindow(capacity)
  windows.set(capacity, window)
  const port = new IoPort(window)
  return { storage, port, run: (io) => runBlocking(io, storage) }
}

/** An output file in memory. */
export class MemoryOutput {
  #bytes = new Uint8Array(1024)
  byteLength = 0

  append(bytes: Uint8Array): void {
    if (this.byteLength + bytes.length > this.#bytes.length) {
      const longer = new Uint8Array(2 * (this.byteLength + bytes.length))
      longer.set(this.#bytes.subarray(0, this.byteLength))
      this.#bytes = longer
    }
    this.#bytes.set(bytes, this.byteLength)
    this.byteLength += bytes.length
  }

  patch(byteOffset: number, bytes: Uint8Array): void {
    if (byteOffset + bytes.length > this.byteLength) throw new Error('patch of bytes that are not there')
    this.#bytes.set(bytes, byteOffset)
  }

  get bytes(): Uint8Array {
    return this.#bytes.slice(0, this.byteLength)
  }
}

/** A content source that gives these bytes, at most `pieceBytes` at once, in reused memory. */
export function contentOf(bytes: Uint8Array, pieceBytes = 1 << 16) {
  const piece = new Uint8Array(pieceBytes)
  let at = 0
  return {
    preferredBytes: pieceBytes,
    next(maxBytes: number): Uint8Array {
      const n = Math.min(maxBytes, pieceBytes)
      if (at + n > bytes.length) throw new Error('more content asked than there is')
      piece.set(bytes.subarray(at, at + n))
      at += n
      return piece.subarray(0, n)
    },
  }
}

/** Repeatable bytes without a pattern (a linear congruential generator, top bits). */
export function noise(byteLength: number, seed = 1): Uint8Array {
  let state = seed
  return Uint8Array.from({ length: byteLength }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state >>> 24
  })
}
