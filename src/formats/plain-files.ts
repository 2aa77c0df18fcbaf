// Plain node:fs behind the I/O seam, for `inspect`: regular files only, so that no pipe or device can keep it waiting for ever.
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { StorageError } from '../errors.js'
import { createWindow, IoPort, runBlocking } from '../storage/io.js'
import type { BlockingStorage, Io, IoRequest } from '../storage/types.js'

class PlainFiles implements BlockingStorage {
  #path = ''

  perform(request: IoRequest): number {
    try {
      return this.#perform(request)
    } catch (error) {
      if (error instanceof StorageError) throw error
      const { code, message } = error as NodeJS.ErrnoException
      throw new StorageError(this.#path, request.op, reason(code) ?? message, code)
    }
  }

  #perform(request: IoRequest): number {
    switch (request.op) {
      case 'open': {
        this.#path = request.uri
        if (!statSync(request.uri).isFile()) throw new StorageError(request.uri, 'open', 'it is no regular file')
        return openSync(request.uri, 'r')
      }
      case 'size':
        return fstatSync(request.handle).size
      case 'read': {
        // Answers may be short only at the end of the file, so reading goes on until there is no more.
        let filled = 0
        while (filled < request.byteLength) {
          const n = readSync(request.handle, request.window.bytes, filled, request.byteLength - filled, request.byteOffset + filled)
          if (n === 0) break
          filled += n
        }
        request.window.begin = 0
        request.window.end = filled
        return filled
      }
      case 'close':
        closeSync(request.handle)
        return 0
    }
  }
}

function reason(code: string | undefined): string | undefined {
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES') return 'permission denied'
  return undefined
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
