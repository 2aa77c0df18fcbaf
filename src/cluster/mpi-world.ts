// The World of processes that an MPI launcher started: the main thread's side. libmpi is called by a thread of its own (mpi-thread.ts).
import { deserialize, serialize } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { RunError, restoreError } from '../errors.js'
import { entryFile } from '../package.js'
import { PeerError } from './errors.js'
import { createGate, type Gate, ringBell } from './gate.js'
import { shareHostGate } from './host-gate.js'
import type { Launch } from './launcher.js'
import { type FromMpi, type MpiThreadStart, mostAlarmBytes, type Operation, type ToMpi } from './mpi-messages.js'
import { type Identity, neighbourOf, ownIdentity, watch } from './watch.js'
import type { ProcessPlace, Reduction, World } from './world.js'

/** So long after a failure others' failures count as simultaneous. Longer than an alarm takes to arrive. */
const settleMs = 250
/** How long MPI_Abort may take before this process ends itself. */
const abortMs = 3000
/** How long MPI_Finalize may take, for which all processes meet once more: large or busy machines take seconds, and the work is done. */
const finalizeMs = 20_000

/**
 * Settings of the libraries below MPI. By default they overwrite the code of munmap() and its like to know when pinned memory goes, while
 * other threads run it, which ends a process of many threads in a segmentation fault now and then; and UCX catches signals, which V8 uses.
 */
const tamed = {
  UCX_MEM_MMAP_HOOK_MODE: 'none',
  UCX_MEM_EVENTS: 'no',
  UCX_ERROR_SIGNALS: '',
  UCX_HANDLE_ERRORS: 'none',
  OMPI_MCA_memory: '^patcher',
} as const

interface Alarm {
  readonly kind: 'failed' | 'interrupted'
  readonly process: number
  readonly message: string
  readonly exitCode: number
}

interface Introduction {
  readonly identity: Identity
  readonly ranks: number
}

const folds: Readonly<Record<Reduction, (a: number, b: number) => number>> = {
  sum: (a, b) => a + b,
  max: Math.max,
  min: Math.min,
}

/** Connection to the thread that speaks MPI. */
class MpiConnection {
  readonly gate = createGate()
  private readonly words = new Int32Array(this.gate)
  private readonly worker: Worker
  private readonly answers = new Map<number, { resolve: (parts: readonly Uint8Array[]) => void; reject: (error: Error) => void }>()
  private nextId = 0
  private failure: Error | undefined
  readonly joined: Promise<{ process: number; processes: number }>
  readonly closed: Promise<void>
  /** Set by the world. */
  onAlarm: (alarm: Alarm) => void = () => {}

  constructor(launch: Launch) {
    // The environment of C; a worker's own is a copy that libraries do not see.
    for (const [name, value] of Object.entries(tamed)) process.env[name] ??= value
    const workerData: MpiThreadStart = { launch, gate: this.gate }
    this.worker = new Worker(`require(${JSON.stringify(entryFile('cluster/mpi-thread.js'))})`, { eval: true, workerData })
    const { promise: joined, resolve: join, reject: failToJoin } = withResolvers<{ process: number; processes: number }>()
    const { promise: closed, resolve: close } = withResolvers<void>()
    this.joined = joined
    this.closed = closed
    // Looked at when the world is asked for.
    joined.catch(() => {})
    const fail = (error: Error) => {
      failToJoin(error)
      this.fail(error)
    }
    this.worker.on('message', (message: FromMpi) => {
      if (message.kind === 'joined') join(message)
      else if (message.kind === 'answer') this.answer(message.id)?.resolve(message.parts)
      else if (message.kind === 'alarm') this.onAlarm(readAlarm(message.bytes))
      else if (message.kind === 'failed') fail(restoreError(message.error))
      else close()
    })
    this.worker.on('error', fail)
    this.worker.on('exit', () => {
      fail(new RunError('the thread that speaks MPI has ended'))
      close()
    })
  }

