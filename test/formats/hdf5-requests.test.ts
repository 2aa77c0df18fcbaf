// What a run asks of the storage for one sample: the requests of h5py (dlio-formats 3.2, strace), or the whole file.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { DataError } from '#src/errors.js'
import { hdf5 } from '#src/formats/hdf5/index.js'
import { Metadata, Remembered } from '#src/formats/hdf5/metadata.js'
import type { ReaderOptions } from '#src/formats/types.js'
import { createWindow, IoPort, runBlocking } from '#src/storage/io.js'
import { layoutsFolder, MemoryStorage, options, spec, writeFile } from './hdf5-storage.js'

const writer = hdf5.writer!
/** What h5py asks of a file of DLIO's before the data: signature, superblock, header of the root group, header of the dataset. */
const metadataReads: [number, number][] = [
  [0, 8],
  [0, 48],
  [48, 512],
  [195, 512],
]

function read(files: Record<string, Uint8Array>, wants: [string, number][], changes: Partial<ReaderOptions> = {}, capacity = 65_536) {
  const storage = new MemoryStorage(files)
  const reader = hdf5.sampleReader!(new IoPort(createWindow(capacity)), options(changes))
  const bytes = wants.map(([uri, sample]) => runBlocking(reader.read(uri, sample), storage))
  return { storage, bytes, ops: storage.asked.map(({ op }) => op), reader }
}

test('a contiguous sample costs h5py’s five reads, 1080 bytes beyond the sample itself', () => {
  const file = writeFile(writer, spec({ dims: [100, 90], samples: 4 }))
  const { storage, bytes, ops } = read({ f: file }, [['f', 2]], { samplesPerFile: 4, requestBytes: 65_536 })
  assert.deepEqual(storage.reads, [...metadataReads, [2048 + 2 * 9000, 9000]])
  assert.equal(storage.bytesAsked, 9000 + 1080)
  assert.deepEqual(bytes, [9000])
  assert.deepEqual(ops, ['open', 'size', 'read', 'read', 'read', 'read', 'read', 'close'])
})

test('a sample larger than a request is read in pieces of a request, the last one short', () => {
  const file = writeFile(writer, spec({ dims: [100, 90], samples: 2 }))
  const { storage } = read({ f: file }, [['f', 1]], { samplesPerFile: 2, requestBytes: 4000 })
  assert.deepEqual(storage.reads.slice(4), [
    [2048 + 9000, 4000],
    [2048 + 13_000, 4000],
    [2048 + 17_000, 1000],
  ])
})

test('each sample opens, parses and closes the file anew, with the same requests each time', () => {
  const file = writeFile(writer, spec({ samples: 3 }))
  const wants: [string, number][] = [
    ['f', 0],
    ['f', 1],
    ['g', 2],
  ]
  const { storage, ops } = read({ f: file, g: file }, wants, { samplesPerFile: 3 })
  assert.deepEqual(
    storage.reads,
    [0, 1, 2].flatMap((i): [number, number][] => [...metadataReads, [2048 + i * 48, 48]]),
  )
  assert.equal(ops.filter((op) => op === 'open').length, 3)
  assert.equal(ops.filter((op) => op === 'close').length, 3)
})

test('a file whose metadata differs is parsed anew: its own shape counts, not the one before', () => {
  const files = {
    f: writeFile(writer, spec({ dims: [8, 6] })),
    g: writeFile(writer, spec({ dims: [9, 7] })),
    h: writeFile(writer, spec({ dims: [8, 6] })),
  }
  const { storage, bytes } = read(
    files,
    [
      ['f', 1],
      ['g', 1],
      ['h', 2],
    ],
    { samplesPerFile: 3 },
  )
  assert.deepEqual(bytes, [48, 63, 48])
  assert.deepEqual(storage.reads, [...metadataReads, [2096, 48], ...metadataReads, [2111, 63], ...metadataReads, [2144, 48]])
})

test('time stamps and checksums that differ from file to file do not force another parse, which verification does', () => {
  const f = writeFile(writer, spec())
  const g = f.slice()
  g.fill(0x5a, 54, 70)
  assert.doesNotThrow(() =>
    read(
      { f, g },
      [
        ['f', 0],
        ['g', 0],
      ],
      { samplesPerFile: 3 },
    ),
  )
  assert.throws(
    () =>
      read(
        { f, g },
        [
          ['f', 0],
          ['g', 0],
        ],
        { samplesPerFile: 3, verify: true },
      ),
    /checksum/,
  )
})

