// One clock for all threads of a process. `performance.now()` counts from the start of its own thread, so every thread shifts it by the
// same base: milliseconds since the main thread's time origin.
const absoluteOrigin = performance.timeOrigin

export class Clock {
  private readonly shiftMs: number
  constructor(/** `performance.timeOrigin` of the main thread. */ readonly baseMs: number) {
    this.shiftMs = absoluteOrigin - baseMs
  }
  /** Milliseconds since the base. */
  nowMs(): number {
    return performance.now() + this.shiftMs
  }
  /** Milliseconds since 1970 of a time of this clock. */
  absoluteMs(timeMs: number): number {
    return timeMs + this.baseMs
  }
}