  /** Rejects what is under way and all that is asked later. */
  fail(error: Error): void {
    this.failure ??= error
    for (const id of [...this.answers.keys()]) this.answer(id)?.reject(this.failure)
  }

  call(operation: Operation, bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    if (this.failure !== undefined) return Promise.reject(this.failure)
    const id = this.nextId++
    return new Promise((resolve, reject) => {
      this.answers.set(id, { resolve, reject })
      this.post({ kind: 'call', id, operation, bytes })
    })
  }

  post(message: ToMpi): void {
    this.worker.postMessage(message)
    ringBell(this.words)
  }

  private answer(id: number) {
    const waiting = this.answers.get(id)
    this.answers.delete(id)
    return waiting
  }
}

/** Begins to join the job of `launch`; MPI starts while the caller does other things. The function it returns waits for it. */
export function joinMpi(launch: Launch): (ranks: number) => Promise<World> {
  const connection = new MpiConnection(launch)
  return async (ranks) => {
    const { process, processes } = await connection.joined
    if (launch.size !== undefined && (launch.size !== processes || launch.rank !== process))
      throw new RunError(
        `${launch.launcher} says that this is rank ${launch.rank} of ${launch.size}, the MPI library that it is rank ${process} of ${processes}: ` +
          'the library is not the one of the launcher; start with the mpirun that belongs to it',
      )
    const own: Introduction = { identity: ownIdentity(), ranks }
    const all = (await connection.call('allGather', serialize(own))).map((bytes) => deserialize(bytes) as Introduction)
    const world = new MpiWorld(connection, process, all)
    world.gate = (await shareHostGate(world)) ?? connection.gate
    return world
  }
}

class MpiWorld implements World {
  readonly processes: number
  readonly ranks: number
  readonly localRanks
  readonly hosts: number
  readonly localProcesses: number
  readonly places: readonly ProcessPlace[]
  gate: Gate
  private readonly loss = new AbortController()
  private readonly interruption = new AbortController()
  readonly lost = this.loss.signal
  readonly interrupted = this.interruption.signal
  private readonly stopWatch: () => void
  private failed = false
  /** Processes below this one that failed at the same time. */
  private failedBefore = false

  constructor(
    private readonly connection: MpiConnection,
    readonly process: number,
    introductions: readonly Introduction[],
  ) {
    this.gate = connection.gate
    this.places = placesOf(introductions)
    const own = this.places[process]!
    this.processes = this.places.length
    this.ranks = this.places.at(-1)!.ranks.end
    this.localRanks = own.ranks
    this.hosts = Math.max(...this.places.map(({ hostIndex }) => hostIndex)) + 1
    this.localProcesses = this.places.filter(({ hostIndex }) => hostIndex === own.hostIndex).length
    connection.onAlarm = (alarm) => this.hear(alarm)
    const identities = introductions.map(({ identity }) => identity)
    const neighbour = neighbourOf(process, identities)
    this.stopWatch =
      neighbour === undefined
        ? () => {}
        : watch(identities[neighbour]!, () =>
            this.lose(
              new RunError(`${this.describe(neighbour)} (process ${identities[neighbour]!.pid}) has died: killed, or out of memory`),
            ),
          )
  }

  async barrier(): Promise<void> {
    await this.connection.call('barrier', new Uint8Array())
  }

  async gather<Value>(value: Value): Promise<Value[] | undefined> {
    const parts = await this.connection.call('gather', serialize(value))
    return this.process === 0 ? parts.map((bytes) => deserialize(bytes) as Value) : undefined
  }

  async allGather<Value>(value: Value): Promise<Value[]> {
    return (await this.connection.call('allGather', serialize(value))).map((bytes) => deserialize(bytes) as Value)
  }

  async broadcast<Value>(value: Value): Promise<Value> {
    const [bytes] = await this.connection.call('broadcast', this.process === 0 ? serialize(value) : new Uint8Array())
    return deserialize(bytes!) as Value
  }

