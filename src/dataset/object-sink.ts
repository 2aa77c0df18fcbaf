// The main thread's side of a generation into an object store: uploads what the threads have made. Nothing is visible before it is complete.
import { totalmem } from 'node:os'
import { ConfigError } from '../errors.js'
import type { ObjectControl, ObjectUpload } from '../storage/object/types.js'
import { keyOf, placeUri } from '../storage/uri.js'
import type { GenerateControl } from './generate-control.js'
import { type Filled, type ObjectMessage, type SlotLayout, SlotStates } from './object-slots.js'

/** Memory of one thread's slots, and their number: what is in flight. */
const threadBytes = 128 * 2 ** 20
const fewestSlots = 6
const mostSlots = 32
/** How long an interrupted generation waits for a server. */
const patienceMs = 3000

/** One file that is on its way. */
interface Transfer {
  /** Sides and parts; the file is completed behind them. */
  readonly pending: Promise<unknown>[]
  upload?: Promise<ObjectUpload>
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
  #failed = false

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
    const work = this.#perform(message, states)
      .catch((error: Error) => {
        if (this.#failed) return
        this.#failed = true
        fail(error)
      })
      .finally(() => this.#work.delete(work))
    this.#work.add(work)
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
    const put = this.storage.put(keyOf(this.storage.place, name), bytes)
    this.#sides.set(name, put)
    await put.finally(() => this.#sides.delete(name))
  }

  #transfer(name: string): Transfer {
    let transfer = this.#transfers.get(name)
    if (transfer === undefined) {
      transfer = { pending: [], byteLength: 0 }
      this.#transfers.set(name, transfer)
    }
    return transfer
  }

  async #part(name: string, part: Filled, states: SlotStates): Promise<void> {
    const transfer = this.#transfer(name)
    transfer.upload ??= this.storage.upload(keyOf(this.storage.place, name), { headLast: true })
    transfer.byteLength += part.byteLength
    const sent = transfer.upload.then((upload) => upload.append(bytesOf(part))).finally(() => states.giveBack(part.slot))
    transfer.pending.push(sent)
    await sent
  }

  async #end(name: string, head: Filled, states: SlotStates): Promise<void> {
    const { storage } = this
    const transfer = this.#transfer(name)
    const key = keyOf(storage.place, name)
    const bytes = bytesOf(head)
    try {
      // The data comes last: where it is there, all that belongs to it is.
      await Promise.all([...transfer.pending, ...this.#sides.values()])
      if (this.#failed) return
      if (transfer.upload !== undefined) await (await transfer.upload).complete(bytes)
      else if (bytes.length <= storage.partSizeBytes) await storage.put(key, bytes)
      else {
        transfer.upload = storage.upload(key)
        const upload = await transfer.upload
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

  /** Waits for everything that is under way, and gives up what will not be completed; once `signal` is aborted, only for a while. */
  async close(signal: AbortSignal | undefined): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const outOfPatience = new Promise<void>((resolve) => {
      const begin = (): void => {
        timer = setTimeout(resolve, patienceMs)
      }
      if (signal?.aborted === true) begin()
      else signal?.addEventListener('abort', begin, { once: true })
    })
    await Promise.race([this.#finish(), outOfPatience])
    clearTimeout(timer)
    this.storage.close()
  }

  async #finish(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work)
    const given = [...this.#transfers.values()]
    this.#transfers.clear()
    // The first error is what people want to know; a failed clean-up would hide it.
    await Promise.all(given.map(async ({ upload }) => (await upload)?.abort()).map((aborted) => aborted.catch(() => undefined)))
  }
}

const bytesOf = ({ memory, byteLength }: Filled): Uint8Array => new Uint8Array(memory, 0, byteLength)
