// The barrier that worker threads of a run (conductor, checkpoint writers) meet the other processes at, without messages. Those of one host
// share memory (host-gate.ts); otherwise it is two counters, which the thread that speaks MPI looks at.

import { HostBarrier, type HostGate } from './host-gate.js'

/** What threads need to meet those of other processes: counters for the thread that speaks MPI, or memory that the processes share. */
export type Gate = SharedArrayBuffer | HostGate

/** One barrier after another over all processes. One thread of a process uses it at a time. */
export interface ProcessBarrier {
  /** Arrives at the next barrier and does not wait. */
  arrive(): void
  /** Whether all others have arrived where this process last did. */
  readonly isOpen: boolean
  /** Arrives and blocks the calling thread until all others have. Returns false where `stopped` says so first; it is asked ten times a second. */
  pass(stopped: () => boolean): boolean
  /**
   * Blocks until the barrier opens, at most so long. Absent where a thread that waits is woken on a word of its own, see {@link World.wakes}.
   */
  wait?(mostMs: number): void
}

/** `gate`: {@link World.gate}; without one there is nobody to wait for. */
export function barrierAt(gate: Gate | undefined): ProcessBarrier {
  return gate === undefined || gate instanceof SharedArrayBuffer ? new MpiBarrier(gate) : new HostBarrier(gate)
}

/** Words (int32) of a gate. */
const gateWord = {
  /** Raised by whoever has work for the thread that speaks MPI; it sleeps on this word. */
  bell: 0,
  /** Barriers that this process has arrived at. */
  arrived: 1,
  /** Barriers that all processes have arrived at. */
  opened: 2,
  count: 16,
} as const

/** Memory of a gate, to be given to the threads that meet at it. */
export function createGate(): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * gateWord.count)
}

class MpiBarrier implements ProcessBarrier {
  private readonly words: Int32Array | undefined
  private ticket = 0

  constructor(gate: SharedArrayBuffer | undefined) {
    this.words = gate && new Int32Array(gate)
    if (this.words) this.ticket = Atomics.load(this.words, gateWord.arrived)
  }

  arrive(): void {
    if (this.words === undefined) return
    this.ticket = (this.ticket + 1) | 0
    Atomics.store(this.words, gateWord.arrived, this.ticket)
    ringBell(this.words)
  }

  get isOpen(): boolean {
    return this.words === undefined || Atomics.load(this.words, gateWord.opened) === this.ticket
  }

  pass(stopped: () => boolean): boolean {
    this.arrive()
    while (!this.isOpen) {
      if (stopped()) return false
      const opened = Atomics.load(this.words!, gateWord.opened)
      if (opened !== this.ticket) Atomics.wait(this.words!, gateWord.opened, opened, 100)
    }
    return true
  }
}

/** Wakes the thread that speaks MPI. */
export function ringBell(gate: Int32Array): void {
  Atomics.add(gate, gateWord.bell, 1)
  Atomics.notify(gate, gateWord.bell)
}

/** The other side of a gate: the thread that speaks MPI. */
export class GateKeeper {
  private readonly words: Int32Array

  constructor(gate: SharedArrayBuffer) {
    this.words = new Int32Array(gate)
  }

  get bell(): number {
    return Atomics.load(this.words, gateWord.bell)
  }

  /** Sleeps until the bell rings, at most so long. `seen`: the bell when there was last nothing to do. */
  sleep(seen: number, timeoutMs: number): void {
    Atomics.wait(this.words, gateWord.bell, seen, timeoutMs)
  }

  /** Whether this process has arrived at a barrier that is not open. */
  get isAwaited(): boolean {
    return Atomics.load(this.words, gateWord.arrived) !== Atomics.load(this.words, gateWord.opened)
  }

  /** Barriers that this process has arrived at, in 32 bits. */
  get arrived(): number {
    return Atomics.load(this.words, gateWord.arrived)
  }

  open(): void {
    Atomics.add(this.words, gateWord.opened, 1)
    Atomics.notify(this.words, gateWord.opened)
  }
}
