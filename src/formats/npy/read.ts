// Reads samples of .npy files over the I/O seam. What is asked of the storage, and why, is in README.md.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { checkSampleIndex, checkSamples, samplesAreContiguous } from '../sample-array.js'
import type { ReaderOptions, SampleReader } from '../types.js'
import { parseNpyHeader } from './layout.js'

/** Size of the small reads that Python's and C's buffered files make. */
const pageBytes = 4096

/** A header, with its own bytes: files of one data set mostly have the same one. */
interface Head {
  readonly view: DataView
  readonly samples: number
  readonly sampleBytes: number
  readonly headerBytes: number
  readonly fileBytes: number
  readonly contiguous: boolean
}

export class NpyReader implements SampleReader {
  #head: Head | undefined
  /** With `keepOpen`: arrays that upstream would still hold in memory, by URI, with their numbers of samples. */
  readonly #held = new Map<string, number>()

  constructor(
    private readonly port: IoPort,
    private readonly options: ReaderOptions,
  ) {}

  read(uri: string, sample: number): Io<number> {
    switch (this.options.extent) {
      case 'file':
        return this.#readFile(uri, sample)
      case 'upstream':
        return this.#readUpstream(uri, sample)
      case 'sample':
        return this.#readSample(uri, sample)
    }
  }

  /** Only the array is forgotten: no file stays open between samples. */
  // biome-ignore lint/correctness/useYield: there is nothing to ask of the storage
  *release(uri: string): Io<void> {
    this.#held.delete(uri)
  }

  // biome-ignore lint/correctness/useYield: there is nothing to ask of the storage
  *close(): Io<void> {
    this.#held.clear()
  }

  /** The whole file, front to back. */
  *#readFile(uri: string, sample: number): Io<number> {
    const { port, options } = this
    const askedBytes = options.requestBytes
    const handle = yield port.open(uri)
    try {
      let got = yield port.read(handle, 0, askedBytes)
      const head = yield* this.#headIn(uri, handle, askedBytes)
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
  *#readUpstream(uri: string, sample: number): Io<number> {
    const { port, options } = this
    const held = this.#held.get(uri)
    if (held !== undefined) {
      checkSampleIndex(uri, sample, held)
      return 0
    }
    const handle = yield port.open(uri)
    try {
      yield port.read(handle, 0, pageBytes)
      const head = yield* this.#headIn(uri, handle, pageBytes)
      checkSampleIndex(uri, sample, head.samples)
      yield port.read(handle, 0, head.headerBytes)
      yield* this.#readRange(uri, handle, 0, head.fileBytes, head)
      if (options.verify) yield* this.#checkLength(uri, handle, head)
      if (options.keepOpen) this.#held.set(uri, head.samples)
      return head.fileBytes
    } finally {
      yield port.close(handle)
    }
  }

  /** Only the bytes of the sample where they lie side by side, otherwise the whole array. */
  *#readSample(uri: string, sample: number): Io<number> {
    const { port, options } = this
    const handle = yield port.open(uri)
    try {
      const askedBytes = options.samplesPerFile === 1 ? options.requestBytes : Math.min(pageBytes, options.requestBytes)
      const got = yield port.read(handle, 0, askedBytes)
      const head = yield* this.#headIn(uri, handle, askedBytes)
      checkSampleIndex(uri, sample, head.samples)
      const begin = head.headerBytes + (head.contiguous ? sample * head.sampleBytes : 0)
      const end = head.contiguous ? begin + head.sampleBytes : head.fileBytes
      if (end > got) yield* this.#readRange(uri, handle, Math.max(begin, got), end, head)
      if (options.verify) yield* this.#checkLength(uri, handle, head)
      return end - begin
    } finally {
      yield port.close(handle)
    }
  }

  /** The head of the file whose first `askedBytes` bytes were just read; the window still holds them, unless the header is longer. */
  *#headIn(uri: string, handle: number, askedBytes: number): Io<Head> {
    const { window } = this.port
    if (this.#head !== undefined && sameHead(this.#head, window.view, window.begin, window.end)) return this.#head
    if (window.begin === window.end) throw new DataError(uri, 'is empty: it has 0 bytes')
    for (let asked = askedBytes; ; ) {
      const { bytes, begin, end } = window
      const header = parseNpyHeader(uri, bytes, begin, end, 0)
      if (typeof header !== 'number') {
        const samples = checkSamples(uri, header, this.options, 'the array')
        this.#head = {
          view: new DataView(bytes.slice(begin, begin + header.headerBytes).buffer),
          samples,
          sampleBytes: header.dataBytes / samples,
          headerBytes: header.headerBytes,
          fileBytes: header.headerBytes + header.dataBytes,
          contiguous: samplesAreContiguous(header, samples),
        }
        return this.#head
      }
      if (end - begin < asked) throw new DataError(uri, `is truncated: it ends within its header of ${header} bytes or more`, end - begin)
      if (header > window.capacity)
        throw new DataError(uri, `has a header of ${header} bytes, more than the ${window.capacity} that can be read at once`)
      asked = header
      yield this.port.read(handle, 0, asked)
    }
  }

  *#readRange(uri: string, handle: number, begin: number, end: number, head: Head): Io<void> {
    for (let at = begin; at < end; ) {
      const got = yield this.port.read(handle, at, Math.min(this.options.requestBytes, end - at))
      if (got === 0) failLength(uri, at, head)
      at += got
    }
  }

  *#checkLength(uri: string, handle: number, head: Head): Io<void> {
    const fileBytes = yield this.port.size(handle)
    if (fileBytes !== head.fileBytes) failLength(uri, fileBytes, head)
  }
}

function failLength(uri: string, fileBytes: number, head: Head): never {
  throw new DataError(
    uri,
    fileBytes < head.fileBytes
      ? `is truncated: it ends at byte ${fileBytes}, its header and array take ${head.fileBytes}; generate or copy it again`
      : `goes on behind its header and array, which take ${head.fileBytes} bytes`,
    Math.min(fileBytes, head.fileBytes),
  )
}

/** Whether bytes [begin, end) of `view` begin with the same header. */
function sameHead(head: Head, view: DataView, begin: number, end: number): boolean {
  const known = head.view
  const length = known.byteLength
  if (end - begin < length) return false
  let i = 0
  for (; i + 4 <= length; i += 4) if (view.getInt32(begin + i) !== known.getInt32(i)) return false
  for (; i < length; i++) if (view.getUint8(begin + i) !== known.getUint8(i)) return false
  return true
}
