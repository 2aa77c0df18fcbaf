// The memory that the engine shares with the process that loads batches: where everything lies. python/dl_driver/_ring.py reads the same
// numbers; `version` rises with every change. All words are little-endian and written by one side only, but a block's first.

export const version = 1

const pageBytes = 4096

/** Words (int32) at the beginning of the memory. */
export const commonWord = {
  version: 0,
  /** Rises with every batch that is ready and every failure; the consumer sleeps on it (futex). */
  news: 1,
  /** Not 0: the engine has failed, and says why over the control socket. */
  failed: 2,
  /** Not 0: everybody stops. */
  stop: 3,
  /** The generation that is wanted; a thread that works for another one drops its batch. Raised by the engine at each start. */
  recall: 4,
  count: 16,
} as const

/** Words (int32) of a thread, two cache lines: the engine writes the first one, the consumer the second. */
export const threadWord = {
  /** Batches made in this generation. */
  produced: 0,
  /** 1 while the thread has no memory for its next batch. */
  starves: 1,
  /** The generation that the thread works for. */
  generation: 2,
  /** Batches taken in this generation. */
  consumed: 16,
  /** Rises when batches were taken, or blocks given back while the thread starves; the thread sleeps on it (futex). */
  wake: 17,
  count: 32,
} as const

/** Positions of the batches that a thread has made and nobody has taken: a ring of this many float64. Nobody may be further ahead. */
export const queueSlots = 1024

/** Words (int32) at the beginning of a block: what a batch is. */
export const blockWord = {
  /** Not 0 while the block is in use; set by the engine, cleared by the consumer once nothing refers to the batch any more. */
  used: 0,
  /** From 1, within the epoch. */
  step: 1,
  samples: 2,
  /** Arrays of each sample. */
  fields: 3,
  /** 1: each field is one array [samples, ...shape]; 0: samples differ. */
  uniform: 4,
  /** Length of the layouts' text in bytes, and where it begins in the block. */
  layoutBytes: 5,
  layoutBegin: 6,
  /** Where the table begins in the block, in words. Uniform: begin of each field (float64). Otherwise begin and number of its layout, of each field of each sample. */
  tableWords: 7,
} as const

export const blockHeaderBytes = 64

export interface RingLayout {
  readonly threads: number
  /** Bytes that each thread may fill, a multiple of a page. */
  readonly arenaBytes: number
}

/** Word index of a thread's words. */
export const threadWords = (thread: number) => commonWord.count + thread * threadWord.count

/** Byte offset of a thread's queue. */
export function queueOffset({ threads }: RingLayout, thread: number): number {
  const words = 4 * (commonWord.count + threads * threadWord.count)
  return roundUp(words, 64) + 8 * queueSlots * thread
}

/** Byte offset of a thread's arena. */
export function arenaOffset(layout: RingLayout, thread: number): number {
  return roundUp(queueOffset(layout, layout.threads), pageBytes) + layout.arenaBytes * thread
}

export const ringBytes = (layout: RingLayout) => arenaOffset(layout, layout.threads)

export const roundUp = (bytes: number, unit: number) => Math.ceil(bytes / unit) * unit
