import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { inflateRawSync } from 'node:zlib'
import { ConfigError } from '#src/errors.js'
import { crc32 } from '#src/formats/checksums.js'
import { elementTypeByDescr } from '#src/formats/dtype.js'
import { npz } from '#src/formats/npz/index.js'
import { endRecordsBytes, parseArchiveEnd, parseCentralDirectory, parseLocalHeader } from '#src/formats/npz/layout.js'
import type { ContentSource, FileSpec } from '#src/formats/types.js'
import { createWindow, IoPort, runBlocking } from '#src/storage/io.js'
import { recordedFiles } from './golden.js'
import { contentOf, MemoryOutput } from './memory-storage.js'

const writer = npz.writer!
const rest = { compression: 'none', compressionLevel: 4, hdf5: { chunkDims: [], maxShape: [], numDsetPerRecord: 1 } }
const noSide = () => assert.fail('npz has no file beside it')

describe('npz writer', () => {
  for (const { title, path, want } of recordedFiles('npz').filter(({ byDlio }) => byDlio))
    it(`${title}: the same data give the same file as DLIO wrote, byte for byte`, () => {
      const recorded = readFileSync(path)
      const x = want.members!.x!
      const spec: FileSpec = {
        ...rest,
        dims: x.shape.slice(0, -1),
        samples: x.shape.at(-1)!,
        elementType: elementTypeByDescr(x.dtype)!.name,
      }
      for (const pieceBytes of [8, 1 << 16]) {
        const out = new MemoryOutput()
        writer.write(spec, contentOf(recorded.subarray(183), pieceBytes), out, noSide)
        assert.deepEqual(Buffer.compare(out.bytes, recorded), 0)
      }
      assert.equal(writer.sizeBytes(spec), recorded.length)
    })

  it('deflates members where the compression is zip, in any pieces, with sizes and checksums of both headers', () => {
    const data = Buffer.from(Array.from({ length: 3 * 5 * 700 }, (_, i) => (i * i) % 251))
    for (const pieceBytes of [8, 1000, 1 << 16]) {
      const out = new MemoryOutput()
      const spec: FileSpec = { ...rest, compression: 'zip', dims: [3, 700], samples: 5, elementType: 'uint8' }
      writer.write(spec, contentOf(data, pieceBytes), out, noSide)
      const file = Buffer.from(out.bytes)
      assert.equal(writer.sizeBytes(spec), undefined)
      let at = 0
      for (const [name, length] of [
        ['x.npy', data.length + 128],
        ['y.npy', 128 + 40],
      ] as const) {
        assert.equal(file.readUInt16LE(at + 8), 8)
        assert.equal(file.subarray(at + 30, at + 35).toString(), name)
        const [plainBytes, storedBytes] = [file.readBigUInt64LE(at + 39), file.readBigUInt64LE(at + 47)]
        assert.equal(plainBytes, BigInt(length))
        const begin = at + 30 + 5 + 20
        const member = inflateRawSync(file.subarray(begin, begin + Number(storedBytes)))
        assert.equal(member.length, length)
        assert.equal(crc32(member), file.readUInt32LE(at + 14))
        if (name === 'x.npy') assert.deepEqual(member.subarray(128), data)
        at = begin + Number(storedBytes)
      }
      assert.equal(file.readUInt16LE(at + 10), 8)
      if (pieceBytes > 1000) assert.ok(file.length < data.length)
    }
  })

  it('refuses element types and numbers that an array cannot have', () => {
    const spec: FileSpec = { ...rest, dims: [2, 2], samples: 1, elementType: 'uint8' }
    const refused = (over: Partial<FileSpec>, message: RegExp) =>
      assert.throws(
        () => writer.sizeBytes({ ...spec, ...over }),
        (error) => error instanceof ConfigError && message.test(error.message),
      )
    refused({ elementType: 'object' }, /record_element_type object .*uint8/)
    refused({ dims: [2 ** 30, 2 ** 30] }, /impossible numbers/)
    refused({ dims: [2.5, 2] }, /impossible numbers/)
    refused({ samples: -1 }, /impossible numbers/)
  })
})

