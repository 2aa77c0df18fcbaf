// The values of images: their pixels as Pillow returns them, (height, width) or (height, width, channels).
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import type { ArrayLayout, DecoderOptions, SampleDecoder, SampleTarget } from '../decoder.js'
import { checkSampleIndex } from '../sample-array.js'
import { SequentialSource } from '../sequential.js'
import type { ImageCodec, Pixels } from './codec.js'
import { beginsWith, collectImage, type ImageDecoder } from './read.js'

export class ImageSampleDecoder implements SampleDecoder {
  readonly #source: SequentialSource
  #decoder: ImageDecoder | undefined
  /** Where every sample of a file is its one image. */
  #kept: { readonly uri: string; readonly pixels: Pixels } | undefined

  constructor(
    private readonly port: IoPort,
    private readonly options: DecoderOptions,
    private readonly codec: ImageCodec,
    private readonly createDecoder: () => ImageDecoder,
  ) {
    this.#source = new SequentialSource(port, options.requestBytes)
  }

  *decode(uri: string, sample: number, target: SampleTarget): Io<void> {
    checkSampleIndex(uri, sample, this.options.samplesPerFile)
    const pixels = this.#kept?.uri === uri ? this.#kept.pixels : yield* this.#pixels(uri)
    if (this.options.samplesPerFile > 1) this.#kept = { uri, pixels }
    const { shape, dtype, bytes } = pixels
    const layout: ArrayLayout = { role: 'data', name: 'image', dtype, shape, fortranOrder: false, sizeBytes: bytes.length }
    const at = target.place(layout)
    target.bytes.set(bytes, at)
  }

  // biome-ignore lint/correctness/useYield: no file stays open between samples
  *close(): Io<void> {
    this.#kept = undefined
    this.#decoder?.close()
    this.#decoder = undefined
  }

  *#pixels(uri: string): Io<Pixels> {
    const { port, codec, options } = this
    const source = this.#source
    const handle = yield port.open(uri)
    try {
      source.start(uri, handle)
      if (!(yield* source.fill())) throw new DataError(uri, 'is empty: it has 0 bytes')
      if (!beginsWith(source, codec.signature))
        throw new DataError(
          uri,
          `is no ${codec.name} image, so it has no pixels to load: it does not begin like one. MLCommons' DLIO writes bytes without a container; generate with --semantics upstream`,
          0,
        )
      const { header, bytes } = yield* collectImage(source, codec, options.verify)
      this.#decoder ??= this.createDecoder()
      return this.#decoder.decode(uri, bytes, header)
    } finally {
      yield port.close(handle)
    }
  }
}
