// How DLIO's generators under tf.data handle their files (reader_handler.next): a file is opened when it is met, and the one at hand is closed
// whenever the generator's own count of samples is a multiple of the samples of a file, wherever in the file that is.
import type { Workload } from '../config/workload.js'
import type { SampleReader } from '../formats/types.js'
import type { Io } from '../storage/types.js'

/** Whether a run reads samples through DLIO's generators. */
export const usesGenerators = ({ reader, dataset, profile }: Workload): boolean =>
  profile === null && reader.dataLoader === 'tensorflow' && dataset.format !== 'tfrecord'

/** A reader of single samples as a generator uses it. `close` ends an iteration over the data set: the next one begins with no file open. */
export class GeneratorFiles implements SampleReader {
  private samples = 0
  private readonly open = new Set<string>()

  constructor(
    private readonly reader: SampleReader,
    private readonly samplesPerFile: number,
    /** MLCommons' readers take in the whole file when it is opened; samples of it then cost nothing. */
    private readonly readsWhenOpened: boolean,
  ) {}

  *read(uri: string, sample: number): Io<number> {
    const bytes = this.readsWhenOpened && this.open.has(uri) ? 0 : yield* this.reader.read(uri, sample)
    this.open.add(uri)
    if (++this.samples % this.samplesPerFile === 0) yield* this.release(uri)
    return bytes
  }

  *release(uri: string): Io<void> {
    this.open.delete(uri)
    yield* this.reader.release(uri)
  }

  *close(): Io<void> {
    this.samples = 0
    this.open.clear()
    yield* this.reader.close()
  }
}
