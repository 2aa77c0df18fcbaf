// Computation times, drawn where DLIO draws them: from NumPy's global generator, as the epoch's reconfiguration has left it
// (utility.sleep; sample-order.md 2.9).
import type { Duration, Workload } from '../config/workload.js'
import type { StreamPosition } from '../order/mapping.js'
import { RandomState } from '../order/numpy-random.js'
import type { Split } from '../order/types.js'
import type { SleepStream } from './types.js'

/** One draw of a duration in seconds; constants draw nothing, negative draws count by their absolute value. */
export function drawSeconds(random: RandomState, duration: Duration): number {
  switch (duration.type) {
    case 'constant':
      return Math.abs(duration.mean)
    case 'normal':
      return Math.abs(random.normal(duration.mean, duration.stdev))
    case 'uniform':
      return Math.abs(random.uniform(duration.min, duration.max))
    case 'gamma':
      return Math.abs(random.gamma(duration.shape, duration.scale))
    case 'exponential':
      return Math.abs(random.exponential(duration.scale))
    case 'poisson':
      return Math.abs(random.poisson(duration.lam))
  }
}

/** States of the generator at the beginning of one epoch. Ranks that shuffle lists of equal lengths share theirs. */
export class EpochStates {
  private epoch = 0
  private readonly states = new Map<string, RandomState>()

  /** An own copy of the state at `position`. */
  of(epoch: number, position: StreamPosition): RandomState {
    if (epoch !== this.epoch) this.states.clear()
    this.epoch = epoch
    const key = `${position.seed} ${position.shuffles.join(' ')}`
    let state = this.states.get(key)
    if (state === undefined) {
      state = new RandomState(position.seed)
      for (const count of position.shuffles) state.skipShuffle(count)
      this.states.set(key, state)
    }
    return state.clone()
  }
}

export class DlioSleeps implements SleepStream {
  private random: RandomState
  private readonly isRandom: boolean

  constructor(
    private readonly workload: Workload,
    rank: number,
    private readonly positionOf: (epoch: number) => StreamPosition | undefined,
    private readonly states: EpochStates,
  ) {
    const { train, evaluation, reader } = workload
    this.isRandom = [train.computationTime, evaluation.evalTime, reader.preprocessTime].some(({ type }) => type !== 'constant')
    // Where DLIO seeds nothing its draws differ from run to run; ours go on from a seed of the rank, so that a run can be repeated.
    this.random = new RandomState([train.seed >>> 0, rank])
  }

  startEpoch(epoch: number): void {
    // Reaching a position takes a draw for each shuffled item: not for constants.
    const position = this.isRandom ? this.positionOf(epoch) : undefined
    if (position !== undefined) this.random = this.states.of(epoch, position)
  }

  next(split: Split): number {
    const { train, evaluation } = this.workload
    return drawSeconds(this.random, split === 'train' ? train.computationTime : evaluation.evalTime)
  }

  nextPreprocess(): number {
    return drawSeconds(this.random, this.workload.reader.preprocessTime)
  }
}
