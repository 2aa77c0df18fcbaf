// What a CSV file holds, for people and tests: its lines as pandas reads them, compressed or not.
import { createHash, type Hash } from 'node:crypto'
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { decompress } from '../decompress/index.js'
import { runOnPlainFiles } from '../plain-files.js'
import { SequentialSource } from '../sequential.js'
import type { ArrayInfo, Inspection } from '../types.js'
import { checkBeginning, compressionOf, NumberWalker } from './lines.js'
import { isIntegerText, realOf } from './numbers.js'

const maxListedSamples = 65_536
/** Longest compressed file that is inspected; it is held in memory. */
const maxCompressedBytes = 2 ** 28

/** @throws DataError, StorageError */
export async function inspectCsv(path: string): Promise<Inspection> {
  return runOnPlainFiles((port, requestBytes) => inspectFile(path, port, requestBytes))
}

function* inspectFile(path: string, port: IoPort, requestBytes: number): Io<Inspection> {
  const lines = new LineHashes(path)
  const walker = new NumberWalker(path, lines)
  const handle = yield port.open(path)
  try {
    const source = new SequentialSource(port, requestBytes)
    source.start(path, handle)
    yield* source.fill()
    const compression = compressionOf(source.bytes, source.begin, source.end)
    if (compression === undefined) {
      checkBeginning(path, source.bytes, source.begin, source.end)
      yield* source.passRest((bytes, begin, end) => walker.push(bytes, begin, end))
    } else {
      const pieces: Uint8Array[] = []
      yield* source.passRest((bytes, begin, end) => {
        if (source.position > maxCompressedBytes)
          throw new DataError(path, `has more than ${maxCompressedBytes} bytes, the longest compressed file that is inspected`)
        pieces.push(bytes.slice(begin, end))
      })
      const text = decompress(path, compression, Buffer.concat(pieces))
      checkBeginning(path, text, 0, text.length)
      walker.push(text, 0, text.length)
    }
    walker.end()
    return { file: path, format: 'csv', samples: lines.finish(), labels: null }
  } finally {
    yield port.close(handle)
  }
}

const maxInt64 = 2n ** 63n - 1n
const minInt64 = -(2n ** 63n)

/** Hashes of the lines, as 64-bit integers and as doubles: which they are is known only at the end. */
class LineHashes {
  readonly #integers: string[] = []
  readonly #reals: string[] = []
  #integerHash: Hash = createHash('sha256')
  #realHash: Hash = createHash('sha256')
  #allIntegers = true
  #columns = 0
  readonly #bytes = new DataView(new ArrayBuffer(65_536))
  #integerPart = new DataView(new ArrayBuffer(65_536))
  #filled = 0

  constructor(private readonly path: string) {}

  number(text: string): void {
    this.#bytes.setFloat64(this.#filled, realOf(text), true)
    if (this.#allIntegers) {
      const value = isIntegerText(text) ? BigInt(text) : undefined
      if (value === undefined || value > maxInt64 || value < minInt64) this.#allIntegers = false
      else this.#integerPart.setBigInt64(this.#filled, value, true)
    }
    this.#filled += 8
    if (this.#filled === this.#bytes.byteLength) this.#flush()
  }

  line(line: number, columns: number): void {
    if (line >= maxListedSamples) throw new DataError(this.path, `holds more than ${maxListedSamples} lines, the most that inspect lists`)
    this.#flush()
    this.#integers.push(this.#integerHash.digest('hex'))
    this.#reals.push(this.#realHash.digest('hex'))
    this.#integerHash = createHash('sha256')
    this.#realHash = createHash('sha256')
    this.#columns = columns
  }

  finish(): ArrayInfo[] {
    const [dtype, digests] = this.#allIntegers ? ['<i8', this.#integers] : ['<f8', this.#reals]
    return digests.map((sha256) => ({ shape: [this.#columns], dtype, nbytes: 8 * this.#columns, sha256 }))
  }

  #flush(): void {
    this.#realHash.update(new Uint8Array(this.#bytes.buffer, 0, this.#filled))
    if (this.#allIntegers) this.#integerHash.update(new Uint8Array(this.#integerPart.buffer, 0, this.#filled))
    this.#filled = 0
  }
}
