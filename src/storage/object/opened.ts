// An object while it is open: its name, and what all responses for it must agree in.
import { StorageError } from '../../errors.js'
import type { ResponseHead } from './http/head.js'

export class OpenedObject {
  /** Length in bytes; −1 until a response has told it. */
  size = -1
  /** As the first response gave them; '' where it gave none. */
  private etag = ''
  private lastModified = ''
  /** If-Match was refused, and is not sent any more: what comes without it shows whether the object has changed. */
  plainly = false

  constructor(
    readonly uri: string,
    /** Percent-encoded key. */
    readonly key: string,
  ) {}

  /** Value for If-Match, which only a strong entity tag fits; '' without one. */
  get ifMatch(): string {
    return this.etag.startsWith('"') && !this.plainly ? this.etag : ''
  }

  /** Takes up what the first response says, and checks later ones against it. `size` is −1 where a response cannot know. Throws StorageError. */
  pin({ etag, lastModified }: ResponseHead, size: number): void {
    if (this.size < 0 && this.etag === '') {
      this.size = size
      this.etag = etag
      this.lastModified = lastModified
      return
    }
    if (size >= 0 && this.size >= 0 && size !== this.size) throw this.changed(`it had ${this.size} bytes and now has ${size}`)
    if (etag !== '' && this.etag !== '' && opaque(etag) !== opaque(this.etag))
      throw this.changed(`its ETag was ${this.etag} and now is ${etag}`)
    // Replicas of an object may have dates of their own.
    const isTagged = etag !== '' && this.etag !== ''
    if (!isTagged && lastModified !== '' && this.lastModified !== '' && lastModified !== this.lastModified)
      throw this.changed(`it was last modified ${this.lastModified} and now ${lastModified}`)
    if (this.size < 0) this.size = size
  }

  /** The end of a body of unknown length. */
  ends(size: number): void {
    if (this.size >= 0 && this.size !== size) throw this.changed(`it had ${this.size} bytes and now has ${size}`)
    this.size = size
  }

  changed(detail: string): StorageError {
    return new StorageError(
      this.uri,
      'read',
      `the object changed while it was read: ${detail}; nothing may write to the data set during a run`,
      'ObjectChanged',
    )
  }
}

/** What an entity tag says, however it is written: some servers leave out the quotes, and proxies that compress make tags weak. */
const opaque = (etag: string) => etag.replace(/^W\//, '').replace(/^"(.*)"$/, '$1')
