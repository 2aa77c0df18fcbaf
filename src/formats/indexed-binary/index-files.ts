// Looking up where a sample lies: in indexes that are read whole, as DLIO's reader does, or page by page, as its mapped ones are touched.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { u64 } from '../little-endian.js'
import type { ReaderOptions } from '../types.js'
import { entryBytes, IndexColumn, offsetsFile, sizesFile } from './layout.js'

/** Size of the buffer of Python's files, and of a page of memory. */
export const pageBytes = 4096
/** Pages of mapped indexes that are remembered. */
const mostPages = 16_384

export interface SamplePlace {
  readonly offset: number
  readonly size: number
}

export interface IndexLookup {
  place(uri: string, sample: number): Io<SamplePlace>
}

/** Index files as `IndexedBinaryReader.load_index_file` reads them: whole, once. */
export class WholeIndexes implements IndexLookup {
  readonly #known = new Map<string, { readonly offsets: IndexColumn; readonly sizes: IndexColumn }>()

  constructor(
    private readonly port: IoPort,
    private readonly options: ReaderOptions,
  ) {}

  *place(uri: string, sample: number): Io<SamplePlace> {
    let index = this.#known.get(uri)
    if (index === undefined) {
      const offsets = yield* this.#read(offsetsFile(uri))
      const sizes = yield* this.#read(sizesFile(uri))
      index = { offsets, sizes }
      if (this.options.verify) yield* this.#check(uri, offsets, sizes)
      this.#known.set(uri, index)
    }
    return { offset: index.offsets.at(sample), size: index.sizes.at(sample) }
  }

  /** The numbers of as many samples as the configuration says; a file may hold more (DLIO rounds them up to a multiple of the ranks). */
  *#read(uri: string): Io<IndexColumn> {
    const { port, options } = this
    const { window } = port
    const count = options.samplesPerFile
    const column = new IndexColumn(count, (most) => {
      throw new DataError(uri, `holds ${count} numbers that do not grow evenly; at most ${most} such can be kept`)
    })
    const handle = yield port.open(uri)
    try {
      // Python's buffered file fills its buffer for what is not longer.
      const wanted = Math.max(pageBytes, count * entryBytes)
      const piece = Math.max(pageBytes, options.requestBytes - (options.requestBytes % entryBytes))
      for (let at = 0; column.count < count; ) {
        const got = yield port.read(handle, at, Math.min(piece, wanted - at))
        const whole = Math.min(Math.floor(got / entryBytes), count - column.count)
        if (whole === 0) failShort(uri, at + got, count)
        for (let i = 0; i < whole; i++) column.add(u64(window.bytes, window.begin + i * entryBytes))
        at += whole * entryBytes
      }
      return column
    } finally {
      yield port.close(handle)
    }
  }

  /** Holds every entry against the data file. */
  *#check(uri: string, offsets: IndexColumn, sizes: IndexColumn): Io<void> {
    const handle = yield this.port.open(uri)
    let fileBytes: number
    try {
      fileBytes = yield this.port.size(handle)
    } finally {
      yield this.port.close(handle)
    }
    const { samplesPerFile, sampleBytes } = this.options
    for (let i = 0; i < samplesPerFile; i++) checkPlace(uri, i, { offset: offsets.at(i), size: sizes.at(i) }, fileBytes, sampleBytes)
  }
}

/** Index files as mapped memory is read: a page where an entry is wanted, once. */
export class PagedIndexes implements IndexLookup {
  readonly #pages = new Map<string, Uint8Array>()

  constructor(
    private readonly port: IoPort,
    private readonly options: ReaderOptions,
  ) {}

  *place(uri: string, sample: number): Io<SamplePlace> {
    const offset = yield* this.#entry(offsetsFile(uri), sample)
    return { offset, size: yield* this.#entry(sizesFile(uri), sample) }
  }

  *#entry(uri: string, sample: number): Io<number> {
    const number = Math.floor((sample * entryBytes) / pageBytes)
    const key = `${number} ${uri}`
    let page = this.#pages.get(key)
    if (page === undefined) {
      page = yield* this.#readPage(uri, number)
      // The oldest goes: samples are read in order, so that it is wanted last.
      if (this.#pages.size >= mostPages) for (const oldest of this.#pages.keys()) if (this.#pages.delete(oldest)) break
      this.#pages.set(key, page)
    }
    const at = sample * entryBytes - number * pageBytes
    if (page.length < at + entryBytes) failShort(uri, number * pageBytes + page.length, this.options.samplesPerFile)
    return u64(page, at)
  }

  *#readPage(uri: string, number: number): Io<Uint8Array> {
    const { port } = this
    const handle = yield port.open(uri)
    try {
      const got = yield port.read(handle, number * pageBytes, pageBytes)
      return port.window.bytes.slice(port.window.begin, port.window.begin + got)
    } finally {
      yield port.close(handle)
    }
  }
}

/** Checks where the index says that a sample lies. @throws DataError */
export function checkPlace(uri: string, sample: number, { offset, size }: SamplePlace, fileBytes: number, sampleBytes?: number): void {
  if (offset + size > fileBytes)
    throw new DataError(
      uri,
      `has ${fileBytes} bytes, its index says that sample ${sample} is bytes [${offset}, ${offset + size}): truncated, or the index is another file's`,
    )
  if (sampleBytes !== undefined && size !== sampleBytes)
    throw new DataError(
      uri,
      `has a sample ${sample} of ${size} bytes by its index; the configuration makes samples of ${sampleBytes} bytes`,
    )
}

function failShort(uri: string, fileBytes: number, samples: number): never {
  throw new DataError(
    uri,
    `is truncated: it has ${fileBytes} bytes; num_samples_per_file ${samples} take ${samples * entryBytes}`,
    fileBytes,
  )
}
