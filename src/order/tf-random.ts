// tf.data's seeds, its Philox generator, its shuffle and its interleave.
// Sources: tensorflow/python/framework/random_seed.py, python/data/util/random_seed.py, core/lib/random/philox_random.h,
// core/kernels/data/shuffle_dataset_op.cc, core/kernels/data/interleave_dataset_op.cc, parallel_interleave_dataset_op.cc.

const m31 = 2_147_483_647
/** DEFAULT_GRAPH_SEED of random_seed.py. */
const defaultGraphSeed = 87_654_321

/** The two seeds of an operation. */
export interface TfSeeds {
  readonly seed: number
  readonly seed2: number
}

/** Seeds of an operation with its own seed and, where `tf.random.set_seed` was called, a global one. Never undefined: the operation is seeded. */
export function tfSeeds(operationSeed: number, globalSeed?: number): TfSeeds {
  const seed = globalSeed === undefined ? defaultGraphSeed : modulo(globalSeed, m31)
  const seed2 = modulo(operationSeed, m31)
  // (0, 0) would mean: seed from the operating system.
  return seed === 0 && seed2 === 0 ? { seed: 0, seed2: m31 } : { seed, seed2 }
}

/** Python's modulo: never negative. */
const modulo = (value: number, divisor: number): number => ((value % divisor) + divisor) % divisor

/** Philox4x32-10 with 64-bit seeds, one 32-bit output per draw. Seeds here have at most 32 bits. */
class Philox {
  private readonly counter = new Uint32Array(4)
  private readonly output = new Uint32Array(4)
  private used = 4

  constructor(
    private readonly seed: number,
    seed2: number,
  ) {
    this.counter[2] = seed2
  }

  next(): number {
    if (this.used === 4) this.refill()
    return this.output[this.used++]!
  }

  private refill(): void {
    let [c0, c1, c2, c3] = this.counter as unknown as [number, number, number, number]
    let key0 = this.seed
    let key1 = 0
    for (let round = 0; round < 10; round++) {
      const high0 = highProduct(0xd2511f53, c0)
      const low0 = Math.imul(0xd2511f53, c0)
      const high1 = highProduct(0xcd9e8d57, c2)
      const low1 = Math.imul(0xcd9e8d57, c2)
      c0 = (high1 ^ c1 ^ key0) >>> 0
      c1 = low1 >>> 0
      c2 = (high0 ^ c3 ^ key1) >>> 0
      c3 = low0 >>> 0
      key0 = (key0 + 0x9e3779b9) | 0
      key1 = (key1 + 0xbb67ae85) | 0
    }
    this.output[0] = c0
    this.output[1] = c1
    this.output[2] = c2
    this.output[3] = c3
    this.used = 0
    for (let i = 0; i < 4; i++) {
      this.counter[i]!++
      if (this.counter[i] !== 0) break
    }
  }
}

/** High 32 bits of the product of two unsigned 32-bit numbers, by halves, since a double holds 53 bits. */
function highProduct(a: number, b: number): number {
  const aHigh = a >>> 16
  const aLow = a & 0xffff
  const bHigh = b >>> 16
  const bLow = b & 0xffff
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16)
  const carried = (aLow * bHigh + (middle & 0xffff)) / 65_536
  return aHigh * bHigh + Math.floor(middle / 65_536) + Math.floor(carried)
}

/** Seeds of the passes over one shuffle data set: all its iterators take the next pair (`reshuffle_each_iteration`), or the same one. */
export class ShufflePasses {
  private generator: Philox
  private taken = 0
  private readonly pair = { seed: 0, seed2: 0 }

  constructor(
    private readonly seeds: TfSeeds,
    private readonly reshuffle: boolean,
  ) {
    this.generator = new Philox(seeds.seed, seeds.seed2)
  }

