// The conductor: all ranks of a process as small state machines on one thread. It hands out credits, keeps the compute clocks and the
// barriers, and measures; it sleeps until the next deadline or the next news from a reader. It never touches data.
//
// A training step (DLIO main._train): wait for the batch, compute, barrier, and after some of them a checkpoint, which ends the block. After its last step a rank fetches one more batch if the
// loader has one (DLIO leaves its loop that way), inside the block's time and in no step.
import type { TrainingCheckpoints } from '../checkpoint/training.js'
import { ProcessBarrier } from '../cluster/gate.js'
import type { RankRange } from '../cluster/world.js'
import type { Flow, Grant, Made } from '../frameworks/flow.js'
import { createFlow } from '../frameworks/index.js'
import type { EpochRecord, StepsRecord } from '../metrics/records.js'
import type { EpochOrder, Split } from '../order/types.js'
import type { Plan, SleepStream } from '../plan/types.js'
import type { Clock } from './clock.js'
import { Deadlines } from './deadlines.js'
import type { ThreadMessage } from './messages.js'
import { control, laneWord, progressSlot, type SharedState, setPhase, splitCode } from './shared-state.js'
import { StepsLog } from './steps-log.js'
import type { TraceWriter } from './trace-writer.js'
import { collectEveryMs, readersMayTake, Turnstile } from './turnstile.js'

/** A waiting rank without any completed batch for so long is reported. */
const stallMs = 60_000
const neverWanted = 0x7fffffff
/** Below this wait for a batch, and without computation, a wake-up for every batch would cost more than reading it. */
const hurryMs = 1

/** Where a rank is in its step. `fetchingSurplus`: waiting for the batch that is fetched and not used. */
type Phase = 'loading' | 'computing' | 'atBarrier' | 'checkpointing' | 'fetchingSurplus' | 'finished'

interface Rank {
  /** Among the ranks of this process, from 0. */
  readonly rank: number
  /** Its number in the job. */
  readonly jobRank: number
  readonly sleeps: SleepStream
  order: EpochOrder
  flow: Flow
  phase: Phase
  /** Batch that is loaded or computed now. */
  batch: number
  steps: number
  loadStartMs: number
  computeStartMs: number
  loadMs: number
  deadlineMs: number
  log: StepsLog
  /** Blocks of this epoch that have ended. */
  blocks: StepsRecord[]
  stallReported: boolean
  /** Batches come faster than a thread can be woken for each. */
  hurried: boolean
  /** Its steps are taken by the readers. */
  leftToReaders: boolean
  /** Made once per rank, so that steps allocate nothing. */
  readonly grant: Grant
  readonly made: Made
}

export interface ConductorOptions {
  readonly plan: Plan
  /** Ranks of this process. */
  readonly localRanks: RankRange
  /** Where ranks of other processes are met; undefined where there are none. */
  readonly gate: SharedArrayBuffer | undefined
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
  private readonly ranks: Rank[]
  private readonly deadlines: Deadlines
  private waiting: Rank[] = []
  private spare: Rank[] = []
  private readonly toWake = new Set<number>()
  private atBarrier = 0
  /** All ranks of this process have arrived, those of others may not have. */
  private atGate = false
  private readonly gate: ProcessBarrier
  private finished = 0
  private split: Split = 'train'
  private epoch = 0
  private stepsDone = 0
  /** Up to when the first rank's training time is in the progress. */
  private countedUntilMs = 0
  /** The lane that a wish was left with last. */
  private wishedLane = -1
  private readonly turnstile: Turnstile

  constructor(private readonly options: ConductorOptions) {
    const { plan, localRanks, state, clock, threadOfLane } = options
    this.turnstile = new Turnstile(state, plan, clock)
    for (const [lane, thread] of threadOfLane.entries()) state.words[state.lane(lane, laneWord.thread)] = thread
    const count = localRanks.end - localRanks.begin
    this.gate = new ProcessBarrier(options.gate)
    this.deadlines = new Deadlines(count)
    this.ranks = Array.from({ length: count }, (_, rank) => this.createRank(rank))
  }

