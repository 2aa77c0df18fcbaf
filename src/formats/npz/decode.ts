// The values of samples of .npz files. Files of the usual form (member x first and stored, a sample's bytes side by side) are read straight
// to where the caller wants them; all others are walked from end to end and decoded with every checksum.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { type ArrayLayout, type DecoderOptions, type SampleDecoder, type SampleTarget, slackBytes } from '../decoder.js'
import { inflaterOnDemand } from '../inflate.js'
import { u32 } from '../little-endian.js'
import { type NpyHeader, parseNpyHeader } from '../npy/layout.js'
import { PlacedReads } from '../placed-read.js'
import { checkSampleIndex, checkSamples, sampleLayout } from '../sample-array.js'
import { SampleGather } from '../sample-gather.js'
import { SequentialSource } from '../sequential.js'
import { type Head, recogniseHead } from './head.js'
import { centralSignature, localFixedBytes, localHeaderBytes, localSignature, parseLocalHeader, stored } from './layout.js'
import { labelsMember, samplesArray, samplesMember } from './members.js'
import { walkArchive } from './walk.js'

/** Longest head looked for at first: local header, extra field and .npy header of NumPy have 183 bytes. */
const firstHeadBytes = 448
/** Files of several samples are decoded whole and kept, up to this size, since the next sample is mostly of the same file. */
const mostKeptBytes = 2 ** 26
const mostLabelBytes = 2 ** 26

/** A decoded file. */
interface Kept {
  readonly uri: string
  readonly layout: ArrayLayout
  readonly samples: number
  /** One sample behind the other. */
  readonly bytes: Uint8Array
  readonly labels: Labels | undefined
}

interface Labels {
  readonly layout: ArrayLayout
  readonly bytes: Uint8Array
}

export class NpzDecoder implements SampleDecoder {
  readonly #source: SequentialSource
  readonly #placed: PlacedReads
  #head: Head | undefined
  #layout: ArrayLayout | undefined
  #labelHead: LabelHead | undefined
  #kept: Kept | undefined
  readonly #getInflater = inflaterOnDemand()

  constructor(
    private readonly port: IoPort,
    private readonly options: DecoderOptions,
  ) {
    this.#source = new SequentialSource(port, options.requestBytes)
    this.#placed = new PlacedReads(port, options)
  }

