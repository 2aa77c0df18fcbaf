// One batch in the shared memory: a header, the samples' arrays side by side, and behind them a table that says what lies where.
import { RunError } from '../errors.js'
import { type ArrayLayout, type SampleTarget, slackBytes } from '../formats/decoder.js'
import type { Arena } from './arena.js'
import { blockHeaderBytes, blockWord, roundUp } from './layout.js'

/** Room behind the arrays for the layouts' text and the table's beginning. */
const textBytes = 2048
const fieldAlignment = 64

/** Waits until somebody may have given memory back. Throws where the batch is not wanted any more. */
export type WaitForMemory = (neededBytes: number) => void

/** Where an array of a sample was put, relative to the block. */
interface Placed {
  readonly begin: number
  readonly layout: ArrayLayout
}

export class BatchBlock implements SampleTarget {
  readonly bytes: Uint8Array
  private readonly words: Int32Array
  private readonly doubles: Float64Array
  private samples = 0
  private step = 0
  /** Of the block in the memory; −1 before there is one. */
  private begin = -1
  /** The arrays of the first sample, and where their rows begin, relative to the block. */
  private fields: ArrayLayout[] = []
  private fieldBegins: number[] = []
  private sample = -1
  private field = 0
  /** End of everything placed so far, relative to the block. */
  private end = 0
  /** Arrays of all samples, once they do not follow the first one's. */
  private ragged: Placed[] | undefined
  /** Largest block so far: the next one of a data set will be as large. */
  private usualBytes = 0

  constructor(
    memory: ArrayBuffer,
    private readonly arena: Arena,
    private readonly wait: WaitForMemory,
  ) {
    this.bytes = new Uint8Array(memory)
    this.words = new Int32Array(memory)
    this.doubles = new Float64Array(memory)
  }

  /** Begins a batch of `samples` samples. */
  start(step: number, samples: number): void {
    this.step = step
    this.samples = samples
    this.begin = -1
    this.fields = []
    this.fieldBegins = []
    this.sample = -1
    this.end = blockHeaderBytes
    this.ragged = undefined
  }

  /** Must be called before each sample is decoded. */
  nextSample(): void {
    this.closeSample()
    this.sample++
    this.field = 0
  }

  place(layout: ArrayLayout): number {
    const { sample, field } = this
    this.field++
    if (sample === 0) return this.placeFirst(layout)
    const known = this.fields[field]
    if (this.ragged === undefined && known !== undefined && sameLayout(known, layout))
      return this.begin + this.fieldBegins[field]! + sample * layout.sizeBytes
    this.ragged ??= this.placedSoFar(sample, field)
    const begin = roundUp(this.end, layout.sizeBytes >= fieldAlignment ? fieldAlignment : 8)
    this.reserve(begin + layout.sizeBytes)
    this.end = begin + layout.sizeBytes
    this.ragged.push({ begin, layout })
    return this.begin + begin
  }

  /** Completes the batch; returns where its block begins in the memory. */
  finish(): number {
    this.closeSample()
    if (this.begin < 0) this.reserve(this.end)
    const layouts = this.ragged === undefined ? this.fields : [...new Set(this.ragged.map(({ layout }) => layout))]
    const text = Buffer.from(
      JSON.stringify(layouts.map(({ role, name, dtype, shape, fortranOrder }) => [role, name, dtype, shape, fortranOrder])),
    )
    const textBegin = roundUp(this.end, 8)
    const tableBegin = roundUp(textBegin + text.length, 8)
    this.reserve(tableBegin + this.tableBytes(this.fields.length))
    this.bytes.set(text, this.begin + textBegin)
    const at = this.begin / 4
    this.words[at + blockWord.step] = this.step
    this.words[at + blockWord.samples] = this.samples
    this.words[at + blockWord.fields] = this.fields.length
    this.words[at + blockWord.uniform] = this.ragged === undefined ? 1 : 0
    this.words[at + blockWord.layoutBytes] = text.length
    this.words[at + blockWord.layoutBegin] = textBegin
    this.words[at + blockWord.tableWords] = tableBegin / 4
    const table = (this.begin + tableBegin) / 8
    if (this.ragged === undefined) this.doubles.set(this.fieldBegins, table)
    else
      for (const [i, placed] of this.ragged.entries()) {
        this.doubles[table + 2 * i] = placed.begin
        this.doubles[table + 2 * i + 1] = layouts.indexOf(placed.layout)
      }
    return this.begin
  }

