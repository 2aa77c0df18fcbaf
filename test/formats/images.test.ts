import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { crc32, deflateSync, inflateSync } from 'node:zlib'
import { ConfigError, DataError } from '#src/errors.js'
import { jpeg } from '#src/formats/jpeg/index.js'
import { png } from '#src/formats/png/index.js'
import type { ArrayInfo, FileSpec, Format } from '#src/formats/types.js'
import { assertInspectSurvives, assertSurvives, optionsOf, readSamples } from './damage.js'
import { recordedFiles } from './golden.js'
import { contentOf, harness, MemoryOutput, noise } from './memory-storage.js'

const folder = mkdtempSync(join(tmpdir(), 'dl-driver-images-'))
after(() => rmSync(folder, { recursive: true }))

const spec: FileSpec = {
  dims: [60, 90],
  samples: 1,
  elementType: 'uint8',
  compression: 'none',
  compressionLevel: 4,
  hdf5: { chunkDims: [], maxShape: [], numDsetPerRecord: 1 },
}

async function written(format: Format, over: Partial<FileSpec> = {}, pixels = noise(spec.dims[0]! * spec.dims[1]!)): Promise<Uint8Array> {
  const out = new MemoryOutput()
  await format.writer!.write({ ...spec, ...over }, contentOf(pixels, 1000), out, () => assert.fail('there is no file beside an image'))
  return out.bytes
}

async function inspected(format: Format, bytes: Uint8Array): Promise<ArrayInfo> {
  const path = join(folder, `a.${format.name}`)
  writeFileSync(path, bytes)
  const { samples } = await format.inspect(path)
  assert.equal(samples.length, 1)
  return samples[0] as ArrayInfo
}

const chunk = (type: string, data: Uint8Array) => {
  const bytes = Buffer.alloc(12 + data.length)
  bytes.writeUInt32BE(data.length, 0)
  bytes.write(type, 4, 'latin1')
  bytes.set(data, 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length)
  return bytes
}
const header = (width: number, height: number, depth = 8, colourType = 0, interlace = 0) => {
  const bytes = Buffer.alloc(13)
  bytes.writeUInt32BE(width, 0)
  bytes.writeUInt32BE(height, 4)
  bytes.set([depth, colourType, 0, 0, interlace], 8)
  return chunk('IHDR', bytes)
}
const pngFile = (...chunks: Uint8Array[]) => Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...chunks])

