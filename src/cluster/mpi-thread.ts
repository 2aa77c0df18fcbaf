// The thread that speaks MPI: the only one of a process that calls libmpi. It starts operations, tests them, and sleeps in between, since
// MPI's own waiting spins: on a machine whose cores are the readers' it takes them away, and with more processes than cores a barrier
// that spins costs milliseconds (8 ms for 3 ranks on 2 cores).
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { serializeError } from '../errors.js'
import { allGather, barrier, broadcast, type Collective, gather, type Place } from './collectives.js'
import { GateKeeper } from './gate.js'
import { type Memory, type MpiLibrary, openMpi } from './mpi-library.js'
import { type FromMpi, type MpiThreadStart, mostAlarmBytes, type Operation, type ToMpi } from './mpi-messages.js'

const alarmTag = 1
/** For so long after an operation began it is tested without sleeping: those who arrive together are through by then. */
const spinMs = 0.02
const shortestSleepMs = 0.05
/** Longest sleep between two looks at an operation. */
const longestSleepMs = 0.5
/** A look for alarms, where nothing else is to be done. */
const idleMs = 50

interface Running {
  readonly id: number
  readonly collective: Collective<readonly Uint8Array[]>
  request: Memory
}

class MpiThread {
  private readonly keeper: GateKeeper
  private readonly sleepers: { readonly words: Int32Array; readonly index: number }[] = []
  private readonly queue: { readonly id: number; readonly collective: Collective<readonly Uint8Array[]> }[] = []
  private readonly control: Place
  private readonly steps: Place
  private running: Running | undefined
  private stepBarrier: Memory | undefined
  /** When the oldest operation under way was last seen to move. */
  private movedMs = 0
  private readonly alarm = new Uint8Array(new ArrayBuffer(mostAlarmBytes))
  private alarmRequest: Memory
  /** Alarms being sent: MPI reads their memory until then. */
  private sending: { readonly request: Memory; readonly data: Uint8Array }[] = []
  private closing = false
  private readonly longestSleepMs: number

  constructor(
    private readonly mpi: MpiLibrary,
    gate: SharedArrayBuffer,
    private readonly port: MessagePort,
  ) {
    this.keeper = new GateKeeper(gate)
    const { rank: process, size: processes } = mpi.init()
    // A barrier takes log2 of the processes turns, in each of which somebody may sleep.
    this.longestSleepMs = Math.max(shortestSleepMs, longestSleepMs / Math.max(1, Math.ceil(Math.log2(processes))))
    const place = () => ({ mpi, comm: this.duplicateWorld(), process, processes })
    this.control = place()
    this.steps = place()
    this.alarmRequest = mpi.receive(this.control.comm, this.alarm, alarmTag)
    this.send({ kind: 'joined', process, processes })
  }

  private duplicateWorld() {
    const memory: Memory = new ArrayBuffer(8)
    const request = this.mpi.duplicate(this.mpi.world, memory)
    this.finish(request)
    return this.mpi.handleIn(memory)
  }

  /** Waits for a request without spinning. */
  private finish(request: Memory): void {
    while (!this.mpi.hasEnded(request)) this.keeper.sleep(this.keeper.bell, shortestSleepMs)
  }

  /** Runs until the world is closed. */
  run(): void {
    for (;;) {
      const bell = this.keeper.bell
      let moved = this.takeMessages()
      moved = this.moveStepBarrier() || moved
      moved = this.moveCollective() || moved
      this.moveAlarms()
      if (this.closing && this.running === undefined && this.queue.length === 0) break
      if (moved) this.movedMs = performance.now()
      else this.keeper.sleep(bell, this.sleepMs())
    }
    this.levelGates()
    this.mpi.cancel(this.alarmRequest)
    this.finish(this.alarmRequest)
    this.mpi.finalize()
    this.send({ kind: 'closed' })
  }

  /** After an interruption some wait at a barrier that others never reached; MPI wants no operation left when it ends. */
  private levelGates(): void {
    const { comm, processes } = this.control
    const own = new Int32Array(new ArrayBuffer(4))
    const all = new Int32Array(new ArrayBuffer(4 * processes))
    own[0] = this.keeper.arrived
    this.finish(this.mpi.allGather(comm, own.buffer, all.buffer, 4))
    const missing = Math.max(...Array.from(all, (arrived) => (arrived - own[0]!) | 0))
    if (this.stepBarrier !== undefined) this.finish(this.stepBarrier)
    for (let i = 0; i < missing; i++) this.finish(this.mpi.barrier(this.steps.comm))
  }