test('what has been parsed is parsed again only where its bytes differ', () => {
  const bytes = Buffer.from('one two three four')
  const storage = new MemoryStorage({ f: bytes, g: bytes, h: Buffer.from('one two THREE four') })
  const port = new IoPort(createWindow(4096))
  const metadata = new Metadata(port, false)
  const remembered = new Remembered<string>()
  let parses = 0
  const parse = (uri: string) => {
    metadata.begin(uri, storage.perform(port.open(uri)), bytes.byteLength)
    const io = remembered.read(metadata, 'key', function* () {
      parses++
      yield* metadata.fetch(0, 4, 'first')
      const second = yield* metadata.fetch(8, 5, 'second')
      return Buffer.from(second.bytes).toString()
    })
    return runBlocking(io, storage)
  }
  assert.deepEqual([parse('f'), parse('g'), parses], ['three', 'three', 1])
  assert.deepEqual([parse('h'), parses], ['THREE', 2])
  assert.deepEqual(
    storage.reads,
    [0, 0, 0].flatMap((): [number, number][] => [
      [0, 4],
      [8, 5],
    ]),
    'asked for once each, all the same',
  )
})

test('with keepOpen a file is opened and parsed once, then each sample is one read', () => {
  const file = writeFile(writer, spec({ samples: 3 }))
  const wants: [string, number][] = [
    ['f', 0],
    ['g', 1],
    ['f', 2],
  ]
  const { storage, ops, reader } = read({ f: file, g: file }, wants, { samplesPerFile: 3, keepOpen: true })
  assert.deepEqual(storage.reads, [...metadataReads, [2048, 48], ...metadataReads, [2096, 48], [2144, 48]])
  assert.equal(ops.filter((op) => op === 'open').length, 2)
  assert.equal(storage.open.size, 2)
  runBlocking(reader.close(), storage)
  assert.equal(storage.open.size, 0)
})

test('with several datasets a sample, each costs its header and its own part', () => {
  const file = writeFile(writer, spec({ dims: [8, 6], samples: 2, hdf5: { numDsetPerRecord: 2 } }))
  const { storage, bytes } = read({ f: file }, [['f', 1]], { samplesPerFile: 2 })
  assert.deepEqual(storage.reads, [...metadataReads, [2048 + 24, 24], [463, 512], [2048 + 48 + 24, 24]])
  assert.deepEqual(bytes, [48])
})

test('a chunked sample costs the index and each whole chunk that it touches, in order', () => {
  // 3 × 8 × 6 in chunks of 1 × 4 × 3: four chunks of 12 bytes a sample, found through a fixed array of 12 entries.
  const file = writeFile(writer, spec({ hdf5: { chunkDims: [1, 4, 3] } }))
  const { storage, bytes } = read({ f: file }, [['f', 1]], { samplesPerFile: 3 })
  const array = 195 + 268 + 268
  assert.deepEqual(storage.reads, [
    ...metadataReads,
    [array, 28],
    [array + 28, 14 + 12 * 8 + 4],
    [2048 + 48, 12],
    [2048 + 60, 12],
    [2048 + 72, 12],
    [2048 + 84, 12],
  ])
  assert.deepEqual(bytes, [48])
})

test('a compressed chunk that holds several samples is read whole, as stored, for each of them', () => {
  const file = writeFile(writer, spec({ compression: 'gzip' }))
  // One chunk of 144 bytes, which random content makes 11 bytes longer when deflated.
  const { storage, bytes } = read(
    { f: file },
    [
      ['f', 0],
      ['f', 2],
    ],
    { samplesPerFile: 3 },
  )
  assert.deepEqual(bytes, [155, 155])
  assert.deepEqual(storage.reads, [...metadataReads, [2048, 155], ...metadataReads, [2048, 155]])
})

