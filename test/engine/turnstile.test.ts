import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Clock } from '#src/engine/clock.js'
import { laneWord, SharedState, threadWord, turnstileWord } from '#src/engine/shared-state.js'
import { readersMayTake, Turnstile } from '#src/engine/turnstile.js'
import type { Grant } from '#src/frameworks/flow.js'
import { createFlow } from '#src/frameworks/index.js'
import type { Split } from '#src/order/types.js'
import type { Plan } from '#src/plan/types.js'
import { plan } from '../plan/workloads.js'

/** A job of one rank whose readers are driven by hand; time passes by one with each look at the clock. */
class Job {
  readonly state: SharedState
  readonly conductor: Turnstile
  private readonly readers: Turnstile[]
  private nowMs = 0
  readonly times: number[] = []

  constructor(
    readonly plan: Plan,
    readers: number,
  ) {
    this.state = SharedState.create({ lanes: readers, threads: readers })
    const clock = { nowMs: () => this.nowMs++ } as Clock
    const create = () => new Turnstile(this.state, plan, clock)
    this.conductor = create()
    this.readers = Array.from({ length: readers }, create)
    for (let lane = 0; lane < readers; lane++) this.state.words[this.state.lane(lane, laneWord.thread)] = lane
  }

  word(lane: number, word: number): number {
    return this.state.words[this.state.lane(lane, word)]!
  }

  set(lane: number, word: number, value: number): void {
    Atomics.store(this.state.words, this.state.lane(lane, word), value)
  }

  begin(split: Split, epoch: number, steps: number): void {
    for (let lane = 0; lane < this.readers.length; lane++) {
      this.set(lane, laneWord.done, 0)
      this.set(lane, laneWord.granted, 0)
    }
    this.times.length = 0
    const flow = createFlow(this.plan.workload, this.plan.order(split, 0, epoch))
    const grant: Grant = (lane, units) => this.set(lane, laneWord.granted, Math.max(units, this.word(lane, laneWord.granted)))
    flow.start(grant)
    flow.wants(0, grant)
    this.conductor.open(split, epoch, steps)
  }

  /** Lets reader `lane` make a batch if it has credit; tells whether it had. */
  make(lane: number): boolean {
    const done = this.word(lane, laneWord.done)
    if (done >= this.word(lane, laneWord.granted)) return false
    this.set(lane, laneWord.done, done + 1)
    this.readers[lane]!.pass()
    return true
  }

  collect(): number {
    return this.conductor.collect((timeMs) => this.times.push(timeMs))
  }

  get taken(): number {
    return this.state.words[turnstileWord.taken]!
  }

  /** What a loop that takes batch after batch by itself would have granted by now. */
  expectedCredits(split: Split, epoch: number, steps: number): number[] {
    const credits = this.readers.map(() => 0)
    const flow = createFlow(this.plan.workload, this.plan.order(split, 0, epoch))
    const grant: Grant = (lane, units) => {
      credits[lane] = Math.max(credits[lane]!, units)
    }
    flow.start(grant)
    flow.wants(0, grant)
    for (let batch = 0; batch < this.taken; batch++) {
      flow.taken(batch, grant)
      if (batch + 1 < steps) flow.wants(batch + 1, grant)
    }
    return credits
  }
}

