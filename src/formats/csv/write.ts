// Writes the CSV files that DLIO's generator makes through pandas: a line a sample, no header. Layout: README.md.
import { gzipSync } from 'node:zlib'
import { ConfigError } from '../../errors.js'
import { appendContent, checkedType } from '../content.js'
import type { ElementType } from '../dtype.js'
import type { ContentSource, FileSpec, FormatWriter, OutputFile } from '../types.js'
import { elementText, maxNumberBytes } from './numbers.js'

const textBytes = 256 * 1024
/** Text that goes into one member of a gzip file; members follow each other, as the format allows. */
const gzipPieceBytes = 2 ** 20
const comma = 0x2c
const newline = 0x0a

function check(spec: FileSpec): { readonly type: ElementType; readonly sampleBytes: number } {
  const checked = checkedType(spec, 'a CSV file')
  if (checked.type.kind === 'c' || checked.type.kind === 'b')
    throw new ConfigError(`record_element_type ${spec.elementType} cannot be written to a CSV file; integers and floats can`)
  if (!['none', '', 'gzip'].includes(spec.compression))
    throw new ConfigError(
      `dataset.compression: ${spec.compression} cannot be generated for csv: DLIO itself cannot read such files back; delete the key (gzip can be generated)`,
    )
  return checked
}

export const csvWriter: FormatWriter = {
  /** How many digits numbers have depends on them. */
  sizeBytes(spec: FileSpec): undefined {
    check(spec)
  },

  write(spec: FileSpec, content: ContentSource, out: OutputFile): void {
    const { type, sampleBytes } = check(spec)
    const text = spec.compression === 'gzip' ? new GzipOutput(out) : out
    const lines = new LineWriter(type, text)
    if (spec.repeatsRecord && spec.samples > 1) {
      const record = new Uint8Array(sampleBytes)
      let filled = 0
      appendContent(content, sampleBytes, (piece) => {
        record.set(piece, filled)
        filled += piece.length
      })
      for (let i = 0; i < spec.samples; i++) {
        lines.push(record)
        lines.end()
      }
    } else
      for (let i = 0; i < spec.samples; i++) {
        appendContent(content, sampleBytes, (piece) => lines.push(piece))
        lines.end()
      }
    lines.flush()
    if (text instanceof GzipOutput) text.end()
  },
}

type Output = Pick<OutputFile, 'append'>

class LineWriter {
  readonly #text = new Uint8Array(textBytes)
  readonly #textOf: (view: DataView, at: number) => string
  /** Texts of all values of a one-byte type, with a comma: a table is several times faster than making them. */
  readonly #table: readonly Uint8Array[] | undefined
  #filled = 0

  constructor(
    private readonly type: ElementType,
    private readonly out: Output,
  ) {
    this.#textOf = elementText(type)
    if (type.itemBytes > 1) return
    const view = new DataView(Uint8Array.from({ length: 256 }, (_, i) => i).buffer)
    this.#table = Array.from({ length: 256 }, (_, i) => Buffer.from(`${this.#textOf(view, i)},`, 'latin1'))
  }

  /** Adds whole elements to the line, each with a comma behind it. */
  push(bytes: Uint8Array): void {
    const { itemBytes } = this.type
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let at = 0; at < bytes.length; at += itemBytes) {
      if (this.#filled + maxNumberBytes > textBytes) this.#write(this.#filled)
      const known = this.#table?.[bytes[at]!]
      if (known !== undefined) {
        for (let i = 0; i < known.length; i++) this.#text[this.#filled++] = known[i]!
        continue
      }
      const text = this.#textOf(view, at)
      for (let i = 0; i < text.length; i++) this.#text[this.#filled++] = text.charCodeAt(i)
      this.#text[this.#filled++] = comma
    }
  }

  /** The last comma becomes the end of the line: never all of the text is written while a line goes on. */
  end(): void {
    if (this.#filled > 0 && this.#text[this.#filled - 1] === comma) this.#filled--
    this.#text[this.#filled++] = newline
  }

  flush(): void {
    if (this.#filled > 0) this.out.append(this.#text.subarray(0, this.#filled))
    this.#filled = 0
  }

  /** Writes all but the last byte, which `end` may have to change. */
  #write(filled: number): void {
    this.out.append(this.#text.subarray(0, filled - 1))
    this.#text[0] = this.#text[filled - 1]!
    this.#filled = 1
  }
}

class GzipOutput implements Output {
  readonly #pieces: Uint8Array[] = []
  #bytes = 0

  constructor(private readonly out: Output) {}

  append(bytes: Uint8Array): void {
    this.#pieces.push(bytes.slice())
    this.#bytes += bytes.length
    if (this.#bytes >= gzipPieceBytes) this.end()
  }

  end(): void {
    if (this.#bytes > 0) this.out.append(gzipSync(Buffer.concat(this.#pieces)))
    this.#pieces.length = 0
    this.#bytes = 0
  }
}
