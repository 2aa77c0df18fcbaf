import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { DataError } from '#src/errors.js'
import { elementTypeByDescr } from '#src/formats/dtype.js'
import { type Head, parseHead, sameHead } from '#src/formats/npz/head.js'
import { npz } from '#src/formats/npz/index.js'
import type { ReadExtent, ReaderOptions } from '#src/formats/types.js'
import { recordedFiles } from './golden.js'
import { contentOf, type Harness, harness, MemoryOutput, noise } from './memory-storage.js'
import { npyFile, type ZipMember, zipFile } from './zip-builder.js'

const extents: readonly ReadExtent[] = ['file', 'upstream', 'sample']

function optionsOf(over: Partial<ReaderOptions> = {}): ReaderOptions {
  return { extent: 'file', requestBytes: 262_144, verify: false, samplesPerFile: 1, elementType: 'uint8', keepOpen: false, ...over }
}

/** A file as DLIO writes it: `samples` samples of shape `dims`. */
function dlioFile(dims: number[], samples: number, elementType = 'uint8'): Uint8Array {
  const out = new MemoryOutput()
  const spec = {
    dims,
    samples,
    elementType,
    compression: 'none',
    compressionLevel: 4,
    hdf5: { chunkDims: [], maxShape: [], numDsetPerRecord: 1 },
  }
  const bytes = npz.writer!.sizeBytes(spec)!
  npz.writer!.write(spec, contentOf(noise(bytes)), out, () => {})
  return out.bytes
}

/** Reads one sample of one file and returns what was asked of the storage. */
function readOne(file: Uint8Array, over: Partial<ReaderOptions> = {}, sample = 0): Harness & { answer: number } {
  const options = optionsOf(over)
  const h = harness({ 'f.npz': file }, options.requestBytes, 17)
  const answer = h.run(npz.sampleReader!(h.port, options).read('f.npz', sample))
  return { ...h, answer }
}

describe('npz reader over recorded files', () => {
  for (const { title, path, want } of recordedFiles('npz')) {
    const bytes = readFileSync(path)
    const x = want.members!.x!
    const over = { samplesPerFile: want.samples.length, elementType: elementTypeByDescr(x.dtype)!.name }
    it(`${title}: every sample is read in every extent, with and without verifying`, () => {
      for (const extent of extents)
        for (const verify of [false, true])
          for (const requestBytes of [64, 256, 262_144])
            for (let sample = 0; sample < want.samples.length; sample++) {
              const { storage } = readOne(bytes, { ...over, extent, verify, requestBytes }, sample)
              assert.equal(storage.opens, 1)
              assert.equal(storage.openFiles, 0)
              if (extent === 'file') assert.equal(storage.bytesRead, bytes.length)
            }
    })
    it(`${title}: a wrong element type or too few samples are errors that say both numbers`, () => {
      const wrong = over.elementType === 'float64' ? 'int32' : 'float64'
      for (const extent of extents) {
        assert.throws(
          () => readOne(bytes, { ...over, extent, verify: true, elementType: wrong }),
          new RegExp(`element type ${over.elementType} .*record_element_type ${wrong}`),
        )
        assert.throws(
          () => readOne(bytes, { ...over, extent, samplesPerFile: want.samples.length + 1 }),
          new RegExp(`holds ${want.samples.length} samples .*num_samples_per_file ${want.samples.length + 1}`),
        )
        assert.throws(() => readOne(bytes, { ...over, extent }, want.samples.length), /has no sample/)
      }
    })
  }
})

