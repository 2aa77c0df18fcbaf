// Decoding a JPEG and waiting for it.
import { DataError } from '../../errors.js'
import { entryFile } from '../../package.js'
import type { ImageHeader, Pixels } from '../image/codec.js'
import type { ImageDecoder } from '../image/read.js'
import { WaitingThread } from '../waiting-thread.js'

export interface DecodeRequest {
  readonly uri: string
  readonly bytes: Uint8Array
  readonly header: ImageHeader
  /** Whether the pixels are wanted, or only to know that there are such. */
  readonly wantsPixels: boolean
}

export class WaitingDecoder implements ImageDecoder {
  readonly #thread = new WaitingThread<DecodeRequest, Pixels | undefined>(entryFile('formats/jpeg/decoder-thread.js'))

  check(uri: string, bytes: Uint8Array, header: ImageHeader): void {
    this.#ask({ uri, bytes, header, wantsPixels: false })
  }

  decode(uri: string, bytes: Uint8Array, header: ImageHeader): Pixels {
    return this.#ask({ uri, bytes, header, wantsPixels: true })!
  }

  close(): void {
    this.#thread.close()
  }

  #ask(request: DecodeRequest): Pixels | undefined {
    return this.#thread.ask(request, (seconds) => new DataError(request.uri, `could not be decoded within ${seconds} s`))
  }
}