for (const format of [jpeg, png])
  describe(`${format.name} files`, () => {
    for (const { title, path, want } of recordedFiles(format.name)) {
      const recorded = readFileSync(path)
      const isImage = (want as unknown as { image: unknown }).image !== null
      it(`${title}: inspect says what Pillow decodes`, async () => {
        const { samples, labels } = await format.inspect(path)
        assert.deepEqual(samples, want.samples)
        assert.equal(labels, null)
      })
      it(`${title}: ${isImage ? 'is read whole in every extent' : 'are raw bytes, which upstream refuses'}`, () => {
        for (const extent of ['file', 'upstream', 'sample'] as const)
          for (const verify of [false, true])
            for (const requestBytes of [4096, 262_144]) {
              const read = () => readSamples(format, { f: recorded }, { extent, verify, requestBytes, samplesPerFile: 2 }, [0, 1])
              if (!isImage && extent === 'upstream') assert.throws(read, /begins with .*Pillow, and so upstream DLIO, cannot read it/)
              else assert.deepEqual(read().bytes, [recorded.length, recorded.length])
            }
      })
    }

    it('are read in whole requests, once each, without an empty one behind a short one', async () => {
      const file = await written(format, { dims: [500, 500] }, noise(250_000))
      const { storage } = readSamples(format, { f: file }, { requestBytes: 65_536 })
      assert.equal(storage.bytesRead, file.length)
      assert.deepEqual([storage.reads, storage.emptyReads], [Math.ceil(file.length / 65_536), 0])
    })

    it('stay decoded where upstream keeps files open', async () => {
      const h = harness({ f: await written(format) }, 262_144)
      const reader = format.sampleReader!(h.port, optionsOf({ extent: 'upstream', keepOpen: true }))
      h.run(reader.read('f', 0))
      assert.deepEqual([h.run(reader.read('f', 0)), h.storage.opens], [0, 1])
      h.run(reader.release('f'))
      assert.ok(h.run(reader.read('f', 0)) > 0)
    })

    it('are written as MLCommons’ DLIO does: the pixels alone', async () => {
      const pixels = noise(5400)
      assert.deepEqual(await written(format, { rawImages: true }, pixels), pixels)
      assert.equal(format.writer!.sizeBytes({ ...spec, rawImages: true }), 5400)
    })

    it('that are raw must have the configured size, where it is known', () => {
      assert.deepEqual(readSamples(format, { f: noise(5400) }, { sampleBytes: 5400 }).bytes, [5400])
      assert.throws(
        () => readSamples(format, { f: noise(5399) }, { sampleBytes: 5400 }),
        (error) =>
          error instanceof DataError &&
          /is not the 5400 raw bytes that MLCommons' generator writes either: it has 5399/.test(error.message),
      )
      // Noise that begins like an image by chance.
      const lookalike = noise(5400)
      lookalike.set(format === jpeg ? [0xff, 0xd8, 0xff] : Buffer.from('89504e470d0a1a0a', 'hex'))
      for (const verify of [false, true])
        assert.deepEqual(readSamples(format, { f: lookalike }, { sampleBytes: 5400, verify }).bytes, [5400])
      assert.throws(() => readSamples(format, { f: lookalike }, { extent: 'upstream', sampleBytes: 5400 }), DataError)
    })

    it('of impossible sizes are refused', () => {
      const refused = (dims: number[], message: RegExp) =>
        assert.throws(
          () => format.writer!.sizeBytes({ ...spec, dims }),
          (error) => error instanceof ConfigError && message.test(error.message),
        )
      refused([100], /holds 2 dimensions/)
      refused([4, 4, 3], /record_dims \[4, 4, 3\]: a (jpeg|png) file holds 2 dimensions, \[height, width\]/)
      refused([2 ** 31, 4], /each side is 1 to/)
    })

    it('survive damage of every kind', { timeout: 600_000 }, async () => {
      const file = await written(format, { dims: [12, 20] }, noise(240))
      assertSurvives(format, file, { requestBytes: 64 })
      await assertInspectSurvives(format, file, `a.${format.name}`)
    })

    it('cut off anywhere are found, decoded or not', async () => {
      const file = await written(format, { dims: [12, 20] }, noise(240))
      for (let length = 0; length < file.length; length++)
        for (const verify of [false, true])
          assert.throws(
            () => readSamples(format, { f: file.subarray(0, length) }, { extent: 'upstream', verify, requestBytes: 4096 }),
            DataError,
            `${length} of ${file.length} bytes`,
          )
    })
  })

