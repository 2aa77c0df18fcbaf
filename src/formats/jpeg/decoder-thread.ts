// Runs in a thread of its own: decodes what it is sent and says what was wrong.
import { workerData } from 'node:worker_threads'
import { serializeError } from '../../errors.js'
import type { DecodeAnswer, DecodeRequest, DecoderStart } from './decoder.js'
import { decodeJpeg } from './library.js'

const { port, answered } = workerData as DecoderStart
const count = new Int32Array(answered)
port.on('message', ({ uri, bytes, header }: DecodeRequest) => {
  decodeJpeg(uri, bytes, header)
    .then((): DecodeAnswer => ({}))
    .catch((error: unknown): DecodeAnswer => ({ error: serializeError(error) }))
    .then((answer) => {
      port.postMessage(answer)
      Atomics.add(count, 0, 1)
      Atomics.notify(count, 0)
    })
})
