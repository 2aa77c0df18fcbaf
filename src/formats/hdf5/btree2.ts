// Version 2 B-trees: indexes of links by name and of chunks by place.
import type { Io } from '../../storage/types.js'
import { readChecksum } from './checksum.js'
import type { Metadata } from './metadata.js'
import { Span, undefinedAddress } from './span.js'

const prefixBytes = 6
const checksumBytes = 4
/** A search follows one path, or a few where records compare equal; damaged nodes that lead to each other must not keep it going. */
const mostNodesVisited = 4096

interface NodeShape {
  readonly mostRecords: number
  /** Records in the node and everything below it, at most. */
  readonly mostRecordsBelow: number
  /** Width of that number as stored in the parent; 0 for leaves. */
  readonly belowBytes: number
}

/** Smaller than, equal to or greater than 0: how the record at the span's position compares with what is sought. */
export type RecordOrder = (record: Span) => number

export class BTree2 {
  private nodesVisited = 0

  private constructor(
    private readonly metadata: Metadata,
    private readonly what: string,
    private readonly type: number,
    private readonly nodeBytes: number,
    readonly recordBytes: number,
    private readonly depth: number,
    private readonly rootAddress: number,
    private readonly rootRecords: number,
    private readonly shapes: readonly NodeShape[],
    private readonly countBytes: number,
  ) {}

  /** Reads the tree's header. Throws DataError where it is damaged or of another type. */
  static *open(metadata: Metadata, address: number, type: number, what: string): Io<BTree2> {
    const { offsetBytes, lengthBytes } = metadata.widths
    const header = yield* metadata.node(address, 22 + offsetBytes + lengthBytes, what)
    header.signature('BTHD')
    header.version(0)
    const ownType = header.u8()
    if (ownType !== type) throw header.error(`B-tree type is ${ownType}, expected ${type}`, 5)
    const nodeBytes = header.u32()
    const recordBytes = header.u16()
    const depth = header.u16()
    header.skip(2)
    const rootAddress = header.address()
    const rootRecords = header.u16()
    header.size()
    readChecksum(header, metadata.verify)
    if (recordBytes < 1 || nodeBytes < prefixBytes + checksumBytes + recordBytes || depth > 32)
      throw header.error(`nodes of ${nodeBytes} bytes with records of ${recordBytes} bytes, ${depth} levels deep`, 6)
    const { shapes, countBytes } = nodeShapes(nodeBytes, recordBytes, depth, offsetBytes)
    if (shapes.some((shape) => shape.mostRecords < 1)) throw header.error(`nodes of ${nodeBytes} bytes are too small`, 6)
    return new BTree2(metadata, what, type, nodeBytes, recordBytes, depth, rootAddress, rootRecords, shapes, countBytes)
  }

  /** All records that compare equal, in order; each a span of its own. */
  *matching(order: RecordOrder): Io<Span[]> {
    const found: Span[] = []
    this.nodesVisited = 0
    if (this.rootAddress !== undefinedAddress) yield* this.walk(this.rootAddress, this.rootRecords, this.depth, order, found)
    return found
  }

  private *walk(address: number, records: number, depth: number, order: RecordOrder, found: Span[]): Io<void> {
    const shape = this.shapes[depth] as NodeShape
    const below = this.shapes[depth - 1]
    const { offsetBytes } = this.metadata.widths
    const pointerBytes = offsetBytes + this.countBytes + (below === undefined ? 0 : below.belowBytes)
    const children = prefixBytes + records * this.recordBytes
    const node = yield* this.metadata.node(address, this.nodeBytes, `${this.what} node`, (span) => {
      if (records > shape.mostRecords) throw span.error(`${records} records, at most ${shape.mostRecords} fit`)
      readChecksum(span.rewind(children + (depth > 0 ? (records + 1) * pointerBytes : 0)), this.metadata.verify)
    })
    if (++this.nodesVisited > mostNodesVisited) throw node.error(`more than ${mostNodesVisited} nodes for one search`)
    if (records > shape.mostRecords) throw node.error(`${records} records, at most ${shape.mostRecords} fit`)
    node.signature(depth > 0 ? 'BTIN' : 'BTLF')
    node.version(0)
    const type = node.u8()
    if (type !== this.type) throw node.error(`node type is ${type}, expected ${this.type}`, 5)
    const recordsBegin = prefixBytes
    const orders: number[] = []
    for (let i = 0; i < records; i++) orders.push(order(node.rewind(recordsBegin + i * this.recordBytes)))
    for (let i = 0; i <= records; i++) {
      // Between records i − 1 and i lies child i: only worth a visit if what is sought can be there.
      const isAbove = i === 0 || (orders[i - 1] as number) <= 0
      const isBelow = i === records || (orders[i] as number) >= 0
      if (depth > 0 && isAbove && isBelow) {
        node.rewind(children + i * pointerBytes)
        const childAddress = node.address()
        const childRecords = node.uint(this.countBytes)
        yield* this.walk(childAddress, childRecords, depth - 1, order, found)
      }
      if (i < records && orders[i] === 0) {
        const begin = recordsBegin + i * this.recordBytes
        found.push(
          new Span(node.uri, node.bytes.subarray(begin, begin + this.recordBytes), node.byteOffset + begin, node.widths, this.what),
        )
      }
    }
  }
}

/** Bytes needed to write numbers up to `limit` (H5VM_limit_enc_size). */
export function encodedBytes(limit: number): number {
  return Math.floor(Math.floor(Math.log2(limit)) / 8) + 1
}

/** How many records and pointers nodes of each depth hold (H5B2__hdr_init). */
function nodeShapes(nodeBytes: number, recordBytes: number, depth: number, offsetBytes: number) {
  const room = nodeBytes - prefixBytes - checksumBytes
  const leafRecords = Math.floor(room / recordBytes)
  const countBytes = encodedBytes(leafRecords)
  const shapes: NodeShape[] = [{ mostRecords: leafRecords, mostRecordsBelow: leafRecords, belowBytes: 0 }]
  for (let d = 1; d <= depth; d++) {
    const child = shapes[d - 1] as NodeShape
    const pointerBytes = offsetBytes + countBytes + child.belowBytes
    const mostRecords = Math.floor((room - pointerBytes) / (recordBytes + pointerBytes))
    const mostRecordsBelow = (mostRecords + 1) * child.mostRecordsBelow + mostRecords
    shapes.push({ mostRecords, mostRecordsBelow, belowBytes: Math.min(8, encodedBytes(Math.max(1, mostRecordsBelow))) })
  }
  return { shapes, countBytes }
}
