// The values of records of TFRecord files: the bytes of feature `image`, straight to where the caller wants them. Records of one data set
// mostly have the same length and wrapping, so that a record is parsed only where its beginning differs from the one before.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import type { ArrayLayout, DecoderOptions, SampleDecoder, SampleTarget } from '../decoder.js'
import { type ElementType, elementTypeByName } from '../dtype.js'
import { u32 } from '../little-endian.js'
import { PlacedReads } from '../placed-read.js'
import { SequentialSource } from '../sequential.js'
import { type Feature, parseExample } from './example.js'
import { frameFooterBytes, frameHeaderBytes } from './layout.js'
import { checkRecord, payloadLength } from './records.js'

/** DLIO's name of the feature with the sample (TFRecordGenerator.generate). */
const imageFeature = 'image'
/** Bytes of a record that are looked at before its image is read. */
const headBytes = 512
const mostOpenFiles = 32

interface OpenFile {
  readonly uri: string
  readonly handle: number
  readonly fileBytes: number
  /** File offsets of the frames known so far: record i begins at offsets[i]. */
  readonly offsets: number[]
}

/** Where the image is in a payload. */
interface Wrapping {
  readonly payloadBytes: number
  /** Everything before the image, frame header included. */
  readonly prefix: Uint8Array
  readonly layout: ArrayLayout
}

export class TfrecordDecoder implements SampleDecoder {
  readonly #source: SequentialSource
  readonly #placed: PlacedReads
  readonly #type: ElementType
  readonly #files = new Map<string, OpenFile>()
  #wrapping: Wrapping | undefined

  constructor(
    private readonly port: IoPort,
    private readonly options: DecoderOptions,
  ) {
    this.#source = new SequentialSource(port, options.requestBytes)
    this.#placed = new PlacedReads(port, options)
    this.#type = elementTypeByName(options.elementType) ?? elementTypeByName('uint8')!
  }

  *decode(uri: string, sample: number, target: SampleTarget): Io<void> {
    let file = this.#files.get(uri)
    if (file === undefined) file = yield* this.#open(uri)
    else this.#files.delete(uri)
    this.#files.set(uri, file)
    while (file.offsets.length <= sample) yield* this.#skip(file)
    yield* this.#record(file, sample, target)
  }

  *close(): Io<void> {
    for (const { handle } of this.#files.values()) yield this.port.close(handle)
    this.#files.clear()
  }

  *#open(uri: string): Io<OpenFile> {
    if (this.#files.size >= mostOpenFiles) {
      const [oldest] = this.#files.values()
      this.#files.delete(oldest!.uri)
      yield this.port.close(oldest!.handle)
    }
    const handle: number = yield this.port.open(uri)
    return { uri, handle, fileBytes: yield this.port.size(handle), offsets: [0] }
  }

