// NumPy's legacy random generator (`numpy.random.RandomState`, and the global functions of `numpy.random`), which DLIO seeds and draws from.
// Sources: numpy/random/_mt19937.pyx (_legacy_seeding), mtrand.pyx, src/legacy/legacy-distributions.c, src/distributions/distributions.c.
import { mersenne, mersenneFromState } from 'pure-rand/generator/mersenne'

type Engine = ReturnType<typeof mersenne>

/** Anything whose items can be swapped by position. */
export interface Swappable<T> {
  readonly length: number
  [index: number]: T
}

const words = 624
/** Accepted positions of a shuffle, drawn ahead of the swaps: memory accesses then overlap, which halves the time of large shuffles. */
const drawnAhead = new Uint32Array(4096)

/** Largest seed that NumPy accepts. */
export const numpySeedMax = 0xffffffff

/**
 * The legacy generator: MT19937 and the distributions that DLIO uses. Integers, shuffles and uniforms are exact; draws that take a
 * logarithm agree to a few units in the last place, since the reference itself depends on the C library there (draw counts are exact).
 */
export class RandomState {
  private engine: Engine
  /** Second normal of a pair, kept for the next call; undefined when there is none. */
  private cachedGauss: number | undefined
  /** The point of the last pair. */
  private x1 = 0
  private x2 = 0

  /** @param seed an integer 0 … 2³²−1, or a sequence of such words (`init_by_array`). Throws RangeError otherwise. */
  constructor(seed: number | readonly number[]) {
    this.engine = engineOf(seed)
  }

  /** Starts over from a seed and forgets the cached normal, as `RandomState.seed` does. */
  seed(seed: number | readonly number[]): void {
    this.engine = engineOf(seed)
    this.cachedGauss = undefined
  }

  /** An independent generator in the same state. */
  clone(): RandomState {
    const copy = Object.create(RandomState.prototype) as RandomState
    copy.engine = this.engine.clone()
    copy.cachedGauss = this.cachedGauss
    copy.x1 = 0
    copy.x2 = 0
    return copy
  }

  nextUint32(): number {
    return this.engine.next() >>> 0
  }

  /** Uniform in [0, 1) with 53 bits (`mt19937_next_double`). */
  nextDouble(): number {
    const high = (this.engine.next() >>> 5) * 67_108_864
    return (high + (this.engine.next() >>> 6)) / 9_007_199_254_740_992
  }

  /** Uniform integer in [0, max], max ≤ 2³²−1, by masking and rejecting (`random_interval`); max 0 draws nothing. */
  interval(max: number): number {
    if (max === 0) return 0
    const mask = 0xffffffff >>> Math.clz32(max)
    let value = (this.engine.next() & mask) >>> 0
    while (value > max) value = (this.engine.next() & mask) >>> 0
    return value
  }

  /** Shuffles in place, from the last item down (`RandomState.shuffle`). */
  shuffle<T>(items: Swappable<T>): void {
    let last = items.length - 1
    while (last > 0) {
      const top = last
      const drawn = this.drawPositions(top)
      last -= drawn
      for (let d = 0, i = top; d < drawn; d++, i--) {
        const j = drawnAhead[d]!
        const item = items[i]!
        items[i] = items[j]!
        items[j] = item
      }
    }
  }

  /** Draws what `shuffle` of `count` items would draw, without items. */
  skipShuffle(count: number): void {
    for (let last = count - 1; last > 0; ) last -= this.drawPositions(last)
  }

  /** Draws exchange positions for items `top`, `top − 1`, … into `drawnAhead`, as far as they share one mask; returns how many. */
  private drawPositions(top: number): number {
    const engine = this.engine
    const mask = 0xffffffff >>> Math.clz32(top)
    const sharing = top - (mask >>> 1)
    const wanted = sharing < drawnAhead.length ? sharing : drawnAhead.length
    let drawn = 0
    let i = top
    while (drawn < wanted) {
      const j = (engine.next() & mask) >>> 0
      drawnAhead[drawn] = j
      // A rejected draw is overwritten by the next one; without a branch, since one draw in four is rejected at random.
      const accepted = j <= i ? 1 : 0
      drawn += accepted
      i -= accepted
    }
    return drawn
  }

  /** `RandomState.permutation(n)`. */
  permutation(count: number): Uint32Array {
    const items = identity(count)
    this.shuffle(items)
    return items
  }