  /** Gives up the batch. */
  abandon(): void {
    if (this.begin >= 0) this.arena.free(this.begin)
    this.begin = -1
  }

  /** An array of the first sample: room is made for as many as there are samples, since they are mostly alike. */
  private placeFirst(layout: ArrayLayout): number {
    // A decoder may write on behind the last sample's array, which must not hit what lies there already.
    const begin = roundUp(this.fields.length === 0 ? this.end : this.end + slackBytes, fieldAlignment)
    this.end = begin + this.samples * layout.sizeBytes
    this.fields.push(layout)
    this.fieldBegins.push(begin)
    this.reserve(this.end)
    return this.begin + begin
  }

  private closeSample(): void {
    if (this.sample >= 0 && this.field !== this.fields.length)
      throw new RunError(
        `samples of a batch have ${this.fields.length} and ${this.field} arrays (labels included); they must have the same ones to be put together`,
      )
  }

  /** Where the arrays are that were placed by the first sample's pattern, up to (not with) `field` of `sample`. */
  private placedSoFar(sample: number, field: number): Placed[] {
    const placed: Placed[] = []
    for (let i = 0; i <= sample; i++)
      for (let f = 0; f < (i === sample ? field : this.fields.length); f++) {
        const layout = this.fields[f]!
        placed.push({ begin: this.fieldBegins[f]! + i * layout.sizeBytes, layout })
      }
    // What was reserved for later samples of a single array is free again.
    if (this.fields.length === 1) this.end = this.fieldBegins[0]! + sample * this.fields[0]!.sizeBytes
    return placed
  }

  private tableBytes(fields: number): number {
    return 16 * Math.max(1, fields) * Math.max(1, this.samples)
  }

  /** Makes the block reach to `end` (relative to it), with room for table, text and slack. What was written moves along. */
  private reserve(end: number): void {
    const byteLength = end + slackBytes + textBytes + this.tableBytes(this.fields.length)
    if (this.begin >= 0) {
      if (this.arena.endOf(this.begin) >= this.begin + byteLength || this.arena.resize(this.begin, this.begin + byteLength)) return
      const old = this.begin
      const begin = this.take(Math.ceil(1.25 * byteLength), byteLength)
      this.bytes.copyWithin(begin, old, this.arena.endOf(old))
      this.begin = begin
      this.arena.free(old)
      // The copied first word says that the block is in use, as it is.
    } else this.begin = this.take(Math.max(byteLength, this.ragged === undefined ? 0 : this.usualBytes), byteLength)
    this.usualBytes = Math.max(this.usualBytes, byteLength)
  }

  private take(wishedBytes: number, neededBytes: number): number {
    for (;;) {
      const wished = this.arena.take(wishedBytes)
      const begin = wished >= 0 ? wished : this.arena.take(neededBytes)
      if (begin >= 0) return begin
      if (this.arena.used === (this.begin < 0 ? 0 : 1))
        throw new RunError(
          `a batch of ${this.samples} samples needs ${neededBytes} bytes of the ring, of which each of its threads has ${this.arena.byteLength}; give a larger ring_bytes, or a smaller batch size`,
        )
      this.wait(neededBytes)
    }
  }
}

function sameLayout(a: ArrayLayout, b: ArrayLayout): boolean {
  if (a === b) return true
  if (a.sizeBytes !== b.sizeBytes || a.dtype !== b.dtype || a.fortranOrder !== b.fortranOrder || a.role !== b.role || a.name !== b.name)
    return false
  return a.shape.length === b.shape.length && a.shape.every((n, axis) => n === b.shape[axis])
}
