// Reads rows of Parquet files over the I/O seam as MLCommons' DLIO does: footers, then whole row groups. Requests: README.md.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { checkSampleIndex } from '../sample-array.js'
import type { ReaderOptions, SampleReader } from '../types.js'
import type { GroupChecker } from './checker.js'
import { endBytes, type Footer, findGroup, footerLength, groupRange, parquetMagic, parseFooter, type RowGroup } from './footer.js'
import { checkPages } from './pages.js'

/** What pyarrow reads of a file's end at first (`kDefaultFooterReadSize`). */
const tailBytes = 65_536
/** Footers that are remembered. */
const mostFooters = 256
/** Largest row group that `verify` decodes; it needs it in memory. */
const maxVerifiedBytes = 2 ** 28

interface KnownFile {
  readonly footer: Footer
  /** The footer's bytes and its end, for decoding. */
  readonly tail: Uint8Array | undefined
}

export class ParquetReader implements SampleReader {
  readonly #known = new Map<string, KnownFile>()
  /** The row group that was read last: its rows are in memory. */
  #lastUri = ''
  #lastGroup = -1
  #checker: GroupChecker | undefined

  constructor(
    private readonly port: IoPort,
    private readonly options: ReaderOptions,
    private readonly createChecker: () => GroupChecker,
  ) {}

  *read(uri: string, sample: number): Io<number> {
    checkSampleIndex(uri, sample, this.options.samplesPerFile)
    let file = this.#known.get(uri)
    // DLIO's readers live for one epoch, and each looks at the footers of its files: once for every walk through a file.
    if (file === undefined || (sample === 0 && this.options.extent !== 'sample')) file = yield* this.#open(uri)
    const { footer } = file
    if (footer.rows < this.options.samplesPerFile)
      throw new DataError(uri, `holds ${footer.rows} rows; the configuration says num_samples_per_file ${this.options.samplesPerFile}`)
    const number = findGroup(footer, sample)
    const group = footer.groups[number]!
    if (uri === this.#lastUri && number === this.#lastGroup && sample !== group.firstRow) return 0
    this.#lastGroup = -1
    const bytes = yield* this.#readGroup(uri, number, group)
    this.#lastUri = uri
    this.#lastGroup = number
    return bytes
  }

  // biome-ignore lint/correctness/useYield: there is nothing to ask of the storage
  *release(uri: string): Io<void> {
    this.#known.delete(uri)
    if (this.#lastUri === uri) this.#lastGroup = -1
  }

  // biome-ignore lint/correctness/useYield: there is nothing to ask of the storage
  *close(): Io<void> {
    this.#known.clear()
    this.#lastGroup = -1
    this.#checker?.close()
    this.#checker = undefined
  }

  /** Reads all row groups of a file, one after the other. */
  *walk(uri: string): Io<void> {
    const { footer } = yield* this.#open(uri)
    for (const [number, group] of footer.groups.entries()) yield* this.#readGroup(uri, number, group)
  }

  /** Reads a row group, and checks it where that is asked for; returns its bytes' number. */
  *#readGroup(uri: string, number: number, group: RowGroup): Io<number> {
    const { columns } = this.options
    const { begin, end } = groupRange(uri, group, columns)
    const bytes = yield* this.#readRange(uri, begin, end)
    if (bytes !== undefined) {
      checkPages(uri, group, columns, bytes, begin)
      this.#checker ??= this.createChecker()
      this.#checker.check(uri, { tail: this.#known.get(uri)!.tail!, bytes, begin, number, columns })
    }
    return end - begin
  }

  *#open(uri: string): Io<KnownFile> {
    const { port } = this
    const handle = yield port.open(uri)
    try {
      const fileBytes = yield port.size(handle)
      if (fileBytes < endBytes + parquetMagic.length)
        throw new DataError(uri, fileBytes === 0 ? 'is empty: it has 0 bytes' : `has ${fileBytes} bytes, less than any Parquet file`)
      let tail = yield* this.#take(uri, handle, Math.max(0, fileBytes - tailBytes), fileBytes)
      const length = footerLength(uri, tail, tail.length, fileBytes)
      const footerOffset = fileBytes - endBytes - length
      if (length + endBytes > tail.length) tail = yield* this.#take(uri, handle, footerOffset, fileBytes)
      else tail = tail.subarray(tail.length - endBytes - length)
      const footer = parseFooter(uri, tail.subarray(0, length), footerOffset)
      if (footer.groups.some(({ rows }) => rows === 0)) throw new DataError(uri, 'has a row group without rows')
      const file: KnownFile = { footer, tail: this.options.verify ? tail : undefined }
      if (this.#known.size >= mostFooters) for (const oldest of this.#known.keys()) if (this.#known.delete(oldest)) break
      this.#known.set(uri, file)
      return file
    } finally {
      yield port.close(handle)
    }
  }

  /** Bytes [begin, end) in memory of their own. */
  *#take(uri: string, handle: number, begin: number, end: number): Io<Uint8Array> {
    const { port } = this
    const bytes = new Uint8Array(end - begin)
    for (let at = begin; at < end; ) {
      const got = yield port.read(handle, at, Math.min(this.options.requestBytes, end - at))
      if (got === 0) throw new DataError(uri, `is truncated: its bytes [${begin}, ${end}) are wanted`, at)
      bytes.set(port.window.bytes.subarray(port.window.begin, port.window.begin + got), at - begin)
      at += got
    }
    return bytes
  }

  /** Reads bytes [begin, end); with `verify` they are kept. */
  *#readRange(uri: string, begin: number, end: number): Io<Uint8Array | undefined> {
    const { port } = this
    const handle = yield port.open(uri)
    try {
      if (this.options.verify) {
        if (end - begin > maxVerifiedBytes)
          throw new DataError(uri, `has a row group of ${end - begin} bytes; verify decodes at most ${maxVerifiedBytes}`, begin)
        return yield* this.#take(uri, handle, begin, end)
      }
      for (let at = begin; at < end; ) {
        const got = yield port.read(handle, at, Math.min(this.options.requestBytes, end - at))
        if (got === 0) throw new DataError(uri, `is truncated: a row group needs its bytes [${begin}, ${end})`, at)
        at += got
      }
      return undefined
    } finally {
      yield port.close(handle)
    }
  }
}
