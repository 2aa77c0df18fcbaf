// One sample by itself, outside any order, for consumers that choose their samples: it goes over the socket, not through the ring.
import type { Workload } from '../config/workload.js'
import type { ArrayLayout, SampleTarget } from '../formats/decoder.js'
import { slackBytes } from '../formats/decoder.js'
import { privateMeter } from '../storage/meter.js'
import type { AccessGrant } from '../storage/object/types.js'
import { roundUp } from './layout.js'
import { openReads, type ReadPlan, type Reads } from './reads.js'

export interface SingleSample {
  readonly bytes: Uint8Array
  /** The sample's arrays, and where in `bytes` each begins. */
  readonly arrays: readonly { readonly layout: ArrayLayout; readonly begin: number }[]
}

/** Decoders hold on to the target's memory while they place, so that it cannot grow: the sample is decoded anew in more. */
class TooSmall extends Error {
  constructor(readonly neededBytes: number) {
    super(`needs ${neededBytes} bytes`)
  }
}

export class SingleReads {
  private reads: Reads | undefined
  /** Of the largest sample so far. */
  private usualBytes: number

  constructor(
    private readonly workload: Workload,
    private readonly plan: ReadPlan,
    sampleBytes: number,
    private readonly askForGrant: () => void,
  ) {
    this.usualBytes = sampleBytes + 4 * slackBytes
  }

  /** Reads sample `sample` of file `name`, relative to the data folder. Throws DataError, StorageError. */
  async read(name: string, sample: number): Promise<SingleSample> {
    this.reads ??= openReads(this.workload, this.plan, privateMeter(), 0, this.askForGrant)
    const { reads } = this
    for (;;) {
      const target = new SingleTarget(this.usualBytes)
      try {
        await reads.run(reads.decoder.decode(this.plan.folder + name, sample, target))
        return { bytes: target.bytes.subarray(0, target.end), arrays: target.arrays }
      } catch (error) {
        if (!(error instanceof TooSmall)) throw error
        this.usualBytes = error.neededBytes
      } finally {
        // The next one may be of another file, or of this one written anew.
        await reads.run(reads.decoder.close())
      }
    }
  }

  renew(grant: AccessGrant): void {
    this.reads?.renew(grant)
  }
}

class SingleTarget implements SampleTarget {
  readonly bytes: Uint8Array
  readonly arrays: { layout: ArrayLayout; begin: number }[] = []
  end = 0

  constructor(sizeBytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(sizeBytes)
  }

  place(layout: ArrayLayout): number {
    const begin = roundUp(this.end, 64)
    const neededBytes = begin + layout.sizeBytes + slackBytes
    if (neededBytes > this.bytes.length) throw new TooSmall(neededBytes)
    this.end = begin + layout.sizeBytes
    this.arrays.push({ layout, begin })
    return begin
  }
}
