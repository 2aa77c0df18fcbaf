// The seam between formats and storage. A format reader is a generator that yields I/O requests; whoever runs it carries them out,
// blocking (`readSync`) or asynchronously (event loop). So one reader serves a blocking thread, a thread with many readers in flight,
// and object stores, and never knows which.

/** A reader's reused memory: page-aligned, at least `capacity` + two pages long. Valid bytes after a read are [begin, end). */
export interface Window {
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Largest `byteLength` of one read request. */
  readonly capacity: number
  begin: number
  end: number
}

/** One request, reused by its reader (never kept). The answer is a number: open → handle, size → bytes, read → bytes now in the window, close → 0. */
export interface IoRequest {
  op: 'open' | 'size' | 'read' | 'close'
  /** For open: path or URI. */
  uri: string
  handle: number
  /** For read: first byte in the file. */
  byteOffset: number
  /** For read: how many bytes are wanted; fewer come back only at the end of the file. */
  byteLength: number
  /** For read: filled with bytes [byteOffset, byteOffset + answer) at [window.begin, window.end). */
  window: Window
}

/** An I/O computation: yields requests, is resumed with their answers, or has the storage's error thrown in. */
export type Io<T> = Generator<IoRequest, T, number>

/** What carries out requests, blocking. */
export interface BlockingStorage {
  perform(request: IoRequest): number
}

/** An answer that is not at hand yet. */
export interface Pending {
  /**
   * Says whom to call, once, when the answer has come; never from within. A storage may call from the very event that brings the answer:
   * a turn of the microtask queue for each request is a noticeable part of what a small object costs.
   */
  answer(done: (answer: number) => void, failed: (error: unknown) => void): void
}

/** What carries out requests on an event loop. */
export interface AsyncStorage {
  /** A number where the answer is at hand. Throws, or answers later, with the storage's error. */
  perform(request: IoRequest): number | Pending
}
