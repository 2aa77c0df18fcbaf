// Fractal heaps: where groups with many links keep them. Only managed objects in unfiltered blocks are read; links are nothing else.
import type { Io } from '../../storage/types.js'
import { encodedBytes } from './btree2.js'
import { readChecksum } from './checksum.js'
import type { Metadata } from './metadata.js'
import { Span, undefinedAddress } from './span.js'

const checkedBlocksFlag = 0x02

export class FractalHeap {
  private constructor(
    private readonly metadata: Metadata,
    private readonly headerAddress: number,
    private readonly tableWidth: number,
    private readonly startingBlockBytes: number,
    private readonly directBlockMostBytes: number,
    private readonly offsetBytes: number,
    private readonly lengthBytes: number,
    private readonly rootAddress: number,
    /** Rows of the root indirect block; 0 where the root is a direct block. */
    private readonly rootRows: number,
    private readonly hasBlockChecksums: boolean,
  ) {}

  static *open(metadata: Metadata, address: number): Io<FractalHeap> {
    const { offsetBytes: addressBytes, lengthBytes: sizeBytes } = metadata.widths
    const header = yield* metadata.node(address, 26 + 12 * sizeBytes + 3 * addressBytes, 'link heap')
    header.signature('FRHP')
    header.version(0)
    header.skip(2)
    if (header.u16() !== 0) throw header.unsupported('the heap is filtered', 7)
    const flags = header.u8()
    const largestObject = header.u32()
    header.skip(sizeBytes + addressBytes + sizeBytes + addressBytes + 8 * sizeBytes)
    const tableWidth = header.u16()
    const startingBlockBytes = header.size()
    const directBlockMostBytes = header.size()
    const heapBits = header.u16()
    header.skip(2)
    const rootAddress = header.address()
    const rootRows = header.u16()
    readChecksum(header, metadata.verify)
    if (tableWidth < 1 || startingBlockBytes < 1 || directBlockMostBytes < startingBlockBytes || heapBits > 53 || rootRows > 64)
      throw header.error(
        `a table of ${rootRows} rows of ${tableWidth} blocks from ${startingBlockBytes} to ${directBlockMostBytes} bytes`,
        0,
      )
    // The width of lengths follows from the largest object that fits (H5HF__hdr_finish_init_phase1).
    const lengthBytes = Math.min(encodedBytes(directBlockMostBytes), encodedBytes(Math.max(1, largestObject)))
    const offsetBytes = Math.ceil(heapBits / 8)
    return new FractalHeap(
      metadata,
      address,
      tableWidth,
      startingBlockBytes,
      directBlockMostBytes,
      offsetBytes,
      lengthBytes,
      rootAddress,
      rootRows,
      (flags & checkedBlocksFlag) !== 0,
    )
  }

  /** The object that the heap ID at the span's position names. */
  *read(id: Span, idBytes: number): Io<Span> {
    const begin = id.position
    const flags = id.u8()
    if ((flags & 0xf0) !== 0) throw id.unsupported('a huge or tiny heap object', begin)
    if (1 + this.offsetBytes + this.lengthBytes > idBytes) throw id.error(`a heap ID of ${idBytes} bytes`, begin)
    const offset = id.uint(this.offsetBytes)
    const length = id.uint(this.lengthBytes)
    const block = yield* this.findBlock(offset, id)
    const span = yield* this.readBlock(block)
    const at = offset - block.heapOffset
    if (at + length > span.length) throw id.error(`a heap object of ${length} bytes at ${at} of a block of ${span.length} bytes`, begin)
    return new Span(span.uri, span.bytes.subarray(at, at + length), span.byteOffset + at, span.widths, 'link')
  }

  /** Block size of a row: the first two rows have the starting size, then it doubles. */
  private rowBytes(row: number): number {
    return row < 2 ? this.startingBlockBytes : this.startingBlockBytes * 2 ** (row - 1)
  }

  private *findBlock(offset: number, id: Span): Io<{ address: number; heapOffset: number; byteLength: number }> {
    if (this.rootRows === 0) return { address: this.rootAddress, heapOffset: 0, byteLength: this.startingBlockBytes }
    let address = this.rootAddress
    let rows = this.rootRows
    let heapOffset = 0
    // Each step down goes to a block of a smaller row, so this ends.
    for (;;) {
      const { row, column, entryOffset } = this.entryOf(offset - heapOffset, rows, id)
      const byteLength = this.rowBytes(row)
      const child = yield* this.childAddress(address, rows, row * this.tableWidth + column)
      if (child === undefinedAddress) throw id.error(`heap offset ${offset} lies in a block that does not exist`)
      heapOffset += entryOffset
      if (byteLength <= this.directBlockMostBytes) return { address: child, heapOffset, byteLength }
      rows = Math.log2(byteLength / (this.startingBlockBytes * this.tableWidth)) + 1
      if (!Number.isInteger(rows) || rows < 1 || rows > row) throw id.error(`a heap block of ${byteLength} bytes in row ${row}`)
      address = child
    }
  }

  private entryOf(offset: number, rows: number, id: Span): { row: number; column: number; entryOffset: number } {
    let rowBegin = 0
    for (let row = 0; row < rows; row++) {
      const blockBytes = this.rowBytes(row)
      const column = Math.floor((offset - rowBegin) / blockBytes)
      if (column < this.tableWidth) return { row, column, entryOffset: rowBegin + column * blockBytes }
      rowBegin += this.tableWidth * blockBytes
    }
    throw id.error(`heap offset ${offset} is beyond the heap's ${rows} rows`)
  }

  private *childAddress(address: number, rows: number, entry: number): Io<number> {
    const { offsetBytes: addressBytes } = this.metadata.widths
    const prefixBytes = 5 + addressBytes + this.offsetBytes
    const children = rows * this.tableWidth
    const block = yield* this.metadata.node(address, prefixBytes + children * addressBytes + 4, 'link heap indirect block', (span) => {
      this.checkPrefix(span, 'FHIB')
      readChecksum(span.rewind(prefixBytes + children * addressBytes), this.metadata.verify)
    })
    return block.rewind(prefixBytes + entry * addressBytes).address()
  }

  private *readBlock(block: { address: number; byteLength: number }): Io<Span> {
    return yield* this.metadata.node(block.address, block.byteLength, 'link heap block', (span) => {
      this.checkPrefix(span, 'FHDB')
      if (this.metadata.verify && this.hasBlockChecksums) this.checkBlock(span)
    })
  }

  private checkPrefix(block: Span, signature: string): void {
    block.signature(signature)
    block.version(0)
    const owner = block.address()
    if (owner !== this.headerAddress) throw block.error(`belongs to a heap at ${owner}, expected ${this.headerAddress}`, 5)
  }

  /** A direct block's checksum lies among its own bytes and counts as zeros. */
  private checkBlock(span: Span): void {
    const at = span.position + this.offsetBytes
    const zeroed = new Uint8Array(span.length + 4)
    zeroed.set(span.bytes)
    zeroed.set([0, 0, 0, 0], at)
    zeroed.set(span.bytes.subarray(at, at + 4), span.length)
    readChecksum(new Span(span.uri, zeroed, span.byteOffset, span.widths, span.what).rewind(span.length), true)
  }
}
