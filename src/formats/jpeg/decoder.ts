// Decoding a JPEG and waiting for it: the library works in the background only, and a blocking reader has no background.
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { DataError, restoreError, type SerializedError } from '../../errors.js'
import { entryFile } from '../../package.js'
import type { ImageHeader } from '../image/codec.js'
import type { ImageDecoder } from '../image/read.js'

const timeLimitMs = 60_000

export interface DecoderStart {
  readonly port: MessagePort
  /** One integer, raised and notified for every answer. */
  readonly answered: SharedArrayBuffer
}

export interface DecodeRequest {
  readonly uri: string
  readonly bytes: Uint8Array
  readonly header: ImageHeader
}

/** What the thread says: nothing was wrong, or what was. */
export type DecodeAnswer = { readonly error?: SerializedError }

/** A thread that decodes. */
export class WaitingDecoder implements ImageDecoder {
  readonly #answered = new Int32Array(new SharedArrayBuffer(4))
  readonly #port: MessagePort
  readonly #worker: Worker

  constructor() {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    const workerData: DecoderStart = { port: port2, answered: this.#answered.buffer as SharedArrayBuffer }
    const code = `require(${JSON.stringify(entryFile('formats/jpeg/decoder-thread.js'))})`
    this.#worker = new Worker(code, { eval: true, workerData, transferList: [port2] })
    this.#worker.unref()
    this.#port.unref()
  }

  check(uri: string, bytes: Uint8Array, header: ImageHeader): void {
    const seen = Atomics.load(this.#answered, 0)
    this.#port.postMessage({ uri, bytes, header } satisfies DecodeRequest)
    Atomics.wait(this.#answered, 0, seen, timeLimitMs)
    const received = receiveMessageOnPort(this.#port) as { message: DecodeAnswer } | undefined
    if (received === undefined) throw new DataError(uri, `could not be decoded within ${timeLimitMs / 1000} s`)
    if (received.message.error !== undefined) throw restoreError(received.message.error)
  }

  close(): void {
    this.#port.close()
    void this.#worker.terminate()
  }
}
