// Reads samples of .npy files over the I/O seam. What is asked of the storage, and why, is in README.md.
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { ArrayFileReader } from '../array-file-reader.js'
import { checkSampleIndex } from '../sample-array.js'
import type { ReaderOptions } from '../types.js'
import { failLength, type Head, NpyHeads } from './head.js'

/** Size of the small reads that Python's and C's buffered files make. */
const pageBytes = 4096

export class NpyReader extends ArrayFileReader {
  readonly #heads: NpyHeads

  constructor(port: IoPort, options: ReaderOptions) {
    super(port, options)
    this.#heads = new NpyHeads(port, options)
  }

  /** The whole file, front to back. */
  protected override *readFile(uri: string, sample: number): Io<number> {
    const { port, options } = this
    const askedBytes = options.requestBytes
    const handle = yield port.open(uri)
    try {
      let got = yield port.read(handle, 0, askedBytes)
      const head = yield* this.#heads.read(uri, handle, askedBytes)
      checkSampleIndex(uri, sample, head.samples)
      let fileBytes = got
      while (got === askedBytes && fileBytes <= head.fileBytes) {
        got = yield port.read(handle, fileBytes, askedBytes)
        fileBytes += got
      }
      if (fileBytes !== head.fileBytes) failLength(uri, fileBytes, head)
      return fileBytes
    } finally {
      yield port.close(handle)
    }
  }

  /** What `np.load` asks for: a page, the header, and through a descriptor of its own the file from its beginning to the array's end. */
  protected override *readUpstream(uri: string, sample: number): Io<number> {
    const { port, options } = this
    if (this.isHeld(uri, sample)) return 0
    const handle = yield port.open(uri)
    try {
      yield port.read(handle, 0, pageBytes)
      const head = yield* this.#heads.read(uri, handle, pageBytes)
      checkSampleIndex(uri, sample, head.samples)
      yield port.read(handle, 0, head.headerBytes)
      yield* this.#readRange(uri, handle, 0, head.fileBytes, head)
      if (options.verify) yield* this.#heads.checkLength(uri, handle, head)
      this.hold(uri, head.samples)
      return head.fileBytes
    } finally {
      yield port.close(handle)
    }
  }

  /** Only the bytes of the sample where they lie side by side, otherwise the whole array. */
  protected override *readSample(uri: string, sample: number): Io<number> {
    const { port, options } = this
    const handle = yield port.open(uri)
    try {
      const askedBytes = options.samplesPerFile === 1 ? options.requestBytes : Math.min(pageBytes, options.requestBytes)
      const got = yield port.read(handle, 0, askedBytes)
      const head = yield* this.#heads.read(uri, handle, askedBytes)
      checkSampleIndex(uri, sample, head.samples)
      const begin = head.headerBytes + (head.contiguous ? sample * head.sampleBytes : 0)
      const end = head.contiguous ? begin + head.sampleBytes : head.fileBytes
      if (end > got) yield* this.#readRange(uri, handle, Math.max(begin, got), end, head)
      if (options.verify) yield* this.#heads.checkLength(uri, handle, head)
      return end - begin
    } finally {
      yield port.close(handle)
    }
  }

  *#readRange(uri: string, handle: number, begin: number, end: number, head: Head): Io<void> {
    for (let at = begin; at < end; ) {
      const got = yield this.port.read(handle, at, Math.min(this.options.requestBytes, end - at))
      if (got === 0) failLength(uri, at, head)
      at += got
    }
  }
}