  /**
   * `RandomState.randint(low, high, size, dtype)`: uniform integers in [low, high). Small types share one 32-bit draw, low part first;
   * what is left of it at the end of the call is dropped. Throws RangeError where high ≤ low.
   */
  randint(low: number, high: number, size: number, dtype: 'uint8' | 'uint16' | 'int32' | 'int64' = 'int64'): number[] {
    const range = high - 1 - low
    if (range < 0) throw new RangeError(`randint: low ${low} must be below high ${high}`)
    const result: number[] = []
    if (range === 0) return new Array<number>(size).fill(low)
    if (dtype === 'uint8' || dtype === 'uint16') return this.smallIntegers(low, range, size, dtype === 'uint8' ? 8 : 16)
    for (let i = 0; i < size; i++) result.push(low + (range <= 0xffffffff ? this.interval(range) : this.wideInterval(range)))
    return result
  }

  private smallIntegers(low: number, range: number, size: number, bits: 8 | 16): number[] {
    const mask = 0xffffffff >>> Math.clz32(range)
    const result: number[] = []
    let word = 0
    let parts = 0
    while (result.length < size) {
      if (parts === 0) {
        word = this.engine.next()
        parts = 32 / bits
      } else word >>>= bits
      parts--
      const value = word & mask
      if (value <= range) result.push(low + value)
    }
    return result
  }

  /** Uniform in [0, max] for max > 2³²−1: 64-bit draws, the first word is the high half. */
  private wideInterval(max: number): number {
    const highMask = 0xffffffff >>> Math.clz32(Math.floor(max / 4_294_967_296))
    for (;;) {
      const high = (this.engine.next() & highMask) >>> 0
      const value = high * 4_294_967_296 + (this.engine.next() >>> 0)
      if (value <= max) return value
    }
  }

  uniform(low: number, high: number): number {
    return low + (high - low) * this.nextDouble()
  }

  normal(mean: number, stdev: number): number {
    return mean + stdev * this.standardNormal()
  }

  exponential(scale: number): number {
    return scale * this.standardExponential()
  }

  gamma(shape: number, scale: number): number {
    return scale * this.standardGamma(shape)
  }

  /** Number of events of a Poisson distribution with mean `lam` (`random_poisson`: products below 10, Hörmann's PTRS from 10 on). */
  poisson(lam: number): number {
    if (lam === 0) return 0
    return lam < 10 ? this.poissonByProduct(lam) : this.poissonByRejection(lam)
  }

  /** `legacy_gauss`: the polar method, second value first. */
  standardNormal(): number {
    if (this.cachedGauss !== undefined) {
      const value = this.cachedGauss
      this.cachedGauss = undefined
      return value
    }
    const r2 = this.drawPoint()
    const f = Math.sqrt((-2 * Math.log(r2)) / r2)
    this.cachedGauss = f * this.x1
    return f * this.x2
  }

  /** Leaves the stream where two draws of a normal leave it, as a rule without their logarithm. */
  skipNormalPair(): void {
    if (this.cachedGauss === undefined) this.drawPoint()
    else {
      this.cachedGauss = undefined
      this.standardNormal()
    }
  }

  /** Draws points of the square until one lies within the unit circle, but not at its centre; returns its squared radius. */
  private drawPoint(): number {
    for (;;) {
      const x1 = 2 * this.nextDouble() - 1
      const x2 = 2 * this.nextDouble() - 1
      const r2 = x1 * x1 + x2 * x2
      if (r2 >= 1 || r2 === 0) continue
      this.x1 = x1
      this.x2 = x2
      return r2
    }
  }

  private standardExponential(): number {
    return -Math.log(1 - this.nextDouble())
  }

  /** `legacy_standard_gamma`: Marsaglia and Tsang above shape 1, Ahrens and Dieter below. */
  private standardGamma(shape: number): number {
    if (shape === 1) return this.standardExponential()
    if (shape === 0) return 0
    if (shape < 1) return this.gammaBelowOne(shape)
    const b = shape - 1 / 3
    const c = 1 / Math.sqrt(9 * b)
    for (;;) {
      let x: number
      let v: number
      do {
        x = this.standardNormal()
        v = 1 + c * x
      } while (v <= 0)
      v = v * v * v
      const u = this.nextDouble()
      if (u < 1 - 0.0331 * (x * x) * (x * x)) return b * v
      if (Math.log(u) < 0.5 * x * x + b * (1 - v + Math.log(v))) return b * v
    }
  }

