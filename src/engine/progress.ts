// What the conductor tells those who show how far the run is: the steps of its first rank and of all, and how late it was.
import type { Split } from '../order/types.js'
import type { Plan } from '../plan/types.js'
import { progressSlot, type SharedState, setPhase } from './shared-state.js'

/** Times are milliseconds of the run's clock. */
export class ProgressTeller {
  private stepsDone = 0
  /** Up to when the first rank's training time is told. */
  private countedUntilMs = 0

  constructor(private readonly state: SharedState) {}

  /** An epoch's training, or an evaluation, begins. */
  startSplit(plan: Plan, split: Split, epoch: number, nowMs: number): void {
    const { progress } = this.state
    progress[progressSlot.epoch] = epoch
    setPhase(this.state, split)
    progress[progressSlot.step] = 0
    progress[progressSlot.steps] = plan[split].steps
    this.countedUntilMs = nowMs
  }

  /** Training stands still for a checkpoint. */
  checkpointing(): void {
    setPhase(this.state, 'checkpointing')
  }

  /** The first rank goes on training after a checkpoint, whose time does not count. */
  resumeTraining(nowMs: number): void {
    setPhase(this.state, 'train')
    this.countedUntilMs = nowMs
  }

  /** The first rank is at step `step` (from 1). */
  atStep(step: number): void {
    this.state.progress[progressSlot.step] = step
  }

  /** A rank has ended a step. */
  stepEnded(): void {
    this.state.progress[progressSlot.stepsDone] = ++this.stepsDone
  }

  /** The first rank has ended a training step, of which it computed so long. */
  trained(computeMs: number, nowMs: number): void {
    const { progress } = this.state
    progress[progressSlot.computeMs]! += computeMs
    progress[progressSlot.wallMs]! += nowMs - this.countedUntilMs
    this.countedUntilMs = nowMs
  }

  /** A computation was ended so long after its deadline. */
  lagged(lagMs: number): void {
    const { progress } = this.state
    progress[progressSlot.lagSumMs]! += lagMs
    progress[progressSlot.lagCount]! += 1
    if (lagMs > progress[progressSlot.lagMaxMs]!) progress[progressSlot.lagMaxMs] = lagMs
  }
}
