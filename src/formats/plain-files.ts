// Plain node:fs behind the I/O seam, for `inspect`: regular files only, so that no pipe or device can keep it waiting for ever.
import { statSync } from 'node:fs'
import { StorageError } from '../errors.js'
import { createWindow, IoPort, runBlocking } from '../storage/io.js'
import { LocalStorage } from '../storage/local.js'
import { privateMeter } from '../storage/meter.js'
import type { BlockingStorage, Io, IoRequest } from '../storage/types.js'

/** Local files that are looked at outside of any run. Throws StorageError. */
export class PlainFiles implements BlockingStorage {
  readonly #storage = new LocalStorage(false, privateMeter())

  perform(request: IoRequest): number {
    if (request.op === 'open' && statSync(request.uri, { throwIfNoEntry: false })?.isFile() === false)
      throw new StorageError(request.uri, 'open', 'it is no regular file')
    return this.#storage.perform(request)
  }
}

/** The first `byteLength` bytes of a file, fewer where it is shorter. @throws StorageError */
export function readFirstBytes(path: string, byteLength: number): Uint8Array {
  return runOnPlainFiles(function* (port): Io<Uint8Array> {
    const handle = yield port.open(path)
    try {
      yield port.read(handle, 0, byteLength)
      return port.window.bytes.slice(port.window.begin, port.window.end)
    } finally {
      yield port.close(handle)
    }
  })
}

const pieceBytes = 262_144

/** Runs an I/O computation on plain files. Throws what it throws, and StorageError. */
export function runOnPlainFiles<T>(compute: (port: IoPort, requestBytes: number) => Io<T>): T {
  return runBlocking(compute(new IoPort(createWindow(pieceBytes)), pieceBytes), new PlainFiles())
}
