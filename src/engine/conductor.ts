// The conductor: leads the ranks of a process from epoch to epoch, each with its training, its checkpoint and its evaluation.
import type { TrainingCheckpoints } from '../checkpoint/training.js'
import type { Gate } from '../cluster/gate.js'
import type { RankRange } from '../cluster/world.js'
import type { EpochRecord, StepsRecord } from '../metrics/records.js'
import type { Plan } from '../plan/types.js'
import type { Clock } from './clock.js'
import { Credits } from './credits.js'
import type { ThreadMessage } from './messages.js'
import { createRanks, type Rank } from './rank.js'
import { laneWord, type SharedState, setPhase } from './shared-state.js'
import { StepBarrier } from './step-barrier.js'
import { StepLoop } from './step-loop.js'
import type { TraceWriter } from './trace-writer.js'

export interface ConductorOptions {
  readonly plan: Plan
  /** Ranks of this process. */
  readonly localRanks: RankRange
  /** Where ranks of other processes are met; undefined where there are none. */
  readonly gate: Gate | undefined
  readonly state: SharedState
  readonly clock: Clock
  readonly lanesPerRank: number
  readonly threadOfLane: readonly number[]
  /** `transfer`: memory that the receiver takes over. */
  readonly send: (message: ThreadMessage, transfer?: readonly ArrayBuffer[]) => void
  readonly trace?: TraceWriter | undefined
  /** Absent where training takes none. */
  readonly checkpoints?: TrainingCheckpoints | undefined
}

export class Conductor {
  private readonly ranks: readonly Rank[]
  private readonly credits: Credits
  private readonly barrier: StepBarrier
  private readonly steps: StepLoop

  constructor(private readonly options: ConductorOptions) {
    const { gate, lanesPerRank, localRanks, plan, state, threadOfLane } = options
    for (const [lane, thread] of threadOfLane.entries()) state.words[state.lane(lane, laneWord.thread)] = thread
    this.credits = new Credits(state)
    this.ranks = createRanks(plan, localRanks, lanesPerRank, this.credits)
    this.barrier = new StepBarrier(this.ranks.length, gate)
    this.steps = new StepLoop(options, this.ranks, this.credits, this.barrier)
  }

  /** Runs all epochs. Returns early when the run is stopped; what was measured until then has been sent. */
  run(): void {
    const { plan, state, clock, send } = this.options
    for (let epoch = 1; epoch <= plan.epochs && !state.stopped; epoch++) {
      // MLCommons' DLIO meets before each epoch (main.run).
      if (!this.meetOthers()) return
      plan.advance(epoch)
      for (const rank of this.ranks) rank.sleeps.startEpoch(epoch)
      const beginMs = clock.nowMs()
      send({ kind: 'epochStarts', epoch, timeMs: clock.absoluteMs(beginMs), steps: plan.train.steps })
      const train = this.steps.run('train', epoch)
      // main._train ends with a barrier; then the epoch's checkpoint follows.
      this.meetOthers()
      this.checkpointEpoch(epoch)
      const trainEndMs = clock.nowMs()
      this.sendTrainEnd(epoch, beginMs, trainEndMs, train[0])
      this.drain()
      let evaluations: StepsRecord[] | undefined
      if (plan.evaluates(epoch) && !state.stopped) {
        send({ kind: 'evalStarts', epoch, timeMs: clock.absoluteMs(trainEndMs), steps: plan.valid.steps })
        evaluations = this.steps.run('valid', epoch).map(([steps]) => steps!)
        this.drain()
        if (evaluations[0] !== undefined) send({ kind: 'evalEnds', epoch, steps: evaluations[0] })
      }
      const endMs = clock.nowMs()
      const records = this.ranks.map((_, rank): EpochRecord => {
        const evaluation = evaluations?.[rank]
        return {
          epoch,
          beginMs: clock.absoluteMs(beginMs),
          trainEndMs: clock.absoluteMs(trainEndMs),
          endMs: clock.absoluteMs(endMs),
          blocks: train[rank]!,
          checkpoints: this.options.checkpoints?.take(rank) ?? [],
          ...(evaluation && { evaluation }),
        }
      })
      const lists = [...train.flat(), ...(evaluations ?? [])].flatMap(({ loadMs, procMs, computeMs }) => [loadMs, procMs, computeMs])
      send(
        { kind: 'epochEnds', epoch, ranks: records },
        lists.map((list) => list.buffer as ArrayBuffer),
      )
    }
  }

  private sendTrainEnd(epoch: number, beginMs: number, endMs: number, blocks: readonly StepsRecord[] | undefined): void {
    const steps = blocks?.reduce((sum, { procMs }) => sum + procMs.length, 0) ?? 0
    this.options.send({ kind: 'trainEnds', epoch, timeMs: this.options.clock.absoluteMs(endMs), steps, durationMs: endMs - beginMs })
  }

  /** The checkpoint behind an epoch's training, where one is due. DLIO names it after one step more than there were. */
  private checkpointEpoch(epoch: number): void {
    const { checkpoints, state } = this.options
    if (state.stopped || !checkpoints?.followsEpoch(epoch)) return
    const { batch, blocks } = this.ranks[0]!
    setPhase(state, 'checkpointing')
    checkpoints.begin(epoch, blocks.length, batch, batch + 1)
    while (checkpoints.underWay && !state.stopped) {
      state.waitForNews(1000)
      for (const rank of this.ranks) checkpoints.ends(rank.rank)
    }
  }

  /** Waits for all other processes. False where the run is stopped meanwhile. */
  private meetOthers(): boolean {
    const { state } = this.options
    return this.barrier.meetProcesses(() => state.stopped)
  }

  /** Waits until every lane has made all it was granted: stale read-ahead is finished and thrown away, as PyTorch's reset does. */
  private drain(): void {
    for (const { rank, order } of this.ranks)
      for (let reader = 0; reader < order.readers; reader++) this.credits.drain(rank * this.options.lanesPerRank + reader)
  }
}
