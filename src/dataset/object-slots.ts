// Memory that a generating thread fills and the main thread uploads from. A thread that has no free slot waits; so memory is bounded and
// making content goes on while uploads are under way.
import type { SerializedError } from '../errors.js'

/** What a thread may do with its slots. */
export interface SlotLayout {
  readonly slots: number
  /** Bytes of a slot; null: as many as a file needs, since it must be uploaded whole. */
  readonly slotBytes: number | null
}

/** Words before the states of the slots: a counter of slots given back, and the state of a question. */
const freedWord = 0
const askedWord = 1
const firstSlot = 2
/** Answers to one question, at most. */
const mostAnswers = 8
const waitMs = 200

/** Shared state of one thread's slots. Only the thread takes, only the main thread gives back. */
export class SlotStates {
  readonly #words: Int32Array
  readonly #answers: Float64Array

  constructor(readonly shared: SharedArrayBuffer) {
    this.#answers = new Float64Array(shared, 0, mostAnswers)
    this.#words = new Int32Array(shared, 8 * mostAnswers)
  }

  static create(slots: number): SlotStates {
    return new SlotStates(new SharedArrayBuffer(8 * mostAnswers + 4 * (firstSlot + slots)))
  }

  /** Takes a free slot, waiting for one. `stopped` is asked now and then; what it throws ends the wait. */
  take(throwIfStopped: () => void): number {
    for (;;) {
      const freed = Atomics.load(this.#words, freedWord)
      for (let slot = 0; slot < this.#words.length - firstSlot; slot++)
        if (Atomics.compareExchange(this.#words, firstSlot + slot, 0, 1) === 0) return slot
      throwIfStopped()
      Atomics.wait(this.#words, freedWord, freed, waitMs)
    }
  }

  giveBack(slot: number): void {
    Atomics.store(this.#words, firstSlot + slot, 0)
    Atomics.add(this.#words, freedWord, 1)
    Atomics.notify(this.#words, freedWord)
  }

  /** Asks the main thread (`post`) for up to eight numbers and waits for them. */
  ask(count: number, post: () => void, throwIfStopped: () => void): number[] {
    Atomics.store(this.#words, askedWord, 1)
    post()
    while (Atomics.load(this.#words, askedWord) === 1) {
      throwIfStopped()
      Atomics.wait(this.#words, askedWord, 1, waitMs)
    }
    return [...this.#answers.subarray(0, count)]
  }

  answer(values: readonly number[]): void {
    this.#answers.set(values)
    Atomics.store(this.#words, askedWord, 0)
    Atomics.notify(this.#words, askedWord)
  }
}

/** Filled memory that the main thread is to upload, and whose slot it gives back then. */
export interface Filled {
  readonly slot: number
  readonly memory: SharedArrayBuffer
  readonly byteLength: number
}

/** What a generating thread says. Of one file: its sides, its parts in order but the first, its end. */
export type ObjectMessage =
  | { readonly kind: 'side'; readonly name: string; readonly bytes: Uint8Array }
  | { readonly kind: 'part'; readonly name: string; readonly part: Filled }
  /** `head` is the first part, or all of the file. */
  | { readonly kind: 'end'; readonly name: string; readonly head: Filled }
  /** Sizes in bytes of objects are wanted, −1 for those that do not exist. */
  | { readonly kind: 'look'; readonly names: readonly string[] }
  | { readonly kind: 'failed'; readonly error: SerializedError }
