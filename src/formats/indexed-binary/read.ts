// Reads samples of indexed binaries over the I/O seam, as DLIO's two readers do. What is asked of the storage, and why, is in README.md.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { checkSampleIndex } from '../sample-array.js'
import type { ReaderOptions, SampleReader } from '../types.js'
import { checkPlace, type IndexLookup, PagedIndexes, pageBytes, type SamplePlace, WholeIndexes } from './index-files.js'

/** A data file that stands open, with the bytes that Python's buffer holds of it. */
interface OpenFile {
  readonly handle: number
  bufferBegin: number
  bufferEnd: number
  /** Of a mapped file. */
  readonly fileBytes: number
}

export class IndexedBinaryReader implements SampleReader {
  readonly #indexes: IndexLookup
  readonly #kept = new Map<string, OpenFile>()
  /** Mapped files are not read at all: DLIO makes a view of the mapping and never looks at it. */
  readonly #isMapped: boolean

  constructor(
    private readonly port: IoPort,
    private readonly options: ReaderOptions,
    mapped: boolean,
  ) {
    this.#isMapped = mapped && options.extent !== 'sample'
    const paged = !options.verify && (mapped || options.extent === 'sample')
    this.#indexes = paged ? new PagedIndexes(port, options) : new WholeIndexes(port, options)
  }

  *read(uri: string, sample: number): Io<number> {
    checkSampleIndex(uri, sample, this.options.samplesPerFile)
    const place = yield* this.#indexes.place(uri, sample)
    const kept = this.#kept.get(uri)
    if (kept !== undefined) return yield* this.#readPlace(uri, kept, sample, place)
    const file = yield* this.#open(uri)
    let bytes: number
    try {
      bytes = yield* this.#readPlace(uri, file, sample, place)
      if (this.options.keepOpen) this.#kept.set(uri, file)
    } finally {
      if (!this.#kept.has(uri)) yield this.port.close(file.handle)
    }
    return bytes
  }

  *release(uri: string): Io<void> {
    const file = this.#kept.get(uri)
    if (file === undefined) return
    this.#kept.delete(uri)
    yield this.port.close(file.handle)
  }

  *close(): Io<void> {
    for (const uri of [...this.#kept.keys()]) yield* this.release(uri)
  }

  *#open(uri: string): Io<OpenFile> {
    const handle = yield this.port.open(uri)
    if (!this.#isMapped) return { handle, bufferBegin: 0, bufferEnd: 0, fileBytes: 0 }
    try {
      return { handle, bufferBegin: 0, bufferEnd: 0, fileBytes: yield this.port.size(handle) }
    } catch (error) {
      yield this.port.close(handle)
      throw error
    }
  }

  *#readPlace(uri: string, file: OpenFile, sample: number, place: SamplePlace): Io<number> {
    if (this.#isMapped) {
      checkPlace(uri, sample, place, file.fileBytes)
      return 0
    }
    const { offset, size } = place
    if (this.options.extent === 'sample') {
      yield* this.#readBytes(uri, file.handle, sample, offset, size, size)
      return size
    }
    return yield* this.#readBuffered(uri, file, sample, offset, size)
  }

  /** As Python's `BufferedReader.readinto` after `seek`: what its buffer holds costs nothing, long rests are read as they are, short ones fill the buffer. */
  *#readBuffered(uri: string, file: OpenFile, sample: number, offset: number, size: number): Io<number> {
    const isBuffered = offset >= file.bufferBegin && offset < file.bufferEnd
    const held = isBuffered ? Math.min(size, file.bufferEnd - offset) : 0
    const left = size - held
    if (left === 0) return 0
    const begin = offset + held
    const asked = Math.max(left, pageBytes)
    const got = yield* this.#readBytes(uri, file.handle, sample, begin, asked, left)
    file.bufferBegin = begin
    file.bufferEnd = left > pageBytes ? begin : begin + got
    return left
  }

  /** Asks for `asked` bytes at `begin`, of which `needed` must be there; returns how many there were. */
  *#readBytes(uri: string, handle: number, sample: number, begin: number, asked: number, needed: number): Io<number> {
    let done = 0
    while (done < needed) {
      const wanted = Math.min(this.options.requestBytes, asked - done)
      const got = yield this.port.read(handle, begin + done, wanted)
      done += got
      if (got < wanted && done < needed)
        throw new DataError(
          uri,
          `ends at byte ${begin + done}, its index says that sample ${sample} ends at ${begin + needed}: truncated, or the index is another file's`,
          begin + done,
        )
    }
    return done
  }
}
