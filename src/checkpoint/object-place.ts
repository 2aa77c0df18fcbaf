// Checkpoints in an object store: files are uploads of the provider's SDK, read back in ranged GETs over our own connections.
import { GrantKeeper } from '../engine/grants.js'
import { privateMeter } from '../storage/meter.js'
import { connect, type Target } from '../storage/object/connect.js'
import { ObjectMeter } from '../storage/object/meter.js'
import type { ObjectReadOptions } from '../storage/object/read-options.js'
import { ObjectStorage } from '../storage/object/storage.js'
import type { ObjectControl, ObjectUpload } from '../storage/object/types.js'
import { keyOf, rootUri } from '../storage/uri.js'
import type { PieceTarget } from './piece-writer.js'
import type { CheckpointPlace } from './place.js'

/** What a thread needs to reach an object store by itself: plain data, with secrets in it. */
export interface ObjectFolder {
  readonly target: Target
  readonly options: ObjectReadOptions
  /** Parts of one rank's upload that are in flight at once. */
  readonly partsInFlight: number
}

export interface ObjectPlaceOptions extends ObjectFolder {
  /** Largest read. */
  readonly requestBytes: number
  /** Whether checkpoints are read back. */
  readonly reads: boolean
  /** Told where credentials that are needed cannot be renewed. */
  readonly fail: (error: Error) => void
}

export class ObjectCheckpoints implements CheckpointPlace {
  readonly inObjects = true

  private constructor(
    private readonly control: ObjectControl,
    private readonly partsInFlight: number,
    private readonly reader: { readonly storage: ObjectStorage; readonly keeper: GrantKeeper } | undefined,
  ) {}

  /** Throws ConfigError, and StorageError where there are no credentials. */
  static async open({ target, options, partsInFlight, requestBytes, reads, fail }: ObjectPlaceOptions): Promise<ObjectCheckpoints> {
    const control = await connect(target)
    if (!reads) return new ObjectCheckpoints(control, partsInFlight, undefined)
    const grant = await control.grant()
    const meters = { io: privateMeter(), objects: new ObjectMeter(grant.endpoints.length) }
    const storage: ObjectStorage = new ObjectStorage(
      grant,
      rootUri(control.place),
      { ...options, access: 'ranges', requestBytes },
      meters,
      () => keeper.wanted(),
    )
    const keeper = new GrantKeeper({ grant, renew: () => control.grant() }, (renewed) => storage.renew(renewed), fail)
    return new ObjectCheckpoints(control, partsInFlight, { storage, keeper })
  }

  get storage(): ObjectStorage {
    return this.reader!.storage
  }

  /** There are no folders. */
  prepare(): void {}

  target(uri: string): PieceTarget {
    const key = keyOf(this.control.place, uri.slice(rootUri(this.control.place).length))
    return new UploadTarget(() => this.control.upload(key, { partsInFlight: this.partsInFlight }))
  }

  async count(most: number): Promise<number> {
    const { place } = this.control
    const below = keyOf(place, '') === '' ? '' : `${keyOf(place, '')}/`
    const names = new Set<string>()
    for await (const page of this.control.list(below)) {
      for (const { key } of page) names.add(key.slice(below.length).split('/', 1)[0]!)
      if (names.size >= most) break
    }
    return names.size
  }

  close(): void {
    this.reader?.keeper.stop()
    this.reader?.storage.close()
    this.control.close()
  }
}

/** One object. It begins with its first piece, and there is nothing to see of it before it is complete. */
class UploadTarget implements PieceTarget {
  private upload: Promise<ObjectUpload> | undefined

  constructor(private readonly begin: () => Promise<ObjectUpload>) {}

  /** Pieces come in order, one after the other. */
  async write(bytes: Uint8Array): Promise<void> {
    this.upload ??= this.begin()
    await (await this.upload).append(bytes)
  }

  async commit(): Promise<void> {
    this.upload ??= this.begin()
    await (await this.upload).complete()
  }

  async discard(): Promise<void> {
    // The file's own error is what people want to know; a clean-up that fails too would hide it.
    await this.upload?.then((upload) => upload.abort()).catch(() => undefined)
  }
}
