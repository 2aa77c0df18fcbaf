// Collective operations on bytes of any length, as computations that yield MPI requests: whoever runs them tests the request and meanwhile
// does other things. Nothing here blocks.
import type { Handle, Memory, MpiLibrary } from './mpi-library.js'

/** Yields requests, is resumed when they have ended. */
export type Collective<Result> = Generator<Memory, Result, void>

/** MPI counts bytes with an int, and the receiver's places as well: what all processes send in one round stays below. */
const mostRoundBytes = 2 ** 30

export interface Place {
  readonly mpi: MpiLibrary
  readonly comm: Handle
  readonly process: number
  readonly processes: number
}

export function* barrier({ mpi, comm }: Place): Collective<void> {
  yield mpi.barrier(comm)
}

/** Everybody's bytes, by process. */
export function* allGather(place: Place, bytes: Uint8Array): Collective<Uint8Array[]> {
  const { mpi, comm } = place
  const sizes = yield* allSizes(place, bytes.length)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (total > mostRoundBytes) throw new RangeError(`${total} bytes are too many for every process`)
  const places = offsets(sizes)
  const received = new ArrayBuffer(Math.max(total, 1))
  const send = outside(bytes)
  yield mpi.allGatherV(comm, send, received, ints(sizes), ints(places))
  return sizes.map((size, i) => new Uint8Array(received, places[i], size))
}

/** On process 0 everybody's bytes, by process. */
export function* gather(place: Place, bytes: Uint8Array, roundBytes = mostRoundBytes): Collective<Uint8Array[] | undefined> {
  const { mpi, comm, process, processes } = place
  const sizes = yield* allSizes(place, bytes.length)
  const isRoot = process === 0
  const gathered = isRoot ? sizes.map((size) => new Uint8Array(size)) : undefined
  const piece = Math.max(1, Math.floor(roundBytes / processes))
  const largest = Math.max(...sizes)
  for (let begin = 0; begin < largest; begin += piece) {
    const counts = sizes.map((size) => Math.min(Math.max(size - begin, 0), piece))
    const places = offsets(counts)
    const total = counts.reduce((sum, count) => sum + count, 0)
    const received = isRoot ? new ArrayBuffer(total) : null
    const send = outside(bytes.subarray(begin, begin + piece))
    yield mpi.gatherV(comm, send, received, ints(counts), ints(places))
    if (received === null) continue
    for (const [i, part] of gathered!.entries()) if (counts[i]! > 0) part.set(new Uint8Array(received, places[i], counts[i]), begin)
  }
  return gathered
}

/** Process 0's bytes; what the others give is ignored. */
export function* broadcast({ mpi, comm, process }: Place, bytes: Uint8Array, roundBytes = mostRoundBytes): Collective<Uint8Array> {
  const size = new BigInt64Array(new ArrayBuffer(8))
  if (process === 0) size[0] = BigInt(bytes.length)
  yield mpi.broadcast(comm, new Uint8Array(size.buffer))
  const data = process === 0 ? outside(bytes) : new Uint8Array(new ArrayBuffer(Number(size[0])))
  for (let begin = 0; begin < data.length; begin += roundBytes) yield mpi.broadcast(comm, data.subarray(begin, begin + roundBytes))
  return data
}

function* allSizes({ mpi, comm, processes }: Place, size: number): Collective<number[]> {
  const own = new BigInt64Array(new ArrayBuffer(8))
  own[0] = BigInt(size)
  const all = new BigInt64Array(new ArrayBuffer(8 * processes))
  yield mpi.allGather(comm, own.buffer, all.buffer, 8)
  return Array.from(all, Number)
}

function offsets(sizes: readonly number[]): number[] {
  let at = 0
  return sizes.map((size) => {
    const begin = at
    at += size
    return begin
  })
}

function ints(numbers: readonly number[]): Int32Array<ArrayBuffer> {
  const array = new Int32Array(new ArrayBuffer(4 * numbers.length))
  array.set(numbers)
  return array
}

/** A copy in memory of its own, which stays where it is while MPI works on it. */
function outside(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(new ArrayBuffer(bytes.length))
  copy.set(bytes)
  return copy
}
