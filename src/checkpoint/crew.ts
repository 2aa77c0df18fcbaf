// The threads that save and load checkpoints, seen from whoever tells them to: one command for all ranks of the process, answered in shared
// memory, so that a thread which sleeps on a word can wait for them.
import type { MessagePort } from 'node:worker_threads'
import type { PartTimes } from './rank.js'

export type CheckpointKind = 'save' | 'load'

/** `count`: how many checkpoints there are, told by {@link CrewState.found}. */
export type CrewTask = CheckpointKind | 'count'

export interface CrewCommand {
  readonly id: number
  readonly kind: CrewTask
  readonly epoch: number
  readonly step: number
}

/** What a rank's part of a checkpoint took; times in milliseconds of the run's clock. */
export interface RankTimes {
  readonly beginMs: number
  readonly endMs: number
  readonly parts: PartTimes
}

const slots = { begin: 0, end: 1, model: 2, optimizer: 3, written: 4, found: 5, count: 8 } as const
/** Stands for a part that the rank does not have. */
const absent = -1

/** Memory that the crew shares with its conductor, by rank of this process (from 0). */
export class CrewState {
  private readonly done: Int32Array
  private readonly values: Float64Array

  constructor(
    readonly ranks: number,
    readonly buffer: SharedArrayBuffer,
  ) {
    this.values = new Float64Array(buffer, 0, ranks * slots.count)
    this.done = new Int32Array(buffer, 8 * ranks * slots.count, ranks)
  }

  static create(ranks: number): CrewState {
    return new CrewState(ranks, new SharedArrayBuffer(ranks * (8 * slots.count + 4)))
  }

  /** The rank has done command `id`. */
  answer(rank: number, id: number, { beginMs, endMs, parts }: RankTimes): void {
    const at = rank * slots.count
    this.values[at + slots.begin] = beginMs
    this.values[at + slots.end] = endMs
    this.values[at + slots.model] = parts.model ?? absent
    this.values[at + slots.optimizer] = parts.optimizer ?? absent
    Atomics.store(this.done, rank, id)
  }

  /** What the rank answered to command `id`; undefined while it is at it. */
  answerTo(rank: number, id: number): RankTimes | undefined {
    if (Atomics.load(this.done, rank) !== id) return undefined
    const of = (slot: number) => this.values[rank * slots.count + slot]!
    const [model, optimizer] = [of(slots.model), of(slots.optimizer)]
    return {
      beginMs: of(slots.begin),
      endMs: of(slots.end),
      parts: { ...(model === absent ? {} : { model }), ...(optimizer === absent ? {} : { optimizer }) },
    }
  }

  /** The rank's thread has counted the checkpoints that there are. To be called before the answer. */
  tellFound(rank: number, checkpoints: number): void {
    this.values[rank * slots.count + slots.found] = checkpoints
  }

  /** What the last `count` of a rank came to. */
  found(rank: number): number {
    return this.values[rank * slots.count + slots.found]!
  }

  /** Counts bytes that the rank has written. Only its own thread calls it. */
  written(rank: number, bytes: number): void {
    this.values[rank * slots.count + slots.written]! += bytes
  }

  /** Bytes that all ranks have written, checkpoints under way included. */
  get bytesWritten(): number {
    let sum = 0
    for (let rank = 0; rank < this.ranks; rank++) sum += this.values[rank * slots.count + slots.written]!
    return sum
  }
}

/** Tells the threads what to do. */
export class Crew {
  private id = 0

  constructor(
    private readonly ports: readonly MessagePort[],
    private readonly state: CrewState,
  ) {}

  get ranks(): number {
    return this.state.ranks
  }

  /** All ranks begin now. The former command must be done. */
  begin(kind: CrewTask, epoch: number, step: number): void {
    const command: CrewCommand = { id: ++this.id, kind, epoch, step }
    for (const port of this.ports) port.postMessage(command)
  }

  /** What the last command took of a rank; undefined while it is at it. */
  answer(rank: number): RankTimes | undefined {
    return this.state.answerTo(rank, this.id)
  }

  /** Checkpoints that the last `count` has found. */
  get found(): number {
    return this.state.found(0)
  }

  close(): void {
    for (const port of this.ports) port.close()
  }
}
