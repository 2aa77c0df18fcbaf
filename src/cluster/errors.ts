// What a process throws when it ends because of another one.
import { DlDriverError } from '../errors.js'

/** Another process of the job failed, and reports why: this one ends with the same exit code and without a word. */
export class PeerError extends DlDriverError {
  readonly tag = 'peer'
  constructor(
    /** The process that failed. */
    readonly process: number,
    message: string,
    readonly exitCode: number,
  ) {
    super(message)
    this.name = 'PeerError'
  }
  override fields() {
    return { process: this.process, exitCode: this.exitCode }
  }
}
