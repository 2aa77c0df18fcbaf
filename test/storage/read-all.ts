// Reading an object, or a file, as formats do that read front to back.
import assert from 'node:assert/strict'
import type { IoPort } from '#src/storage/io.js'
import type { Io } from '#src/storage/types.js'

export function* readAll(port: IoPort, uri: string, requestBytes: number): Io<Buffer> {
  const handle = yield port.open(uri)
  const pieces: Buffer[] = []
  try {
    for (let at = 0; ; ) {
      const got = yield port.read(handle, at, requestBytes)
      const { bytes, begin, end } = port.window
      assert.equal(end - begin, got)
      pieces.push(Buffer.from(bytes.slice(begin, end)))
      at += got
      if (got < requestBytes) return Buffer.concat(pieces)
    }
  } finally {
    yield port.close(handle)
  }
}
