// Driving the lanes of a thread: blocking, one after the other, or many at a time on its event loop; and sleeping when none has credit.
import type { MessagePort } from 'node:worker_threads'
import { AsyncRunner, runAsync, runBlocking } from '../storage/io.js'
import type { AsyncStorage, BlockingStorage, Io } from '../storage/types.js'
import type { Lane } from './lane.js'
import { type SharedState, threadWord } from './shared-state.js'
import { changesSoon } from './short-wait.js'

/** A computation to be run to its end, or milliseconds to be slept. */
type Work = Io<void> | number

/**
 * One look at each of the lanes, of which one at a time reads: what they have to do, a unit of each that has credit. Each piece of work is to
 * be done before the next is asked for. Returns whether there was anything; if so there may be more.
 */
function* round(lanes: readonly Lane[], state: SharedState): Generator<Work, boolean, void> {
  let worked = false
  for (const lane of lanes) {
    if (lane.isCalled) {
      worked = true
      yield lane.begin()
    }
    if (!lane.hasCredit) continue
    worked = true
    const parts = lane.parts()
    for (let part = 0; part < parts && !state.stopped; part++) {
      yield lane.part(part)
      if (lane.preprocessMs > 0) yield lane.preprocessMs
    }
    if (state.stopped) break
    lane.publish()
  }
  return worked
}

/** A word that nobody wakes: waiting on it is sleeping, more precisely than a timer does. */
const pause = new Int32Array(new SharedArrayBuffer(4))

/** Sleeps without blocking the event loop. Its timers end up to a millisecond early, so the clock is asked until the time is over. */
async function sleepAtLeast(durationMs: number): Promise<void> {
  const endMs = performance.now() + durationMs
  for (let leftMs = durationMs; leftMs > 0; leftMs = endMs - performance.now())
    await Atomics.waitAsync(pause, 0, 0, Math.max(leftMs, 1)).value
}

/** Drives lanes with blocking reads until the run is stopped. Errors of a lane are thrown. */
export function driveBlocking(lanes: readonly Lane[], state: SharedState, thread: number, storage: BlockingStorage): void {
  const wake = state.thread(thread, threadWord.wake)
  const parked = state.thread(thread, threadWord.parked)
  for (;;) {
    const seen = Atomics.load(state.words, wake)
    if (state.stopped) break
    const turns = round(lanes, state)
    let turn = turns.next()
    for (; !turn.done; turn = turns.next()) {
      if (typeof turn.value === 'number') Atomics.wait(pause, 0, 0, turn.value)
      else runBlocking(turn.value, storage)
    }
    const worked = turn.value
    if (worked || changesSoon(state.words, wake, seen)) continue
    Atomics.store(state.words, parked, 1)
    Atomics.wait(state.words, wake, seen)
    Atomics.store(state.words, parked, 0)
  }
  for (const lane of lanes) runBlocking(lane.close(), storage)
}

/**
 * A group of lanes at work on the event loop. Each answer of the storage takes it on to the next request at once, within the event that
 * brought the answer, so that a connection which has just become free is the one that is asked next.
 */
class GroupDrive {
  isBusy = false
  private turns: Generator<Work, boolean, void> | undefined
  private readonly runner: AsyncRunner<void>

  constructor(
    private readonly lanes: readonly Lane[],
    private readonly state: SharedState,
    storage: AsyncStorage,
    /** Called when no lane has anything to do, in the same turn as the last look at every lane's credit. */
    private readonly idle: () => void,
    private readonly failed: (error: unknown) => void,
  ) {
    this.runner = new AsyncRunner(storage, () => this.goOn(), failed)
  }

  get hasWork(): boolean {
    return this.lanes.some((lane) => lane.isCalled || lane.hasCredit)
  }

  start(): void {
    this.isBusy = true
    this.goOn()
  }

  private goOn(): void {
    try {
      while (this.next());
    } catch (error) {
      this.failed(error)
    }
  }

  /** One piece of work; false where the storage, or a sleep, will call for the next, and where there is none. */
  private next(): boolean {
    this.turns ??= round(this.lanes, this.state)
    const turn = this.turns.next()
    if (!turn.done) {
      if (typeof turn.value !== 'number') return this.runner.start(turn.value)
      sleepAtLeast(turn.value).then(() => this.goOn(), this.failed)
      return false
    }
    this.turns = undefined
    if (turn.value && !this.state.stopped) return true
    this.isBusy = false
    this.idle()
    return false
  }
}

/** Drives groups of lanes on the event loop, all groups at a time, until the run is stopped. The first error of a lane is thrown. */
export async function driveOnEventLoop(
  groups: readonly (readonly Lane[])[],
  state: SharedState,
  thread: number,
  storage: AsyncStorage,
  port: MessagePort,
): Promise<void> {
  const wake = state.thread(thread, threadWord.wake)
  const parked = state.thread(thread, threadWord.parked)
  // Nothing else holds the event loop while the thread waits for a wake-up.
  port.on('message', () => {})
  let failure: unknown
  let lookAgain = () => {}
  const fail = (error: unknown) => {
    failure ??= error
    lookAgain()
  }
  state.own = { thread, news: () => lookAgain() }
  const drives = groups.map((lanes) => new GroupDrive(lanes, state, storage, () => lookAgain(), fail))
  let listens = false
  while (!state.stopped && failure === undefined) {
    // Before the look at the lanes: credit that comes after the look is announced.
    Atomics.store(state.words, parked, 1)
    const seen = Atomics.load(state.words, wake)
    for (const drive of drives) if (!drive.isBusy && drive.hasWork) drive.start()
    // A group that was begun may already have given credit to one before it.
    if (Atomics.load(state.words, wake) !== seen) continue
    // Once begun, listening goes on until there is a wake-up, however often groups end meanwhile.
    if (!listens) {
      const wait = Atomics.waitAsync(state.words, wake, seen)
      if (!wait.async) continue
      listens = true
      wait.value.then(() => {
        listens = false
        lookAgain()
      })
    }
    // With every group at work, nobody needs a wake-up for credit: groups look for it themselves before they end.
    if (drives.every(({ isBusy }) => isBusy)) Atomics.store(state.words, parked, 0)
    await new Promise<void>((resolve) => {
      lookAgain = resolve
    })
  }
  if (failure !== undefined) throw failure
  for (const [i, { isBusy }] of drives.entries()) if (!isBusy) for (const lane of groups[i]!) await runAsync(lane.close(), storage)
  port.removeAllListeners('message')
}
