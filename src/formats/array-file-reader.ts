// What readers of .npy and .npz files do alike: NumPy loads their whole array and keeps no file open from sample to sample.
import type { IoPort } from '../storage/io.js'
import type { Io } from '../storage/types.js'
import { checkSampleIndex } from './sample-array.js'
import type { ReaderOptions, SampleReader } from './types.js'

export abstract class ArrayFileReader implements SampleReader {
  /** With `keepOpen`: arrays that upstream would still hold in memory, by URI, with their numbers of samples. */
  readonly #held = new Map<string, number>()

  constructor(
    protected readonly port: IoPort,
    protected readonly options: ReaderOptions,
  ) {}

  read(uri: string, sample: number): Io<number> {
    switch (this.options.extent) {
      case 'file':
        return this.readFile(uri, sample)
      case 'upstream':
        return this.readUpstream(uri, sample)
      case 'sample':
        return this.readSample(uri, sample)
    }
  }

  /** Only the array is forgotten: no file stays open between samples. */
  // biome-ignore lint/correctness/useYield: there is nothing to ask of the storage
  *release(uri: string): Io<void> {
    this.#held.delete(uri)
  }

  // biome-ignore lint/correctness/useYield: there is nothing to ask of the storage
  *close(): Io<void> {
    this.#held.clear()
  }

  /** The whole file, front to back; returns its bytes. */
  protected abstract readFile(uri: string, sample: number): Io<number>
  /** What `np.load` asks for; returns the bytes of the array, 0 where it {@link isHeld}. */
  protected abstract readUpstream(uri: string, sample: number): Io<number>
  /** Only the bytes of the sample where they lie side by side, otherwise the whole array; returns their number. */
  protected abstract readSample(uri: string, sample: number): Io<number>

  /** Whether upstream would still have the array in memory. @throws DataError where it lacks the sample */
  protected isHeld(uri: string, sample: number): boolean {
    const samples = this.#held.get(uri)
    if (samples !== undefined) checkSampleIndex(uri, sample, samples)
    return samples !== undefined
  }

  /** The array of `samples` samples has been read: with `keepOpen` upstream has it in memory from now on. */
  protected hold(uri: string, samples: number): void {
    if (this.options.keepOpen) this.#held.set(uri, samples)
  }
}
