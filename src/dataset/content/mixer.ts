// Fresh pages at the price of one XOR. A row is 64 pages: one page that the generator makes for the row, XORed onto each of 64 pages of a
// pool. Each row also replaces one page of the pool, so no pair of pages meets twice and all of it is new within 64 rows. Any three pages of
// what comes out are independent of each other; that the XOR of four may be zero helps no compressor and no deduplication.
// It saves two thirds of the generator's time and, as the CRC of a page follows from those of the two it is made of, all time for CRCs.
import { type CrcKind, crcOf } from '../../formats/checksums.js'
import { type Kernel, strideBytes } from './kernel.js'
import { PageSums, pageBytes } from './page-sums.js'

const poolPages = 64
/** Memory that a mixer needs: the pool and the row's page. */
export const mixerBytes = (poolPages + 1) * pageBytes

export class PageMixer {
  readonly #kernel: Kernel
  readonly #pool: number
  readonly #rowPage: number
  /** Pages made so far. */
  #count = 0
  #sums: PageSums | undefined
  readonly #poolSums = new Int32Array(poolPages)
  #rowSum = 0
  /** CRCs of the pages of the piece that was made last, of kind `#pieceKind`. */
  readonly #pieceSums: Int32Array
  #pieceKind: CrcKind | undefined

  /** Works in `kernel`'s memory, [begin, begin + {@link mixerBytes}); the generator's state is at `state`. Pieces have at most `mostBytes`. */
  constructor(
    kernel: Kernel,
    begin: number,
    private readonly state: number,
    mostBytes: number,
  ) {
    this.#kernel = kernel
    this.#pool = begin
    this.#rowPage = begin + poolPages * pageBytes
    this.#pieceSums = new Int32Array(Math.ceil(mostBytes / pageBytes))
    for (let page = 1; page < poolPages; page++) this.#renew(this.#pool + page * pageBytes)
  }

  /** Fills bytes [begin, begin + byteLength) of the memory; up to {@link strideBytes} − 1 more are spoilt. Each piece begins with a new page. */
  make(begin: number, byteLength: number): void {
    const end = begin + Math.ceil(byteLength / strideBytes) * strideBytes
    const { mix } = this.#kernel
    this.#pieceKind = this.#sums?.kind
    for (let at = begin, n = 0; at < end; at += pageBytes, n++) {
      const page = this.#count % poolPages
      if (page === 0) this.#startRow()
      this.#count++
      mix(at, Math.min(at + pageBytes, end), this.#pool + page * pageBytes, this.#rowPage)
      this.#pieceSums[n] = this.#poolSums[page]! ^ this.#rowSum
    }
  }

  /** CRC of `piece`, which was made last; `initial` is that of the bytes before. */
  checksum(kind: CrcKind, initial: number, piece: Uint8Array): number {
    if (this.#pieceKind !== kind) {
      // Somebody wants CRCs of this kind: from the next piece on they are there.
      if (this.#sums?.kind !== kind) this.#startSums(kind)
      return crcOf(kind, piece, initial)
    }
    const sums = this.#sums!
    const pages = Math.floor(piece.length / pageBytes)
    let crc = initial
    for (let n = 0; n < pages; n++) crc = sums.join(crc, this.#pieceSums[n]!)
    const tail = pages * pageBytes
    return tail === piece.length ? crc >>> 0 : crcOf(kind, piece.subarray(tail), crc >>> 0)
  }

  #startRow(): void {
    const page = Math.floor(this.#count / poolPages) % poolPages
    this.#renew(this.#pool + page * pageBytes)
    this.#renew(this.#rowPage)
    if (this.#sums === undefined) return
    this.#poolSums[page] = this.#sumOf(this.#pool + page * pageBytes)
    this.#rowSum = this.#sumOf(this.#rowPage) ^ this.#sums.zeros
  }

  #renew(at: number): void {
    this.#kernel.fill(at, at + pageBytes, this.state)
  }

  #startSums(kind: CrcKind): void {
    this.#sums = new PageSums(kind)
    for (let page = 0; page < poolPages; page++) this.#poolSums[page] = this.#sumOf(this.#pool + page * pageBytes)
    this.#rowSum = this.#sumOf(this.#rowPage) ^ this.#sums.zeros
  }

  #sumOf(at: number): number {
    return crcOf(this.#sums!.kind, this.#kernel.bytes.subarray(at, at + pageBytes), 0)
  }
}