  private gammaBelowOne(shape: number): number {
    for (;;) {
      const u = this.nextDouble()
      const v = this.standardExponential()
      if (u <= 1 - shape) {
        const x = u ** (1 / shape)
        if (x <= v) return x
      } else {
        const y = -Math.log((1 - u) / shape)
        const x = (1 - shape + shape * y) ** (1 / shape)
        if (x <= v + y) return x
      }
    }
  }

  private poissonByProduct(lam: number): number {
    const limit = Math.exp(-lam)
    let count = 0
    let product = this.nextDouble()
    while (product > limit) {
      count++
      product *= this.nextDouble()
    }
    return count
  }

  private poissonByRejection(lam: number): number {
    const logLam = Math.log(lam)
    const b = 0.931 + 2.53 * Math.sqrt(lam)
    const a = -0.059 + 0.02483 * b
    const inverseAlpha = 1.1239 + 1.1328 / (b - 3.4)
    const vr = 0.9277 - 3.6224 / (b - 2)
    for (;;) {
      const u = this.nextDouble() - 0.5
      const v = this.nextDouble()
      const us = 0.5 - Math.abs(u)
      const k = Math.floor(((2 * a) / us + b) * u + lam + 0.43)
      if (us >= 0.07 && v <= vr) return k
      if (k < 0 || (us < 0.013 && v > us)) continue
      if (Math.log(v) + Math.log(inverseAlpha) - Math.log(a / (us * us) + b) <= -lam + k * logLam - logGamma(k + 1)) return k
    }
  }
}

/** The numbers 0 … count−1 in order. */
export function identity(count: number): Uint32Array {
  const items = new Uint32Array(count)
  for (let i = 0; i < count; i++) items[i] = i
  return items
}

/** Stirling's series for ln Γ(x), evaluated as `random_loggam` does. */
const stirling = [
  1 / 12,
  -1 / 360,
  1 / 1260,
  -1 / 1680,
  1 / 1188,
  -691 / 360_360,
  1 / 156,
  -3617 / 122_400,
  43_867 / 244_188,
  -174_611 / 125_400,
]

function logGamma(x: number): number {
  if (x === 1 || x === 2) return 0
  const shift = x < 7 ? Math.trunc(7 - x) : 0
  let x0 = x + shift
  const inverseSquare = (1 / x0) * (1 / x0)
  let series = stirling[9]!
  for (let k = 8; k >= 0; k--) series = series * inverseSquare + stirling[k]!
  let result = series / x0 + 0.5 * Math.log(2 * Math.PI) + (x0 - 0.5) * Math.log(x0) - x0
  for (let k = 0; k < shift; k++) {
    result -= Math.log(x0 - 1)
    x0 -= 1
  }
  return result
}

function engineOf(seed: number | readonly number[]): Engine {
  if (typeof seed === 'number') return mersenne(checkedWord(seed))
  if (seed.length === 0) throw new RangeError('Seed must be non-empty')
  return mersenneFromArray(seed.map(checkedWord))
}

function checkedWord(word: number): number {
  if (!Number.isInteger(word) || word < 0 || word > numpySeedMax) throw new RangeError(`Seed must be between 0 and 2**32 - 1, not ${word}`)
  return word
}

/** `init_by_array` of Matsumoto and Nishimura (2002), which pure-rand lacks. Its states are kept one twist ahead. */
function mersenneFromArray(key: readonly number[]): Engine {
  const state = new Int32Array(words)
  state[0] = 19_650_218
  for (let i = 1; i < words; i++) state[i] = Math.imul(1_812_433_253, mixed(state[i - 1]!)) + i
  let i = 1
  for (let n = Math.max(words, key.length), j = 0; n > 0; n--, j = (j + 1) % key.length) {
    state[i] = (state[i]! ^ Math.imul(mixed(state[i - 1]!), 1_664_525)) + key[j]! + j
    i = wrap(state, i + 1)
  }
  for (let n = words - 1; n > 0; n--) {
    state[i] = (state[i]! ^ Math.imul(mixed(state[i - 1]!), 1_566_083_941)) - i
    i = wrap(state, i + 1)
  }
  state[0] = 0x80000000 | 0
  const engine = mersenneFromState([0, ...state])
  // pure-rand tempers a word before it twists it; one unused round brings the fresh state to where it expects it.
  for (let n = 0; n < words; n++) engine.next()
  return engine
}

const mixed = (word: number): number => word ^ (word >>> 30)

function wrap(state: Int32Array, i: number): number {
  if (i < words) return i
  state[0] = state[words - 1]!
  return 1
}