describe('npz reader, extent file', () => {
  it('asks for exactly the file: one open, one read where it fits a request, one close', () => {
    const file = dlioFile([64, 64], 1) // 4,594 bytes, as recorded from DLIO
    const { storage, answer } = readOne(file)
    assert.equal(file.length, 4594)
    assert.deepEqual(storage.log, [[0, 262_144, 4594]]) // short, and ends with an end record: no further read
    assert.deepEqual([storage.opens, storage.closes, storage.sizes, storage.emptyReads, answer], [1, 1, 0, 0, 4594])
  })

  it('reads a longer file in pieces of the request size, and the whole file for each of its samples', () => {
    const file = dlioFile([64, 64], 3)
    for (let sample = 0; sample < 3; sample++) {
      const { storage } = readOne(file, { requestBytes: 5000, samplesPerFile: 3 }, sample)
      assert.deepEqual(storage.log, [
        [0, 5000, 5000],
        [5000, 5000, 5000],
        [10_000, 5000, file.length - 10_000],
      ])
    }
  })

  it('takes one empty read to find the end where the file is a multiple of the request size', () => {
    const file = dlioFile([64, 64], 1)
    for (const verify of [false, true]) {
      const { storage } = readOne(file, { requestBytes: file.length / 2, verify })
      assert.deepEqual([storage.reads, storage.emptyReads, storage.bytesRead], [2, 1, file.length])
    }
  })

  it('asks for the same reads with verify as without', () => {
    const file = dlioFile([40, 50], 2)
    for (const requestBytes of [100, 1000, 4000, 5000])
      assert.deepEqual(
        readOne(file, { requestBytes, verify: true, samplesPerFile: 2 }).storage.log,
        readOne(file, { requestBytes, samplesPerFile: 2 }).storage.log,
      )
  })

  it('knows a head again whatever its CRC is, and by nothing but its bytes', () => {
    const file = dlioFile([8, 8], 2)
    const expected = { samplesPerFile: 1, elementType: 'uint8', verify: false }
    const head = parseHead('f', file, 0, file.length, expected) as Head
    const framed = (bytes: Uint8Array) => new DataView(Uint8Array.from([0, 0, 0, ...bytes]).buffer)
    for (let at = 0; at < file.length; at++) {
      const changed = file.slice()
      changed[at]! ^= 0x40
      const same = (at >= 14 && at < 18) || at >= 183 // the CRC, and what is behind the head
      assert.equal(sameHead(head, framed(changed), 3, 3 + changed.length), same, `byte ${at}`)
    }
    assert.equal(sameHead(head, framed(file), 3, 3 + 182), false)
  })

  it('finds the end wherever a request cuts the end records', () => {
    const file = dlioFile([64, 64], 1)
    for (let requestBytes = file.length - 130; requestBytes <= file.length + 1; requestBytes++) {
      const { storage } = readOne(file, { requestBytes })
      assert.equal(storage.bytesRead, file.length)
    }
  })

  it('parses the head of every file anew where it differs from the one before', () => {
    const files = { a: dlioFile([8, 8], 2), b: dlioFile([9, 7], 1), c: dlioFile([8, 8], 2) }
    const h = harness(files, 4096)
    const reader = npz.sampleReader!(h.port, optionsOf({ requestBytes: 4096 }))
    assert.equal(h.run(reader.read('a', 1)), files.a.length)
    assert.equal(h.run(reader.read('b', 0)), files.b.length)
    assert.throws(() => h.run(reader.read('b', 1)), /b: has no sample 1: it holds 1/)
    assert.equal(h.run(reader.read('c', 1)), files.c.length)
    const dtypes = { a: dlioFile([8, 8], 2), b: dlioFile([8, 8], 2, 'int8') }
    const second = harness(dtypes, 4096)
    const verifying = npz.sampleReader!(second.port, optionsOf({ requestBytes: 4096, verify: true }))
    second.run(verifying.read('a', 0))
    assert.throws(() => second.run(verifying.read('b', 0)), /b: .*int8/)
  })

  it('reads on where storage answers short before the end of the file', () => {
    const file = dlioFile([64, 64], 1)
    const h = harness({ 'f.npz': file }, 4096)
    const half = {
      perform: (request: Parameters<typeof h.storage.perform>[0]) => {
        if (request.op === 'read' && request.byteOffset === 0) request.byteLength = 1000
        return h.storage.perform(request)
      },
    }
    const io = npz.sampleReader!(h.port, optionsOf({ requestBytes: 4096 })).read('f.npz', 0)
    let turn = io.next()
    while (!turn.done) turn = io.next(half.perform(turn.value))
    assert.equal(turn.value, file.length)
  })

  it('closes the file and passes on the error where storage fails', () => {
    const h = harness({ 'f.npz': dlioFile([64, 64], 1) }, 4096)
    const io = npz.sampleReader!(h.port, optionsOf({ requestBytes: 4096 })).read('f.npz', 0)
    const open = io.next().value as Parameters<typeof h.storage.perform>[0]
    io.next(h.storage.perform(open))
    const close = io.throw(new Error('disk gone'))
    assert.equal((close.value as { op: string }).op, 'close')
    assert.throws(() => io.next(0), /disk gone/)
    assert.throws(() => h.run(npz.sampleReader!(h.port, optionsOf()).read('nowhere', 0)), /nowhere: cannot open/)
  })
})

