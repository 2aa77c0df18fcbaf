// Uploads in parts, as far as they are the same everywhere: small objects go out in one request, large ones in parts that are put together at the
// end, and what is given up is given up soon, whether the store answers or not.
import { setMaxListeners } from 'node:events'
import { PartWriter } from './parts.js'
import type { ObjectUpload } from './types.js'

/** How long parts on their way may still arrive when an upload is given up, and how long the store may take to drop what it has of it. */
const settleMs = 1000
const abandonMs = 4000

/** What a provider does for one upload. `signal` is aborted when it is given up. */
export interface UploadSteps {
  /** Sends part `number`, from 0. */
  part(number: number, bytes: Uint8Array, signal: AbortSignal): Promise<void>
  /** Makes an object of the parts [0, `parts`), which are `byteLength` bytes, and checks its size. */
  complete(parts: number, byteLength: number, signal: AbortSignal): Promise<void>
  /** Writes an object in one request and checks its size. */
  put(bytes: Uint8Array, signal: AbortSignal): Promise<void>
  /** Drops what the store has of an upload that will not be completed. */
  abandon(signal: AbortSignal): Promise<void>
}

export interface UploadShape {
  readonly partSizeBytes: number
  /** Parts on their way at once. */
  readonly mostInFlight: number
  /** Whether the first part comes last. */
  readonly headLast: boolean
}

/** What those are told who still wait for an upload that was given up. */
class GivenUp extends Error {}

export class PartsUpload implements ObjectUpload {
  readonly #steps: UploadSteps
  readonly #writer: PartWriter
  readonly #cancel = new AbortController()
  #completing: Promise<void> | undefined
  #isComplete = false
  #givingUp: Promise<void> | undefined

  constructor(steps: UploadSteps, { partSizeBytes, mostInFlight, headLast }: UploadShape) {
    this.#steps = steps
    // Each part on its way listens, more than once.
    setMaxListeners(0, this.#cancel.signal)
    this.#writer = new PartWriter({ part: (number, bytes) => this.#part(number, bytes) }, partSizeBytes, headLast ? 1 : 0, mostInFlight)
  }

  append(bytes: Uint8Array): Promise<void> {
    return this.#writer.append(bytes)
  }

  complete(head?: Uint8Array): Promise<void> {
    this.#completing = this.#finish(head).then(() => {
      this.#isComplete = true
    })
    return this.#completing
  }

  abort(): Promise<void> {
    this.#givingUp ??= this.#giveUp()
    return this.#givingUp
  }

  #part(number: number, bytes: Uint8Array): Promise<void> {
    const { signal } = this.#cancel
    return unlessAborted(this.#steps.part(number, bytes, signal), signal)
  }

  async #finish(head: Uint8Array | undefined): Promise<void> {
    const writer = this.#writer
    const { signal } = this.#cancel
    const parts = writer.nextPart
    if (head === undefined && parts === 0) return unlessAborted(this.#steps.put(writer.rest.slice(), signal), signal)
    if (head !== undefined && writer.byteLength === 0) return unlessAborted(this.#steps.put(head, signal), signal)
    await Promise.all([writer.finish(), ...(head === undefined ? [] : [this.#part(0, head)])])
    const byteLength = writer.byteLength + (head?.length ?? 0)
    await unlessAborted(this.#steps.complete(writer.nextPart, byteLength, signal), signal)
  }

  /** What is on its way may arrive, so that the store keeps nothing of it behind the abandonment; then it is cancelled. */
  async #giveUp(): Promise<void> {
    this.#writer.refuse(new GivenUp('the upload was given up'))
    await within(settleMs, Promise.allSettled([this.#writer.settle(), this.#completing]))
    if (this.#isComplete) return
    this.#cancel.abort()
    await within(abandonMs, this.#steps.abandon(AbortSignal.timeout(abandonMs)))
  }
}

/** `promise`, or an error as soon as `signal` is aborted: providers' libraries may sleep between their attempts. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new GivenUp('the upload was given up'))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

/** Waits for `promise`, but only so long. Rejects where it does in time. */
export async function within(durationMs: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, durationMs)
  })
  await Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
