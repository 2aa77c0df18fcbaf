// The files of an indexed binary: samples back to back, and beside them where each begins and how long it is. Pure. Layout: README.md.

/** One number of an index: u64, little-endian. */
export const entryBytes = 8

/** DLIO `IndexedBinaryGenerator.index_file_path_off`, `index_file_path_size`. */
export const offsetsFile = (uri: string): string => `${uri}.off.idx`
export const sizesFile = (uri: string): string => `${uri}.sz.idx`

/** Most numbers that are kept where they follow no rule. */
const mostIrregular = 2 ** 27

/** The numbers of one index file. Those that grow evenly, as DLIO writes them, take no memory however many there are. */
export class IndexColumn {
  /** Numbers added so far. */
  count = 0
  #first = 0
  #step = 0
  #values: Float64Array | undefined

  constructor(
    /** How many there will be. */
    readonly length: number,
    /** Told when the numbers follow no rule and are too many to be kept; does not return. */
    private readonly failIrregular: (most: number) => never,
  ) {}

  add(value: number): void {
    const i = this.count++
    if (this.#values !== undefined) this.#values[i] = value
    else if (i === 0) this.#first = value
    else if (i === 1) this.#step = value - this.#first
    else if (value !== this.#first + i * this.#step) {
      if (this.length > mostIrregular) this.failIrregular(mostIrregular)
      const values = new Float64Array(this.length)
      for (let k = 0; k < i; k++) values[k] = this.#first + k * this.#step
      values[i] = value
      this.#values = values
    }
  }

  at(i: number): number {
    return this.#values === undefined ? this.#first + i * this.#step : this.#values[i]!
  }
}
