// Decoding a JPEG and waiting for it.
import { DataError } from '../../errors.js'
import { entryFile } from '../../package.js'
import type { ImageHeader } from '../image/codec.js'
import type { ImageDecoder } from '../image/read.js'
import { WaitingThread } from '../waiting-thread.js'

export interface DecodeRequest {
  readonly uri: string
  readonly bytes: Uint8Array
  readonly header: ImageHeader
}

export class WaitingDecoder implements ImageDecoder {
  readonly #thread = new WaitingThread<DecodeRequest>(entryFile('formats/jpeg/decoder-thread.js'))

  check(uri: string, bytes: Uint8Array, header: ImageHeader): void {
    this.#thread.ask({ uri, bytes, header }, (seconds) => new DataError(uri, `could not be decoded within ${seconds} s`))
  }

  close(): void {
    this.#thread.close()
  }
}
