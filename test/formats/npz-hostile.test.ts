import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DataError } from '#src/errors.js'
import { npz } from '#src/formats/npz/index.js'
import type { ReadExtent, ReaderOptions } from '#src/formats/types.js'
import { contentOf, harness, MemoryOutput, noise } from './memory-storage.js'
import { npyFile, npyFileOf, type ZipMember, zipFile } from './zip-builder.js'

function read(file: Uint8Array, over: Partial<ReaderOptions> = {}): number {
  const options: ReaderOptions = {
    extent: 'file',
    requestBytes: 512,
    verify: true,
    samplesPerFile: 2,
    elementType: 'uint8',
    keepOpen: false,
    ...over,
  }
  const { storage, port, run } = harness({ 'f.npz': file }, options.requestBytes)
  try {
    return run(npz.sampleReader!(port, options).read('f.npz', 0))
  } finally {
    assert.equal(storage.openFiles, 0, 'the file is closed after an error, too')
  }
}

/** The error of reading, undefined where there is none; anything but a DataError fails. */
function errorOf(file: Uint8Array, over: Partial<ReaderOptions> = {}): DataError | undefined {
  try {
    read(file, over)
    return undefined
  } catch (error) {
    if (!(error instanceof DataError)) throw error
    assert.match(error.message, /^f\.npz: /)
    assert.doesNotMatch(error.message, /undefined|NaN|\$\{/)
    return error
  }
}

const out = new MemoryOutput()
npz.writer!.write(
  {
    dims: [9, 7],
    samples: 2,
    elementType: 'uint8',
    compression: 'none',
    compressionLevel: 4,
    hdf5: { chunkDims: [], maxShape: [], numDsetPerRecord: 1 },
  },
  contentOf(noise(126)),
  out,
  () => {},
)
const x = npyFile('uint8', [9, 7, 2], noise(126))
const y = npyFile('int64', [2], new Uint8Array(16))
const files = {
  'a file of DLIO': out.bytes,
  'deflated members': zipFile([
    { name: 'x.npy', data: x, method: 8 },
    { name: 'y.npy', data: y, method: 8 },
  ]),
  'data descriptors': zipFile([
    { name: 'y.npy', data: y, descriptor: true },
    { name: 'x.npy', data: x, descriptor: true, method: 8 },
  ]),
}
const extents: ReadExtent[] = ['file', 'upstream', 'sample']

describe('npz reader and damaged files', () => {
  for (const [what, file] of Object.entries(files)) {
    it(`${what}, cut off at any byte: always one DataError, verified or not`, () => {
      for (let length = 0; length < file.length; length++) {
        const cut = file.subarray(0, length)
        // 200 bytes hold the head but not the file: the hot path in pieces.
        for (const verify of [false, true])
          for (const requestBytes of [64, 200, 4096])
            assert.notEqual(errorOf(cut, { verify, requestBytes }), undefined, `${length} of ${file.length} bytes, verify ${verify}`)
        for (const extent of extents) errorOf(cut, { extent })
      }
    })

    it(`${what}, with any byte changed: never worse than a DataError, and always one where a member's bytes or the directory's numbers change`, () => {
      const unnoticed: number[] = []
      for (let at = 0; at < file.length; at++)
        for (const flip of [0x01, 0x80, 0xff]) {
          const changed = file.slice()
          changed[at]! ^= flip
          if (errorOf(changed) === undefined && unnoticed.at(-1) !== at) unnoticed.push(at)
          for (const extent of extents) for (const verify of [false, true]) errorOf(changed, { extent, verify })
        }
      // Versions, dates, attributes and unused flags of four headers may say anything; everything else is covered by a check.
      const view = Buffer.from(file)
      const harmless = (at: number) => {
        for (let head = 0; head < file.length - 4; head++) {
          const signature = view.readUInt32LE(head)
          const i = at - head
          if (signature === 0x04034b50 && ((i >= 4 && i < 8) || (i >= 10 && i < 14) || (view[head + 6]! & 8 && i >= 14 && i < 26)))
            return true
          if (signature === 0x02014b50 && ((i >= 4 && i < 10) || (i >= 12 && i < 16) || (i >= 30 && i < 42))) return true
          if (signature === 0x06054b50 && i >= 8 && i < 10) return true // members on this disk
        }
        return false
      }
      assert.deepEqual(
        unnoticed.filter((at) => !harmless(at)),
        [],
      )
    })
  }

  it('bytes behind the archive are an error that says where they begin', () => {
    for (const verify of [false, true])
      assert.notEqual(errorOf(Buffer.concat([files['a file of DLIO'], noise(300)]), { verify }), undefined)
  })

  it('foreign and empty files are named as such', () => {
    for (const extent of extents)
      for (const verify of [false, true]) {
        assert.match(
          errorOf(Buffer.from('\x89HDF\r\n\x1a\n'.padEnd(600), 'latin1'), { verify, extent })!.message,
          /is no \.npz file: it begins with bytes 89 48 44 46/,
        )
        assert.match(errorOf(new Uint8Array(0), { verify, extent })!.message, /is empty: it has 0 bytes/)
        assert.notEqual(errorOf(new Uint8Array(600), { verify, extent }), undefined)
      }
  })
})

describe('npz reader and lying headers', () => {
  const lies: Record<string, { members: ZipMember[]; message: RegExp }> = {
    'a deflate bomb: more output than declared': {
      members: [
        {
          name: 'x.npy',
          data: npyFile('uint8', [10_000_000, 2], new Uint8Array(20_000_000)),
          method: 8,
          says: { uncompressedBytes: 100_000 },
        },
      ],
      message: /has 100000 bytes, but its shape|inflates to more than/,
    },
    'a bomb behind an honest array': {
      members: [{ name: 'x.npy', data: Buffer.concat([x, new Uint8Array(20_000_000)]), method: 8, says: { uncompressedBytes: x.length } }],
      message: /inflates to more than the 254 bytes it declares/,
    },
    'more bytes declared than deflate can hold': {
      members: [{ name: 'x.npy', data: x, method: 8, says: { uncompressedBytes: 4_000_000_000 } }],
      message: /more than deflate can hold/,
    },
    'less output than declared': {
      members: [
        { name: 'z.bin', data: noise(500), method: 8, says: { uncompressedBytes: 600 } },
        { name: 'x.npy', data: x },
      ],
      message: /member z.bin has 500 bytes where 600 are declared/,
    },
    'bytes behind the end of deflated data': {
      members: [{ name: 'x.npy', data: x, method: 8, behind: noise(9) }],
      message: /member x.npy has 9 bytes behind its deflated data/,
    },
    'a stored member of two sizes': {
      members: [{ name: 'x.npy', data: x, says: { uncompressedBytes: x.length + 1 } }],
      message: /member x.npy is stored, but says 254 bytes there and 255 in it/,
    },
    'a shape of another size': {
      members: [{ name: 'x.npy', data: npyFile('uint8', [9, 7, 3], noise(126)) }],
      message: /member x.npy has 254 bytes, but its shape \(9, 7, 3\) of \|u1 needs 317/,
    },
    'a shape beyond all bounds': {
      members: [{ name: 'x.npy', data: npyFileOf("{'descr': '<f8', 'fortran_order': False, 'shape': (9007199254740991, 1000, 2), }") }],
      message: /impossibly large shape/,
    },
    'a negative dimension': {
      members: [{ name: 'x.npy', data: npyFileOf("{'descr': '<f8', 'fortran_order': False, 'shape': (-4, 2), }") }],
      message: /cannot be read/,
    },
    'a shape of zero dimensions': {
      members: [{ name: 'x.npy', data: npyFileOf("{'descr': '|u1', 'fortran_order': False, 'shape': (), }", new Uint8Array(1)) }],
      message: /single value/,
    },
    'code instead of a header': {
      members: [
        { name: 'x.npy', data: npyFileOf("__import__('os').system('true') #{'descr': '|u1', 'fortran_order': False, 'shape': (), }") },
      ],
      message: /\.npy header is no dict/,
    },
    'an unknown method': {
      members: [{ name: 'x.npy', data: x, says: { method: 12 } }],
      message: /compressed with method 12; stored \(0\) and deflated \(8\) can be read/,
    },
    encryption: { members: [{ name: 'x.npy', data: x, says: { flags: 1 } }], message: /is encrypted/ },
    'two members x': {
      members: [
        { name: 'x.npy', data: x },
        { name: 'x.npy', data: x },
      ],
      message: /two members x.npy/,
    },
    'sizes of 2^32 - 1 without a zip64 field': {
      members: [{ name: 'x.npy', data: x, says: { compressedBytes: 0xffffffff, uncompressedBytes: 0xffffffff } }],
      message: /zip64 field/,
    },
    'a member longer than the file': {
      members: [
        {
          name: 'x.npy',
          data: npyFile('uint8', [2_000_000_000, 2], noise(100)),
          says: { compressedBytes: 4_000_000_128, uncompressedBytes: 4_000_000_128 },
        },
      ],
      message: /truncated|central directory/,
    },
    'a .npy version from the future': {
      members: [{ name: 'x.npy', data: x.map((byte, i) => (i === 6 ? 9 : byte)) }],
      message: /\.npy version 9\.0/,
    },
    'a .npy header of four gigabytes': {
      members: [{ name: 'x.npy', data: Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 2, 0, 0xff, 0xff, 0xff, 0xff, ...noise(50)]) }],
      message: /header of 4294967295 bytes is longer than the 10000 bytes/,
    },
  }
  for (const [what, { members, message }] of Object.entries(lies))
    it(`${what} is a DataError, and memory does not follow it`, () => {
      const file = zipFile(members)
      const before = process.memoryUsage().arrayBuffers
      for (const extent of extents) {
        const error = errorOf(file, { extent, requestBytes: 4096 })
        if (extent === 'file') assert.match(error?.message ?? 'no error', message)
        if (members.length === 1) errorOf(file, { extent, verify: false, requestBytes: 4096 })
      }
      assert.ok(process.memoryUsage().arrayBuffers - before < 20_000_000)
    })

  it('upstream reading, which starts at the central directory, finds what is wrong there', () => {
    const upstream = (bytes: Uint8Array, message: RegExp) => {
      for (const verify of [false, true]) assert.match(errorOf(bytes, { extent: 'upstream', verify })?.message ?? 'no error', message)
    }
    const two = zipFile([
      { name: 'x.npy', data: x },
      { name: 'x.npy', data: x },
    ])
    upstream(two, /has two members x.npy/)
    const fewer = zipFile([
      { name: 'x.npy', data: x },
      { name: 'y.npy', data: y },
    ])
    fewer[fewer.length - 12] = 1 // the number of members in the end record
    upstream(fewer, /central directory has 51 bytes behind its last entry/)
    upstream(
      zipFile([{ name: 'x.npy', data: x, says: { compressedBytes: 5000, uncompressedBytes: 5000 } }]),
      /member x.npy reaches into the central directory/,
    )
  })

  it('an end record that is not one is found without verifying, wherever pieces end', () => {
    for (let i = 0; i < 4; i++)
      for (const requestBytes of [200, 4096]) {
        const changed = out.bytes
        changed[changed.length - 22 + i]! ^= 1
        assert.match(errorOf(changed, { verify: false, requestBytes })!.message, /has no end of a zip archive/)
      }
  })

  it('an array that was cut short before its archive was closed is found without verifying', () => {
    const whole = out.bytes
    const directoryBytes = 102
    const directory = whole.subarray(whole.length - 22 - directoryBytes, whole.length - 22)
    const end = Buffer.from(whole.subarray(whole.length - 22))
    end.writeUInt32LE(250, 16)
    const closed = Buffer.concat([whole.subarray(0, 250), directory, end])
    for (const requestBytes of [200, 4096])
      assert.match(
        errorOf(closed, { verify: false, requestBytes })!.message,
        /central directory begins at byte 250, within member x.npy|truncated: it has 374 bytes, and member x.npy alone ends at byte/,
      )
    const inside = Buffer.concat([whole.subarray(0, 250), noise(60), end])
    inside.writeUInt32LE(250, inside.length - 6)
    inside.writeUInt32LE(60, inside.length - 10)
    for (const requestBytes of [200, 4096])
      assert.match(
        errorOf(inside, { verify: false, requestBytes })!.message,
        /central directory begins at byte 250, within member x.npy|truncated/,
      )
  })

  it('a file that is cut off says how long it is and how long it should at least be', () => {
    for (const requestBytes of [200, 4096])
      assert.match(
        errorOf(out.bytes.subarray(0, 280), { verify: false, requestBytes })!.message,
        /is truncated: it has 280 bytes, and member x.npy alone ends at byte 309/,
      )
  })

  it('an end record that disagrees about where the directory begins is found by verifying', () => {
    const changed = Buffer.from(out.bytes)
    const at = changed.length - 22
    changed.writeUInt32LE(changed.readUInt32LE(at + 12) - 51, at + 12)
    changed.writeUInt32LE(changed.readUInt32LE(at + 16) + 51, at + 16)
    assert.match(errorOf(changed)!.message, /end record says 2 members listed from byte/)
  })

  it('a data descriptor that disagrees with the data is found, either size', () => {
    const file = zipFile([{ name: 'x.npy', data: x, descriptor: true }])
    const descriptor = Buffer.from(file).indexOf(Buffer.from([0x50, 0x4b, 7, 8]))
    for (const at of [8, 12]) {
      const changed = file.slice()
      changed[descriptor + at]! ^= 1
      for (const verify of [false, true])
        assert.match(
          errorOf(changed, { verify })!.message,
          /data descriptor of member x.npy says \d+ and \d+ bytes where there are 254 and 254/,
        )
    }
  })

  it('damage inside deflated data is never worse than a DataError, and always found', () => {
    const data = npyFile(
      'uint8',
      [500, 2],
      noise(1000).map((byte) => byte & 3),
    )
    const file = zipFile([{ name: 'x.npy', data, method: 8 }])
    const begin = 35
    for (let at = begin; at < begin + 300; at++)
      for (let bit = 0; bit < 8; bit++) {
        const changed = file.slice()
        changed[at]! ^= 1 << bit
        assert.notEqual(errorOf(changed), undefined, `bit ${bit} of byte ${at}`)
      }
  })
})