test('in whatever order readers finish, steps are taken in order as soon as they can be, and give the credits that the training loop would', () => {
  const job = fc.record({
    readers: fc.integer({ min: 1, max: 4 }),
    files: fc.integer({ min: 1, max: 60 }),
    evalFiles: fc.integer({ min: 1, max: 60 }),
    prefetch: fc.integer({ min: 1, max: 9 }),
    turns: fc.infiniteStream(fc.nat(4)),
  })
  fc.assert(
    fc.property(job, ({ readers, files, evalFiles, prefetch, turns }) => {
      const own = plan({
        workflow: { evaluation: true },
        dataset: { num_files_train: files, num_files_eval: evalFiles },
        reader: { read_threads: readers, batch_size: 1, prefetch_size: prefetch },
        train: { computation_time: 0 },
      })
      const run = new Job(own, readers)
      for (const [split, epoch] of [
        ['train', 1],
        ['valid', 1],
        ['train', 2],
      ] as const) {
        if (split === 'train') own.advance(epoch)
        const order = own.order(split, 0, epoch)
        assert.ok(order.kind === 'batch')
        const { steps } = own[split]
        run.begin(split, epoch, steps)
        let collected = 0
        for (let idle = 0; run.taken < steps; ) {
          const turn = turns.next().value!
          if (turn === readers) collected += run.collect()
          idle = run.make(turn % readers) ? 0 : idle + 1
          assert.ok(idle < 1000, `stuck after ${run.taken} of ${steps} steps`)
          const made = (batch: number) => run.word(order.readerOf(batch) ?? 0, laneWord.done) > order.unitOfBatch(batch)
          for (let batch = 0; batch < run.taken; batch++) assert.ok(made(batch))
          assert.ok(run.taken === steps || !made(run.taken), 'a batch that is there is taken at once')
          for (const [lane, units] of run.expectedCredits(split, epoch, steps).entries())
            assert.equal(run.word(lane, laneWord.granted), units)
        }
        collected += run.collect()
        assert.equal(collected, steps)
        assert.equal(run.times.length, steps)
        assert.ok(run.times.every((time, i) => i === 0 || time > run.times[i - 1]!))
      }
    }),
    { numRuns: 50 },
  )
})

test('readers go no further than the conductor can keep the times of, tell it before, and go on once it has collected them', () => {
  const files = 20_000
  const own = plan({ dataset: { num_files_train: files }, reader: { read_threads: 2, batch_size: 1 }, train: { computation_time: 0 } })
  own.advance(1)
  const run = new Job(own, 2)
  run.begin('train', 1, files)
  const room = run.state.passTimes.length
  for (let collected = 0; collected < files; ) {
    const news = run.state.words[0]
    const before = run.taken
    while (run.make(0) || run.make(1));
    assert.equal(run.taken, Math.min(collected + room, files))
    if (run.taken - before > room / 2) assert.notEqual(run.state.words[0], news)
    collected += run.collect()
  }
  assert.equal(new Set(run.times).size, files)
})

test('a credit wakes the thread of the reader that it is for', () => {
  const own = plan({ dataset: { num_files_train: 8 }, reader: { read_threads: 2, batch_size: 1 }, train: { computation_time: 0 } })
  own.advance(1)
  const run = new Job(own, 2)
  run.begin('train', 1, 8)
  const wakes = (thread: number) => run.state.words[run.state.thread(thread, threadWord.wake)]!
  // The second batch is there first: nothing can be taken. Then both can, and both readers get credit.
  run.make(1)
  assert.deepEqual([wakes(0), wakes(1)], [0, 0])
  run.make(0)
  assert.deepEqual([wakes(0), wakes(1)], [1, 1])
})

test('readers take steps for one rank that computes nothing, with a loader whose next move follows from the number of the batch', () => {
  const may = (sections: Parameters<typeof plan>[0], ranks = 1, split: Split = 'train') => {
    const own = plan(sections, ranks)
    own.advance(1)
    return readersMayTake(own, split, createFlow(own.workload, own.order(split, 0, 1)))
  }
  const idle = { train: { computation_time: 0 } }
  assert.equal(may(idle), true)
  assert.equal(may({ ...idle, reader: { read_threads: 0 } }), true)
  assert.equal(may({ ...idle, dataset: { num_files_train: 16 } }, 2), false)
  assert.equal(may({ train: { computation_time: 0.001 } }), false)
  assert.equal(may({ train: { computation_time: { type: 'normal', mean: 0, stdev: 0.1 } } }), false)
})
