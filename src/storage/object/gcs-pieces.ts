// Recording the pieces of Google's resumable uploads, which its library sends, again where they fail.
import { AsyncLocalStorage } from 'node:async_hooks'
import { countRetry } from './control.js'
import { passingCause } from './control-faults.js'
import { codeOf, statusOf } from './failure.js'
import type { ObjectMeter } from './meter.js'
import type { ControlRetries } from './types.js'

/** For whom the library sends: all that its rule of retries is asked is whether an error may pass. */
export const retriesOfLibrary = new AsyncLocalStorage<PieceRecorder>()

/** One upload, whose pieces are sent one after the other. */
export class PieceRecorder {
  /** Attempts of the present piece, or to have a session before the first one. */
  private attempts = 1
  /** How the last attempt failed, while no other has begun. */
  private failure: unknown
  private lastError: Error | undefined
  private beginMs: number | undefined
  private sentBytes = 0
  private readBytes = 0

  constructor(
    private readonly meter: ObjectMeter,
    private readonly retries: ControlRetries,
  ) {}

  /** A piece is on its way: so many bytes of the object have been read for it and for those before. */
  reads(byteLength: number): void {
    this.readBytes = byteLength
    if (this.beginMs !== undefined && this.failure === undefined) return
    this.goesOn()
    if (this.beginMs === undefined) this.attempts = 1
    this.beginMs = performance.now()
  }

  /** The storage has taken the piece. */
  succeeds(): void {
    if (this.beginMs !== undefined) {
      this.meter.accepted(0, performance.now() - this.beginMs, this.readBytes - this.sentBytes)
      this.meter.completed(this.attempts)
    }
    this.beginMs = undefined
    this.attempts = 1
    this.sentBytes = this.readBytes
  }

  /** An attempt has failed that may be made again; that the one before was, shows only now. Asking how far the upload has come can fail too. */
  failed(error: unknown): void {
    this.goesOn()
    this.failure = error
    if (this.beginMs !== undefined) this.meter.failed(0)
    this.lastError = Object.assign(new Error((error as Error).message), { cause: error, code: statusOf(error) ?? codeOf(error) })
  }

  /** What the upload ended with: the library's own last words do not say which answer it had. */
  reason(error: Error): Error {
    const reason = statusOf(error) === undefined && this.lastError !== undefined ? this.lastError : error
    return Object.assign(reason, { attempts: this.attempts })
  }

  private goesOn(): void {
    if (this.failure === undefined) return
    countRetry(this.retries, passingCause(this.failure) ?? 'badResponse')
    this.failure = undefined
    this.attempts++
  }
}
