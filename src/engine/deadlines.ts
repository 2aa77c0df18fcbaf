// A binary heap of deadlines: which rank's computation ends next.

/** Smallest time first; a rank is in it at most once. */
export class Deadlines {
  private readonly times: Float64Array
  private readonly ranks: Int32Array
  private size = 0

  constructor(capacity: number) {
    this.times = new Float64Array(capacity)
    this.ranks = new Int32Array(capacity)
  }

  /** Time of the next deadline, Infinity when there is none. */
  get next(): number {
    return this.size === 0 ? Number.POSITIVE_INFINITY : this.times[0]!
  }

  push(time: number, rank: number): void {
    let i = this.size++
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (this.times[parent]! <= time) break
      this.times[i] = this.times[parent]!
      this.ranks[i] = this.ranks[parent]!
      i = parent
    }
    this.times[i] = time
    this.ranks[i] = rank
  }

  /** Takes the rank of the next deadline; only when there is one. */
  pop(): number {
    const rank = this.ranks[0]!
    const size = --this.size
    if (size > 0) this.sink(this.times[size]!, this.ranks[size]!, size)
    return rank
  }

  private sink(time: number, rank: number, size: number): void {
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= size) break
      if (child + 1 < size && this.times[child + 1]! < this.times[child]!) child++
      if (this.times[child]! >= time) break
      this.times[i] = this.times[child]!
      this.ranks[i] = this.ranks[child]!
      i = child
    }
    this.times[i] = time
    this.ranks[i] = rank
  }
}
