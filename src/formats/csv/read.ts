// Reads CSV files over the I/O seam: the whole file for each sample, as pandas does for DLIO. Layout and requests: README.md.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { elementTypeByName } from '../dtype.js'
import { checkSampleIndex } from '../sample-array.js'
import { type ByteSink, SequentialSource } from '../sequential.js'
import type { ReaderOptions, SampleReader } from '../types.js'
import { checkBeginning, LineCounter, NumberWalker } from './lines.js'
import { integerRange, isIntegerText } from './numbers.js'

export class CsvReader implements SampleReader {
  readonly #source: SequentialSource
  /** With `keepOpen`: files whose numbers DLIO would still hold, with their lines. */
  readonly #held = new Map<string, number>()

  constructor(
    private readonly port: IoPort,
    private readonly options: ReaderOptions,
  ) {
    this.#source = new SequentialSource(port, options.requestBytes)
  }

  *read(uri: string, sample: number): Io<number> {
    const held = this.#held.get(uri)
    if (held !== undefined) {
      checkSampleIndex(uri, sample, held)
      return 0
    }
    const source = this.#source
    const handle = yield this.port.open(uri)
    try {
      source.start(uri, handle)
      yield* source.fill()
      checkBeginning(uri, source.bytes, source.begin, source.end)
      const lines = yield* this.options.verify ? this.#checkNumbers(uri, source) : this.#countLines(uri, source)
      if (lines < this.options.samplesPerFile)
        throw new DataError(uri, `holds ${lines} lines; the configuration says num_samples_per_file ${this.options.samplesPerFile}`)
      checkSampleIndex(uri, sample, lines)
      if (this.options.keepOpen) this.#held.set(uri, lines)
    } finally {
      yield this.port.close(handle)
    }
    return source.position
  }

  // biome-ignore lint/correctness/useYield: there is nothing to ask of the storage
  *release(uri: string): Io<void> {
    this.#held.delete(uri)
  }

  // biome-ignore lint/correctness/useYield: there is nothing to ask of the storage
  *close(): Io<void> {
    this.#held.clear()
  }

  *#countLines(uri: string, source: SequentialSource): Io<number> {
    const counter = new LineCounter()
    yield* source.passRest((bytes, begin, end) => counter.push(bytes, begin, end))
    if (!counter.endsWithLine)
      throw new DataError(uri, `is truncated: its line ${counter.lines + 1} does not end, and pandas ends every line`, source.position)
    return counter.lines
  }

  *#checkNumbers(uri: string, source: SequentialSource): Io<number> {
    const walker = new NumberWalker(uri, this.#visitor(uri))
    const push: ByteSink = (bytes, begin, end) => walker.push(bytes, begin, end)
    yield* source.passRest(push)
    return walker.end()
  }

  #visitor(uri: string): ConstructorParameters<typeof NumberWalker>[1] {
    const { elementType, sampleBytes } = this.options
    const type = elementTypeByName(elementType)
    const isInteger = type?.kind === 'i' || type?.kind === 'u'
    const [least, most] = type !== undefined && isInteger ? integerRange(type) : [0n, 0n]
    const columnsWanted = type === undefined || sampleBytes === undefined ? undefined : sampleBytes / type.itemBytes
    return {
      number(text, line, column) {
        if (!isInteger) return
        const value = isIntegerText(text) ? BigInt(text) : undefined
        if (value === undefined || value < least || value > most)
          throw new DataError(uri, `number ${column + 1} of line ${line + 1} is ${text}; record_element_type is ${elementType}`)
      },
      line(line, columns) {
        if (columnsWanted !== undefined && columns !== columnsWanted)
          throw new DataError(uri, `line ${line + 1} has ${columns} numbers; the configuration makes samples of ${columnsWanted}`)
      },
    }
  }
}
