// The steps of all ranks of a process, as small state machines on one thread: it hands out credits, keeps the compute clocks and the
// barriers, and measures; it sleeps until the next deadline or the next news from a reader. It never touches data.
//
// A training step (DLIO main._train): wait for the batch, compute, barrier, and after some of them a checkpoint, which ends the block.
// After its last step a rank fetches one more batch if the loader has one (DLIO leaves its loop that way), inside the block's time and in
// no step.
import { createFlow } from '../frameworks/index.js'
import type { StepsRecord } from '../metrics/records.js'
import type { Split } from '../order/types.js'
import type { ConductorOptions } from './conductor.js'
import type { Credits } from './credits.js'
import { Deadlines } from './deadlines.js'
import { ProgressTeller } from './progress.js'
import type { Rank } from './rank.js'
import { control } from './shared-state.js'
import { reportStalls } from './stalls.js'
import type { StepBarrier } from './step-barrier.js'
import { StepsLog } from './steps-log.js'
import { collectEveryMs, readersMayTake, Turnstile } from './turnstile.js'

/** Below this wait for a batch, and without computation, a wake-up for every batch would cost more than reading it. */
const hurryMs = 1

/** Longest wait for other processes between two looks whether the run is stopped. */
const stopLookMs = 100

/** Runs the ranks through an epoch's training or through an evaluation. */
export class StepLoop {
  private readonly deadlines: Deadlines
  private readonly progress: ProgressTeller
  private readonly turnstile: Turnstile
  /** Ranks that wait for a batch. */
  private waiting: Rank[] = []
  private spare: Rank[] = []
  private finished = 0
  private split: Split = 'train'
  private epoch = 0

  constructor(
    private readonly options: ConductorOptions,
    private readonly ranks: readonly Rank[],
    private readonly credits: Credits,
    private readonly barrier: StepBarrier,
  ) {
    const { plan, state, clock } = options
    this.deadlines = new Deadlines(ranks.length)
    this.progress = new ProgressTeller(state)
    this.turnstile = new Turnstile(state, plan, clock)
  }

  /** All steps of one split; the blocks by rank. Read-ahead may still be under way when it returns, early where the run is stopped. */
  run(split: Split, epoch: number): StepsRecord[][] {
    const { plan, state, clock } = this.options
    this.split = split
    this.epoch = epoch
    this.finished = 0
    this.waiting = []
    this.barrier.reset()
    this.progress.startSplit(plan, split, epoch, clock.nowMs())
    for (const rank of this.ranks) this.startRank(rank)
    this.credits.flushWakes()
    while (this.finished < this.ranks.length && !state.stopped) {
      const seen = Atomics.load(state.words, control.event)
      let progressed = this.passBarrier()
      progressed = this.endComputations(clock.nowMs()) || progressed
      progressed = this.endCheckpoints() || progressed
      progressed = this.deliver() || progressed
      this.credits.flushWakes()
      if (!progressed) this.sleep(seen)
    }
    // Where the run was stopped, some may be left.
    for (const rank of this.ranks) this.collectSteps(rank)
    const endMs = clock.nowMs()
    for (const rank of this.ranks)
      if (rank.phase !== 'checkpointing') this.endBlock(rank, rank.phase === 'finished' ? rank.computeStartMs : endMs)
    return this.ranks.map(({ blocks }) => blocks)
  }

  private startRank(rank: Rank): void {
    const { checkpoints, clock, lanesPerRank, plan } = this.options
    const { credits, epoch, split } = this
    rank.order = plan.order(split, rank.jobRank, epoch)
    rank.flow = createFlow(plan.workload, rank.order)
    rank.steps = Math.min(rank.order.steps, plan[split].steps)
    rank.batch = 0
    rank.log = new StepsLog(clock.nowMs())
    rank.blocks = []
    for (let reader = 0; reader < rank.order.readers; reader++) credits.restart(rank.rank * lanesPerRank + reader, epoch, split)
    rank.flow.start(rank.grant)
    this.beginLoad(rank, rank.log.beginMs)
    rank.leftToReaders = checkpoints === undefined && readersMayTake(plan, split, rank.flow) && rank.steps > 0
    this.turnstile.open(split, epoch, rank.leftToReaders ? rank.steps : 0)
  }

