// Runs in a thread of its own: decodes what it is sent.
import { serveRequests } from '../waiting-thread.js'
import type { DecodeRequest } from './decoder.js'
import { decodeJpeg } from './library.js'

serveRequests<DecodeRequest>(async ({ uri, bytes, header }) => {
  await decodeJpeg(uri, bytes, header)
})
