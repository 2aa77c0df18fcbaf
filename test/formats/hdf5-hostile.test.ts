// Damaged and hostile files: one error of the right class, never a crash, a hang, an unbounded number of requests or a handle left open.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { DataError } from '#src/errors.js'
import { BTree2, encodedBytes } from '#src/formats/hdf5/btree2.js'
import { fletcher32, lookup3 } from '#src/formats/hdf5/checksum.js'
import { Encoder } from '#src/formats/hdf5/encoder.js'
import { undoFilters } from '#src/formats/hdf5/filters.js'
import { hdf5 } from '#src/formats/hdf5/index.js'
import { inspectFile } from '#src/formats/hdf5/inspect.js'
import { Metadata } from '#src/formats/hdf5/metadata.js'
import { createWindow, IoPort, runBlocking } from '#src/storage/io.js'
import { layoutFiles, layoutsFolder, MemoryStorage, options, spec, writeFile } from './hdf5-storage.js'

const extents = ['file', 'upstream'] as const
/** A damaged index may lead to other nodes than a sound one, but not to many more. */
const mostRequests = 5000
const port = new IoPort(createWindow(65_536))

/** Reads sample 0; true if that went well, false for a DataError; anything else is thrown. */
function attempt(bytes: Uint8Array, extent: (typeof extents)[number], verify: boolean): boolean {
  const storage = new MemoryStorage({ f: bytes }, mostRequests)
  const reader = hdf5.sampleReader!(port, options({ extent, verify, requestBytes: 1024 }))
  try {
    runBlocking(reader.read('f', 0), storage)
    return true
  } catch (error) {
    if (!(error instanceof DataError)) throw error
    assert.match(error.message, /^f: /)
    return false
  } finally {
    assert.equal(storage.open.size, 0, 'a handle was left open')
  }
}

function attemptInspection(bytes: Uint8Array): boolean {
  const storage = new MemoryStorage({ f: bytes }, 50_000)
  try {
    runBlocking(inspectFile(port, 'f'), storage)
    return true
  } catch (error) {
    if (!(error instanceof DataError)) throw error
    return false
  } finally {
    assert.equal(storage.open.size, 0, 'a handle was left open')
  }
}

const written = writeFile(hdf5.writer!, spec({ dims: [7, 5], samples: 2 }))
const chunked = writeFile(hdf5.writer!, spec({ dims: [7, 5], samples: 2, hdf5: { chunkDims: [1, 3, 2] } }))

test('a file cut off anywhere is reported as damaged in each extent, with and without verification', () => {
  for (const bytes of [written, chunked])
    for (let length = 0; length < bytes.byteLength; length += length < 100 ? 1 : 3)
      for (const extent of extents)
        for (const verify of [false, true])
          assert.equal(attempt(bytes.subarray(0, length), extent, verify), false, `${extent} of the first ${length} bytes`)
})

test('recorded layouts cut off anywhere are reported as damaged', () => {
  for (const { path, name } of layoutFiles()) {
    const bytes = readFileSync(path)
    for (let length = 0; length < bytes.byteLength; length += 331)
      for (const extent of extents)
        assert.equal(attempt(bytes.subarray(0, length), extent, false), false, `${name}: ${extent} of ${length} bytes`)
  }
})

test('verification notices each flipped byte of the metadata of a file of DLIO’s layout', () => {
  // Superblock, root header, header of records_0: all the metadata that a sample needs.
  for (let at = 0; at < 463; at++) {
    const bytes = written.slice()
    bytes[at] = (bytes[at] as number) ^ 0xff
    assert.equal(attempt(bytes, 'upstream', true), false, `byte ${at}`)
    assert.equal(attempt(bytes, 'file', true), false, `byte ${at}`)
  }
})

test('no byte of any layout, whatever its value, makes a reader crash or run on', () => {
  for (const { path } of layoutFiles()) {
    const original = readFileSync(path)
    // Metadata lies in the first bytes mostly; further back are indexes among data. Steps of primes meet all kinds of fields.
    for (let at = 0, turn = 0; at < original.byteLength; at += at < 700 ? 5 : Math.ceil(original.byteLength / 61), turn++) {
      const bytes = Uint8Array.from(original)
      bytes[at] = [0x00, 0xff, (original[at] as number) ^ 0x01, (original[at] as number) ^ 0x80][turn % 4] as number
      attempt(bytes, 'upstream', turn % 8 === 0)
      attempt(bytes, 'file', turn % 8 === 1)
      if (turn % 16 === 2) attemptInspection(bytes)
    }
  }
})

