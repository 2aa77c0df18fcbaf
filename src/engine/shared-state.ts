// The memory that all threads of a run share: counters and flags, no messages on the hot path.
//
// A *lane* is one reader of one rank. Only the conductor writes a lane's generation, epoch, split, granted and wanted; only the thread
// that drives the lane writes done. Ordering: the conductor writes epoch, split, granted = 0 and done = 0 before it raises the
// generation, and raises it only while the lane is idle (done ≥ granted).
import { gaugeSlot, meterSlot } from '../storage/meter.js'

/** Process-wide words (int32). */
export const control = {
  /** Raised by whoever has news for the conductor; it sleeps on this word. */
  event: 0,
  /** Not 0: everybody stops at the next sample. */
  stop: 1,
  /** Two words for the gauge of reads in flight, on a cache line of their own. */
  gauge: 16,
  /** The words of `turnstileWord`. */
  turnstile: 32,
  count: 48,
} as const

/** Words (int32) of the steps that readers take themselves (turnstile.ts); all but `callers` belong to who holds that. */
export const turnstileWord = {
  /** Threads that want to take steps; the one that raised it from 0 does. */
  callers: control.turnstile,
  /** Batches that are taken here, 0 where the conductor takes them. */
  end: control.turnstile + 1,
  taken: control.turnstile + 2,
  /** Of those taken, how many the conductor has collected. Only it writes this. */
  collected: control.turnstile + 3,
  epoch: control.turnstile + 4,
  split: control.turnstile + 5,
} as const

/** Steps that may be taken before the conductor collects them. */
const passTimesKept = 4096

/** What `laneWord.split` and `turnstileWord.split` say. */
export const splitCode = { train: 0, valid: 1 } as const

/** Words of a lane (int32), one cache line each. */
export const laneWord = { generation: 0, epoch: 1, split: 2, granted: 3, wanted: 4, thread: 5, done: 8, count: 16 } as const

/** Words of a thread (int32), one cache line each. */
export const threadWord = { wake: 0, parked: 1, count: 16 } as const

/** What the conductor tells about the run's progress (float64). */
export const progressSlot = {
  epoch: 0,
  step: 1,
  steps: 2,
  computeMs: 3,
  wallMs: 4,
  phase: 5,
  lagSumMs: 6,
  lagCount: 7,
  lagMaxMs: 8,
  stepsDone: 9,
  count: 16,
} as const

/** What `progressSlot.phase` may say. */
export const phaseCode = { train: 0, valid: 1, checkpointing: 2 } as const

/** Process-wide times (float64), milliseconds of the run's clock. */
export const timeSlot = { firstSample: 0, count: 8 } as const

export interface SharedLayout {
  readonly lanes: number
  readonly threads: number
}

/** Typed views on one SharedArrayBuffer; every thread makes its own. */
export class SharedState {
  readonly words: Int32Array
  readonly gauge: Int32Array
  readonly progress: Float64Array
  readonly times: Float64Array
  /** When steps were taken, modulo its length (turnstile.ts); milliseconds of the run's clock. */
  readonly passTimes: Float64Array
  private readonly laneBase = control.count
  private readonly threadBase: number
  private readonly meterByteBase: number
  private seenNews = 0
  /** The thread that this object belongs to, where it is one of readers on an event loop, and whom to tell that its lanes have credit. */
  own: { readonly thread: number; readonly news: () => void } | undefined

  constructor(
    readonly layout: SharedLayout,
    readonly buffer: SharedArrayBuffer,
  ) {
    const wordCount = SharedState.wordCount(layout)
    this.words = new Int32Array(buffer, 0, wordCount)
    this.gauge = new Int32Array(buffer, 4 * control.gauge, gaugeSlot.count)
    this.threadBase = control.count + layout.lanes * laneWord.count
    const doubles = 4 * wordCount
    this.progress = new Float64Array(buffer, doubles, progressSlot.count)
    this.times = new Float64Array(buffer, doubles + 8 * progressSlot.count, timeSlot.count)
    this.passTimes = new Float64Array(buffer, doubles + 8 * (progressSlot.count + timeSlot.count), passTimesKept)
    this.meterByteBase = doubles + 8 * (progressSlot.count + timeSlot.count + passTimesKept)
  }

  static create(layout: SharedLayout): SharedState {
    const doubles = progressSlot.count + timeSlot.count + passTimesKept + layout.threads * meterSlot.count
    return new SharedState(layout, new SharedArrayBuffer(4 * SharedState.wordCount(layout) + 8 * doubles))
  }

  private static wordCount(layout: SharedLayout): number {
    return control.count + layout.lanes * laneWord.count + layout.threads * threadWord.count
  }

  /** Index in `words` of a lane's word. */
  lane(lane: number, word: number): number {
    return this.laneBase + lane * laneWord.count + word
  }

  /** Index in `words` of a thread's word. */
  thread(thread: number, word: number): number {
    return this.threadBase + thread * threadWord.count + word
  }

  /** The counters of a thread. */
  meter(thread: number): Float64Array {
    return new Float64Array(this.buffer, this.meterByteBase + 8 * meterSlot.count * thread, meterSlot.count)
  }

  /** Sum of one counter over all threads. */
  total(slot: number): number {
    let sum = 0
    for (let thread = 0; thread < this.layout.threads; thread++) sum += this.meter(thread)[slot]!
    return sum
  }

  get stopped(): boolean {
    return Atomics.load(this.words, control.stop) !== 0
  }

  /** Asks everybody to stop at the next sample, and wakes all that sleep. */
  stop(): void {
    Atomics.store(this.words, control.stop, 1)
    this.signal()
    for (let thread = 0; thread < this.layout.threads; thread++) {
      Atomics.add(this.words, this.thread(thread, threadWord.wake), 1)
      Atomics.notify(this.words, this.thread(thread, threadWord.wake))
    }
  }

  /** News for a reader thread. */
  wake(thread: number): void {
    const at = this.thread(thread, threadWord.wake)
    Atomics.add(this.words, at, 1)
    // It is awake, since it is the one that calls: a wake-up through the kernel and its event loop would only take longer.
    if (thread === this.own?.thread) this.own.news()
    else if (Atomics.load(this.words, this.thread(thread, threadWord.parked)) !== 0) Atomics.notify(this.words, at)
  }

  /** Sleeps until there is news, or for so long; returns at once where there was some since the last call. For the conductor alone. */
  waitForNews(mostMs: number): void {
    if (mostMs > 0) Atomics.wait(this.words, control.event, this.seenNews, mostMs)
    this.seenNews = Atomics.load(this.words, control.event)
  }

  /** News for the conductor. */
  signal(): void {
    Atomics.add(this.words, control.event, 1)
    Atomics.notify(this.words, control.event, 1)
  }
}

/** Tells the progress what is going on. */
export function setPhase(state: SharedState, phase: keyof typeof phaseCode): void {
  state.progress[progressSlot.phase] = phaseCode[phase]
}
