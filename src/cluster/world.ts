// The processes of one job, as one of them sees them. *Solo*: this process alone. *MPI*: those that a launcher started, one emulated
// rank each unless told otherwise (mpi-world.ts). Whoever has to meet the others asks a World and never MPI.
import { hostname } from 'node:os'
import type { Gate } from './gate.js'

/** Ranks [begin, end). */
export interface RankRange {
  readonly begin: number
  readonly end: number
}

/** A process of the job. */
export interface ProcessPlace {
  /** Host name. */
  readonly host: string
  /** Its number on its host. */
  readonly pid: number
  /** Index of its host, in the order of their first processes. */
  readonly hostIndex: number
  /** The emulated ranks it carries. */
  readonly ranks: RankRange
}

export type Reduction = 'sum' | 'max' | 'min'

/**
 * `barrier` to `reduce` and `close` are collective: every process makes the same calls in the same order. They never block the event loop, and reject
 * with an error when a process of the job is lost. Values are anything that structured clone takes (no SharedArrayBuffer).
 */
export interface World {
  /** This process, from 0. MPI's rank. */
  readonly process: number
  readonly processes: number
  /** Emulated ranks of the whole job. */
  readonly ranks: number
  /** Those that this process carries. */
  readonly localRanks: RankRange
  /** Number of hosts. */
  readonly hosts: number
  /** Processes of this job on this host. */
  readonly localProcesses: number
  /** Every process, by its number. */
  readonly places: readonly ProcessPlace[]
  /** Aborted, with an Error as its reason, once a process of the job is lost or has failed. */
  readonly lost: AbortSignal
  /** Aborted once a process of the job was interrupted, see {@link World.interrupt}. */
  readonly interrupted: AbortSignal
  /** What worker threads need to meet those of the other processes, see {@link barrierAt}; undefined where there are none. */
  readonly gate: Gate | undefined
  barrier(): Promise<void>
  /** Process 0 gets everybody's value, by process; the others undefined. */
  gather<Value>(value: Value): Promise<Value[] | undefined>
  allGather<Value>(value: Value): Promise<Value[]>
  /** Everybody gets process 0's value; what the others give is ignored. */
  broadcast<Value>(value: Value): Promise<Value>
  /** Element by element over all processes; everybody gets the result. */
  reduce(values: readonly number[], reduction: Reduction): Promise<number[]>
  /** Raises and notifies `words[index]` (shared memory) as well whenever MPI opens a barrier of the gate: for threads that sleep on that word. */
  wakes(words: Int32Array, index: number): void
  /** Tells all other processes that the job is interrupted. */
  interrupt(): void
  /**
   * Tells all processes that this one failed. Resolves, once they can know, with whether this process is to report its error: of several that
   * fail at once only the first does. `abort` comes next.
   */
  fail(error: Error): Promise<boolean>
  /** Ends all processes of the job with the exit code. */
  abort(exitCode: number): Promise<never>
  /** Leaves the job in an orderly way; the last call. */
  close(): Promise<void>
}

/** The world of one process that carries `ranks` ranks. */
export function soloWorld(ranks: number): World {
  const localRanks = { begin: 0, end: ranks }
  return {
    process: 0,
    processes: 1,
    ranks,
    localRanks,
    hosts: 1,
    localProcesses: 1,
    places: [{ host: hostname(), pid: process.pid, hostIndex: 0, ranks: localRanks }],
    lost: new AbortController().signal,
    interrupted: new AbortController().signal,
    gate: undefined,
    barrier: async () => {},
    gather: async (value) => [value],
    allGather: async (value) => [value],
    broadcast: async (value) => value,
    reduce: async (values) => [...values],
    wakes() {},
    interrupt() {},
    fail: async () => true,
    abort: async (exitCode) => process.exit(exitCode),
    close: async () => {},
  }
}

/** Which process carries which ranks, for people: launchers that end a job name the process that died by its number only. */
export function processList({ places }: Pick<World, 'places'>): string {
  return places
    .map(({ host, pid, ranks: { begin, end } }) => {
      const ranks = end - begin === 1 ? `rank ${begin} is` : `ranks ${begin} to ${end - 1} are`
      return `${ranks} process ${pid} on ${host}`
    })
    .join(', ')
}
