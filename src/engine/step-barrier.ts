// The barrier behind each training step: first the ranks of this process meet, then the processes.
import { barrierAt, type Gate, type ProcessBarrier } from '../cluster/gate.js'

export class StepBarrier {
  /** Ranks of this process that wait here. */
  private arrived = 0
  /** All ranks of this process have arrived, those of others may not have. */
  private waitsForOthers = false
  private readonly processes: ProcessBarrier

  /** `gate`: where other processes are met; undefined where there are none. */
  constructor(
    private readonly ranks: number,
    gate: Gate | undefined,
  ) {
    this.processes = barrierAt(gate)
  }

  /** Nobody waits any more. */
  reset(): void {
    this.arrived = 0
    this.waitsForOthers = false
  }

  /** One more rank of this process has arrived. Returns whether it was the last of all. */
  arrive(): boolean {
    if (++this.arrived < this.ranks) return false
    this.arrived = 0
    this.processes.arrive()
    this.waitsForOthers = !this.processes.isOpen
    return !this.waitsForOthers
  }

  /** True, once, when the ranks of other processes have arrived where those of this one wait for them. */
  opens(): boolean {
    if (!this.waitsForOthers || !this.processes.isOpen) return false
    this.waitsForOthers = false
    return true
  }

  /**
   * Blocks while the ranks of this process wait for those of others, at most so long. False where there is nothing to block on: they do not
   * wait, or are woken by other news.
   */
  sleep(mostMs: number): boolean {
    if (!this.waitsForOthers || this.processes.wait === undefined) return false
    this.processes.wait(mostMs)
    return true
  }

  /** Blocks until all other processes are here too. Returns false where `stopped` says so first. */
  meetProcesses(stopped: () => boolean): boolean {
    return this.processes.pass(stopped)
  }
}