  /** The rank asks for its next batch, or for the surplus one, or is through. */
  private beginLoad(rank: Rank, nowMs: number): void {
    rank.loadStartMs = nowMs
    rank.stallReported = false
    if (rank.batch >= rank.order.batches && rank.batch >= rank.steps) {
      this.finish(rank, nowMs)
      return
    }
    rank.phase = rank.batch < rank.steps ? 'loading' : 'fetchingSurplus'
    rank.flow.wants(rank.batch, rank.grant)
    this.waiting.push(rank)
  }

  private finish(rank: Rank, nowMs: number): void {
    rank.phase = 'finished'
    // The end of the block, kept where the last computation began: a finished rank computes no more.
    rank.computeStartMs = nowMs
    this.finished++
  }

  /** Ranks whose batch is ready go on. Returns whether any did. */
  private deliver(): boolean {
    const before = this.waiting
    // beginLoad() appends to the new list while this loop runs over the former one.
    this.waiting = this.spare
    this.waiting.length = 0
    this.spare = before
    let progressed = false
    for (const rank of before) {
      if (rank.leftToReaders) {
        progressed = this.collectSteps(rank) || progressed
        rank.leftToReaders = rank.batch < rank.steps
        if (rank.leftToReaders) this.waiting.push(rank)
        else this.beginLoad(rank, rank.loadStartMs)
        continue
      }
      // Leaves word with the readers that it waits for where it is not.
      if (!this.isReady(rank)) {
        this.waiting.push(rank)
        continue
      }
      progressed = true
      this.deliverTo(rank)
    }
    return progressed
  }

  private deliverTo(rank: Rank): void {
    const nowMs = this.options.clock.nowMs()
    rank.flow.taken(rank.batch, rank.grant)
    if (rank.phase === 'fetchingSurplus') {
      this.finish(rank, nowMs)
      return
    }
    const step = rank.batch + 1
    rank.loadMs = nowMs - rank.loadStartMs
    rank.computeStartMs = nowMs
    const seconds = rank.sleeps.next(this.split)
    rank.hurried = seconds === 0 && rank.loadMs < hurryMs
    if (seconds > 0) {
      rank.phase = 'computing'
      rank.deadlineMs = nowMs + 1000 * seconds
      this.deadlines.push(rank.deadlineMs, rank.rank)
    } else this.endStep(rank, nowMs)
    if (rank.rank === 0) this.progress.atStep(step)
  }

  /** Whether the batch that the rank waits for is there; leaves word with the reader it waits for otherwise. */
  private isReady(rank: Rank): boolean {
    if (rank.flow.isReady(rank.batch, rank.made)) return true
    if (rank.hurried) {
      rank.hurried = false
      this.wishForLast(rank)
    }
    return false
  }

  /** Wishes to be woken when the last outstanding batch is there, not for each of those before it. Once: then it waits for what it needs. */
  private wishForLast(rank: Rank): void {
    const { credits } = this
    const last = rank.flow.lastOutstanding?.(rank.batch) ?? rank.batch
    const nearest = credits.wishedLane
    if (last === rank.batch || rank.flow.isReady(last, rank.made) || nearest === credits.wishedLane) return
    credits.withdrawWish(nearest)
  }

  /** Books the steps that readers have taken. Returns whether there were any. */
  private collectSteps(rank: Rank): boolean {
    if (!rank.leftToReaders) return false
    const steps = this.turnstile.collect((timeMs) => {
      rank.loadMs = timeMs - rank.loadStartMs
      rank.computeStartMs = timeMs
      this.bookStep(rank, timeMs)
      rank.loadStartMs = timeMs
    })
    if (steps === 0) return false
    rank.stallReported = false
    if (rank.rank === 0) this.progress.atStep(rank.batch)
    return true
  }