  async reduce(values: readonly number[], reduction: Reduction): Promise<number[]> {
    const [first = [], ...others] = await this.allGather(values)
    return others.reduce<number[]>((sums, more) => sums.map((sum, i) => folds[reduction](sum, more[i]!)), [...first])
  }

  wakes(words: Int32Array, index: number): void {
    this.connection.post({ kind: 'wakes', words, index })
  }

  interrupt(): void {
    if (this.interrupted.aborted || this.lost.aborted) return
    this.interruption.abort()
    this.alarm('interrupted', new RunError('interrupted', 130))
  }

  async fail(error: Error): Promise<boolean> {
    this.stopWatch()
    // Somebody else's failure came first, and is being reported.
    if (this.lost.reason instanceof PeerError) return false
    this.failed = true
    this.alarm('failed', error)
    await sleep(settleMs)
    return !this.failedBefore
  }

  async abort(exitCode: number): Promise<never> {
    this.connection.post({ kind: 'abort', exitCode })
    await sleep(abortMs)
    // Without its launcher MPI may not come to an end; exit() would wait for its thread.
    process.kill(process.pid, 'SIGKILL')
    return new Promise(() => {})
  }

  async close(): Promise<void> {
    // Everybody's work is done; then nobody looks after anybody any more; only then processes may end.
    await this.barrier()
    this.stopWatch()
    await this.barrier()
    this.connection.post({ kind: 'close' })
    if (!(await within(finalizeMs, this.connection.closed))) throw new RunError('MPI_Finalize does not return')
  }

  private hear(alarm: Alarm): void {
    if (alarm.kind === 'interrupted') {
      this.interruption.abort()
      return
    }
    if (alarm.process < this.process) this.failedBefore = true
    if (!this.failed) this.lose(new PeerError(alarm.process, `${this.describe(alarm.process)} failed: ${alarm.message}`, alarm.exitCode))
  }

  private lose(error: Error): void {
    if (this.lost.aborted) return
    this.loss.abort(error)
    this.connection.fail(error)
  }

  private alarm(kind: Alarm['kind'], error: Error): void {
    const { exitCode } = error as { exitCode?: number }
    // JSON takes at most six bytes a unit.
    const message = error.message.slice(0, 600)
    const alarm: Alarm = { kind, process: this.process, message, exitCode: exitCode ?? 1 }
    const bytes = Buffer.alloc(mostAlarmBytes)
    bytes.write(JSON.stringify(alarm))
    this.connection.post({ kind: 'alarm', bytes })
  }

  /** For people: `rank 3 on host b`. */
  private describe(process: number): string {
    const { host, ranks } = this.places[process]!
    return `${ranks.end - ranks.begin === 1 ? `rank ${ranks.begin}` : `the process of ranks ${ranks.begin} to ${ranks.end - 1}`} on ${host}`
  }
}

function readAlarm(bytes: Uint8Array): Alarm {
  const end = bytes.indexOf(0)
  return JSON.parse(Buffer.from(bytes.subarray(0, end < 0 ? bytes.length : end)).toString()) as Alarm
}

/** Hosts are numbered in the order of their first processes, ranks in the order of processes. */
function placesOf(introductions: readonly Introduction[]): ProcessPlace[] {
  const hosts = [...new Set(introductions.map(({ identity }) => identity.host))]
  let begin = 0
  return introductions.map(({ identity: { host, pid }, ranks }) => {
    const range = { begin, end: begin + ranks }
    begin = range.end
    return { host, pid, hostIndex: hosts.indexOf(host), ranks: range }
  })
}

function withResolvers<T>() {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((res, rej) => {
    resolve = res
    reject = rej
  })
  return { promise, resolve, reject }
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs))
}

/** Whether the promise has resolved in time. */
export async function within(limitMs: number, promise: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs)
  })
  return Promise.race([promise.then(() => true), late]).finally(() => clearTimeout(timer))
}