describe('jpeg', () => {
  it('is written as Pillow does: JFIF, baseline, one component, quality 75', async () => {
    const file = Buffer.from(await written(jpeg, { dims: [500, 500] }, noise(250_000)))
    assert.equal(file.subarray(0, 20).toString('hex'), 'ffd8ffe000104a46494600010100000100010000')
    assert.equal(file.subarray(-2).toString('hex'), 'ffd9')
    // Frame: 8 bits, height, width, one component without subsampling.
    assert.ok(file.includes(Buffer.from('ffc0000b0801f401f401011100', 'hex')))
    // First entries of the standard luminance table at quality 75, in zigzag order.
    assert.ok(file.includes(Buffer.from('080606070605080707070909080a0c14', 'hex')))
    assert.ok(file.length / 250_000 > 0.56 && file.length / 250_000 < 0.57, `${file.length} bytes`)
    assert.deepEqual((await inspected(jpeg, file)).shape, [500, 500])
    assert.equal(jpeg.writer!.sizeBytes(spec), undefined)
  })

  it('with verify is decoded, and damage in its coded data is found', async () => {
    const file = Buffer.from(await written(jpeg))
    // A marker that belongs to no place within the data.
    file.set([0xff, 0xc4], file.length >> 1)
    assert.equal(readSamples(jpeg, { f: file }).bytes[0], file.length)
    assert.throws(
      () => readSamples(jpeg, { f: file }, { verify: true, extent: 'upstream' }),
      (error) => error instanceof DataError && /f: cannot be decoded: /.test(error.message),
    )
  })

  it('may have bytes behind its end, and any number of segments before its image', async () => {
    const file = Buffer.from(await written(jpeg))
    const comment = Buffer.concat([Buffer.from('ffffffe1ffff', 'hex'), noise(65_533)])
    const long = Buffer.concat([file.subarray(0, 2), comment, comment, file.subarray(2), Buffer.alloc(3000)])
    for (const verify of [false, true])
      for (const requestBytes of [4096, 262_144])
        assert.deepEqual(readSamples(jpeg, { f: long }, { extent: 'upstream', verify, requestBytes }).bytes, [long.length])
  })

  it('says where its framing breaks', async () => {
    const file = Buffer.from(await written(jpeg))
    const fails = (bytes: Uint8Array, message: RegExp) =>
      assert.throws(() => readSamples(jpeg, { f: bytes }, { extent: 'upstream' }), message)
    fails(file.subarray(0, -2), /is truncated: there is no end marker ffd9/)
    fails(Buffer.from('ffd8ffd9', 'hex'), /has no image before its marker ffd9/)
    fails(Buffer.from('ffd8ffe00001', 'hex'), /segment ffe0 has 1 bytes/)
    fails(Buffer.from('ffd8ffda0002ffd9', 'hex'), /begins its coded data before any frame header/)
    fails(Buffer.from('ffd8ffe0000200', 'hex'), /0x00 where a marker is due/)
    fails(Buffer.from('ffd8ffc0000b080000000101011100', 'hex'), /a frame of 0 × 1 pixels/)
    fails(Buffer.from('ffd8ffc0000b080001000102011100', 'hex'), /frame header of 11 bytes for 2 components/)
  })
})

