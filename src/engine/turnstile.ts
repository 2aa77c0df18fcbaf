// Where nothing is computed and nobody waits for others, the only thing between two steps is the next batch. Then the readers take the
// steps themselves: whoever has made a batch notes the time for it and for those behind it that are ready, and gives out the credits that
// this frees. The conductor only collects the times, many at once: waking it for each batch costs more than reading a tiny file.
import type { Flow, Grant, Made } from '../frameworks/flow.js'
import { createFlow } from '../frameworks/index.js'
import type { Split } from '../order/types.js'
import type { Plan } from '../plan/types.js'
import type { Clock } from './clock.js'
import { Credits } from './credits.js'
import { type SharedState, splitCode, turnstileWord } from './shared-state.js'

/** How often the conductor looks, in milliseconds, where steps are slower than the memory for times fills. */
export const collectEveryMs = 100

/** Whether nothing but the next batch lies between two steps of a job, and what its loader does with it follows from its number alone. */
export function readersMayTake({ world, workload }: Plan, split: Split, flow: Flow): boolean {
  const duration = split === 'train' ? workload.train.computationTime : workload.evaluation.evalTime
  return world.ranks === 1 && duration.type === 'constant' && duration.mean === 0 && flow.isStateless === true
}

/** The steps of the only rank. Every thread has an own object for the same shared memory. */
export class Turnstile {
  private readonly credits: Credits
  private flow: Flow | undefined
  private flowEpoch = 0
  private flowSplit = -1
  private readonly made: Made
  private readonly grant: Grant

  constructor(
    private readonly state: SharedState,
    private readonly plan: Plan,
    private readonly clock: Clock,
  ) {
    this.credits = new Credits(state)
    const done = (reader: number) => this.credits.made(reader)
    this.made = { has: (reader, units) => done(reader) >= units, count: done }
    this.grant = (reader, units) => this.credits.grant(reader, units)
  }

  /** For the conductor: leaves the first `batches` batches of an epoch to the readers, none with 0. The credits to begin with are its own. */
  open(split: Split, epoch: number, batches: number): void {
    const { words } = this.state
    // Held by a reader for some microseconds, if at all.
    while (Atomics.compareExchange(words, turnstileWord.callers, 0, 1) !== 0);
    words[turnstileWord.epoch] = epoch
    words[turnstileWord.split] = splitCode[split]
    words[turnstileWord.taken] = 0
    words[turnstileWord.collected] = 0
    Atomics.store(words, turnstileWord.end, batches)
    this.takeWhileCalled()
  }

  /** To be called when a batch has been made: takes what is ready. One thread at a time does; another that comes meanwhile makes it look again. */
  pass(): void {
    const { words } = this.state
    if (Atomics.load(words, turnstileWord.end) === 0) return
    if (Atomics.add(words, turnstileWord.callers, 1) === 0) this.takeWhileCalled()
  }

  /** For the conductor: hands the times of the steps since the last call to `each`; returns their number. */
  collect(each: (timeMs: number) => void): number {
    const { words, passTimes } = this.state
    const begin = words[turnstileWord.collected]!
    const end = Atomics.load(words, turnstileWord.taken)
    for (let batch = begin; batch < end; batch++) each(passTimes[batch % passTimes.length]!)
    Atomics.store(words, turnstileWord.collected, end)
    // Readers that found no room for another time may all be waiting.
    if (end - begin === passTimes.length) this.pass()
    return end - begin
  }

  private takeWhileCalled(): void {
    const { words } = this.state
    for (;;) {
      const callers = Atomics.load(words, turnstileWord.callers)
      this.takeReady()
      if (Atomics.compareExchange(words, turnstileWord.callers, callers, 0) === callers) return
    }
  }

  private takeReady(): void {
    const { state, clock } = this
    const { words, passTimes } = state
    const end = words[turnstileWord.end]!
    let taken = words[turnstileWord.taken]!
    if (taken >= end) return
    const flow = this.currentFlow()
    const collected = Atomics.load(words, turnstileWord.collected)
    let news = false
    while (taken < end && taken - collected < passTimes.length && flow.isReady(taken, this.made)) {
      passTimes[taken % passTimes.length] = clock.nowMs()
      flow.taken(taken, this.grant)
      Atomics.store(words, turnstileWord.taken, ++taken)
      if (taken < end) flow.wants(taken, this.grant)
      news ||= taken === end || taken - collected === passTimes.length >> 1 || taken - collected === passTimes.length
    }
    this.credits.flushWakes()
    if (news) state.signal()
  }

  private currentFlow(): Flow {
    const { words } = this.state
    const epoch = words[turnstileWord.epoch]!
    const split = words[turnstileWord.split]!
    if (this.flow === undefined || this.flowEpoch !== epoch || this.flowSplit !== split) {
      const name: Split = split === splitCode.train ? 'train' : 'valid'
      this.flow = createFlow(this.plan.workload, this.plan.order(name, 0, epoch))
      this.flowEpoch = epoch
      this.flowSplit = split
    }
    return this.flow
  }
}
