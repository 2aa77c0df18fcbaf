// Extensible arrays: the chunk index of datasets with one unlimited axis. An index block, data blocks whose size grows, and super
// blocks that list data blocks; large data blocks are cut into pages. Source of the arithmetic: H5EA in the HDF5 library.
import type { Io } from '../../storage/types.js'
import { readChecksum } from './checksum.js'
import type { Metadata } from './metadata.js'
import { type Span, undefinedAddress } from './span.js'

interface SuperBlockShape {
  readonly dataBlocks: number
  readonly entriesPerBlock: number
  readonly firstEntry: number
  readonly firstDataBlock: number
}

export class ExtensibleArray {
  private constructor(
    private readonly metadata: Metadata,
    readonly entryBytes: number,
    private readonly indexBlockAddress: number,
    private readonly indexEntries: number,
    private readonly smallestBlockEntries: number,
    private readonly pageEntries: number,
    /** Width of the block offset that each block repeats. */
    private readonly blockOffsetBytes: number,
    private readonly superBlocks: readonly SuperBlockShape[],
    /** Super blocks whose data blocks the index block lists itself. */
    private readonly superBlocksInIndex: number,
    private readonly dataBlocksInIndex: number,
  ) {}

  static *open(metadata: Metadata, address: number): Io<ExtensibleArray> {
    const { offsetBytes, lengthBytes } = metadata.widths
    const header = yield* metadata.node(address, 16 + 6 * lengthBytes + offsetBytes, 'chunk array')
    header.signature('EAHD')
    header.version(0)
    header.skip(1)
    const entryBytes = header.u8()
    const entryBits = header.u8()
    const indexEntries = header.u8()
    const smallestBlockEntries = header.u8()
    const smallestSuperBlockPointers = header.u8()
    const pageBits = header.u8()
    header.skip(6 * lengthBytes)
    const indexBlockAddress = header.address()
    readChecksum(header, metadata.verify)
    const blockBits = Math.log2(smallestBlockEntries)
    const pointerBits = Math.log2(smallestSuperBlockPointers)
    if (!Number.isInteger(blockBits) || !Number.isInteger(pointerBits) || entryBits > 52 || blockBits > entryBits || pageBits > 52)
      throw header.error(
        `an array with ${entryBits} index bits, blocks from ${smallestBlockEntries} entries, ${smallestSuperBlockPointers} pointers`,
        5,
      )
    const superBlocks: SuperBlockShape[] = []
    let firstEntry = 0
    let firstDataBlock = 0
    for (let i = 0; i < 1 + entryBits - blockBits; i++) {
      const dataBlocks = 2 ** Math.floor(i / 2)
      const entriesPerBlock = 2 ** Math.floor((i + 1) / 2) * smallestBlockEntries
      superBlocks.push({ dataBlocks, entriesPerBlock, firstEntry, firstDataBlock })
      firstEntry += dataBlocks * entriesPerBlock
      firstDataBlock += dataBlocks
    }
    return new ExtensibleArray(
      metadata,
      entryBytes,
      indexBlockAddress,
      indexEntries,
      smallestBlockEntries,
      2 ** pageBits,
      Math.ceil(entryBits / 8),
      superBlocks,
      2 * pointerBits,
      2 * (smallestSuperBlockPointers - 1),
    )
  }