  /** Seeds of pass `pass` (0-based); cheapest in ascending order. */
  of(pass: number): TfSeeds {
    if (!this.reshuffle) return this.seeds
    if (pass < this.taken - 1) {
      this.generator = new Philox(this.seeds.seed, this.seeds.seed2)
      this.taken = 0
    }
    for (; this.taken <= pass; this.taken++) {
      this.pair.seed = this.generator.next()
      this.pair.seed2 = this.generator.next()
    }
    return { seed: this.pair.seed, seed2: this.pair.seed2 }
  }
}

/** One pass of `shuffle(bufferSize)` over the positions 0 … count−1: hands out input positions in shuffled order. */
export class ShuffleBuffer {
  private readonly slots: Float64Array
  private readonly random: Philox
  /** Input positions stored so far, and how many of them are still in their slots. */
  private stored = 0
  private filled = 0
  /** Slot of the oldest one and the slot behind the newest, counted up and wrapped by hand: divisions would cost more than all the rest. */
  private first = 0
  private behind = 0

  constructor(
    private readonly count: number,
    bufferSize: number,
    seeds: TfSeeds,
  ) {
    // A buffer larger than the data never fills: positions then stay below `count` and never wrap.
    this.slots = new Float64Array(Math.min(bufferSize, Math.max(1, count)))
    this.random = new Philox(seeds.seed, seeds.seed2)
  }

  /** The next input position, −1 at the end of the pass. */
  next(): number {
    const { slots, count } = this
    const size = slots.length
    while (this.stored < count && this.filled < size) {
      slots[this.behind] = this.stored++
      this.behind = this.behind + 1 === size ? 0 : this.behind + 1
      this.filled++
    }
    if (this.filled === 0) return -1
    const { first } = this
    let chosen = first + (this.random.next() % this.filled)
    if (chosen >= size) chosen -= size
    const position = slots[chosen]!
    slots[chosen] = slots[first]!
    this.first = first + 1 === size ? 0 : first + 1
    this.filled--
    return position
  }
}

/**
 * `interleave(cycle_length, block_length)` over inputs of known lengths, also the order of deterministic parallel interleaves.
 * Yields [input, item]. An exhausted slot is left empty until its next turn.
 */
export function* interleave(
  lengths: readonly number[],
  cycleLength: number,
  blockLength: number,
): Generator<[input: number, item: number]> {
  const slots = new Array<number>(cycleLength).fill(-1)
  const given = lengths.map(() => 0)
  let opened = 0
  let open = 0
  for (let slot = 0; ; slot = (slot + 1) % cycleLength) {
    if (slots[slot] === -1 && opened < lengths.length) {
      slots[slot] = opened++
      open++
    }
    const input = slots[slot]!
    if (input === -1) {
      if (open === 0) return
      continue
    }
    for (let block = 0; block < blockLength; block++) {
      if (given[input]! === lengths[input]!) {
        slots[slot] = -1
        open--
        break
      }
      yield [input, given[input]!++]
    }
    if (open === 0 && opened === lengths.length) return
  }
}

/** `shard(shards, index)`: every shards-th item. */
export function* shard<T>(items: Iterable<T>, shards: number, index: number): Generator<T> {
  let position = 0
  for (const item of items) if (position++ % shards === index) yield item
}

/** `repeat(count)` of a data set whose passes `open` creates; `count` −1 repeats for ever. An empty pass ends it. */
export function* repeat<T>(open: (pass: number) => Iterable<T>, count: number): Generator<T> {
  for (let pass = 0; count < 0 || pass < count; pass++) {
    let empty = true
    for (const item of open(pass)) {
      empty = false
      yield item
    }
    if (empty) return
  }
}

/** `take(count)`, −1 takes all. */
export function* take<T>(items: Iterable<T>, count: number): Generator<T> {
  if (count === 0) return
  let taken = 0
  for (const item of items) {
    yield item
    if (++taken === count) return
  }
}

/** `shuffle` of any finite sequence: one pass with the given seeds. */
export function* shuffled<T>(items: readonly T[], bufferSize: number, seeds: TfSeeds): Generator<T> {
  const buffer = new ShuffleBuffer(items.length, bufferSize, seeds)
  for (let position = buffer.next(); position >= 0; position = buffer.next()) yield items[position]!
}
