// Credits: how many units each lane may make in all, told through shared memory, and what it has made. Wake-ups are gathered, so that a
// thread whose lanes get several credits at once is woken once.
import type { Split } from '../order/types.js'
import { control, laneWord, type SharedState, splitCode } from './shared-state.js'

const neverWanted = 0x7fffffff

/** Every thread that gives out credits has an own object for the same shared memory. */
export class Credits {
  private readonly toWake = new Set<number>()
  private lastWished = -1

  constructor(private readonly state: SharedState) {}

  /** Points an idle lane at an epoch of a split, without credit. */
  restart(lane: number, epoch: number, split: Split): void {
    const { state } = this
    Atomics.store(state.words, state.lane(lane, laneWord.epoch), epoch)
    Atomics.store(state.words, state.lane(lane, laneWord.split), splitCode[split])
    Atomics.store(state.words, state.lane(lane, laneWord.granted), 0)
    Atomics.store(state.words, state.lane(lane, laneWord.done), 0)
    Atomics.store(state.words, state.lane(lane, laneWord.wanted), neverWanted)
    Atomics.add(state.words, state.lane(lane, laneWord.generation), 1)
    this.toWake.add(this.threadOf(lane))
  }

  /** Lets a lane make so many units in all; fewer than it already may is nothing new. */
  grant(lane: number, units: number): void {
    const { state } = this
    const at = state.lane(lane, laneWord.granted)
    if (units <= Atomics.load(state.words, at)) return
    Atomics.store(state.words, at, units)
    this.toWake.add(this.threadOf(lane))
  }

  /** Wakes the threads whose lanes have news since the last call. */
  flushWakes(): void {
    if (this.toWake.size === 0) return
    for (const thread of this.toWake) this.state.wake(thread)
    this.toWake.clear()
  }

  /** Units that a lane has made. */
  made(lane: number): number {
    const { state } = this
    return Atomics.load(state.words, state.lane(lane, laneWord.done))
  }

  /** For the conductor: whether a lane has made so many units; where not, it is woken when the lane has. */
  hasMade(lane: number, units: number): boolean {
    const { words } = this.state
    const done = this.state.lane(lane, laneWord.done)
    if (Atomics.load(words, done) >= units) return true
    this.lastWished = lane
    // First the wish, then another look: a reader first stores what it has done, then looks at the wish.
    Atomics.store(words, this.state.lane(lane, laneWord.wanted), units)
    return Atomics.load(words, done) >= units
  }

  /** The lane that the last wish was left with. */
  get wishedLane(): number {
    return this.lastWished
  }

  /** Takes back the wish that was left with a lane. */
  withdrawWish(lane: number): void {
    const { state } = this
    Atomics.store(state.words, state.lane(lane, laneWord.wanted), neverWanted)
  }

  /** For the conductor: blocks until a lane has made all it was granted, or the run is stopped. */
  drain(lane: number): void {
    const { state } = this
    for (;;) {
      const seen = Atomics.load(state.words, control.event)
      if (state.stopped || this.hasMade(lane, Atomics.load(state.words, state.lane(lane, laneWord.granted)))) return
      Atomics.wait(state.words, control.event, seen, 1000)
    }
  }

  private threadOf(lane: number): number {
    return Atomics.load(this.state.words, this.state.lane(lane, laneWord.thread))
  }
}
