// Runs in a thread of its own: decodes what it is sent.
import type { Pixels } from '../image/codec.js'
import { serveRequests } from '../waiting-thread.js'
import type { DecodeRequest } from './decoder.js'
import { decodeJpeg } from './library.js'

serveRequests<DecodeRequest, Pixels | undefined>(async ({ uri, bytes, header, wantsPixels }) => {
  const pixels = await decodeJpeg(uri, bytes, header)
  return wantsPixels ? pixels : undefined
})
