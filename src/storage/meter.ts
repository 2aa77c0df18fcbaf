// What a reader thread counts of its own I/O, in shared memory, so that others can look at any time without a message.

/** Slots of a thread's counters (float64). */
export const meterSlot = { bytes: 0, readCalls: 1, filesOpened: 2, samples: 3, count: 8 } as const
/** Slots of the process-wide gauge of reads in flight (int32). */
export const gaugeSlot = { now: 0, most: 1, count: 2 } as const

/** Counters of one thread; only that thread writes them. */
export class IoMeter {
  constructor(
    /** `meterSlot.count` doubles. */
    private readonly counters: Float64Array,
    /** `gaugeSlot.count` integers, shared by all threads. */
    private readonly gauge: Int32Array,
  ) {}

  opened(): void {
    this.counters[meterSlot.filesOpened]! += 1
  }

  readStarts(): void {
    const now = Atomics.add(this.gauge, gaugeSlot.now, 1) + 1
    let most = Atomics.load(this.gauge, gaugeSlot.most)
    while (now > most) {
      const before = Atomics.compareExchange(this.gauge, gaugeSlot.most, most, now)
      if (before === most) break
      most = before
    }
  }

  /** `bytes`: what the storage delivered; every call counts, the empty one at the end of a file too. */
  readEnds(bytes: number): void {
    Atomics.sub(this.gauge, gaugeSlot.now, 1)
    this.counters[meterSlot.bytes]! += bytes
    this.counters[meterSlot.readCalls]! += 1
  }
}

/** A meter that nobody looks at, for commands that only read. */
export function privateMeter(): IoMeter {
  return new IoMeter(new Float64Array(meterSlot.count), new Int32Array(new SharedArrayBuffer(4 * gaugeSlot.count)))
}