  private createRank(index: number): Rank {
    const { plan, lanesPerRank, localRanks } = this.options
    const jobRank = localRanks.begin + index
    const order = undefined as unknown as EpochOrder // set by startRank before any use
    const flow = undefined as unknown as Flow
    return {
      rank: index,
      jobRank,
      sleeps: plan.sleeps(jobRank),
      order,
      flow,
      phase: 'finished',
      batch: 0,
      steps: 0,
      loadStartMs: 0,
      computeStartMs: 0,
      loadMs: 0,
      deadlineMs: 0,
      log: new StepsLog(0),
      blocks: [],
      stallReported: false,
      hurried: false,
      leftToReaders: false,
      grant: (reader, units) => this.grant(index * lanesPerRank + reader, units),
      made: {
        has: (reader, units) => this.hasMade(index * lanesPerRank + reader, units),
        count: (reader) => this.unitsMade(index * lanesPerRank + reader),
      },
    }
  }

  /** Runs all epochs. Returns early when the run is stopped; what was measured until then has been sent. */
  run(): void {
    const { plan, state, clock, send } = this.options
    for (let epoch = 1; epoch <= plan.epochs && !state.stopped; epoch++) {
      this.epoch = epoch
      // MLCommons' DLIO meets before each epoch (main.run).
      if (!this.meetOthers()) return
      plan.advance(epoch)
      for (const rank of this.ranks) rank.sleeps.startEpoch(epoch)
      const beginMs = clock.nowMs()
      send({ kind: 'epochStarts', epoch, timeMs: clock.absoluteMs(beginMs), steps: plan.train.steps })
      const train = this.runSplit('train')
      // main._train ends with a barrier; then the epoch's checkpoint follows.
      this.meetOthers()
      this.checkpointEpoch(epoch)
      const trainEndMs = clock.nowMs()
      this.sendTrainEnd(epoch, beginMs, trainEndMs, train[0])
      this.drain()
      let evaluations: StepsRecord[] | undefined
      if (plan.evaluates(epoch) && !state.stopped) {
        send({ kind: 'evalStarts', epoch, timeMs: clock.absoluteMs(trainEndMs), steps: plan.valid.steps })
        evaluations = this.runSplit('valid').map(([steps]) => steps!)
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

  /** One epoch's training, or one evaluation, of all ranks; their blocks by rank. Read-ahead may still be under way. */
  private runSplit(split: Split): StepsRecord[][] {
    const { plan, state, clock } = this.options
    this.split = split
    this.atBarrier = 0
    this.atGate = false
    this.finished = 0
    this.waiting = []
    this.setProgress(plan)
    this.countedUntilMs = clock.nowMs()
    for (const rank of this.ranks) this.startRank(rank, split)
    this.flushWakes()
    while (this.finished < this.ranks.length && !state.stopped) {
      const seen = Atomics.load(state.words, control.event)
      let progressed = this.passGate()
      progressed = this.endComputations(clock.nowMs()) || progressed
      progressed = this.endCheckpoints() || progressed
      progressed = this.deliver() || progressed
      this.flushWakes()
      if (!progressed) this.sleep(seen)
    }
    // Where the run was stopped, some may be left.
    for (const rank of this.ranks) this.collectSteps(rank)
    const endMs = clock.nowMs()
    for (const rank of this.ranks)
      if (rank.phase !== 'checkpointing') this.endBlock(rank, rank.phase === 'finished' ? rank.computeStartMs : endMs)
    return this.ranks.map(({ blocks }) => blocks)
  }

  private endBlock(rank: Rank, endMs: number): void {
    const { clock, send } = this.options
    const steps = rank.log.end(endMs, clock)
    rank.blocks.push(steps)
    if (rank.rank === 0 && this.split === 'train') send({ kind: 'blockEnds', epoch: this.epoch, block: rank.blocks.length, steps })
  }

  /** All ranks have reached the end of a step that a checkpoint follows: their blocks end, and each begins another when it has saved. */
  private beginCheckpoint(step: number, nowMs: number): void {
    for (const rank of this.ranks) {
      this.endBlock(rank, nowMs)
      rank.phase = 'checkpointing'
    }
    setPhase(this.options.state, 'checkpointing')
    this.options.checkpoints!.begin(this.epoch, this.ranks[0]!.blocks.length, step, step)
  }

  /** Ranks that have saved go on. Returns whether any did. */
  private endCheckpoints(): boolean {
    const { checkpoints, clock, send, state } = this.options
    if (!checkpoints?.underWay) return false
    let progressed = false
    for (const rank of this.ranks) {
      if (!checkpoints.ends(rank.rank)) continue
      progressed = true
      const nowMs = clock.nowMs()
      rank.log = new StepsLog(nowMs)
      if (rank.rank === 0) {
        setPhase(state, 'train')
        this.countedUntilMs = nowMs
        send({ kind: 'blockStarts', epoch: this.epoch, block: rank.blocks.length + 1, timeMs: clock.absoluteMs(nowMs) })
      }
      this.beginLoad(rank, nowMs)
    }
    return progressed
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

  private startRank(rank: Rank, split: Split): void {
    const { plan, clock } = this.options
    rank.order = plan.order(split, rank.jobRank, this.epoch)
    rank.flow = createFlow(plan.workload, rank.order)
    const planned = split === 'train' ? plan.train.steps : plan.valid.steps
    rank.steps = Math.min(rank.order.steps, planned)
    rank.batch = 0
    rank.log = new StepsLog(clock.nowMs())
    rank.blocks = []
    this.restartLanes(rank)
    rank.flow.start(rank.grant)
    this.beginLoad(rank, rank.log.beginMs)
    rank.leftToReaders = this.options.checkpoints === undefined && readersMayTake(plan, split, rank.flow) && rank.steps > 0
    this.turnstile.open(split, this.epoch, rank.leftToReaders ? rank.steps : 0)
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
    this.tellStep(rank, rank.batch)
    return true
  }

  /** Points the rank's (idle) lanes at this epoch and split. */
  private restartLanes(rank: Rank): void {
    const { state } = this.options
    for (let reader = 0; reader < rank.order.readers; reader++) {
      const lane = this.laneOf(rank, reader)
      Atomics.store(state.words, state.lane(lane, laneWord.epoch), this.epoch)
      Atomics.store(state.words, state.lane(lane, laneWord.split), splitCode[this.split])
      Atomics.store(state.words, state.lane(lane, laneWord.granted), 0)
      Atomics.store(state.words, state.lane(lane, laneWord.done), 0)
      Atomics.store(state.words, state.lane(lane, laneWord.wanted), neverWanted)
      Atomics.add(state.words, state.lane(lane, laneWord.generation), 1)
      this.toWake.add(this.options.threadOfLane[lane]!)
    }
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
    this.tellStep(rank, step)
  }

  /** Tells the progress which step rank 0 is at. */
  private tellStep(rank: Rank, step: number): void {
    if (rank.rank !== 0) return
    const { plan, state } = this.options
    state.progress[progressSlot.step] = step
    state.progress[progressSlot.steps] = this.split === 'train' ? plan.train.steps : plan.valid.steps
  }

  private endComputations(nowMs: number): boolean {
    const { state } = this.options
    let progressed = false
    while (this.deadlines.next <= nowMs) {
      const rank = this.ranks[this.deadlines.pop()]!
      const lagMs = nowMs - rank.deadlineMs
      state.progress[progressSlot.lagSumMs]! += lagMs
      state.progress[progressSlot.lagCount]! += 1
      if (lagMs > state.progress[progressSlot.lagMaxMs]!) state.progress[progressSlot.lagMaxMs] = lagMs
      this.endStep(rank, nowMs)
      progressed = true
    }
    return progressed
  }

  /** Notes what the step took that ends now. */
  private bookStep(rank: Rank, nowMs: number): void {
    const { state, trace } = this.options
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
    state.progress[progressSlot.stepsDone] = ++this.stepsDone
    if (rank.rank === 0 && this.split === 'train') {
      state.progress[progressSlot.computeMs]! += computeMs
      state.progress[progressSlot.wallMs]! += nowMs - this.countedUntilMs
      this.countedUntilMs = nowMs
    }
  }

  private endStep(rank: Rank, nowMs: number): void {
    this.bookStep(rank, nowMs)
    if (this.split === 'valid') {
      this.beginLoad(rank, nowMs)
      return
    }
    rank.phase = 'atBarrier'
    if (++this.atBarrier < this.ranks.length) return
    this.atBarrier = 0
    this.gate.arrive()
    if (this.gate.isOpen) this.openBarrier(nowMs)
    else this.atGate = true
  }

  /** The last rank of all has arrived: loading starts anew for all at that moment, behind a checkpoint if one is due. */
  private openBarrier(nowMs: number): void {
    const step = this.ranks[0]!.batch
    if (this.options.checkpoints?.followsStep(step)) this.beginCheckpoint(step, nowMs)
    else for (const each of this.ranks) this.beginLoad(each, nowMs)
  }

  /** Whether the ranks of other processes have now arrived, where those of this one wait for them. */
  private passGate(): boolean {
    if (!this.atGate || !this.gate.isOpen) return false
    this.atGate = false
    this.openBarrier(this.options.clock.nowMs())
    return true
  }

  /** Waits for all other processes. False where the run is stopped meanwhile. */
  private meetOthers(): boolean {
    const { state } = this.options
    return this.gate.pass(() => state.stopped)
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

  private unitsMade(lane: number): number {
    const { state } = this.options
    return Atomics.load(state.words, state.lane(lane, laneWord.done))
  }

  /** Wishes to be woken when the last outstanding batch is there, not for each of those before it. Once: then it waits for what it needs. */
  private wishForLast(rank: Rank): void {
    const { state } = this.options
    const last = rank.flow.lastOutstanding?.(rank.batch) ?? rank.batch
    const nearest = this.wishedLane
    if (last === rank.batch || rank.flow.isReady(last, rank.made) || nearest === this.wishedLane) return
    Atomics.store(state.words, state.lane(nearest, laneWord.wanted), neverWanted)
  }

  private hasMade(lane: number, units: number): boolean {
    const { words } = this.options.state
    const done = this.options.state.lane(lane, laneWord.done)
    if (Atomics.load(words, done) >= units) return true
    this.wishedLane = lane
    // First the wish, then another look: a reader first stores what it has done, then looks at the wish.
    Atomics.store(words, this.options.state.lane(lane, laneWord.wanted), units)
    return Atomics.load(words, done) >= units
  }

  private grant(lane: number, units: number): void {
    const { state, threadOfLane } = this.options
    const at = state.lane(lane, laneWord.granted)
    if (units <= Atomics.load(state.words, at)) return
    Atomics.store(state.words, at, units)
    this.toWake.add(threadOfLane[lane]!)
  }

  private laneOf(rank: Rank, reader: number): number {
    return rank.rank * this.options.lanesPerRank + reader
  }

  private flushWakes(): void {
    if (this.toWake.size === 0) return
    for (const thread of this.toWake) this.options.state.wake(thread)
    this.toWake.clear()
  }

  private sleep(seen: number): void {
    const { state, clock } = this.options
    const nowMs = clock.nowMs()
    this.reportStalls(nowMs)
    const untilMs = Math.min(this.deadlines.next - nowMs, this.ranks[0]!.leftToReaders ? collectEveryMs : 1000)
    if (untilMs > 0) Atomics.wait(state.words, control.event, seen, untilMs)
  }

  private reportStalls(nowMs: number): void {
    for (const rank of this.waiting) {
      if (rank.stallReported || nowMs - rank.loadStartMs < stallMs) continue
      rank.stallReported = true
      const sink = {
        files: new Float64Array(this.options.plan.train.batchSize + this.options.plan.valid.batchSize),
        samples: new Float64Array(0),
      }
      sink.samples = new Float64Array(sink.files.length)
      const split = this.split === 'train' ? this.options.plan.train : this.options.plan.valid
      const count = rank.order.batch(rank.batch, sink)
      const file = count > 0 ? split.files.name(sink.files[0]!) : '(none)'
      this.options.send({
        kind: 'stalled',
        rank: rank.jobRank,
        step: rank.batch + 1,
        file,
        seconds: Math.round((nowMs - rank.loadStartMs) / 1000),
      })
    }
  }

  /** Waits until every lane has made all it was granted: stale read-ahead is finished and thrown away, as PyTorch's reset does. */
  private drain(): void {
    const { state } = this.options
    for (const rank of this.ranks)
      for (let reader = 0; reader < rank.order.readers; reader++) {
        const lane = this.laneOf(rank, reader)
        for (;;) {
          const seen = Atomics.load(state.words, control.event)
          if (state.stopped || this.hasMade(lane, Atomics.load(state.words, state.lane(lane, laneWord.granted)))) break
          Atomics.wait(state.words, control.event, seen, 1000)
        }
      }
  }

  private setProgress(plan: Plan): void {
    const { progress } = this.options.state
    progress[progressSlot.epoch] = this.epoch
    setPhase(this.options.state, this.split)
    progress[progressSlot.step] = 0
    progress[progressSlot.steps] = this.split === 'train' ? plan.train.steps : plan.valid.steps
  }
}