test('continuation blocks that form a loop end with an error', () => {
  const bytes = Uint8Array.from(readFileSync(`${layoutsFolder}/continuation-earliest.hdf5`))
  const view = new DataView(bytes.buffer)
  // The root group's version 1 header lies at 96; its first continuation message is made to point at its own block.
  const at = findContinuation(view, 96 + 16, view.getUint32(96 + 8, true))
  const block = Number(view.getBigUint64(at + 8, true))
  view.setUint16(block, 0x10, true)
  view.setUint16(block + 2, 16, true)
  view.setBigUint64(block + 8, BigInt(block), true)
  view.setBigUint64(block + 16, 64n, true)
  assert.throws(() => readFirst(bytes, false), /continuation blocks form a loop/)
})

function readFirst(bytes: Uint8Array, verify: boolean): void {
  runBlocking(hdf5.sampleReader!(port, options({ verify })).read('f', 0), new MemoryStorage({ f: bytes }))
}

function findContinuation(view: DataView, begin: number, byteLength: number): number {
  for (let at = begin; at < begin + byteLength; at += 8 + view.getUint16(at + 2, true)) if (view.getUint16(at, true) === 0x10) return at
  throw new Error('no continuation message')
}

test('a tree whose nodes lead back to themselves ends with an error', () => {
  const bytes = Uint8Array.from(readFileSync(`${layoutsFolder}/chunks-across-samples.hdf5`))
  const view = new DataView(bytes.buffer)
  const at = Buffer.from(bytes).lastIndexOf('TREE')
  // The chunk index: its root becomes an inner node whose first child is itself.
  bytes[at + 5] = 1
  view.setBigUint64(at + 24 + 8 + 8 * 4, BigInt(at), true)
  assert.equal(attempt(bytes, 'upstream', false), false)
})

test('a tree in which paths multiply ends with an error, not after all of them', () => {
  // Six levels of one node each; all ten children of a node are the one node below, so a search in which all compares equal has 10^6 paths.
  const depth = 6
  const records = 9
  const recordBytes = 11
  const nodeBytes = 512
  const encoder = new Encoder(1024 + (depth + 1) * nodeBytes)
  encoder
    .text('BTHD')
    .u8(0, 5)
    .u32(nodeBytes)
    .u16(recordBytes)
    .u16(depth)
    .u8(100, 40)
    .u64(1024 + depth * nodeBytes)
    .u16(records)
    .u64(records)
  let mostBelow = Math.floor((nodeBytes - 10) / recordBytes)
  let belowBytes = 0
  for (let level = 0; level <= depth; level++) {
    encoder
      .at(1024 + level * nodeBytes)
      .text(level === 0 ? 'BTLF' : 'BTIN')
      .u8(0, 5)
    encoder.at(encoder.position + records * recordBytes)
    if (level === 0) continue
    for (let i = 0; i <= records; i++)
      encoder
        .u64(1024 + (level - 1) * nodeBytes)
        .u8(records)
        .uint(records, belowBytes)
    const pointerBytes = 9 + belowBytes
    const most = Math.floor((nodeBytes - 10 - pointerBytes) / (recordBytes + pointerBytes))
    mostBelow = (most + 1) * mostBelow + most
    belowBytes = encodedBytes(mostBelow)
  }
  const storage = new MemoryStorage({ f: encoder.bytes })
  const metadata = new Metadata(port, false)
  metadata.begin('f', storage.perform(port.open('f')), encoder.bytes.byteLength)
  const tree = runBlocking(BTree2.open(metadata, 0, 5, 'tree'), storage)
  assert.throws(
    () =>
      runBlocking(
        tree.matching(() => 0),
        storage,
      ),
    /more than 4096 nodes for one search/,
  )
})

