// A lane: one reader of one rank. It computes its own list of work from the plan and reads as far as its credits go.
import type { Workload } from '../config/workload.js'
import { DataError } from '../errors.js'
import type { Format, ReaderOptions, SampleReader, StreamReader } from '../formats/types.js'
import { RandomState } from '../order/numpy-random.js'
import type { BatchOrder, BatchSink, EpochOrder, FileList, Split, StreamOrder } from '../order/types.js'
import { batchSink } from '../plan/batch-sink.js'
import { drawSeconds } from '../plan/sleeps.js'
import type { Plan } from '../plan/types.js'
import { IoPort } from '../storage/io.js'
import type { Io, Window } from '../storage/types.js'
import type { Clock } from './clock.js'
import { GeneratorFiles, usesGenerators } from './generator-files.js'
import { laneWord, type SharedState } from './shared-state.js'
import type { TraceWriter } from './trace-writer.js'
import type { Turnstile } from './turnstile.js'

/** What all lanes of a thread have in common. */
export interface LaneContext {
  readonly plan: Plan
  readonly workload: Workload
  readonly state: SharedState
  readonly clock: Clock
  readonly format: Format
  readonly readerOptions: ReaderOptions
  /** Local path of the data folder, with a trailing slash. */
  readonly folder: string
  /** Called with the number of samples and the time one sample (or one advance of a stream) took, in milliseconds. */
  readonly samplesRead: (count: number, durationMs: number) => void
  readonly trace: TraceWriter | undefined
  /** Where the readers take the steps themselves. */
  readonly turnstile: Turnstile
}

const splits: readonly Split[] = ['train', 'valid']

export class Lane {
  private readonly port: IoPort
  private readonly samples: SampleReader | undefined
  private readonly stream: StreamReader | undefined
  private readonly sink: BatchSink
  private generation = 0
  private epoch = 0
  private split: Split = 'train'
  private order: EpochOrder | undefined
  private files: FileList
  /** Units made in this epoch. */
  private units = 0
  /** Streams: files begun, and records of files that have ended. */
  private filesBegun = 0
  private recordsEnded = 0
  private streamIsOpen = false
  private streamUri = ''
  /** Draws of `reader.preprocess_time`. DLIO's workers draw from generators that nothing seeds, so only their distribution is the same. */
  private readonly random: RandomState
  /** Milliseconds that preprocessing takes for the samples of the part that has just been run; slept by whoever drives the lane. */
  preprocessMs = 0

  constructor(
    private readonly context: LaneContext,
    private readonly lane: number,
    readonly rank: number,
    /** Number of the reader in its rank, 0-based. */
    private readonly reader: number,
    window: Window,
  ) {
    const { format, readerOptions, plan } = context
    this.port = new IoPort(window)
    if (format.kind === 'stream') this.stream = format.streamReader!(this.port, readerOptions)
    else this.samples = sampleReader(context, format.sampleReader!(this.port, readerOptions))
    this.sink = batchSink(plan)
    this.files = plan.train.files
    this.random = new RandomState(lane)
  }

  /** Whether the conductor has sent this lane into another epoch or split. */
  get isCalled(): boolean {
    return Atomics.load(this.context.state.words, this.word(laneWord.generation)) !== this.generation
  }

  /** Credits of another epoch than the one that the lane has taken up do not count: the credits are looked at first, then the call. */
  get hasCredit(): boolean {
    return this.units < Atomics.load(this.context.state.words, this.word(laneWord.granted)) && !this.isCalled
  }

  /** Takes up the epoch and split that the conductor has set. What was kept open is closed first. */
  *begin(): Io<void> {
    const { state, plan } = this.context
    // Asked for with the first credit: without one nobody waits for this lane, and the shared lists may be those of the next epoch by now.
    this.order = undefined
    if (this.streamIsOpen) yield* this.stream!.close()
    this.streamIsOpen = false
    // Each iteration over the data set makes generators anew.
    if (this.samples instanceof GeneratorFiles) yield* this.samples.close()
    this.generation = Atomics.load(state.words, this.word(laneWord.generation))
    this.epoch = Atomics.load(state.words, this.word(laneWord.epoch))
    this.split = splits[Atomics.load(state.words, this.word(laneWord.split))]!
    this.files = (this.split === 'train' ? plan.train : plan.valid).files
    this.units = 0
    this.filesBegun = 0
    this.recordsEnded = 0
  }

  /**
   * The I/O of the lane's next unit, as parts to be run one after the other (so that a blocking thread can stop between samples).
   * For a batch: one part per sample. For a stream: one part that advances by at least one record, or by one sample of a format with
   * random access.
   */
  parts(): number {
    this.order ??= this.context.plan.order(this.split, this.rank, this.epoch)
    const { order } = this
    return order.kind === 'stream' ? 1 : order.batch(order.batchOfUnit(this.reader, this.units), this.sink)
  }