  private endComputations(nowMs: number): boolean {
    let progressed = false
    while (this.deadlines.next <= nowMs) {
      const rank = this.ranks[this.deadlines.pop()]!
      this.progress.lagged(nowMs - rank.deadlineMs)
      this.endStep(rank, nowMs)
      progressed = true
    }
    return progressed
  }

  private endStep(rank: Rank, nowMs: number): void {
    this.bookStep(rank, nowMs)
    if (this.split === 'valid') {
      this.beginLoad(rank, nowMs)
      return
    }
    rank.phase = 'atBarrier'
    if (this.barrier.arrive()) this.leaveBarrier(nowMs)
  }

  /** Notes what the step took that ends now. */
  private bookStep(rank: Rank, nowMs: number): void {
    const { trace } = this.options
    const computeMs = nowMs - rank.computeStartMs
    rank.log.add(rank.loadMs, nowMs - rank.loadStartMs, computeMs)
    trace?.step({
      rank: rank.jobRank,
      epoch: this.epoch,
      split: this.split,
      step: rank.batch + 1,
      loadStartMs: rank.loadStartMs,
      computeStartMs: rank.computeStartMs,
      endMs: nowMs,
    })
    rank.batch++
    this.progress.stepEnded()
    if (rank.rank === 0 && this.split === 'train') this.progress.trained(computeMs, nowMs)
  }

  /** Goes on where ranks of other processes were waited for and have now arrived. */
  private passBarrier(): boolean {
    if (!this.barrier.opens()) return false
    this.leaveBarrier(this.options.clock.nowMs())
    return true
  }

  /** The last rank of all has arrived: loading starts anew for all at that moment, behind a checkpoint if one is due. */
  private leaveBarrier(nowMs: number): void {
    const step = this.ranks[0]!.batch
    if (this.options.checkpoints?.followsStep(step)) this.beginCheckpoint(step, nowMs)
    else for (const each of this.ranks) this.beginLoad(each, nowMs)
  }

  /** The ranks' blocks end, and each begins another when it has saved. */
  private beginCheckpoint(step: number, nowMs: number): void {
    for (const rank of this.ranks) {
      this.endBlock(rank, nowMs)
      rank.phase = 'checkpointing'
    }
    this.progress.checkpointing()
    this.options.checkpoints!.begin(this.epoch, this.ranks[0]!.blocks.length, step, step)
  }

  /** Ranks that have saved go on. Returns whether any did. */
  private endCheckpoints(): boolean {
    const { checkpoints, clock, send } = this.options
    if (!checkpoints?.underWay) return false
    let progressed = false
    for (const rank of this.ranks) {
      if (!checkpoints.ends(rank.rank)) continue
      progressed = true
      const nowMs = clock.nowMs()
      rank.log = new StepsLog(nowMs)
      if (rank.rank === 0) {
        this.progress.resumeTraining(nowMs)
        send({ kind: 'blockStarts', epoch: this.epoch, block: rank.blocks.length + 1, timeMs: clock.absoluteMs(nowMs) })
      }
      this.beginLoad(rank, nowMs)
    }
    return progressed
  }

  private endBlock(rank: Rank, endMs: number): void {
    const { clock, send } = this.options
    const steps = rank.log.end(endMs, clock)
    rank.blocks.push(steps)
    if (rank.rank === 0 && this.split === 'train') send({ kind: 'blockEnds', epoch: this.epoch, block: rank.blocks.length, steps })
  }

  private sleep(seen: number): void {
    const { clock, plan, send, state } = this.options
    const nowMs = clock.nowMs()
    reportStalls(this.waiting, plan, this.split, nowMs, send)
    const untilMs = Math.min(this.deadlines.next - nowMs, this.ranks[0]!.leftToReaders ? collectEveryMs : 1000)
    if (untilMs <= 0) return
    // With all ranks at the barrier there is nothing else to be told but that the run is stopped.
    if (!this.barrier.sleep(Math.min(untilMs, stopLookMs))) Atomics.wait(state.words, control.event, seen, untilMs)
  }
}