  /** A span at entry `number`, undefined where it was never written. */
  *find(number: number): Io<Span | undefined> {
    if (this.indexBlockAddress === undefinedAddress) return undefined
    const { offsetBytes } = this.metadata.widths
    const prefixBytes = 6 + offsetBytes
    const superBlockPointers = Math.max(0, this.superBlocks.length - this.superBlocksInIndex)
    const entriesBytes = this.indexEntries * this.entryBytes
    const indexBytes = prefixBytes + entriesBytes + (this.dataBlocksInIndex + superBlockPointers) * offsetBytes + 4
    const index = yield* this.metadata.node(this.indexBlockAddress, indexBytes, 'chunk array index block', this.check('EAIB'))
    if (number < this.indexEntries) return index.rewind(prefixBytes + number * this.entryBytes)

    const beyond = number - this.indexEntries
    const superBlock = Math.floor(Math.log2(beyond / this.smallestBlockEntries + 1))
    const shape = this.superBlocks[superBlock]
    if (shape === undefined) throw index.error(`chunk ${number} is beyond the array`, 0)
    const inSuperBlock = beyond - shape.firstEntry
    const dataBlock = Math.floor(inSuperBlock / shape.entriesPerBlock)
    const entry = inSuperBlock % shape.entriesPerBlock
    if (superBlock < this.superBlocksInIndex) {
      const pointer = prefixBytes + entriesBytes + (shape.firstDataBlock + dataBlock) * offsetBytes
      return yield* this.findInDataBlock(index.rewind(pointer).address(), shape, entry, undefined)
    }
    const pointer = prefixBytes + entriesBytes + (this.dataBlocksInIndex + superBlock - this.superBlocksInIndex) * offsetBytes
    const superBlockAddress = index.rewind(pointer).address()
    if (superBlockAddress === undefinedAddress) return undefined
    return yield* this.findInSuperBlock(superBlockAddress, shape, dataBlock, entry)
  }

  private *findInSuperBlock(address: number, shape: SuperBlockShape, dataBlock: number, entry: number): Io<Span | undefined> {
    const { offsetBytes } = this.metadata.widths
    const pages = this.pagesOf(shape)
    const prefixBytes = 6 + offsetBytes + this.blockOffsetBytes
    const bitmapBytes = shape.dataBlocks * Math.ceil(pages / 8)
    const blockBytes = prefixBytes + bitmapBytes + shape.dataBlocks * offsetBytes + 4
    const block = yield* this.metadata.node(address, blockBytes, 'chunk array super block', this.check('EASB'))
    const isInitialised = (page: number) => {
      const bit = dataBlock * pages + page
      return ((block.bytes[prefixBytes + (bit >>> 3)] as number) & (0x80 >>> (bit & 7))) !== 0
    }
    const dataBlockAddress = block.rewind(prefixBytes + bitmapBytes + dataBlock * offsetBytes).address()
    return yield* this.findInDataBlock(dataBlockAddress, shape, entry, isInitialised)
  }

  private *findInDataBlock(
    address: number,
    shape: SuperBlockShape,
    entry: number,
    isInitialised: ((page: number) => boolean) | undefined,
  ): Io<Span | undefined> {
    if (address === undefinedAddress) return undefined
    const prefixBytes = 6 + this.metadata.widths.offsetBytes + this.blockOffsetBytes
    const pages = this.pagesOf(shape)
    if (pages === 0) {
      const blockBytes = prefixBytes + shape.entriesPerBlock * this.entryBytes + 4
      const block = yield* this.metadata.node(address, blockBytes, 'chunk array block', this.check('EADB'))
      return block.rewind(prefixBytes + entry * this.entryBytes)
    }
    const page = Math.floor(entry / this.pageEntries)
    if (isInitialised !== undefined && !isInitialised(page)) return undefined
    const pageBytes = this.pageEntries * this.entryBytes + 4
    const found = yield* this.metadata.node(address + prefixBytes + 4 + page * pageBytes, pageBytes, 'chunk array page', this.check(''))
    return found.rewind((entry % this.pageEntries) * this.entryBytes)
  }

  /** Pages of a data block, 0 where it is not paged. */
  private pagesOf(shape: SuperBlockShape): number {
    return shape.entriesPerBlock > this.pageEntries ? shape.entriesPerBlock / this.pageEntries : 0
  }

  /** A check of a block that was just fetched: its signature, and the checksum that ends it. */
  private check(signature: string): (block: Span) => void {
    return (block) => {
      block.signature(signature)
      readChecksum(block.rewind(block.length - 4), this.metadata.verify)
    }
  }
}
