// Growing lists of step times of one block or evaluation.
import type { StepsRecord } from '../metrics/records.js'
import type { Clock } from './clock.js'

/** Collects what one rank measures in one block (or one evaluation). Times in milliseconds of the run's clock. */
export class StepsLog {
  private load = new Float64Array(64)
  private proc = new Float64Array(64)
  private compute = new Float64Array(64)
  private length = 0

  constructor(readonly beginMs: number) {}

  get steps(): number {
    return this.length
  }

  add(loadMs: number, procMs: number, computeMs: number): void {
    if (this.length === this.load.length) {
      this.load = grown(this.load)
      this.proc = grown(this.proc)
      this.compute = grown(this.compute)
    }
    this.load[this.length] = loadMs
    this.proc[this.length] = procMs
    this.compute[this.length++] = computeMs
  }

  /** The finished record, with times of day. */
  end(endMs: number, clock: Clock): StepsRecord {
    return {
      beginMs: clock.absoluteMs(this.beginMs),
      endMs: clock.absoluteMs(endMs),
      loadMs: this.load.slice(0, this.length),
      procMs: this.proc.slice(0, this.length),
      computeMs: this.compute.slice(0, this.length),
    }
  }
}

function grown(array: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const next = new Float64Array(2 * array.length)
  next.set(array)
  return next
}
