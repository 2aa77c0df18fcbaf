// Blocking access to a local file for `inspect`, which looks at single files outside of any run.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { StorageError } from '../../errors.js'
import type { BlockingStorage, IoRequest } from '../../storage/types.js'

/** Carries out requests on local files with plain system calls. Throws StorageError. */
export class LocalFiles implements BlockingStorage {
  private uri = ''

  perform(request: IoRequest): number {
    try {
      switch (request.op) {
        case 'open':
          this.uri = request.uri
          return openSync(request.uri, 'r')
        case 'size': {
          const status = fstatSync(request.handle)
          if (!status.isFile()) throw new StorageError(this.uri, 'read', 'it is no regular file')
          return status.size
        }
        case 'read':
          return this.read(request)
        case 'close':
          closeSync(request.handle)
          return 0
      }
    } catch (error) {
      if (error instanceof StorageError) throw error
      const { message, code } = error as NodeJS.ErrnoException
      throw new StorageError(this.uri, request.op, message, code)
    }
  }

  private read({ handle, byteOffset, byteLength, window }: IoRequest): number {
    window.begin = 0
    window.end = 0
    while (window.end < byteLength) {
      const read = readSync(handle, window.bytes, window.end, byteLength - window.end, byteOffset + window.end)
      if (read === 0) break
      window.end += read
    }
    return window.end
  }
}