  /** Part `index` of the unit. */
  part(index: number): Io<void> {
    const order = this.order!
    if (order.kind === 'batch') return this.readOfBatch(order, index)
    return this.samples === undefined ? this.advance(order) : this.readOfStream(order)
  }

  /** To be called when all parts of the unit are through: publishes it. */
  publish(): void {
    const { state } = this.context
    const before = Atomics.load(state.words, this.word(laneWord.done))
    if (this.order!.kind === 'batch') this.units++
    Atomics.store(state.words, this.word(laneWord.done), this.units)
    const wanted = Atomics.load(state.words, this.word(laneWord.wanted))
    if (wanted > before && wanted <= this.units) state.signal()
    this.context.turnstile.pass()
  }

  *close(): Io<void> {
    if (this.streamIsOpen) yield* this.stream!.close()
    if (this.samples !== undefined) yield* this.samples.close()
    this.streamIsOpen = false
  }

  private *readOfBatch(order: BatchOrder, index: number): Io<void> {
    const step = order.batchOfUnit(this.reader, this.units) + 1
    yield* this.readSample(this.sink.files[index]!, this.sink.samples[index]!, order.inProcess ? -1 : this.reader, step)
  }

  /** The next sample of the reader's files, one after the other. */
  private *readOfStream(order: StreamOrder): Io<void> {
    const file = Math.floor(this.units / order.recordsPerFile)
    yield* this.readSample(order.fileOf(this.reader, file), this.units - file * order.recordsPerFile, this.reader, undefined)
    this.units++
  }

  private *readSample(file: number, sample: number, reader: number, step: number | undefined): Io<void> {
    const { clock, folder, trace } = this.context
    const name = this.files.name(file)
    const beginMs = clock.nowMs()
    const bytes = yield* this.samples!.read(folder + name, sample)
    const endMs = clock.nowMs()
    this.context.samplesRead(1, endMs - beginMs)
    this.preprocess(1)
    const { rank, epoch, split } = this
    trace?.sample({ beginMs, endMs, rank, reader, epoch, split, step, file: name, sample, bytes })
  }

  private *advance(order: StreamOrder): Io<void> {
    const { clock, folder } = this.context
    const beginMs = clock.nowMs()
    if (!this.streamIsOpen) {
      this.streamUri = folder + this.files.name(order.fileOf(this.reader, this.filesBegun++))
      yield* this.stream!.open(this.streamUri)
      this.streamIsOpen = true
    }
    const complete = yield* this.stream!.advance()
    const before = this.units
    if (complete >= 0) {
      if (complete > order.recordsPerFile) throw this.wrongCount(complete, order.recordsPerFile)
      this.units = this.recordsEnded + complete
    } else {
      this.streamIsOpen = false
      const held = this.units - this.recordsEnded
      if (held !== order.recordsPerFile) throw this.wrongCount(held, order.recordsPerFile)
      this.recordsEnded = this.units
    }
    const endMs = clock.nowMs()
    if (this.units > before) this.context.samplesRead(this.units - before, endMs - beginMs)
    this.preprocess(this.units - before)
    this.traceRecords(order, before, beginMs, endMs)
  }

  private preprocess(samples: number): void {
    const { preprocessTime } = this.context.workload.reader
    this.preprocessMs = 0
    for (let i = 0; i < samples; i++) this.preprocessMs += 1000 * drawSeconds(this.random, preprocessTime)
  }

  private traceRecords(order: StreamOrder, before: number, beginMs: number, endMs: number): void {
    const { trace } = this.context
    if (trace === undefined) return
    const file = this.streamUri.slice(this.context.folder.length)
    const bytes = 0
    for (let unit = before; unit < this.units; unit++)
      trace.sample({
        beginMs,
        endMs,
        rank: this.rank,
        reader: this.reader,
        epoch: this.epoch,
        split: this.split,
        step: undefined,
        file,
        sample: unit % order.recordsPerFile,
        bytes,
      })
  }

  private wrongCount(held: number, expected: number): DataError {
    return new DataError(
      this.streamUri,
      held > expected
        ? `holds more than the ${expected} records that dataset.num_samples_per_file says; correct the configuration or generate the data set again`
        : `holds ${held} records, dataset.num_samples_per_file is ${expected}; correct the configuration or generate the data set again`,
    )
  }

  private word(word: number): number {
    return this.context.state.lane(this.lane, word)
  }
}

function sampleReader({ workload, readerOptions }: LaneContext, reader: SampleReader): SampleReader {
  if (!usesGenerators(workload)) return reader
  return new GeneratorFiles(
    reader,
    workload.dataset.numSamplesPerFile,
    readerOptions.extent === 'file' && workload.dataset.format !== 'parquet',
  )
}