describe('png', () => {
  it('is written grey, of 8 bits, in chunks of 64 KiB, with the size that was announced', async () => {
    for (const dims of [
      [1, 1],
      [64, 64],
      [256, 255],
      [300, 700],
    ]) {
      const pixels = noise(dims[0]! * dims[1]!)
      const file = Buffer.from(await written(png, { dims }, pixels))
      assert.equal(png.writer!.sizeBytes({ ...spec, dims }), file.length)
      assert.deepEqual((await inspected(png, file)).shape, dims)
      const data: Buffer[] = []
      for (let at = 8; at < file.length; at += 12 + file.readUInt32BE(at)) {
        const length = file.readUInt32BE(at)
        assert.ok(length <= 65_536)
        assert.equal(crc32(file.subarray(at + 4, at + 8 + length)), file.readUInt32BE(at + 8 + length))
        if (file.toString('latin1', at + 4, at + 8) === 'IDAT') data.push(file.subarray(at + 8, at + 8 + length))
      }
      // zlib checks the Adler-32 of what it inflates.
      const rows = inflateSync(Buffer.concat(data))
      for (let row = 0; row < dims[0]!; row++)
        assert.equal(
          Buffer.compare(
            rows.subarray(row * (dims[1]! + 1) + 1, (row + 1) * (dims[1]! + 1)),
            pixels.subarray(row * dims[1]!, (row + 1) * dims[1]!),
          ),
          0,
        )
    }
    // Pillow's file of 64 × 64 has 4228 bytes, of 500 × 500 of noise 250,845.
    assert.equal(png.writer!.sizeBytes({ ...spec, dims: [64, 64] }), 4228)
    assert.ok(Math.abs(png.writer!.sizeBytes({ ...spec, dims: [500, 500] })! - 250_845) < 300)
  })

  it('says where its framing breaks, and with verify what is damaged', async () => {
    const file = Buffer.from(await written(png))
    const fails = (bytes: Uint8Array, message: RegExp, verify = false) =>
      assert.throws(
        () => readSamples(png, { f: bytes }, { extent: 'upstream', verify }),
        (error) => error instanceof DataError && message.test(error.message),
      )
    const end = chunk('IEND', new Uint8Array(0))
    const image = (rows: Uint8Array) => chunk('IDAT', deflateSync(rows))
    fails(file.subarray(0, -12), /is truncated: it ends within a chunk/)
    fails(pngFile(end), /has chunk IEND where IHDR/)
    fails(pngFile(header(4, 4), end), /has no chunk IDAT/)
    fails(pngFile(header(4, 4), header(4, 4), end), /has chunk IHDR where IHDR, once and first, is due/)
    fails(pngFile(header(0, 4), end), /an image of 4 × 0 pixels/)
    fails(pngFile(header(4, 4, 3), end), /colour type 0 and bit depth 3/)
    fails(pngFile(header(4, 4, 8, 5), end), /colour type 5/)
    const flipped = Buffer.from(file)
    flipped[100]! ^= 1
    assert.equal(readSamples(png, { f: flipped }).bytes[0], file.length)
    fails(flipped, /chunk IDAT has CRC-32 0x[0-9a-f]+ where 0x[0-9a-f]+ is recorded/, true)
    fails(pngFile(header(4, 4), image(new Uint8Array(19)), end), /image data of 19 bytes where its image takes 20/, true)
    fails(pngFile(header(4, 4), image(new Uint8Array(1 << 20)), end), /inflate to more than the 20 bytes/, true)
    fails(pngFile(header(4, 4), image(Uint8Array.of(9, ...new Uint8Array(19))), end), /row 0 filtered by method 9/, true)
    fails(
      pngFile(header(100_000, 100_000), image(new Uint8Array(8)), end),
      /says 100000 × 100000 pixels, which \d+ bytes of image data cannot hold/,
      true,
    )
  })

  it('is decoded with every filter', async () => {
    // One row for each filter; 7 pixels of 3 channels. What they must give is worked out by the specification's formulas, row by row.
    const pixels = Array.from({ length: 5 }, (_, row) => noise(21, row + 1))
    const paeth = (a: number, b: number, c: number) => {
      const p = a + b - c
      const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)]
      return pa <= pb && pa <= pc ? a : pb <= pc ? b : c
    }
    const rows = pixels.flatMap((row, filter) => {
      const at = (from: Uint8Array | undefined, i: number) => (from === undefined || i < 0 ? 0 : from[i]!)
      const before = pixels[filter - 1]
      return [
        filter,
        ...row.map((value, i) => {
          const [a, b, c] = [at(row, i - 3), at(before, i), at(before, i - 3)]
          return (value - [0, a, b, (a + b) >> 1, paeth(a, b, c)][filter]!) & 255
        }),
      ]
    })
    const file = pngFile(header(7, 5, 8, 2), chunk('IDAT', deflateSync(Uint8Array.from(rows))), chunk('IEND', new Uint8Array(0)))
    const plain = pngFile(
      header(7, 5, 8, 2),
      chunk('IDAT', deflateSync(Buffer.concat(pixels.flatMap((row) => [Uint8Array.of(0), row])))),
      chunk('IEND', new Uint8Array(0)),
    )
    assert.deepEqual(await inspected(png, file), await inspected(png, plain))
    assert.deepEqual((await inspected(png, file)).shape, [5, 7, 3])
  })

  it('that inspect cannot show is still read and verified', async () => {
    // Interlaced: seven passes; 4 × 4 pixels of one bit.
    const passes = [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ]
    const interlaced = pngFile(
      header(4, 4, 1, 0, 1),
      chunk('IDAT', deflateSync(Uint8Array.from(passes.flat()))),
      chunk('IEND', new Uint8Array(0)),
    )
    assert.equal(readSamples(png, { f: interlaced }, { verify: true }).bytes[0], interlaced.length)
    await assert.rejects(inspected(png, interlaced), /is interlaced; only grey and colour images of 8 bits/)
  })
})
