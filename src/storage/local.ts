// Local files, through the page cache or past it (O_DIRECT), blocking or on the event loop.
import fs from 'node:fs'
import { StorageError } from '../errors.js'
import type { IoMeter } from './meter.js'
import type { AsyncStorage, BlockingStorage, IoRequest, Pending } from './types.js'

/** O_DIRECT wants offsets, lengths and memory aligned to the device's logical blocks, which are at most a page. */
export const directAlignment = 4096

/** Where a request's bytes lie in the file and in the window: aligned outwards for O_DIRECT, as asked otherwise. */
interface Placement {
  position: number
  length: number
}

/** What both flavours share: flags, placement, and errors with a name. */
class LocalAccess {
  private readonly flags: number
  private readonly placement: Placement = { position: 0, length: 0 }

  constructor(
    readonly direct: boolean,
    readonly meter: IoMeter,
  ) {
    this.flags = direct ? fs.constants.O_RDONLY | fs.constants.O_DIRECT : fs.constants.O_RDONLY
  }

  openFlags(): number {
    return this.flags
  }

  place(request: IoRequest): Placement {
    const { placement } = this
    if (!this.direct) {
      placement.position = request.byteOffset
      placement.length = request.byteLength
    } else {
      placement.position = request.byteOffset - (request.byteOffset % directAlignment)
      const end = request.byteOffset + request.byteLength
      placement.length = Math.ceil(end / directAlignment) * directAlignment - placement.position
    }
    return placement
  }

  /** Sets the window to the bytes that were asked for, out of `bytesRead` that came from `position` on; returns how many there are. */
  settle(request: IoRequest, position: number, bytesRead: number): number {
    const { window } = request
    const skip = request.byteOffset - position
    const got = Math.min(Math.max(bytesRead - skip, 0), request.byteLength)
    window.begin = skip
    window.end = skip + got
    return got
  }

  fail(error: unknown, request: IoRequest): StorageError {
    const { code, message } = error as NodeJS.ErrnoException
    const operation = request.op === 'size' ? 'ask the size' : request.op
    if (this.direct && code === 'EINVAL')
      return new StorageError(
        request.uri,
        operation,
        'this file system refuses O_DIRECT; use a plain path (without direct:// or --direct) or another file system',
        code,
      )
    return new StorageError(request.uri, operation, explain(code) ?? message, code)
  }
}

function explain(code: string | undefined): string | undefined {
  switch (code) {
    case 'ENOENT':
      return 'no such file'
    case 'EACCES':
      return 'permission denied'
    case 'EISDIR':
      return 'is a directory, not a file'
    case 'EMFILE':
      return 'too many open files in this process; raise `ulimit -n`'
    case 'EIO':
      return 'input/output error of the device'
    default:
      return undefined
  }
}

/** Blocking access, for threads that serve one reader at a time. */
export class LocalStorage implements BlockingStorage {
  private readonly access: LocalAccess
  constructor(direct: boolean, meter: IoMeter) {
    this.access = new LocalAccess(direct, meter)
  }

  perform(request: IoRequest): number {
    const { access } = this
    try {
      switch (request.op) {
        case 'open': {
          const handle = fs.openSync(request.uri, access.openFlags())
          access.meter.opened()
          return handle
        }
        case 'size':
          return fs.fstatSync(request.handle).size
        case 'read': {
          const { position, length } = access.place(request)
          access.meter.readStarts()
          let bytesRead = 0
          try {
            bytesRead = fs.readSync(request.handle, request.window.bytes, 0, length, position)
          } finally {
            access.meter.readEnds(bytesRead)
          }
          return access.settle(request, position, bytesRead)
        }
        case 'close':
          fs.closeSync(request.handle)
          return 0
      }
    } catch (error) {
      throw access.fail(error, request)
    }
  }
}

/** Access over libuv's pool, for threads that keep many readers in flight. */
export class AsyncLocalStorage implements AsyncStorage {
  private readonly access: LocalAccess
  constructor(direct: boolean, meter: IoMeter) {
    this.access = new LocalAccess(direct, meter)
  }

  perform(request: IoRequest): Pending {
    const { access } = this
    return {
      answer: (answered, failed) => {
        const done = (error: NodeJS.ErrnoException | null, value: number) => (error ? failed(access.fail(error, request)) : answered(value))
        switch (request.op) {
          case 'open':
            fs.open(request.uri, access.openFlags(), (error, handle) => {
              if (!error) access.meter.opened()
              done(error, handle)
            })
            return
          case 'size':
            fs.fstat(request.handle, (error, stats) => done(error, error ? 0 : stats.size))
            return
          case 'read': {
            const { position, length } = access.place(request)
            access.meter.readStarts()
            fs.read(request.handle, request.window.bytes, 0, length, position, (error, bytesRead) => {
              access.meter.readEnds(error ? 0 : bytesRead)
              done(error, error ? 0 : access.settle(request, position, bytesRead))
            })
            return
          }
          case 'close':
            fs.close(request.handle, (error) => done(error, 0))
        }
      },
    }
  }
}
