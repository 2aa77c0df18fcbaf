// Objects behind the I/O seam: every read is answered from GETs whose bodies land in the reader's window.
import { StorageError } from '../../errors.js'
import type { AsyncStorage, IoRequest } from '../types.js'
import type { ObjectReadOptions } from './read-options.js'
import type { AccessGrant } from './types.js'

export class ObjectStorage implements AsyncStorage {
  constructor(
    private grant: AccessGrant,
    /** What URIs begin with; the rest is a key below the grant's place. */
    readonly rootUri: string,
    readonly options: ObjectReadOptions,
    /** Called when the storage refuses the credentials as expired; answered by {@link renew}. */
    readonly askForGrant: () => void,
  ) {}

  /** Takes up new credentials. */
  renew(grant: AccessGrant): void {
    this.grant = grant
  }

  async perform(request: IoRequest): Promise<number> {
    throw new StorageError(request.uri, request.op, `objects of ${this.grant.place.bucket} cannot be read yet`)
  }

  /** Closes all connections; requests in flight fail. */
  close(): void {}
}