describe('npz reader, extent upstream', () => {
  it('asks for as many bytes as were recorded of upstream DLIO: file + 4,284 bytes for 1,000,000 bytes of data', () => {
    const file = dlioFile([1000, 1000], 1)
    const { storage, answer } = readOne(file, { extent: 'upstream' })
    assert.equal(file.length, 1_000_498)
    assert.equal(storage.bytesRead, 1_004_782) // dlio-formats: 4096 head + 22 + 42 end record + 124 directory, then the file
    assert.deepEqual(
      storage.log.slice(0, 4).map(([, , answered]) => answered),
      [4096, 22, 42, 124],
    )
    assert.equal(answer, 1_000_128) // member x
    assert.equal(storage.opens, 1)
  })

  it('stops behind member x, rounded up to pages, where something long follows', () => {
    const x = npyFile('uint8', [10_000, 1], noise(10_000))
    const y = npyFile('uint8', [50_000], noise(50_000))
    const { storage } = readOne(
      zipFile([
        { name: 'x.npy', data: x },
        { name: 'y.npy', data: y },
      ]),
      { extent: 'upstream', verify: true },
    )
    const ends = storage.log.slice(4).map(([offset, , answered]) => offset + answered)
    assert.equal(Math.max(...ends), 12_288) // 35 + 10,128 bytes in three pages
  })

  it('goes to the true end of x where the local header is longer than NumPy writes it', () => {
    // 55 + 8,137 bytes would be two pages exactly; with 700 bytes of extra fields x ends in the third.
    const x = npyFile('uint8', [8009, 1], noise(8009))
    const members = [
      { name: 'x.npy', data: x, extra: new Uint8Array(700) },
      { name: 'y.npy', data: npyFile('uint8', [20_000], noise(20_000)) },
    ]
    for (const verify of [false, true]) {
      const { storage } = readOne(zipFile(members), { extent: 'upstream', verify })
      assert.equal(Math.max(...storage.log.slice(4).map(([offset, , answered]) => offset + answered)), 12_288)
    }
  })

  it('reads the whole of x for every sample, unless read_type keeps the array', () => {
    const file = dlioFile([30, 30], 4)
    for (const [keepOpen, opens] of [
      [false, 4],
      [true, 1],
    ] as const) {
      const h = harness({ f: file }, 4096)
      const reader = npz.sampleReader!(h.port, optionsOf({ extent: 'upstream', requestBytes: 4096, samplesPerFile: 4, keepOpen }))
      const answers = [0, 1, 2, 3].map((sample) => h.run(reader.read('f', sample)))
      assert.equal(h.storage.opens, opens)
      assert.deepEqual(answers, keepOpen ? [3728, 0, 0, 0] : [3728, 3728, 3728, 3728])
      assert.throws(() => h.run(reader.read('f', 4)), /has no sample 4/)
    }
  })
})

describe('npz reader, extent sample', () => {
  it('asks for member x only, where it is one sample', () => {
    const { storage, answer } = readOne(dlioFile([100, 100], 1), { extent: 'sample', requestBytes: 4096 })
    assert.equal(answer, 10_000)
    assert.equal(storage.bytesRead, 183 + 10_000) // the headers and the data; not y, not the directory
  })

  it('asks for a page and the sample itself, where samples lie side by side', () => {
    const text = `{'descr': '|u1', 'fortran_order': True, 'shape': (100, 100, 5), }`.padEnd(117)
    const header = Buffer.concat([npyFile('uint8', [], new Uint8Array(0)).subarray(0, 8), Buffer.from([118, 0]), Buffer.from(`${text}\n`)])
    const file = zipFile([{ name: 'x.npy', data: Buffer.concat([header, noise(50_000)]) }])
    const { storage, answer } = readOne(file, { extent: 'sample', samplesPerFile: 5 }, 3)
    assert.equal(answer, 10_000)
    assert.deepEqual(storage.log, [
      [0, 4096, 4096],
      [35 + 128 + 30_000, 10_000, 10_000],
    ])
    assert.throws(
      () => readOne(file.subarray(0, 36_000), { extent: 'sample', samplesPerFile: 5 }, 3),
      /truncated: sample 3 needs its bytes \[30163, 40163\)/,
    )
  })

  it('asks for the whole of member x, where samples interleave', () => {
    const { storage, answer } = readOne(dlioFile([100, 100], 2), { extent: 'sample', samplesPerFile: 2 }, 1)
    assert.equal(answer, 20_000)
    assert.equal(storage.bytesRead, 183 + 20_000)
  })
})

