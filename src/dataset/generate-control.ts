// What the threads of a generation share: which file is next, what has been done, whether to stop.
import type { Workload } from '../config/workload.js'
import type { SerializedError } from '../errors.js'

const slots = { nextFile: 0, filesWritten: 1, filesSkipped: 2, bytesComplete: 3, bytesWritten: 4, stop: 5, firstThread: 6 } as const
type Counter = 'filesWritten' | 'filesSkipped' | 'bytesComplete' | 'bytesWritten'

/** Counters in shared memory; 64-bit, for bytes. */
export class GenerateControl {
  readonly #slots: BigInt64Array

  constructor(readonly shared: SharedArrayBuffer) {
    this.#slots = new BigInt64Array(shared)
  }

  static create(threads: number): GenerateControl {
    const control = new GenerateControl(new SharedArrayBuffer(8 * (slots.firstThread + threads)))
    control.#slots.fill(-1n, slots.firstThread)
    return control
  }

  /** Takes the next file for the calling thread; indices ascend. */
  claimFile(): number {
    return Number(Atomics.add(this.#slots, slots.nextFile, 1n))
  }

  add(counter: Counter, amount: number): void {
    Atomics.add(this.#slots, slots[counter], BigInt(amount))
  }

  read(counter: Counter): number {
    return Number(Atomics.load(this.#slots, slots[counter]))
  }

  /** Asks all threads to stop before their next write. */
  stop(): void {
    Atomics.store(this.#slots, slots.stop, 1n)
  }

  get stopped(): boolean {
    return Atomics.load(this.#slots, slots.stop) !== 0n
  }

  /** The file that thread `thread` has begun and not finished, −1 for none; so that what a dead thread leaves can be removed. */
  unfinishedFile(thread: number): number {
    return Number(Atomics.load(this.#slots, slots.firstThread + thread))
  }

  setUnfinishedFile(thread: number, fileIndex: number): void {
    Atomics.store(this.#slots, slots.firstThread + thread, BigInt(fileIndex))
  }
}

/** Files `part`, `part` + `parts`, … of all: what one of several processes generates, as DLIO's ranks do (data_generator.py). */
export interface Share {
  readonly part: number
  readonly parts: number
}

/** What a generating thread is started with. */
export interface GenerateTask {
  readonly workload: Workload
  readonly ranks: number
  /** Data folder as a path. */
  readonly folder: string
  readonly resume: boolean
  readonly share: Share
  readonly thread: number
  readonly shared: SharedArrayBuffer
  /** Module with the table of formats, where it is not the program's own. */
  readonly formatsModule: string | undefined
}

/** All that a thread says: why it gave up. One that is done, or was asked to stop, just ends. */
export interface GenerateFailure {
  readonly error: SerializedError
}
