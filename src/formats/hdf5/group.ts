// The links of the root group, in the three ways in which HDF5 stores them: in the header, in a symbol table, in a heap with an index.
import type { Io } from '../../storage/types.js'
import { BTree2 } from './btree2.js'
import { lookup3 } from './checksum.js'
import { FractalHeap } from './fractal-heap.js'
import { type Link, parseLink, parseLinkInfo } from './messages.js'
import type { Metadata } from './metadata.js'
import { type Message, MessageType, readObjectHeader } from './object-header.js'
import { type Span, undefinedAddress } from './span.js'
import type { Superblock } from './superblock.js'

/** Looks links up by name. */
export interface Group {
  find(name: string): Io<Link | undefined>
}

/** Opens the root group. Throws DataError, UnsupportedLayoutError. */
export function* openRootGroup(metadata: Metadata, superblock: Superblock): Io<Group> {
  const messages = yield* readObjectHeader(metadata, superblock.rootAddress, 'root group')
  const symbolTable = messages.find((message) => message.type === MessageType.symbolTable)
  if (symbolTable !== undefined) return yield* openSymbolTable(metadata, superblock, symbolTable.body.rewind(0))
  const info = messages.find((message) => message.type === MessageType.linkInfo)
  const { heapAddress, nameIndexAddress } =
    info === undefined ? { heapAddress: undefinedAddress, nameIndexAddress: undefinedAddress } : parseLinkInfo(info.body.rewind(0))
  if (heapAddress !== undefinedAddress) return yield* openDenseLinks(metadata, heapAddress, nameIndexAddress)
  return compactLinks(messages)
}

function compactLinks(messages: readonly Message[]): Group {
  const links = new Map<string, Link>()
  for (const message of messages) {
    if (message.type !== MessageType.link) continue
    const link = parseLink(message.body.rewind(0))
    links.set(link.name, link)
  }
  return {
    // biome-ignore lint/correctness/useYield: other groups need I/O to find a link
    *find(name) {
      return links.get(name)
    },
  }
}

/** Name index record: hash of the name, then the heap's ID of the link message. */
const linkHashBytes = 4
const linkIndexType = 5

function* openDenseLinks(metadata: Metadata, heapAddress: number, nameIndexAddress: number): Io<Group> {
  const index = yield* BTree2.open(metadata, nameIndexAddress, linkIndexType, 'link name index')
  const heap = yield* FractalHeap.open(metadata, heapAddress)
  return {
    *find(name) {
      const hash = lookup3(Buffer.from(name))
      const records = yield* index.matching((record) => record.u32() - hash)
      for (const record of records) {
        const link = parseLink(yield* heap.read(record.rewind(linkHashBytes), record.length - linkHashBytes))
        // Two names may have one hash.
        if (link.name === name) return link
      }
      return undefined
    },
  }
}

/** What HDF5's library reads of a local heap before it knows its length (H5HL_SPEC_READ_SIZE). */
const speculativeHeapBytes = 512

function* openSymbolTable(metadata: Metadata, superblock: Superblock, message: Span): Io<Group> {
  const treeAddress = message.address()
  const heapAddress = message.address()
  const { offsetBytes, lengthBytes } = superblock
  const header = yield* metadata.fetch(heapAddress, speculativeHeapBytes, 'local heap', 8 + 2 * lengthBytes + offsetBytes)
  header.signature('HEAP')
  header.version(0)
  header.skip(3)
  const heapBytes = header.size()
  header.size()
  const dataAddress = header.address()
  const at = dataAddress - heapAddress
  // HDF5 puts the data right behind the header, where the first read often has it already.
  const isAtHand = at >= 0 && at + heapBytes <= header.length
  const heap = isAtHand ? header.rewind(at).take(heapBytes) : yield* metadata.fetch(dataAddress, heapBytes, 'local heap data')
  const nameAt = (span: Span, offset: number) => {
    if (offset >= heap.length) throw span.error(`a name at ${offset} of a heap of ${heap.length} bytes`)
    return heap.rewind(offset).text()
  }
  const nodeBytes = 8 + 2 * offsetBytes + (2 * superblock.groupInternalK + 1) * lengthBytes + 2 * superblock.groupInternalK * offsetBytes
  const leafBytes = 8 + 2 * superblock.groupLeafK * (2 * offsetBytes + 24)

  function* findLeaf(name: string): Io<number> {
    let address = treeAddress
    for (let level = -1; ; ) {
      const node = yield* metadata.node(address, nodeBytes, 'group B-tree node', undefined, 8 + 2 * offsetBytes)
      const own = readNodePrefix(node, 0, level)
      level = own.level - 1
      // Child i holds the names above key i up to key i + 1.
      node.size()
      let child = undefinedAddress
      for (let i = 0; i < own.entries && child === undefinedAddress; i++) {
        const candidate = node.address()
        const key = nameAt(node, node.size())
        if (compareText(name, key) <= 0) child = candidate
      }
      if (child === undefinedAddress || own.level === 0) return child
      address = child
    }
  }

  return {
    *find(name) {
      const address = yield* findLeaf(name)
      if (address === undefinedAddress) return undefined
      const leaf = yield* metadata.node(address, leafBytes, 'symbol table node', undefined, 8)
      leaf.signature('SNOD')
      leaf.version(1, 1)
      leaf.skip(1)
      const entries = leaf.u16()
      for (let i = 0; i < entries; i++) {
        const entryName = nameAt(leaf, leaf.uint(offsetBytes))
        const headerAddress = leaf.address()
        const cacheType = leaf.u32()
        leaf.skip(20)
        if (entryName === name) return { name, kind: cacheType === 2 ? 'soft' : 'hard', address: headerAddress }
      }
      return undefined
    },
  }
}

/** Checks what begins every version 1 B-tree node; the level must be one below the parent's (`expectedLevel`, −1 for a root), so walks end. */
export function readNodePrefix(node: Span, type: number, expectedLevel: number): { level: number; entries: number } {
  node.rewind(0).signature('TREE')
  const ownType = node.u8()
  const level = node.u8()
  if (ownType !== type) throw node.error(`node type is ${ownType}, expected ${type}`, 4)
  if (expectedLevel >= 0 && level !== expectedLevel) throw node.error(`level is ${level}, expected ${expectedLevel}`, 5)
  const entries = node.u16()
  node.address()
  node.address()
  return { level, entries }
}

/** Byte order of names, as C's strcmp gives it. */
function compareText(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