  /** The longer nothing has moved, the less does it matter to look a little later. */
  private sleepMs(): number {
    if (this.stepBarrier === undefined && this.running === undefined) return this.sending.length > 0 ? longestSleepMs : idleMs
    const waitedMs = performance.now() - this.movedMs
    if (waitedMs < spinMs) return 0
    return Math.min(Math.max(waitedMs / 16, shortestSleepMs), this.longestSleepMs)
  }

  private takeMessages(): boolean {
    let taken = false
    for (let received = receiveMessageOnPort(this.port); received !== undefined; received = receiveMessageOnPort(this.port)) {
      taken = true
      const message = received.message as ToMpi
      if (message.kind === 'call') this.queue.push({ id: message.id, collective: this.collective(message.operation, message.bytes) })
      else if (message.kind === 'wakes') this.sleepers.push(message)
      else if (message.kind === 'alarm') this.sendAlarm(message.bytes)
      else if (message.kind === 'abort') this.mpi.abort(message.exitCode)
      else this.closing = true
    }
    return taken
  }

  private *collective(operation: Operation, bytes: Uint8Array): Collective<readonly Uint8Array[]> {
    if (operation === 'gather') return (yield* gather(this.control, bytes)) ?? []
    if (operation === 'allGather') return yield* allGather(this.control, bytes)
    if (operation === 'broadcast') return [yield* broadcast(this.control, bytes)]
    yield* barrier(this.control)
    return []
  }

  private moveStepBarrier(): boolean {
    if (this.stepBarrier === undefined) {
      if (!this.keeper.isAwaited) return false
      this.stepBarrier = this.mpi.barrier(this.steps.comm)
      this.movedMs = performance.now()
    }
    if (!this.mpi.hasEnded(this.stepBarrier)) return false
    this.stepBarrier = undefined
    this.keeper.open()
    for (const { words, index } of this.sleepers) {
      Atomics.add(words, index, 1)
      Atomics.notify(words, index)
    }
    return true
  }

  /** One collective at a time: all processes call them in the same order. */
  private moveCollective(): boolean {
    if (this.running === undefined) {
      const next = this.queue.shift()
      if (next === undefined) return false
      this.step(next.id, next.collective)
      return true
    }
    if (!this.mpi.hasEnded(this.running.request)) return false
    this.step(this.running.id, this.running.collective)
    return true
  }

  private step(id: number, collective: Collective<readonly Uint8Array[]>): void {
    const turn = collective.next()
    this.running = turn.done ? undefined : { id, collective, request: turn.value }
    if (turn.done) this.send({ kind: 'answer', id, parts: turn.value })
  }

  private sendAlarm(bytes: Uint8Array): void {
    const data = new Uint8Array(new ArrayBuffer(mostAlarmBytes))
    data.set(bytes)
    const { comm, process, processes } = this.control
    for (let to = 0; to < processes; to++)
      if (to !== process) this.unlessGone(() => this.sending.push({ request: this.mpi.send(comm, data, to, alarmTag), data }))
  }

  /** A process that cannot be told any more needs not to know: often it is its end that the alarm is about. */
  private unlessGone<T>(send: () => T): T | undefined {
    try {
      return send()
    } catch {
      return undefined
    }
  }

  private moveAlarms(): void {
    this.sending = this.sending.filter(({ request }) => this.unlessGone(() => this.mpi.hasEnded(request)) === false)
    if (!this.mpi.hasEnded(this.alarmRequest)) return
    this.send({ kind: 'alarm', bytes: this.alarm.slice() })
    this.alarmRequest = this.mpi.receive(this.control.comm, this.alarm, alarmTag)
  }

  private send(message: FromMpi): void {
    this.port.postMessage(message)
  }
}

const { launch, gate } = workerData as MpiThreadStart
const port = parentPort!
try {
  new MpiThread(openMpi(launch, process.env), gate, port).run()
} catch (error) {
  port.postMessage({ kind: 'failed', error: serializeError(error) } satisfies FromMpi)
}
port.close()