describe('npz archives of other writers', () => {
  const x = npyFile('uint8', [30, 20, 2], noise(1200))
  const y = npyFile('int64', [2], new Uint8Array(16))
  const cases: Record<string, { members: ZipMember[]; comment?: string }> = {
    'y before x': {
      members: [
        { name: 'y.npy', data: y },
        { name: 'x.npy', data: x },
      ],
    },
    'other members': {
      members: [
        { name: 'note.txt', data: noise(77) },
        { name: 'x.npy', data: x },
        { name: 'z.npy', data: y },
      ],
    },
    'an archive comment': { members: [{ name: 'x.npy', data: x }], comment: 'made by hand, in a hurry' },
    'deflated members': {
      members: [
        { name: 'x.npy', data: x, method: 8 },
        { name: 'y.npy', data: y, method: 8 },
      ],
    },
    'data descriptors': {
      members: [
        { name: 'y.npy', data: y, descriptor: true },
        { name: 'x.npy', data: x, descriptor: true, method: 8 },
      ],
    },
    'stored members with data descriptors': {
      members: [
        { name: 'x.npy', data: x, descriptor: true },
        { name: 'y.npy', data: y, descriptor: true },
      ],
    },
    'extra fields that align the data': { members: [{ name: 'x.npy', data: x, extra: new Uint8Array(64) }] },
  }
  for (const [what, { members, comment }] of Object.entries(cases))
    it(`${what} are read in every extent, and damage to x is found by verifying`, () => {
      const file = zipFile(members, comment)
      for (const extent of extents)
        for (const requestBytes of [50, 4096])
          for (const verify of [false, true]) {
            const { storage } = readOne(file, { extent, requestBytes, verify, samplesPerFile: 2 }, 1)
            assert.equal(storage.openFiles, 0)
            if (extent === 'file' && comment === undefined) assert.equal(storage.bytesRead, file.length)
          }
      const at = Buffer.from(file).indexOf(x.subarray(900, 905))
      if (at < 0) return // deflated: see the hostile files
      const damaged = file.slice()
      damaged[at]! ^= 1
      for (const extent of extents)
        assert.throws(
          () => readOne(damaged, { extent, verify: true, samplesPerFile: 2 }),
          /member x.npy has CRC-32 0x[0-9a-f]{8} where 0x[0-9a-f]{8} is recorded/,
        )
    })

  it('any request size gives the same answers', () => {
    const file = zipFile(
      [
        { name: 'y.npy', data: y, descriptor: true },
        { name: 'x.npy', data: x, method: 8 },
      ],
      'c',
    )
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.boolean(), (requestBytes, verify) => {
        assert.equal(readOne(file, { requestBytes, verify, samplesPerFile: 2 }).answer, file.length)
      }),
      { numRuns: 100 },
    )
  })

  it('an archive without x says which members it has', () => {
    for (const extent of extents)
      assert.throws(
        () =>
          readOne(
            zipFile([
              { name: 'images.npy', data: x },
              { name: 'y.npy', data: y },
            ]),
            { extent },
          ),
        /has no member x.npy.*images.npy, y.npy/,
      )
  })

  it('objects, strings and structured arrays are refused, by name of their type', () => {
    const of = (descr: string) =>
      zipFile([
        {
          name: 'x.npy',
          data: Buffer.from(
            `\x93NUMPY\x01\x00\x76\x00${`{'descr': ${descr}, 'fortran_order': False, 'shape': (4, 2), }`.padEnd(117)}\n${'\0'.repeat(64)}`,
            'latin1',
          ),
        },
      ])
    for (const extent of extents) {
      assert.throws(() => readOne(of("'|O'"), { extent }), /element type \|O, Python objects are never loaded/)
      assert.throws(() => readOne(of("'<U4'"), { extent }), /element type <U4, only arrays of numbers/)
      assert.throws(() => readOne(of("[('a', '<f4')]"), { extent }), DataError)
    }
  })
})