  *decode(uri: string, sample: number, target: SampleTarget): Io<void> {
    if (this.#kept?.uri === uri) return this.#placeKept(this.#kept, sample, target)
    const { port, options } = this
    const handle = yield port.open(uri)
    try {
      const askedBytes = options.throughWindow ? options.requestBytes : Math.min(firstHeadBytes + 64, options.requestBytes)
      const got = yield port.read(handle, 0, askedBytes)
      const { window } = port
      if (options.verify || !this.#recognise(uri, window.begin, window.begin + got)) yield* this.#decodeWalking(uri, handle, sample, target)
      else yield* this.#decodeStraight(uri, handle, sample, target)
    } finally {
      yield port.close(handle)
    }
  }

  // biome-ignore lint/correctness/useYield: no file stays open between samples
  *close(): Io<void> {
    this.#kept = undefined
  }

  /** Takes up the head in window bytes [begin, end); false where the sample cannot be read by itself. */
  #recognise(uri: string, begin: number, end: number): boolean {
    const head = recogniseHead(uri, this.port.window, begin, end, this.#head, this.options)
    if (head !== this.#head) this.#layout = head && sampleLayout(head.header)
    this.#head = head
    return this.#head?.contiguous === true
  }

  /** One call for the sample's bytes and, where x holds only this sample, for the labels behind it. */
  *#decodeStraight(uri: string, handle: number, sample: number, target: SampleTarget): Io<void> {
    const head = this.#head!
    checkSampleIndex(uri, sample, head.samples)
    const { sampleBytes, memberEnd } = head
    const begin = head.dataOffset + sample * sampleBytes
    const { window } = this.port
    const heldBytes = window.end - window.begin
    // What the window holds of the labels must be looked at before it is used again.
    const early =
      heldBytes > memberEnd ? this.#labelIn(uri, window.bytes, window.begin + memberEnd, window.end, memberEnd, sample) : 'elsewhere'
    const isLast = begin + sampleBytes === memberEnd
    const tailBytes = early === 'elsewhere' && isLast && !this.options.throughWindow ? slackBytes : 0
    const at = target.place(this.#layout!)
    const got = yield* this.#placed.read(handle, begin, sampleBytes + tailBytes, target.bytes, at, 0)
    if (got < sampleBytes)
      throw new DataError(
        uri,
        `is truncated: sample ${sample} needs its bytes [${begin}, ${begin + sampleBytes}), the file ends at ${begin + got}`,
        begin + got,
      )
    const found = tailBytes === 0 ? early : this.#labelIn(uri, target.bytes, at + sampleBytes, at + got, memberEnd, sample)
    if (found === undefined) return
    if (found !== 'elsewhere') return placeBytes(target, found.layout, found.bytes, 0)
    const labels = yield* this.#readLabels(uri, handle, memberEnd)
    if (labels !== undefined) placeLabel(uri, labels, sample, target)
  }

  /** The label of `sample` where bytes [begin, end), which stand at file offset `memberEnd`, hold it; undefined where the file has no labels. */
  #labelIn(
    uri: string,
    bytes: Uint8Array,
    begin: number,
    end: number,
    memberEnd: number,
    sample: number,
  ): Labels | 'elsewhere' | undefined {
    if (this.#labelHead?.isAt(bytes, begin, end) !== true) {
      if (end - begin >= 4 && u32(bytes, begin) === centralSignature) return undefined
      this.#labelHead = LabelHead.parse(uri, bytes, begin, end, memberEnd)
    }
    const head = this.#labelHead
    if (head === undefined || sample >= head.count) return 'elsewhere'
    const from = begin + head.byteLength + sample * head.layout.sizeBytes
    if (from + head.layout.sizeBytes > end) return 'elsewhere'
    return { layout: head.layout, bytes: bytes.slice(from, from + head.layout.sizeBytes) }
  }

  /** Member y where it follows x; a walk through the file where it does not. */
  *#readLabels(uri: string, handle: number, memberEnd: number): Io<Labels | undefined> {
    const { window } = this.port
    const got = yield this.port.read(handle, memberEnd, Math.min(this.options.requestBytes, 65_536))
    if (got >= 4 && u32(window.bytes, window.begin) === centralSignature) return undefined
    const head = LabelHead.parse(uri, window.bytes, window.begin, window.begin + got, memberEnd)
    const labelsBytes = head === undefined ? 0 : head.count * head.layout.sizeBytes
    if (head === undefined || head.byteLength + labelsBytes > got) return (yield* this.#walk(uri, handle, 'labels')).labels
    const from = window.begin + head.byteLength
    return { layout: head.layout, bytes: window.bytes.slice(from, from + labelsBytes) }
  }

  *#decodeWalking(uri: string, handle: number, sample: number, target: SampleTarget): Io<void> {
    const file = yield* this.#walk(uri, handle, sample)
    if (file.samples > 1 && file.bytes.length === file.samples * file.layout.sizeBytes) this.#kept = file
    this.#placeKept(file, sample, target)
  }

  /** Decodes the whole archive, and keeps the samples, the one sample, or only the labels. */
  *#walk(uri: string, handle: number, wanted: number | 'labels'): Io<Kept> {
    let gather: SampleGather | undefined
    let samples = 0
    let labelHeader: NpyHeader | undefined
    let labelBytes = new Uint8Array(0)
    let filled = 0
    const source = this.#source
    source.start(uri, handle)
    const visitor = {
      decode: true,
      array: (name: string, header: NpyHeader) => {
        if (name === samplesMember) {
          samples = checkSamples(uri, header, this.options, samplesArray)
          if (wanted === 'labels') return
          checkSampleIndex(uri, wanted, samples)
          gather = header.dataBytes <= mostKeptBytes ? new SampleGather(header, 0, samples) : new SampleGather(header, wanted, 1)
        } else if (name === labelsMember && header.shape.length === 1 && header.dataBytes <= mostLabelBytes) {
          labelHeader = header
          labelBytes = new Uint8Array(header.dataBytes)
        }
      },
      data: (name: string, bytes: Uint8Array, begin: number, end: number) => {
        if (name === samplesMember) gather?.push(bytes, begin, end)
        else if (name === labelsMember && labelHeader !== undefined) {
          labelBytes.set(bytes.subarray(begin, end), filled)
          filled += end - begin
        }
      },
    }
    yield* walkArchive(source, visitor, this.#getInflater)
    return {
      uri,
      samples,
      layout: gather === undefined ? noLayout : sampleLayout(gather.header),
      bytes: gather?.bytes ?? new Uint8Array(0),
      labels: labelHeader === undefined ? undefined : { layout: labelLayout(labelHeader), bytes: labelBytes },
    }
  }

  #placeKept({ uri, layout, samples, bytes, labels }: Kept, sample: number, target: SampleTarget): void {
    checkSampleIndex(uri, sample, samples)
    placeBytes(target, layout, bytes, bytes.length === layout.sizeBytes ? 0 : sample * layout.sizeBytes)
    if (labels !== undefined) placeLabel(uri, labels, sample, target)
  }
}

