// The main thread's side of a generation into an object store: uploads what the threads have made. Nothing is visible before it is complete.
import { totalmem } from 'node:os'
import { ConfigError } from '../errors.js'
import { type UploadsRecord, uploadsRecord } from '../storage/object/record.js'
import type { ObjectControl, ObjectUpload } from '../storage/object/types.js'
import { keyOf, placeUri } from '../storage/uri.js'
import type { GenerateControl } from './generate-control.js'
import { type Filled, type ObjectMessage, type SlotLayout, SlotStates } from './object-slots.js'

/** Memory of one thread's slots, and their number: what is in flight. */
const threadBytes = 128 * 2 ** 20
const fewestSlots = 6
const mostSlots = 32
/** How long a generation that failed or was interrupted waits for a server; longer than giving an upload up takes. */
const patienceMs = 6000

/** One object that is on its way. */
interface Transfer {
  readonly upload: Promise<ObjectUpload>
  /** Parts; the object is completed behind them. */
  readonly pending: Promise<unknown>[]
  /** Bytes of its parts. */
  byteLength: number
}

export interface SinkThread {
  readonly layout: SlotLayout
  readonly states: SlotStates
}

export class ObjectSink {
  /** Where the data goes, for people. */
  readonly folder: string
  readonly #transfers = new Map<string, Transfer>()
  readonly #work = new Set<Promise<void>>()
  readonly #givenUp = new AbortController()

  constructor(
    private readonly storage: ObjectControl,
    private readonly control: GenerateControl,
  ) {
    this.folder = placeUri(storage.place)
  }

  /** Memory for one of `threads` threads that make files of about `fileBytes`. Throws ConfigError where a file does not fit into memory. */
  thread(threads: number, fileBytes: number): SinkThread {
    const { partSizeBytes, takesHeadLast } = this.storage
    if (!takesHeadLast && 2 * fileBytes * threads > totalmem() / 2)
      throw new ConfigError(
        `files of ${fileBytes} bytes go into ${this.folder} from memory, ${2 * threads} at once: they do not fit; give fewer samples a file`,
      )
    const slots = takesHeadLast
      ? Math.min(Math.max(Math.floor(threadBytes / Math.min(partSizeBytes, Math.max(fileBytes, 1))), fewestSlots), mostSlots)
      : Math.min(Math.max(Math.floor(threadBytes / Math.max(fileBytes, 1)), 2), mostSlots)
    return { layout: { slots, slotBytes: takesHeadLast ? partSizeBytes : null }, states: SlotStates.create(slots) }
  }

  /** Takes up what a thread says; `fail` is told the first error. */
  onMessage(message: Exclude<ObjectMessage, { kind: 'failed' }>, { states }: SinkThread, fail: (error: Error) => void): void {
    this.#follow(
      this.#perform(message, states).catch((error: Error) => {
        if (this.#givenUp.signal.aborted) return
        this.giveUp()
        fail(error)
      }),
    )
  }

  #perform(message: Exclude<ObjectMessage, { kind: 'failed' }>, states: SlotStates): Promise<void> {
    switch (message.kind) {
      case 'look':
        return this.#look(message.names, states)
      case 'side':
        return this.#side(message.name, message.bytes)
      case 'part':
        return this.#part(message.name, message.part, states)
      case 'end':
        return this.#end(message.name, message.head, states)
    }
  }

  async #look(names: readonly string[], states: SlotStates): Promise<void> {
    const found = await Promise.all(names.map((name) => this.storage.head(keyOf(this.storage.place, name))))
    states.answer(found.map((object) => object?.sizeBytes ?? -1))
  }

  /** Sides belong to the data file that ends next, of the same thread; they are on their way before it. */
  readonly #sides = new Map<string, Promise<void>>()
  async #side(name: string, bytes: Uint8Array): Promise<void> {
    if (this.#givenUp.signal.aborted) return
    const put = this.#transfer(name)
      .upload.then((upload) => upload.complete(bytes))
      .then(() => void this.#transfers.delete(name))
    this.#sides.set(name, put)
    await put.finally(() => this.#sides.delete(name))
  }

  #transfer(name: string): Transfer {
    let transfer = this.#transfers.get(name)
    if (transfer === undefined) {
      const { place, takesHeadLast } = this.storage
      transfer = { upload: this.storage.upload(keyOf(place, name), { headLast: takesHeadLast }), pending: [], byteLength: 0 }
      this.#transfers.set(name, transfer)
    }
    return transfer
  }

  async #part(name: string, part: Filled, states: SlotStates): Promise<void> {
    if (this.#givenUp.signal.aborted) return states.giveBack(part.slot)
    const transfer = this.#transfer(name)
    transfer.byteLength += part.byteLength
    const sent = transfer.upload.then((upload) => upload.append(bytesOf(part))).finally(() => states.giveBack(part.slot))
    transfer.pending.push(sent)
    await sent
  }

  async #end(name: string, head: Filled, states: SlotStates): Promise<void> {
    try {
      if (this.#givenUp.signal.aborted) return
      const transfer = this.#transfer(name)
      const bytes = bytesOf(head)
      // The data comes last: where it is there, all that belongs to it is.
      await Promise.all([...transfer.pending, ...this.#sides.values()])
      if (this.#givenUp.signal.aborted) return
      const upload = await transfer.upload
      if (transfer.pending.length > 0 || bytes.length <= this.storage.partSizeBytes) await upload.complete(bytes)
      else {
        await upload.append(bytes)
        await upload.complete()
      }
      this.#transfers.delete(name)
      this.control.add('filesWritten', 1)
      this.control.add('bytesComplete', transfer.byteLength + bytes.length)
    } finally {
      states.giveBack(head.slot)
    }
  }

  /** What uploading took so far. */
  record(): UploadsRecord {
    return uploadsRecord(this.storage)
  }

  /** Takes back what is not complete, and begins nothing new. */
  giveUp(): void {
    this.#givenUp.abort()
    // The first error is what people want to know; a failed clean-up would hide it.
    for (const { upload } of this.#transfers.values()) this.#follow(upload.then((found) => found.abort()).catch(() => undefined))
    this.#transfers.clear()
  }

  #follow(work: Promise<void>): void {
    const followed: Promise<void> = work.finally(() => this.#work.delete(followed))
    this.#work.add(followed)
  }

  /** Waits for everything that is under way; once it was given up, only for a while. */
  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const outOfPatience = new Promise<void>((resolve) => {
      const begin = () => {
        timer = setTimeout(resolve, patienceMs)
      }
      if (this.#givenUp.signal.aborted) begin()
      else this.#givenUp.signal.addEventListener('abort', begin)
    })
    await Promise.race([this.#finish(), outOfPatience])
    clearTimeout(timer)
    this.storage.close()
  }

  async #finish(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work)
  }
}

const bytesOf = ({ memory, byteLength }: Filled): Uint8Array => new Uint8Array(memory, 0, byteLength)
