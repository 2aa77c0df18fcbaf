// Running I/O computations, and the small requests that format readers yield.
import type { AsyncStorage, BlockingStorage, Io, IoRequest, Pending, Window } from './types.js'

export const pageBytes = 4096

/** Distance of the pieces of a window: whole pages for what a piece holds, and one for what comes with it, such as the head of a response. */
export const strideOf = (capacity: number) => (Math.ceil(capacity / pageBytes) + 1) * pageBytes

/**
 * Page-aligned, shared memory for one reader. `capacity` is the largest read; two more pages leave room for aligned over-reads. With several
 * `pieces` there is room for as many reads, each on pages of its own ({@link strideOf}), of which the storage shows one at a time.
 */
export function createWindow(capacity: number, pieces = 1): Window {
  const pages = Math.ceil((pieces * strideOf(capacity) + 2 * pageBytes) / 65_536)
  const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  return { bytes: new Uint8Array(buffer), view: new DataView(buffer), capacity, begin: 0, end: 0 }
}

/** The requests of one reader: a single object, reused for each request, so that the hot path allocates nothing. */
export class IoPort {
  readonly request: IoRequest
  constructor(readonly window: Window) {
    this.request = { op: 'open', uri: '', handle: -1, byteOffset: 0, byteLength: 0, window }
  }
  /** `yield port.open(uri)` answers with a handle. */
  open(uri: string): IoRequest {
    this.request.op = 'open'
    this.request.uri = uri
    return this.request
  }
  /** `yield port.size(handle)` answers with the file's length in bytes. */
  size(handle: number): IoRequest {
    this.request.op = 'size'
    this.request.handle = handle
    return this.request
  }
  /**
   * `yield port.read(handle, byteOffset, byteLength)` answers with the number of bytes read into the window, at [window.begin, window.end);
   * fewer than asked only at the end of the file. `byteLength` ≤ window.capacity.
   */
  read(handle: number, byteOffset: number, byteLength: number): IoRequest {
    return this.readTo(this.window, handle, byteOffset, byteLength)
  }
  /** As {@link read}, into another window than the reader's own: memory that the bytes are to stay in. */
  readTo(window: Window, handle: number, byteOffset: number, byteLength: number): IoRequest {
    this.request.op = 'read'
    this.request.window = window
    this.request.handle = handle
    this.request.byteOffset = byteOffset
    this.request.byteLength = byteLength
    return this.request
  }
  close(handle: number): IoRequest {
    this.request.op = 'close'
    this.request.handle = handle
    return this.request
  }
}

/** Runs an I/O computation to its end on a blocking storage. */
export function runBlocking<T>(io: Io<T>, storage: BlockingStorage): T {
  let turn = io.next()
  while (!turn.done) {
    let answer: number
    try {
      answer = storage.perform(turn.value)
    } catch (error) {
      turn = io.throw(error)
      continue
    }
    turn = io.next(answer)
  }
  return turn.value
}

/** Runs I/O computations on an event loop, one after the other. */
export class AsyncRunner<T> {
  private io: Io<T> | undefined
  private outcome: T | undefined

  /** Of a computation that has not ended at once, `ended` or `failed` is called. */
  constructor(
    private readonly storage: AsyncStorage,
    private readonly ended: (value: T) => void,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** What the last computation came to. */
  get value(): T {
    return this.outcome as T
  }

  /** Begins a computation. Returns whether all its answers were at hand, so that it has ended. Throws what it throws meanwhile. */
  start(io: Io<T>): boolean {
    this.io = io
    return this.advance(io, io.next())
  }

  private advance(io: Io<T>, first: IteratorResult<IoRequest, T>): boolean {
    let turn = first
    while (!turn.done) {
      let given: number | Pending
      try {
        given = this.storage.perform(turn.value)
      } catch (error) {
        turn = io.throw(error)
        continue
      }
      if (typeof given !== 'number') {
        given.answer(this.resume, this.throwIn)
        return false
      }
      turn = io.next(given)
    }
    this.outcome = turn.value
    return true
  }

  private readonly resume = (answer: number): void => {
    const io = this.io!
    this.goOn(io, () => io.next(answer))
  }

  private readonly throwIn = (error: unknown): void => {
    const io = this.io!
    this.goOn(io, () => io.throw(error))
  }

  private goOn(io: Io<T>, next: () => IteratorResult<IoRequest, T>): void {
    let over: boolean
    try {
      over = this.advance(io, next())
    } catch (error) {
      this.failed(error)
      return
    }
    if (over) this.ended(this.value)
  }
}

/** Runs an I/O computation to its end on an event loop. */
export function runAsync<T>(io: Io<T>, storage: AsyncStorage): Promise<T> {
  return new Promise((resolve, reject) => {
    const runner = new AsyncRunner<T>(storage, resolve, reject)
    if (runner.start(io)) resolve(runner.value)
  })
}