test('the old format costs what h5py asks for it: symbol table, heap and 512 bytes of each header', () => {
  const path = `${layoutsFolder}/committed-type.hdf5`
  const { storage } = read({ f: readFileSync(path) }, [['f', 1]], { samplesPerFile: 3, elementType: 'int32' })
  assert.deepEqual(storage.reads.slice(0, 4), [
    [0, 8],
    [0, 48],
    [48, 48],
    [96, 512],
  ])
  assert.deepEqual(storage.reads.at(-1)?.[1], 16, 'one row of four int32')
})

test('reading whole files asks for every byte once, in requests of the given size, however many samples they hold', () => {
  const file = writeFile(writer, spec({ dims: [100, 90], samples: 4 }))
  assert.equal(file.byteLength, 2048 + 36_000 + 32)
  const { storage, bytes, ops } = read({ f: file }, [['f', 3]], { extent: 'file', samplesPerFile: 4, requestBytes: 16_384 })
  assert.deepEqual(storage.reads, [
    [0, 16_384],
    [16_384, 16_384],
    [32_768, 16_384],
  ])
  assert.deepEqual(bytes, [file.byteLength])
  assert.deepEqual(ops, ['open', 'read', 'read', 'read', 'close'])
})

test('a file that ends with a full request is confirmed by one more, which brings nothing', () => {
  const file = writeFile(writer, spec({ dims: [2040], samples: 1 }))
  assert.equal(file.byteLength, 4096)
  const { storage, bytes } = read({ f: file }, [['f', 0]], { extent: 'file', requestBytes: 2048 })
  assert.deepEqual(storage.reads, [
    [0, 2048],
    [2048, 2048],
    [4096, 2048],
  ])
  assert.deepEqual(bytes, [4096])
})

test('a file with fewer samples than configured is an error in each extent, one with more only under verification', () => {
  const file = writeFile(writer, spec({ samples: 3 }))
  for (const extent of ['file', 'upstream', 'sample'] as const) {
    assert.throws(() => read({ f: file }, [['f', 0]], { extent, samplesPerFile: 4 }), /holds 3 samples, num_samples_per_file says 4/)
    assert.doesNotThrow(() => read({ f: file }, [['f', 0]], { extent, samplesPerFile: 2 }))
    assert.throws(() => read({ f: file }, [['f', 0]], { extent, samplesPerFile: 2, verify: true }), /holds 3 samples/)
    assert.throws(() => read({ f: file }, [['f', 2]], { extent, samplesPerFile: 2 }), /sample 2 is asked for/)
  }
})

test('verification compares the element type with the configured one', () => {
  const file = writeFile(writer, spec({ elementType: 'int16' }))
  assert.throws(() => read({ f: file }, [['f', 0]], { samplesPerFile: 3, verify: true }), /holds <i2, record_element_type says uint8/)
  assert.doesNotThrow(() => read({ f: file }, [['f', 0]], { samplesPerFile: 3, verify: true, elementType: 'int16' }))
})

test('a file without the dataset of samples, a foreign one and an empty one are told apart', () => {
  const file = writeFile(writer, spec())
  const renamed = file.slice()
  renamed.set(Buffer.from('recordz_0'), renamed.indexOf(0x72, 90))
  for (const extent of ['file', 'upstream'] as const) {
    assert.throws(() => read({ f: renamed }, [['f', 0]], { extent }), /no dataset records_0/)
    assert.throws(() => read({ f: Buffer.alloc(5000, 'PK') }, [['f', 0]], { extent }), /no HDF5 signature/)
    assert.throws(() => read({ f: new Uint8Array(0) }, [['f', 0]], { extent }), /empty \(0 bytes\)/)
  }
})

test('a file left open by its writer is refused', () => {
  const file = writeFile(writer, spec())
  file[11] = 1
  assert.throws(
    () => read({ f: file }, [['f', 0]]),
    (error: Error) => error instanceof DataError && /did not close it/.test(error.message),
  )
})

test('a signature far behind a user block is found with reads of eight bytes', () => {
  const block = 4096
  const file = Buffer.concat([Buffer.alloc(block), writeFile(writer, spec({ samples: 1 }))])
  const { storage, bytes } = read({ f: file }, [['f', 0]], {})
  assert.deepEqual(storage.reads.slice(0, 7), [
    [0, 8],
    [512, 8],
    [1024, 8],
    [2048, 8],
    [4096, 8],
    [4096, 48],
    [4144, 512],
  ])
  assert.deepEqual(bytes, [48])
})