/** Keeps only the small pieces of a file: its headers and ends. */
class SparseOutput extends MemoryOutput {
  readonly parts: [offset: number, bytes: Uint8Array][] = []
  override append(bytes: Uint8Array): void {
    if (bytes.length < 4096) this.parts.push([this.byteLength, bytes.slice()])
    this.byteLength += bytes.length
  }
  override patch(byteOffset: number, bytes: Uint8Array): void {
    const [offset, part] = this.parts.find(([begin, bytes]) => byteOffset >= begin && byteOffset < begin + bytes.length)!
    part.set(bytes, byteOffset - offset)
  }
  /** Bytes [begin, begin + length), zeros where only data are. */
  slice(begin: number, byteLength: number): Uint8Array {
    const result = new Uint8Array(byteLength)
    for (const [offset, bytes] of this.parts)
      for (let i = 0; i < bytes.length; i++)
        if (offset + i >= begin && offset + i < begin + byteLength) result[offset + i - begin] = bytes[i]!
    return result
  }
}

describe('npz files beyond two and four gigabytes', () => {
  const piece = new Uint8Array(1 << 22)
  const content: ContentSource = { preferredBytes: piece.length, next: (maxBytes) => piece.subarray(0, Math.min(maxBytes, piece.length)) }
  // 2^31 - 1 bytes is zipfile's limit for 32-bit fields of the directory; offsets and sizes are there on either side of it.
  for (const [what, dims, wide] of [
    ['just below 2 GiB', [2 ** 31 - 1 - 128 - 55 - 200], false],
    ['just above 2 GiB', [2 ** 31], true],
    ['above 4 GiB', [2 ** 32 + 12_345], true],
  ] as const)
    it(`${what}: sizes and offsets are ${wide ? '64' : '32'} bits wide in the directory, and the reader finds its way`, () => {
      const spec: FileSpec = { ...rest, dims, samples: 1, elementType: 'uint8' }
      const out = new SparseOutput()
      writer.write(spec, content, out, noSide)
      assert.equal(writer.sizeBytes(spec), out.byteLength)

      const tail = out.slice(out.byteLength - endRecordsBytes, endRecordsBytes)
      const end = parseArchiveEnd('big', tail, out.byteLength - endRecordsBytes)
      assert.equal(tail[0] === 0x50 && tail[1] === 0x4b && tail[2] === 6 && tail[3] === 6, wide) // a zip64 end record
      const directory = out.slice(end.directoryOffset, end.directoryBytes)
      assert.equal(end.directoryBytes, 102 + (wide ? 20 + 12 : 0)) // x: two sizes, y: one offset
      const [x, y] = parseCentralDirectory('big', directory, end)
      const local = parseLocalHeader('big', out.slice(0, 200), 0, 0)
      assert.deepEqual([x!.compressedBytes, x!.crc32], [dims[0] + 128, local.crc32])
      assert.equal(parseLocalHeader('big', out.slice(y!.headerOffset, 100), 0, y!.headerOffset).crc32, y!.crc32)

      // A storage that has only the kept parts; what is between them is never looked at without verify.
      const port = new IoPort(createWindow(1 << 22))
      const { window } = port
      let bytesRead = 0
      const storage = {
        perform({ op, byteOffset, byteLength }: IoPort['request']): number {
          if (op === 'size') return out.byteLength
          if (op !== 'read') return 1
          const got = Math.max(0, Math.min(byteLength, out.byteLength - byteOffset))
          bytesRead += got
          for (const [offset, bytes] of out.parts)
            if (offset < byteOffset + got && offset + bytes.length > byteOffset)
              window.bytes.set(
                out.slice(Math.max(offset, byteOffset), Math.min(offset + bytes.length, byteOffset + got) - Math.max(offset, byteOffset)),
                Math.max(offset, byteOffset) - byteOffset,
              )
          window.begin = 0
          window.end = got
          return got
        },
      }
      const options = {
        extent: 'file',
        requestBytes: 1 << 22,
        verify: false,
        samplesPerFile: 1,
        elementType: 'uint8',
        keepOpen: false,
      } as const
      assert.equal(runBlocking(npz.sampleReader!(port, options).read('big', 0), storage), out.byteLength)
      assert.equal(bytesRead, out.byteLength)
      const upstream = { ...options, extent: 'upstream' } as const
      assert.equal(runBlocking(npz.sampleReader!(port, upstream).read('big', 0), storage), dims[0] + 128)
    })
})
