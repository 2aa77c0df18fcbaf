import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { RunError } from '#src/errors.js'
import { type ArrayLayout, slackBytes } from '#src/formats/decoder.js'
import { Arena, blockAlignment } from '#src/serve/arena.js'
import { BatchBlock } from '#src/serve/batch-block.js'
import { blockWord } from '#src/serve/layout.js'

const arenaPages = 64
const arenaBytes = arenaPages * blockAlignment

function newArena() {
  const memory = new ArrayBuffer(arenaBytes + blockAlignment)
  return { memory, arena: new Arena(new Int32Array(memory), blockAlignment, blockAlignment + arenaBytes) }
}

describe('the arena of a loader thread', () => {
  it('never gives out memory that is in use, and finds room as long as there is enough side by side', () => {
    const step = fc.record({ bytes: fc.integer({ min: 1, max: Math.floor(arenaBytes / 3) }), frees: fc.integer({ min: 0, max: 9 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { arena } = newArena()
        let live: { begin: number; end: number }[] = []
        for (const { bytes, frees } of steps) {
          const begin = arena.take(bytes)
          if (begin < 0) {
            const edges = [...live.toSorted((a, b) => a.begin - b.begin), { begin: arena.end, end: arena.end }]
            let at = arena.begin
            for (const block of edges) {
              assert.ok(block.begin - at < bytes, 'there was room')
              at = block.end
            }
          } else {
            const end = arena.endOf(begin)
            assert.ok(begin >= arena.begin && end <= arena.end && end - begin >= bytes && begin % blockAlignment === 0)
            for (const block of live) assert.ok(end <= block.begin || begin >= block.end)
            live.push({ begin, end })
          }
          for (const block of live.slice(0, frees)) arena.free(block.begin)
          live = live.slice(frees)
          assert.equal(arena.used, live.length)
        }
      }),
    )
  })

  it('takes the lowest place that fits, so that memory in use stays small', () => {
    const { arena } = newArena()
    const places = [arena.take(1), arena.take(1), arena.take(1)]
    arena.free(places[0]!)
    assert.equal(arena.take(1), places[0])
  })
})

const layoutOf = (sizeBytes: number): ArrayLayout => ({
  role: 'data',
  name: 'x',
  dtype: '|u1',
  shape: [sizeBytes],
  fortranOrder: false,
  sizeBytes,
})
const label: ArrayLayout = { role: 'label', name: 'y', dtype: '<i8', shape: [], fortranOrder: false, sizeBytes: 8 }

/** Begins of all arrays of a finished block, sample by sample. */
function placesOf(memory: ArrayBuffer, begin: number): number[] {
  const words = new Int32Array(memory, begin, 16)
  const [samples, fields] = [words[blockWord.samples]!, words[blockWord.fields]!]
  const table = new Float64Array(memory, begin + 4 * words[blockWord.tableWords]!, 2 * samples * fields)
  const layouts = JSON.parse(Buffer.from(memory, begin + words[blockWord.layoutBegin]!, words[blockWord.layoutBytes]!).toString()) as [
    string,
    string,
    string,
    number[],
  ][]
  const bytesOf = (i: number) => (layouts[i]![0] === 'label' ? 8 : layouts[i]![3][0]!)
  return Array.from({ length: samples * fields }, (_, i) =>
    words[blockWord.uniform] === 1 ? table[i % fields]! + Math.floor(i / fields) * bytesOf(i % fields) : table[2 * i]!,
  ).map((place) => begin + place)
}

describe('a batch in the arena', () => {
  it('keeps every sample whole, whatever their sizes and what decoders write behind them', () => {
    const sizes = fc.oneof(fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 12 }), fc.constant([700, 700, 700, 700]))
    fc.assert(
      fc.property(sizes, fc.boolean(), (bytesOfSamples, labelled) => {
        const { memory, arena } = newArena()
        const block = new BatchBlock(memory, arena, () => assert.fail('it fits'))
        block.start(1, bytesOfSamples.length)
        for (const [i, sizeBytes] of bytesOfSamples.entries()) {
          block.nextSample()
          const at = block.place(layoutOf(sizeBytes))
          block.bytes.fill(0xee, at, at + sizeBytes + slackBytes)
          block.bytes.fill(i + 1, at, at + sizeBytes)
          if (labelled) new DataView(memory).setFloat64(block.place(label), i)
        }
        const places = placesOf(memory, block.finish())
        for (const [i, sizeBytes] of bytesOfSamples.entries()) {
          const at = places[labelled ? 2 * i : i]!
          assert.ok(block.bytes.subarray(at, at + sizeBytes).every((byte) => byte === i + 1))
          if (labelled) assert.equal(new DataView(memory).getFloat64(places[2 * i + 1]!), i)
        }
      }),
    )
  })

  it('is an error where it does not fit, not a wait for ever', () => {
    const { memory, arena } = newArena()
    const block = new BatchBlock(memory, arena, () => assert.fail('nothing else is in use'))
    block.start(1, 2)
    block.nextSample()
    assert.throws(() => block.place(layoutOf(arenaBytes)), RunError)
  })

  it('of samples with other arrays than the first one is an error', () => {
    const { memory, arena } = newArena()
    const block = new BatchBlock(memory, arena, () => {})
    block.start(1, 2)
    block.nextSample()
    block.place(layoutOf(10))
    block.place(label)
    block.nextSample()
    block.place(layoutOf(10))
    assert.throws(() => block.finish(), /2 and 1 arrays/)
  })
})
