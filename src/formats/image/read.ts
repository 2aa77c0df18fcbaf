// Reads image files over the I/O seam: the whole file for each sample, which is all that any DLIO and any library can do.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { checkSampleIndex } from '../sample-array.js'
import { SequentialSource } from '../sequential.js'
import type { ReaderOptions, SampleReader } from '../types.js'
import { type ImageCodec, type ImageHeader, maxDecodedFileBytes, type Pixels } from './codec.js'

/** Decodes an image that is in memory, waiting for it. */
export interface ImageDecoder {
  /** @throws DataError where the image cannot be decoded, or not to the size that its header says */
  check(uri: string, bytes: Uint8Array, header: ImageHeader): void
  /** The pixels as Pillow returns them. @throws DataError */
  decode(uri: string, bytes: Uint8Array, header: ImageHeader): Pixels
  close(): void
}

export class ImageReader implements SampleReader {
  readonly #source: SequentialSource
  /** With `keepOpen`: files whose decoded image upstream would still hold. */
  readonly #held = new Set<string>()
  #decoder: ImageDecoder | undefined

  constructor(
    port: IoPort,
    private readonly options: ReaderOptions,
    private readonly codec: ImageCodec,
    private readonly createDecoder: () => ImageDecoder,
  ) {
    this.#port = port
    this.#source = new SequentialSource(port, options.requestBytes)
  }
  readonly #port: IoPort;

  /** The one image of the file, whichever sample is asked for. */
  *read(uri: string, sample: number): Io<number> {
    checkSampleIndex(uri, sample, this.options.samplesPerFile)
    if (this.#held.has(uri)) return 0
    const source = this.#source
    const handle = yield this.#port.open(uri)
    let fileBytes: number
    try {
      source.start(uri, handle)
      fileBytes = yield* this.#readFile(uri, source)
    } finally {
      yield this.#port.close(handle)
    }
    if (this.options.keepOpen) this.#held.add(uri)
    return fileBytes
  }

  // biome-ignore lint/correctness/useYield: there is nothing to ask of the storage
  *release(uri: string): Io<void> {
    this.#held.delete(uri)
  }

  // biome-ignore lint/correctness/useYield: there is nothing to ask of the storage
  *close(): Io<void> {
    this.#held.clear()
    this.#decoder?.close()
    this.#decoder = undefined
  }

  *#readFile(uri: string, source: SequentialSource): Io<number> {
    if (!(yield* source.fill())) throw new DataError(uri, 'is empty: it has 0 bytes')
    if (!beginsWith(source, this.codec.signature)) return yield* this.#readRaw(uri, source)
    let problem: DataError | undefined
    const { verify } = this.options
    const collected = verify ? new Collector(uri) : undefined
    if (collected !== undefined) source.tap((bytes) => collected.add(bytes))
    try {
      const header = yield* this.codec.walk(source, verify)
      source.untap()
      if (collected !== undefined) {
        this.#decoder ??= this.createDecoder()
        this.#decoder.check(uri, collected.bytes, header)
      }
    } catch (error) {
      if (!(error instanceof DataError) || !this.#mayBeRaw) throw error
      source.untap()
      problem = error
    }
    yield* source.passRest()
    // Random bytes that happen to begin like an image.
    if (problem !== undefined && source.position !== this.options.sampleBytes) throw problem
    return source.position
  }

  /** MLCommons' generators write bytes that are no image, and its readers do not mind. */
  get #mayBeRaw(): boolean {
    return this.options.extent !== 'upstream'
  }

  *#readRaw(uri: string, source: SequentialSource): Io<number> {
    const { sampleBytes } = this.options
    const { name, signature } = this.codec
    const first = hex(source.bytes.subarray(source.begin, Math.min(source.end, source.begin + signature.length)))
    const what = `begins with ${first}, not with the ${hex(Uint8Array.from(signature))} of a ${name} file`
    if (!this.#mayBeRaw) throw new DataError(uri, `${what}; Pillow, and so upstream DLIO, cannot read it`, 0)
    yield* source.passRest()
    if (sampleBytes !== undefined && source.position !== sampleBytes)
      throw new DataError(
        uri,
        `${what}, and is not the ${sampleBytes} raw bytes that MLCommons' generator writes either: it has ${source.position}`,
        0,
      )
    return source.position
  }
}

/** The bytes of a file, kept as they pass by. */
class Collector {
  #bytes = new Uint8Array(65_536)
  #length = 0

  constructor(private readonly uri: string) {}

  add(bytes: Uint8Array): void {
    const length = this.#length + bytes.length
    if (length > maxDecodedFileBytes)
      throw new DataError(this.uri, `has more than ${maxDecodedFileBytes} bytes, the longest image that is decoded`, length)
    if (length > this.#bytes.length) {
      const longer = new Uint8Array(Math.min(maxDecodedFileBytes, 2 * length))
      longer.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = longer
    }
    this.#bytes.set(bytes, this.#length)
    this.#length = length
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }
}

/** An image file that is in memory. */
export interface CollectedImage {
  readonly header: ImageHeader
  readonly bytes: Uint8Array
}

/** Takes the whole file into memory, following its framing. @throws DataError */
export function* collectImage(source: SequentialSource, codec: ImageCodec, verify: boolean): Io<CollectedImage> {
  const collected = new Collector(source.uri)
  source.tap((bytes) => collected.add(bytes))
  const header = yield* codec.walk(source, verify)
  source.untap()
  return { header, bytes: collected.bytes }
}

/** Whether the piece at hand begins with `signature`; a piece shorter than that is the whole file. */
export function beginsWith(source: SequentialSource, signature: readonly number[]): boolean {
  return signature.every((byte, i) => source.bytes[source.begin + i] === byte && source.begin + i < source.end)
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
}