test('a chunk that claims more bytes than the file has is refused before memory is taken', () => {
  const bytes = writeFile(hdf5.writer!, spec({ samples: 1, compression: 'gzip' }))
  // The layout message of records_0 holds the single chunk's size after "flags 2, 4 dimensions of 1 byte, index type 1".
  const at = Buffer.from(bytes).indexOf(Buffer.from([0x04, 0x02, 0x02, 0x04, 0x01])) + 5 + 4 + 1
  new DataView(bytes.buffer).setBigUint64(at, 2n ** 50n, true)
  makeChecksumRight(bytes)
  assert.throws(() => readFirst(bytes, true), /lie beyond the end of the file/)
})

test('data smaller than its shape is refused', () => {
  const bytes = writeFile(hdf5.writer!, spec({ samples: 1 }))
  const at = Buffer.from(bytes).indexOf(Buffer.from([0x08, 18, 0, 0, 4, 1])) + 4 + 2 + 8
  new DataView(bytes.buffer).setBigUint64(at, 7n, true)
  assert.throws(() => readFirst(bytes, false), /the data has 7 bytes, its shape \[1, 8, 6\] needs 48/)
})

/** Ends the header of records_0 with the checksum of its changed bytes. */
function makeChecksumRight(bytes: Uint8Array): void {
  new DataView(bytes.buffer).setUint32(195 + 264, lookup3(bytes, 195, 195 + 264), true)
}

test('a chunk whose Fletcher-32 checksum fails is refused, with the checksum in either byte order of old writers accepted', () => {
  const filters = [{ id: 3, name: '', optional: false, values: [] }]
  const place = { uri: 'f', what: 'chunk [0]', byteOffset: 0 }
  const data = Buffer.from('an odd number of bytes.')
  const stored = Buffer.concat([data, Buffer.alloc(4)])
  stored.writeUInt32LE(fletcher32(data), data.length)
  assert.deepEqual(Buffer.from(undoFilters(stored, filters, 0, data.length, 1, place)), data)
  const swapped = Buffer.concat([data, Buffer.from([stored[24], stored[23], stored[26], stored[25]] as number[])])
  assert.deepEqual(Buffer.from(undoFilters(swapped, filters, 0, data.length, 1, place)), data)
  stored[3] = (stored[3] as number) ^ 0x10
  assert.throws(() => undoFilters(stored, filters, 0, data.length, 1, place), /Fletcher-32 checksum/)
})

test('a chunk that claims to expand to gigabytes is refused before memory is taken', () => {
  const filter = { id: 1, name: '', optional: true, values: [4] }
  const place = { uri: 'f', what: 'chunk [0]', byteOffset: 0 }
  for (const id of [1, 32_000])
    assert.throws(
      () => undoFilters(new Uint8Array(1000), [{ ...filter, id }], 0, 2 ** 31, 1, place),
      /1000 .* bytes cannot hold 2147483648/,
    )
})

test('a shape that the file cannot hold is refused by inspection', () => {
  const bytes = writeFile(hdf5.writer!, spec({ samples: 2, dims: [4], hdf5: { chunkDims: [1, 4] } }))
  const view = new DataView(bytes.buffer)
  // Dataspace of records_0: 2^40 samples, of which two are stored; then the header's checksum is made right again.
  view.setBigUint64(195 + 8 + 4 + 4, 2n ** 40n, true)
  view.setBigUint64(195 + 8 + 4 + 4 + 16, 2n ** 40n, true)
  makeChecksumRight(bytes)
  assert.throws(() => runBlocking(inspectFile(port, 'f'), new MemoryStorage({ f: bytes })), /claims more than a file of \d+ bytes can hold/)
})

test('a storage that fails leaves no handle open and its own error is the one thrown', () => {
  const storage = new MemoryStorage({ f: written })
  const perform = storage.perform.bind(storage)
  let reads = 0
  storage.perform = (request) => {
    if (request.op === 'read' && ++reads === 3) throw new Error('the disk is gone')
    return perform(request)
  }
  for (const extent of extents) {
    reads = 0
    const reader = hdf5.sampleReader!(port, options({ extent, requestBytes: 1024 }))
    assert.throws(() => runBlocking(reader.read('f', 0), storage), /the disk is gone/)
    assert.equal(storage.open.size, 0)
  }
})
