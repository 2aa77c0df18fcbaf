// The values of samples of .npy files: straight to where the caller wants them where a sample's bytes lie side by side, else picked out of the
// whole array.
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import type { ArrayLayout, DecoderOptions, SampleDecoder, SampleTarget } from '../decoder.js'
import { PlacedReads } from '../placed-read.js'
import { checkSampleIndex, sampleLayout } from '../sample-array.js'
import { SampleGather } from '../sample-gather.js'
import { SequentialSource } from '../sequential.js'
import { failLength, type Head, NpyHeads } from './head.js'

/** Length looked at first; headers of shapes that DLIO makes have 128 bytes. */
const firstBytes = 512
/** Arrays whose samples interleave are kept up to this size, since the next sample is mostly of the same file. */
const mostKeptBytes = 2 ** 26

interface Kept {
  readonly uri: string
  readonly samples: number
  readonly layout: ArrayLayout
  /** One sample behind the other. */
  readonly bytes: Uint8Array
}

export class NpyDecoder implements SampleDecoder {
  readonly #heads: NpyHeads
  readonly #placed: PlacedReads
  readonly #source: SequentialSource
  #layout: { readonly head: Head; readonly layout: ArrayLayout } | undefined
  #kept: Kept | undefined

  constructor(
    private readonly port: IoPort,
    private readonly options: DecoderOptions,
  ) {
    this.#heads = new NpyHeads(port, options)
    this.#placed = new PlacedReads(port, options)
    this.#source = new SequentialSource(port, options.requestBytes)
  }

  *decode(uri: string, sample: number, target: SampleTarget): Io<void> {
    if (this.#kept?.uri === uri) return placeKept(this.#kept, sample, target)
    const { port } = this
    const handle = yield port.open(uri)
    try {
      const askedBytes = Math.min(firstBytes, this.options.requestBytes)
      yield port.read(handle, 0, askedBytes)
      const head = yield* this.#heads.read(uri, handle, askedBytes)
      checkSampleIndex(uri, sample, head.samples)
      // Memory is taken for what a file says only once it is there.
      yield* this.#heads.checkLength(uri, handle, head)
      if (head.contiguous) yield* this.#decodeStraight(uri, handle, head, sample, target)
      else yield* this.#decodeGathering(uri, handle, head, sample, target)
    } finally {
      yield port.close(handle)
    }
  }

  // biome-ignore lint/correctness/useYield: no file stays open between samples
  *close(): Io<void> {
    this.#kept = undefined
  }

  *#decodeStraight(uri: string, handle: number, head: Head, sample: number, target: SampleTarget): Io<void> {
    const { sampleBytes } = head
    const begin = head.headerBytes + sample * sampleBytes
    const at = target.place(this.#layoutOf(head))
    const got = yield* this.#placed.read(handle, begin, sampleBytes, target.bytes, at, 0)
    if (got < sampleBytes) failLength(uri, begin + got, head)
  }

  *#decodeGathering(uri: string, handle: number, head: Head, sample: number, target: SampleTarget): Io<void> {
    const { header, samples } = head
    const isKept = header.dataBytes <= mostKeptBytes
    const gather = isKept ? new SampleGather(header, 0, samples) : new SampleGather(header, sample, 1)
    this.#source.start(uri, handle, head.headerBytes)
    yield* this.#source.pass(header.dataBytes, 'its data', (bytes, begin, end) => gather.push(bytes, begin, end))
    const kept: Kept = { uri, samples, layout: this.#layoutOf(head), bytes: gather.bytes }
    if (isKept) this.#kept = kept
    placeKept(kept, isKept ? sample : 0, target)
  }

  /** One object for each head, so that samples of equal files have the same one. */
  #layoutOf(head: Head): ArrayLayout {
    if (this.#layout?.head !== head) this.#layout = { head, layout: sampleLayout(head.header) }
    return this.#layout.layout
  }
}

function placeKept({ uri, samples, layout, bytes }: Kept, sample: number, target: SampleTarget): void {
  checkSampleIndex(uri, sample, samples)
  const from = sample * layout.sizeBytes
  target.bytes.set(bytes.subarray(from, from + layout.sizeBytes), target.place(layout))
}
