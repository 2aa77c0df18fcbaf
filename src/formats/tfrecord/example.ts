// A minimal parser of tf.train.Example that sees each byte once and keeps none, so that memory does not depend on what a file claims.
// Messages: tensorflow/core/example/{example,feature}.proto. Fields may come in any order, as protobuf allows.
import { DataError } from '../../errors.js'
import type { Io } from '../../storage/types.js'
import type { ByteSink, SequentialSource } from '../sequential.js'

export interface Feature {
  kind: 'bytes' | 'float' | 'int64' | 'none'
  /** Values in the list; for floats not counted. */
  count: number
  /** Length in bytes of a bytes_list's first value. */
  firstBytes: number
  /** What {@link ValueSink.end} made of that value. */
  firstDigest: string | undefined
  /** Values of an int64_list. */
  integers: number[]
}

/** Sees the first value of every bytes_list. */
export interface ValueSink {
  begin(): void
  push: ByteSink
  end(): string
}

/** Longest feature name, most features and most integers in a list that are kept; DLIO has two features, one integer. */
const maxNameBytes = 1024
const maxFeatures = 4096
const maxIntegers = 65_536

/** Parses the Example from the source's position to file offset `end`; returns its features by name. @throws DataError */
export function* parseExample(source: SequentialSource, end: number, record: number, values?: ValueSink): Io<Map<string, Feature>> {
  return yield* new ExampleParser(source, record, values).example(end)
}

/** What handles one field: undefined = passed over. */
type FieldHandler = (field: number, wire: number, end: number) => Io<void> | undefined

class ExampleParser {
  readonly #found = new Map<string, Feature>()
  #low = 0
  #mid = 0
  #top = 0

  constructor(
    private readonly source: SequentialSource,
    private readonly record: number,
    private readonly values: ValueSink | undefined,
  ) {}

  *example(end: number): Io<Map<string, Feature>> {
    yield* this.#message(end, (field, wire, fieldEnd) => (field === 1 && wire === 2 ? this.#features(fieldEnd) : undefined))
    return this.#found
  }

  *#features(end: number): Io<void> {
    yield* this.#message(end, (field, wire, fieldEnd) => (field === 1 && wire === 2 ? this.#entry(fieldEnd) : undefined))
  }

  /** One entry of the map: key 1, value 2, in any order. */
  *#entry(end: number): Io<void> {
    const entry = { name: '' }
    const feature: Feature = { kind: 'none', count: 0, firstBytes: 0, firstDigest: undefined, integers: [] }
    yield* this.#message(end, (field, wire, fieldEnd) => {
      if (wire !== 2) return undefined
      if (field === 1) return this.#name(fieldEnd, entry)
      return field === 2 ? this.#feature(fieldEnd, feature) : undefined
    })
    this.#found.set(entry.name, feature)
    if (this.#found.size > maxFeatures) this.#fail(`has more than ${maxFeatures} features`)
  }

  *#name(end: number, entry: { name: string }): Io<void> {
    const byteLength = end - this.source.position
    if (byteLength > maxNameBytes) this.#fail(`has a feature name of ${byteLength} bytes`)
    entry.name = Buffer.from(yield* this.source.take(byteLength, this.#what)).toString('utf8')
  }

  *#feature(end: number, feature: Feature): Io<void> {
    yield* this.#message(end, (field, wire, fieldEnd) => {
      if (wire !== 2) return undefined
      if (field === 1) {
        feature.kind = 'bytes'
        return this.#message(fieldEnd, (inner, innerWire, valueEnd) =>
          inner === 1 && innerWire === 2 ? this.#value(valueEnd, feature) : undefined,
        )
      }
      if (field === 2) feature.kind = 'float'
      if (field !== 3) return undefined
      feature.kind = 'int64'
      return this.#message(fieldEnd, (inner, innerWire, valueEnd) =>
        inner === 1 && innerWire !== 1 ? this.#integers(innerWire, valueEnd, feature) : undefined,
      )
    })
  }

  *#value(end: number, feature: Feature): Io<void> {
    const { source } = this
    const byteLength = end - source.position
    feature.count++
    if (feature.count > 1) return yield* source.pass(byteLength, this.#what)
    feature.firstBytes = byteLength
    this.values?.begin()
    yield* source.pass(byteLength, this.#what, this.values?.push)
    feature.firstDigest = this.values?.end()
  }

  /** A packed list up to `end`, or a single value. */
  *#integers(wire: number, end: number, feature: Feature): Io<void> {
    do {
      if (wire === 2 && this.source.position >= end) break
      if (feature.integers.length === maxIntegers) this.#fail(`has a list of more than ${maxIntegers} integers`)
      feature.integers.push(yield* this.#int64(end))
      feature.count++
    } while (wire === 2)
  }

  /** The fields of a message up to `end`. */
  *#message(end: number, handle: FieldHandler): Io<void> {
    const { source } = this
    while (source.position < end) {
      const tag = yield* this.#varint(end)
      const wire = tag % 8
      const field = Math.floor(tag / 8)
      let fieldEnd = end
      if (wire === 2) fieldEnd = (yield* this.#varint(end)) + source.position
      else if (wire === 1) fieldEnd = source.position + 8
      else if (wire === 5) fieldEnd = source.position + 4
      else if (wire !== 0) this.#fail(`has a field of wire type ${wire}`)
      if (field === 0 || fieldEnd > end) this.#fail(`has a field ${field} that reaches beyond its message`)
      const handled = handle(field, wire, fieldEnd)
      if (handled !== undefined) yield* handled
      else if (wire === 0) yield* this.#varint(end)
      else yield* source.pass(fieldEnd - source.position, this.#what)
    }
  }

  /** A varint as a number: exact up to 2^53, beyond that larger than any position in a file. Its parts stay in `#low`, `#mid`, `#top`. */
  *#varint(end: number): Io<number> {
    const { source } = this
    this.#low = 0
    this.#mid = 0
    this.#top = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (source.position >= end) this.#fail('has a number that is cut off')
      const byte = source.begin < source.end ? source.bytes[source.begin++]! : yield* source.byte(this.#what)
      if (shift < 28) this.#low |= (byte & 127) << shift
      else if (shift < 56) this.#mid |= (byte & 127) << (shift - 28)
      else this.#top |= (byte & 127) << (shift - 56)
      if (byte < 128) return this.#low + this.#mid * 2 ** 28 + this.#top * 2 ** 56
    }
    return this.#fail('has a number of more than ten bytes')
  }

  /** A varint as int64: two's complement, so negative ones need all of their 64 bits. */
  *#int64(end: number): Io<number> {
    const value = yield* this.#varint(end)
    if (this.#top === 0) return value
    return Number(BigInt.asIntN(64, (BigInt(this.#top) << 56n) | (BigInt(this.#mid) << 28n) | BigInt(this.#low)))
  }

  get #what(): string {
    return `record ${this.record}`
  }

  #fail(why: string): never {
    throw new DataError(this.source.uri, `record ${this.record} is no tf.train.Example: it ${why}`, this.source.position)
  }
}
