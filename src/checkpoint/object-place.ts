// Checkpoints in an object store: files are uploads of the provider's SDK, read back in ranged GETs over our own connections.
import { GrantKeeper } from '../engine/grants.js'
import { privateMeter } from '../storage/meter.js'
import { connect, type Target } from '../storage/object/connect.js'
import { ObjectMeter } from '../storage/object/meter.js'
import type { ObjectReadOptions } from '../storage/object/read-options.js'
import { type CheckpointObjectsRecord, uploadsRecord, withReading } from '../storage/object/record.js'
import { ObjectStorage } from '../storage/object/storage.js'
import type { ObjectControl, ObjectUpload } from '../storage/object/types.js'
import { keyOf, rootUri } from '../storage/uri.js'
import { type PieceTarget, Stopped } from './piece-writer.js'
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

interface Reader {
  readonly storage: ObjectStorage
  readonly keeper: GrantKeeper
  readonly meter: ObjectMeter
  readonly endpoints: readonly string[]
}

export class ObjectCheckpoints implements CheckpointPlace {
  readonly inObjects = true
  private readonly unfinished = new Set<UploadTarget>()

  private constructor(
    private readonly control: ObjectControl,
    private readonly partsInFlight: number,
    private readonly reader: Reader | undefined,
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
    return new ObjectCheckpoints(control, partsInFlight, { storage, keeper, meter: meters.objects, endpoints: grant.endpoints })
  }

  /** What writing and reading back took so far. */
  record(): CheckpointObjectsRecord {
    const { meter, endpoints = [] } = this.reader ?? {}
    return withReading(uploadsRecord(this.control), meter?.record(endpoints) ?? { endpoints: [], retries: {}, attempts: [] })
  }

  get storage(): ObjectStorage {
    return this.reader!.storage
  }

  /** There are no folders. */
  prepare(): void {}

  target(uri: string): PieceTarget {
    const key = keyOf(this.control.place, uri.slice(rootUri(this.control.place).length))
    const target: UploadTarget = new UploadTarget(
      () => this.control.upload(key, { partsInFlight: this.partsInFlight }),
      () => this.unfinished.delete(target),
    )
    this.unfinished.add(target)
    return target
  }

  /** Gives up what is on its way, so that nobody waits for a store that does not answer. */
  stop(): void {
    for (const target of this.unfinished) void target.discard()
    this.reader?.storage.close()
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
  private discarded: Promise<void> | undefined

  constructor(
    private readonly begin: () => Promise<ObjectUpload>,
    /** Told once nothing is left to give up. */
    private readonly onEnd: () => void,
  ) {}

  /** Pieces come in order, one after the other. */
  async write(bytes: Uint8Array): Promise<void> {
    await (await this.begun()).append(bytes)
  }

  async commit(): Promise<void> {
    await (await this.begun()).complete()
    this.onEnd()
  }

  /** The first call gives the upload up, others wait for that. */
  discard(): Promise<void> {
    // The file's own error is what people want to know; a clean-up that fails too would hide it.
    this.discarded ??= Promise.resolve(this.upload?.then((upload) => upload.abort()).catch(() => undefined)).then(this.onEnd)
    return this.discarded
  }

  private begun(): Promise<ObjectUpload> {
    if (this.discarded !== undefined) throw new Stopped()
    this.upload ??= this.begin()
    return this.upload
  }
}
