// How a thread of the engine reads: blocking from local files, or on its event loop from objects.

import type { Workload } from '../config/workload.js'
import type { DecoderOptions, SampleDecoder } from '../formats/decoder.js'
import { getFormat } from '../formats/index.js'
import { lazily } from '../package.js'
import { IoPort, runAsync, runBlocking } from '../storage/io.js'
import { LocalStorage } from '../storage/local.js'
import type { IoMeter } from '../storage/meter.js'
import type { ObjectReadOptions } from '../storage/object/read-options.js'
import type { AccessGrant } from '../storage/object/types.js'
import type { Io } from '../storage/types.js'
import { mapMemory } from './native.js'

/** Local files: what does not go straight to its place, such as heads, is read in pieces of this size. */
const localRequestBytes = 512 * 1024
/** Objects: a request costs a round trip, so that mostly one fetches a whole sample. */
const objectRequestBytes = 8 * 1024 * 1024
/** Room for O_DIRECT's aligned reads beside the largest request. */
const windowExtraBytes = 2 * 4096

export interface ObjectSource {
  readonly grant: AccessGrant
  readonly options: ObjectReadOptions
}

/** What is read, and how; plain data. */
export interface ReadPlan {
  /** Local path or URI that the names of files follow, with a slash at its end. */
  readonly folder: string
  readonly direct: boolean
  readonly verify: boolean
  readonly requestBytes: number
  readonly objects?: ObjectSource
}

export function readPlan(
  folder: string,
  options: { readonly direct: boolean; readonly verify: boolean; readonly objects?: ObjectSource | undefined },
): ReadPlan {
  const { direct, verify, objects } = options
  return {
    folder: folder.endsWith('/') ? folder : `${folder}/`,
    direct,
    verify,
    requestBytes: objects === undefined ? localRequestBytes : objectRequestBytes,
    ...(objects && { objects: { grant: objects.grant, options: objects.options } }),
  }
}

/** A decoder and the storage that it reads from. */
export interface Reads {
  readonly decoder: SampleDecoder
  /** Runs an I/O computation to its end; nothing to wait for where reads block. */
  run(io: Io<void>): void | Promise<void>
  /** Takes up new credentials. */
  renew(grant: AccessGrant): void
  close(): void
}

/** @param askForGrant called when the storage refuses the credentials as expired */
export function openReads(workload: Workload, plan: ReadPlan, meter: IoMeter, thread: number, askForGrant: () => void): Reads {
  const { dataset } = workload
  const window = mapMemory(plan.requestBytes + windowExtraBytes)
  const port = new IoPort({ bytes: new Uint8Array(window), view: new DataView(window), capacity: plan.requestBytes, begin: 0, end: 0 })
  const options: DecoderOptions = {
    requestBytes: plan.requestBytes,
    throughWindow: plan.direct || plan.objects !== undefined,
    verify: plan.verify,
    samplesPerFile: dataset.numSamplesPerFile,
    elementType: dataset.recordElementType,
  }
  const decoder = getFormat(dataset.format).decoder!(port, options)
  if (plan.objects === undefined) {
    const storage = new LocalStorage(plan.direct, meter)
    return { decoder, run: (io) => runBlocking(io, storage), renew: () => {}, close: () => {} }
  }
  const { grant, options: read } = plan.objects
  const { ObjectStorage } = lazily<typeof import('../storage/object/storage.js')>('storage/object/storage.js')
  const { ObjectMeter } = lazily<typeof import('../storage/object/meter.js')>('storage/object/meter.js')
  const meters = { io: meter, objects: new ObjectMeter(grant.endpoints.length) }
  const settings = { ...read, access: 'ranges' as const, requestBytes: plan.requestBytes }
  const storage = new ObjectStorage(grant, plan.folder, settings, meters, askForGrant, thread)
  return { decoder, run: (io) => runAsync(io, storage), renew: (fresh) => storage.renew(fresh), close: () => storage.close() }
}