  /** Steps over the last known record by its frame header alone. */
  *#skip(file: OpenFile): Io<void> {
    const record = file.offsets.length - 1
    const offset = file.offsets[record]!
    const got = yield this.port.read(file.handle, offset, frameHeaderBytes)
    const { bytes, begin } = this.port.window
    this.#frame(file, record, bytes, begin, got)
  }

  /** Length of the payload whose frame header stands at `begin`; the next record's place becomes known. @throws DataError */
  #frame(file: OpenFile, record: number, bytes: Uint8Array, begin: number, got: number): number {
    const { uri, fileBytes, offsets } = file
    const offset = offsets[record]!
    if (got === 0)
      throw new DataError(
        uri,
        `holds ${record} records; the configuration says num_samples_per_file ${this.options.samplesPerFile}`,
        offset,
      )
    if (got < frameHeaderBytes) throw new DataError(uri, `is truncated: it ends within the header of record ${record}`, offset)
    const payloadBytes = payloadLength(uri, u32(bytes, begin), u32(bytes, begin + 4), u32(bytes, begin + 8), record, offset)
    const end = offset + frameHeaderBytes + payloadBytes + frameFooterBytes
    if (end > fileBytes)
      throw new DataError(uri, `is truncated: it ends within record ${record}, ${end - fileBytes} bytes early`, fileBytes)
    offsets[record + 1] = end
    return payloadBytes
  }

  *#record(file: OpenFile, record: number, target: SampleTarget): Io<void> {
    const { uri, handle, offsets } = file
    const offset = offsets[record]!
    const { window } = this.port
    const got = yield this.port.read(handle, offset, Math.min(this.#askedBytes(), this.options.requestBytes))
    if (!this.options.verify && this.#isKnown(file, record, got)) {
      const { prefix, layout, payloadBytes } = this.#wrapping!
      if (offsets.length === record + 1) offsets.push(offset + frameHeaderBytes + payloadBytes + frameFooterBytes)
      return yield* this.#place(file, record, layout, offset + prefix.length, offset, target)
    }
    const payloadBytes = this.#frame(file, record, window.bytes, window.begin, got)
    const image = yield* this.#parse(file, record, payloadBytes)
    const layout = this.#layoutOf(uri, record, offset, image.byteLength)
    const prefixBytes = image.begin - offset
    this.#wrapping = undefined
    if (prefixBytes <= headBytes) {
      const held = yield this.port.read(handle, offset, prefixBytes)
      if (held === prefixBytes) this.#wrapping = { payloadBytes, prefix: window.bytes.slice(window.begin, window.begin + held), layout }
    }
    yield* this.#place(file, record, layout, image.begin, undefined, target)
  }

  /** The head of a record, or where requests are dear all of it, if it is as long as the one before. */
  #askedBytes(): number {
    if (!this.options.throughWindow || this.#wrapping === undefined) return headBytes
    return Math.max(headBytes, frameHeaderBytes + this.#wrapping.payloadBytes + frameFooterBytes)
  }

  *#place(
    { uri, handle }: OpenFile,
    record: number,
    layout: ArrayLayout,
    begin: number,
    held: number | undefined,
    target: SampleTarget,
  ): Io<void> {
    const at = target.place(layout)
    const got = yield* this.#placed.read(handle, begin, layout.sizeBytes, target.bytes, at, held)
    if (got < layout.sizeBytes)
      throw new DataError(uri, `is truncated: it ends within record ${record}, ${layout.sizeBytes - got} bytes early`, begin + got)
  }

  /** Whether the record in the window is framed and wrapped as the one before, and lies within the file. */
  #isKnown({ fileBytes, offsets }: OpenFile, record: number, got: number): boolean {
    const wrapping = this.#wrapping
    if (wrapping === undefined || got < wrapping.prefix.length) return false
    if (offsets[record]! + frameHeaderBytes + wrapping.payloadBytes + frameFooterBytes > fileBytes) return false
    const { bytes, begin } = this.port.window
    const { prefix } = wrapping
    for (let i = 0; i < prefix.length; i++) if (bytes[begin + i] !== prefix[i]) return false
    return true
  }

  /** Parses a whole record, with `verify` against its checksum, for the place of its image in the file. @throws DataError */
  *#parse({ uri, handle, offsets }: OpenFile, record: number, payloadBytes: number): Io<{ begin: number; byteLength: number }> {
    const source = this.#source
    source.start(uri, handle, offsets[record]!)
    const begins: number[] = []
    // A value's number is its digest, by which its place is found again once the feature's name is known.
    const values = { begin: () => void begins.push(source.position), push: () => {}, end: () => String(begins.length - 1) }
    let features: ReadonlyMap<string, Feature>
    if (this.options.verify) features = (yield* checkRecord(source, record, { payload: () => {}, values }))!.features
    else {
      yield* source.take(frameHeaderBytes, `the header of record ${record}`)
      features = yield* parseExample(source, source.position + payloadBytes, record, values)
    }
    const image = features.get(imageFeature)
    if (image?.kind !== 'bytes' || image.count !== 1) {
      const names = [...features.keys()].slice(0, 10).join(', ') || 'none'
      throw new DataError(
        uri,
        `record ${record} has no feature ${imageFeature} of one bytes value; its features are ${names}`,
        offsets[record],
      )
    }
    return { begin: begins[Number(image.firstDigest)]!, byteLength: image.firstBytes }
  }

  /** As tf.io.decode_raw gives it: a list of elements of the configuration's type. */
  #layoutOf(uri: string, record: number, offset: number, sizeBytes: number): ArrayLayout {
    const { itemBytes, descr } = this.#type
    if (sizeBytes % itemBytes !== 0)
      throw new DataError(
        uri,
        `record ${record} has an image of ${sizeBytes} bytes, which are no whole elements of the configuration's record_element_type ${this.options.elementType}`,
        offset,
      )
    return { role: 'data', name: imageFeature, dtype: descr, shape: [sizeBytes / itemBytes], fortranOrder: false, sizeBytes }
  }
}
