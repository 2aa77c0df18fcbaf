// Decoding a row group and waiting for it.
import { DataError } from '../../errors.js'
import { entryFile } from '../../package.js'
import { WaitingThread } from '../waiting-thread.js'

export interface GroupBytes {
  /** The end of the file: its footer, the footer's length, and the magic. */
  readonly tail: Uint8Array
  /** Bytes of the file from `begin` on, with all that the row group needs. */
  readonly bytes: Uint8Array
  readonly begin: number
  /** Number of the row group. */
  readonly number: number
  readonly columns: readonly string[] | undefined
}

export interface CheckRequest extends GroupBytes {
  readonly uri: string
}

export interface GroupChecker {
  /** @throws DataError where the row group cannot be decoded */
  check(uri: string, group: GroupBytes): void
  close(): void
}

export class WaitingChecker implements GroupChecker {
  readonly #thread = new WaitingThread<CheckRequest>(entryFile('formats/parquet/checker-thread.js'))

  check(uri: string, group: GroupBytes): void {
    const silence = (seconds: number) =>
      new DataError(uri, `row group ${group.number} could not be decoded within ${seconds} s`, group.begin)
    this.#thread.ask({ uri, ...group }, silence)
  }

  close(): void {
    this.#thread.close()
  }
}
