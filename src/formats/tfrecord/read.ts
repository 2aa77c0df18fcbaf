// Streams TFRecord files over the I/O seam: reads of `requestBytes` one behind the other and one empty read at the end, as TensorFlow makes
// them (`core/lib/io/record_reader.cc` over a buffered input stream); see README.md.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { type ElementType, elementTypeByName } from '../dtype.js'
import { SequentialSource } from '../sequential.js'
import type { ReaderOptions, StreamReader } from '../types.js'
import { frameFooterBytes, frameHeaderBytes } from './layout.js'
import { checkRecord, payloadLength, type RecordInfo } from './records.js'

export class TfrecordReader implements StreamReader {
  #uri = ''
  #handle = -1
  /** Records complete in this file. */
  #count = 0
  /** File offset of the next read. */
  #offset = 0
  /** Bytes of the present record (payload and its checksum) that are still to come; 0 between records. */
  #left = 0
  /** A frame header that straddles two pieces. */
  readonly #header = new Uint8Array(frameHeaderBytes)
  readonly #headerView = new DataView(this.#header.buffer)
  #headerFilled = 0
  /** The frame header before: records of one data set mostly have the same length, so its checksum need not be computed again. */
  #knownLow = -1
  #knownHigh = -1
  #knownCrc = -1
  /** With `verify`. */
  readonly #source: SequentialSource | undefined
  readonly #type: ElementType | undefined

  constructor(
    private readonly port: IoPort,
    private readonly options: ReaderOptions,
  ) {
    if (!options.verify) return
    this.#source = new SequentialSource(port, options.requestBytes)
    this.#type = elementTypeByName(options.elementType)
  }

  *open(uri: string): Io<void> {
    yield* this.close()
    this.#handle = yield this.port.open(uri)
    this.#uri = uri
    this.#count = 0
    this.#offset = 0
    this.#left = 0
    this.#headerFilled = 0
    this.#source?.start(uri, this.#handle)
  }

  *advance(): Io<number> {
    try {
      const count = this.#source === undefined ? yield* this.#frames() : yield* this.#check(this.#source)
      if (count < 0) yield* this.close()
      return count
    } catch (error) {
      yield* this.close()
      throw error
    }
  }

  *close(): Io<void> {
    if (this.#handle < 0) return
    const handle = this.#handle
    this.#handle = -1
    yield this.port.close(handle)
  }

  /** Reads pieces until one completes a record; only the framing is parsed. */
  *#frames(): Io<number> {
    const { port } = this
    const { window } = port
    for (;;) {
      const got = yield port.read(this.#handle, this.#offset, this.options.requestBytes)
      if (got === 0) return this.#finish()
      const before = this.#count
      this.#count += this.#framesIn(window.bytes, window.view, window.begin, window.end)
      this.#offset += got
      if (this.#count > before) return this.#count
    }
  }

  /** Follows the frames through one piece; returns how many records it completes. */
  #framesIn(bytes: Uint8Array, view: DataView, begin: number, end: number): number {
    let at = begin
    let complete = 0
    for (;;) {
      if (this.#left > 0) {
        if (this.#left > end - at) {
          this.#left -= end - at
          return complete
        }
        at += this.#left
        this.#left = 0
        complete++
      }
      if (at === end) return complete
      let low: number
      let high: number
      let crc: number
      if (this.#headerFilled === 0 && end - at >= frameHeaderBytes) {
        low = view.getUint32(at, true)
        high = view.getUint32(at + 4, true)
        crc = view.getUint32(at + 8, true)
        at += frameHeaderBytes
      } else {
        while (this.#headerFilled < frameHeaderBytes && at < end) this.#header[this.#headerFilled++] = bytes[at++]!
        if (this.#headerFilled < frameHeaderBytes) return complete
        this.#headerFilled = 0
        low = this.#headerView.getUint32(0, true)
        high = this.#headerView.getUint32(4, true)
        crc = this.#headerView.getUint32(8, true)
      }
      if (low !== this.#knownLow || high !== this.#knownHigh || crc !== this.#knownCrc) {
        payloadLength(this.#uri, low, high, crc, this.#count + complete, this.#offset + (at - begin) - frameHeaderBytes)
        this.#knownLow = low
        this.#knownHigh = high
        this.#knownCrc = crc
      }
      this.#left = low + 4_294_967_296 * high + frameFooterBytes
    }
  }

  /** The next record with everything about it checked. */
  *#check(source: SequentialSource): Io<number> {
    const record = yield* checkRecord(source, this.#count)
    if (record === undefined) {
      this.#offset = source.position
      return this.#finish()
    }
    this.#checkFeatures(record)
    return ++this.#count
  }

  #checkFeatures({ byteOffset, features }: RecordInfo): void {
    const image = features.get('image')
    const size = features.get('size')
    const fail = (why: string): never => {
      throw new DataError(this.#uri, `record ${this.#count} ${why}`, byteOffset)
    }
    const names = [...features.keys()].slice(0, 10).join(', ') || 'none'
    if (image?.kind !== 'bytes' || image.count !== 1) fail(`has no feature image of one bytes value; its features are ${names}`)
    if (size?.kind !== 'int64' || size.integers.length !== 1) fail(`has no feature size of one int64 value; its features are ${names}`)
    if (size!.integers[0] !== image!.firstBytes)
      fail(`has an image of ${image!.firstBytes} bytes where its feature size says ${size!.integers[0]}`)
    const itemBytes = this.#type?.itemBytes ?? 1
    if (image!.firstBytes % itemBytes !== 0)
      fail(
        `has an image of ${image!.firstBytes} bytes, which are no whole elements of the configuration's record_element_type ${this.options.elementType}`,
      )
  }

  /** The file has ended. @throws DataError where it ended too early */
  #finish(): -1 {
    if (this.#left > 0 || this.#headerFilled > 0) {
      const missing = this.#left > 0 ? this.#left : frameHeaderBytes - this.#headerFilled
      throw new DataError(this.#uri, `is truncated: it ends within record ${this.#count}, ${missing} bytes early`, this.#offset)
    }
    if (this.#count < this.options.samplesPerFile)
      throw new DataError(
        this.#uri,
        `holds ${this.#count} records; the configuration says num_samples_per_file ${this.options.samplesPerFile}`,
        this.#offset,
      )
    return -1
  }
}
