// Collectives over a stand-in for MPI whose processes take turns; the real libraries are under `drop-in.test.ts` and `run.test.ts`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allGather, broadcast, type Collective, gather, type Place } from '#src/cluster/collectives.js'
import type { Memory, MpiLibrary } from '#src/cluster/mpi-library.js'

/** Runs one collective on every process in lockstep: each round of requests is carried out when all have made theirs. */
function runAll<Result>(processes: number, collective: (place: Place) => Collective<Result>): { results: Result[]; rounds: number } {
  type Call = { sends: Uint8Array; deliver: (all: readonly Uint8Array[]) => void }
  const calls: Call[] = []
  const request: Memory = new ArrayBuffer(8)
  const join = (all: readonly Uint8Array[], into: Memory | null, places: Int32Array) => {
    if (into !== null) for (const [i, part] of all.entries()) new Uint8Array(into).set(part, places[i])
  }
  const place = (process: number): Place => {
    const make = (call: Call) => {
      calls[process] = call
      return request
    }
    const mpi = {
      allGather: (_: unknown, send: Memory, receive: Memory, each: number) =>
        make({
          sends: new Uint8Array(send, 0, each),
          deliver: (all) =>
            join(
              all,
              receive,
              Int32Array.from(all, (_part, i) => i * each),
            ),
        }),
      allGatherV: (_: unknown, send: Uint8Array, receive: Memory, _counts: Int32Array, places: Int32Array) =>
        make({ sends: send, deliver: (all) => join(all, receive, places) }),
      gatherV: (_: unknown, send: Uint8Array, receive: Memory | null, counts: Int32Array, places: Int32Array) =>
        make({
          sends: send,
          deliver: (all) => {
            assert.equal(send.length, counts[process])
            join(all, receive, places)
          },
        }),
      broadcast: (_: unknown, data: Uint8Array) => make({ sends: data.slice(), deliver: ([first]) => data.set(first!) }),
    } as unknown as MpiLibrary
    return { mpi, comm: 0, process, processes }
  }
  const running = Array.from({ length: processes }, (_, process) => collective(place(process)))
  let rounds = 0
  for (;;) {
    const turns = running.map((each) => each.next())
    assert.equal(new Set(turns.map(({ done }) => done)).size, 1, 'all processes make the same calls')
    if (turns[0]!.done) return { results: turns.map(({ value }) => value as Result), rounds }
    rounds++
    const all = calls.map(({ sends }) => sends)
    for (const { deliver } of calls) deliver(all)
  }
}

/** Bytes of a process: of another length each, one of them none. */
const bytesOf = (process: number) => Uint8Array.from({ length: (7 * process) % 21 }, (_, i) => 16 * process + i)
const texts = (parts: readonly Uint8Array[] | undefined) => parts?.map((part) => [...part].join(' '))

for (const processes of [1, 2, 5]) {
  const everybody = texts(Array.from({ length: processes }, (_, process) => bytesOf(process)))

  test(`${processes} processes: process 0 gathers everybody's bytes, in rounds that are as small as they must be`, () => {
    for (const roundBytes of [1, 7, 1 << 20]) {
      const { results, rounds } = runAll(processes, (place) => gather(place, bytesOf(place.process), roundBytes))
      assert.deepEqual(texts(results[0]), everybody)
      for (const other of results.slice(1)) assert.equal(other, undefined)
      const piece = Math.max(1, Math.floor(roundBytes / processes))
      const largest = Math.max(...Array.from({ length: processes }, (_, process) => bytesOf(process).length))
      assert.equal(rounds, 1 + Math.ceil(largest / piece))
    }
  })

  test(`${processes} processes: everybody gathers everybody's bytes`, () => {
    const { results } = runAll(processes, (place) => allGather(place, bytesOf(place.process)))
    for (const result of results) assert.deepEqual(texts(result), everybody)
  })

  test(`${processes} processes: everybody gets the bytes of process 0, whatever it gave itself`, () => {
    const sent = Uint8Array.from({ length: 100 }, (_, i) => i)
    for (const roundBytes of [9, 1 << 20]) {
      const { results } = runAll(processes, (place) => broadcast(place, place.process === 0 ? sent : bytesOf(place.process), roundBytes))
      for (const result of results) assert.deepEqual([...result], [...sent])
    }
  })
}