function placeLabel(uri: string, { layout, bytes }: Labels, sample: number, target: SampleTarget): void {
  if ((sample + 1) * layout.sizeBytes > bytes.length)
    throw new DataError(uri, `member ${labelsMember} holds ${bytes.length / layout.sizeBytes} labels, none for sample ${sample}`)
  placeBytes(target, layout, bytes, sample * layout.sizeBytes)
}

function placeBytes(target: SampleTarget, layout: ArrayLayout, bytes: Uint8Array, from: number): void {
  const at = target.place(layout)
  target.bytes.set(bytes.subarray(from, from + layout.sizeBytes), at)
}

const noLayout: ArrayLayout = { role: 'data', name: 'x', dtype: '|u1', shape: [], fortranOrder: false, sizeBytes: 0 }

/** y[i] */
function labelLayout({ type }: NpyHeader): ArrayLayout {
  return { role: 'label', name: 'y', dtype: type.descr, shape: [], fortranOrder: false, sizeBytes: type.itemBytes }
}

const crcOffset = 14

/** Local header and .npy header of member y, stored. */
class LabelHead {
  private constructor(
    private readonly known: Uint8Array,
    readonly layout: ArrayLayout,
    readonly count: number,
  ) {}

  get byteLength(): number {
    return this.known.length
  }

  /** The head at `begin`, which stands at `fileOffset`; undefined where another member, or not all of it, is there. @throws DataError */
  static parse(uri: string, bytes: Uint8Array, begin: number, end: number, fileOffset: number): LabelHead | undefined {
    if (end - begin < localFixedBytes || u32(bytes, begin) !== localSignature) return undefined
    const npyOffset = localHeaderBytes(bytes, begin)
    if (end - begin < npyOffset) return undefined
    const member = parseLocalHeader(uri, bytes, begin, fileOffset)
    if (member.name !== labelsMember || member.method !== stored || member.sizesFollow) return undefined
    const header = parseNpyHeader(uri, bytes, begin + npyOffset, end, fileOffset + npyOffset)
    if (typeof header === 'number' || header.shape.length !== 1) return undefined
    if (header.headerBytes + header.dataBytes !== member.compressedBytes) return undefined
    return new LabelHead(bytes.slice(begin, begin + npyOffset + header.headerBytes), labelLayout(header), header.elements)
  }

  /** Whether the same head, its CRC aside, stands at `begin`. */
  isAt(bytes: Uint8Array, begin: number, end: number): boolean {
    const { known } = this
    if (end - begin < known.length) return false
    for (let i = 0; i < known.length; i++) if (bytes[begin + i] !== known[i] && (i < crcOffset || i >= crcOffset + 4)) return false
    return true
  }
}
