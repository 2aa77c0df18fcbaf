// Normal draws of NumPy's legacy generator (`numpy.random.seed`, `numpy.random.normal`), two at a time.
import { mersenne } from 'pure-rand/generator/mersenne'

/**
 * The stream of standard normal draws after `numpy.random.seed(seed)`. The polar method makes them in pairs, so that pairs can be
 * skipped without their logarithms. Source: NumPy `legacy_gauss` (legacy-distributions.c), `mt19937_next_double` (mt19937.h).
 */
export class LegacyGaussPairs {
  readonly #words: ReturnType<typeof mersenne>
  /** The pair of the last `next`, in the order in which NumPy returns it. */
  first = 0
  second = 0
  #x1 = 0
  #x2 = 0

  /** `seed`: 0 … 2^32 − 1, as NumPy demands. */
  constructor(seed: number) {
    this.#words = mersenne(seed)
  }

  /** Draws a pair into `first` and `second`. */
  next(): void {
    const r2 = this.#accept()
    const f = Math.sqrt((-2 * Math.log(r2)) / r2)
    this.first = f * this.#x2
    this.second = f * this.#x1
  }

  /** Draws a pair and forgets it. */
  skip(): void {
    this.#accept()
  }

  /** Draws points of the square until one lies within the unit circle; returns its squared radius. */
  #accept(): number {
    for (;;) {
      const x1 = 2 * this.#double() - 1
      const x2 = 2 * this.#double() - 1
      const r2 = x1 * x1 + x2 * x2
      if (r2 < 1 && r2 !== 0) {
        this.#x1 = x1
        this.#x2 = x2
        return r2
      }
    }
  }

  /** Uniform in [0, 1) with 53 bits: two words. */
  #double(): number {
    const a = this.#words.next() >>> 5
    const b = this.#words.next() >>> 6
    return (a * 67_108_864 + b) / 9_007_199_254_740_992
  }
}
