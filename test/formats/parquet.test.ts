import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { ConfigError, DataError } from '#src/errors.js'
import { findGroup, parseFooter } from '#src/formats/parquet/footer.js'
import { parquet } from '#src/formats/parquet/index.js'
import { pythonHex } from '#src/formats/parquet/python-hex.js'
import { encodeStruct, type ThriftField, ThriftReader } from '#src/formats/parquet/thrift.js'
import type { FileSpec, ParquetSpec } from '#src/formats/types.js'
import { assertSurvives, damaged, optionsOf, readSamples } from './damage.js'
import { recordedFiles } from './golden.js'
import { harness, MemoryOutput, noise } from './memory-storage.js'

const folder = mkdtempSync(join(tmpdir(), 'dl-driver-parquet-'))
after(() => rmSync(folder, { recursive: true }))

const spec: FileSpec = {
  dims: [4, 5],
  samples: 10,
  elementType: 'uint8',
  compression: 'none',
  compressionLevel: 4,
  hdf5: { chunkDims: [], maxShape: [], numDsetPerRecord: 1 },
}
const settings = (over: Partial<ParquetSpec> = {}): ParquetSpec => ({
  columns: [],
  rowGroupSize: 4,
  generationBatchSize: 0,
  partitionBy: null,
  ...over,
})

/** Content without end. */
function content(pieceBytes = 1 << 16, seed = 1) {
  return { preferredBytes: pieceBytes, next: (maxBytes: number) => noise(Math.min(maxBytes, pieceBytes), seed++) }
}

function written(over: Partial<FileSpec> = {}, pieceBytes?: number): Uint8Array {
  const out = new MemoryOutput()
  parquet.writer!.write({ ...spec, parquet: settings(), ...over }, content(pieceBytes), out, () =>
    assert.fail('parquet has no file beside it'),
  )
  return out.bytes
}

/** Footer of a file, and where it begins. */
function footerOf(file: Uint8Array) {
  const length = Buffer.from(file).readUInt32LE(file.length - 8)
  const begin = file.length - 8 - length
  return { begin, footer: parseFooter('f', file.subarray(begin, -8), begin) }
}

async function inspected(file: Uint8Array) {
  const path = join(folder, 'a.parquet')
  writeFileSync(path, file)
  return (await parquet.inspect(path)).samples as Record<string, Record<string, unknown>>[]
}

const everyType: ParquetSpec['columns'] = [
  ...['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'uint64', 'int64', 'float16', 'float32', 'float64'].flatMap((dtype) => [
    { name: dtype, dtype, size: 1 },
    { name: `${dtype}s`, dtype, size: 3 },
  ]),
  { name: 'list', dtype: 'list', size: 1 },
  { name: 'unknown', dtype: 'what', size: 2 },
  { name: 'binary', dtype: 'binary', size: 7 },
  { name: 'bool', dtype: 'bool', size: 1 },
]

describe('parquet files of DLIO', () => {
  for (const { title, path, want } of recordedFiles('parquet')) {
    const recorded = readFileSync(path)
    const golden = want as unknown as {
      row_groups: {
        num_rows: number
        columns: {
          path: string
          dictionary_page_offset: number | null
          data_page_offset: number
          total_compressed_size: number
          num_values: number
        }[]
      }[]
    }
    const samplesPerFile = want.samples.length
    it(`${title}: inspect says what pyarrow reads`, async () => {
      const { samples, labels } = await parquet.inspect(path)
      assert.deepEqual(samples, want.samples)
      assert.equal(labels, null)
    })
    it(`${title}: the footer has the row groups and columns that pyarrow sees`, () => {
      const { footer } = footerOf(recorded)
      assert.equal(footer.rows, samplesPerFile)
      assert.deepEqual(
        footer.groups.map(({ rows, columns }) => [
          rows,
          columns.map(({ path, begin, byteLength, values }) => [path.join('.'), begin, byteLength, values]),
        ]),
        golden.row_groups.map(({ num_rows, columns }) => [
          num_rows,
          columns.map((c) => [c.path, c.dictionary_page_offset ?? c.data_page_offset, c.total_compressed_size, c.num_values]),
        ]),
      )
    })
    it(`${title}: each row group is read once, from its first column to its last`, () => {
      for (const verify of [false, true]) {
        const { storage, bytes } = readSamples(
          parquet,
          { f: recorded },
          { verify, samplesPerFile },
          Array.from({ length: samplesPerFile }, (_, i) => i),
        )
        const ranges = golden.row_groups.map(({ columns }) => {
          const [first, last] = [columns[0]!, columns.at(-1)!]
          const begin = first.dictionary_page_offset ?? first.data_page_offset
          return [begin, (last.dictionary_page_offset ?? last.data_page_offset) + last.total_compressed_size - begin] as const
        })
        assert.deepEqual(
          storage.log.slice(1).map(([offset, asked]) => [offset, asked]),
          ranges,
        )
        assert.deepEqual([storage.opens, storage.sizes], [1 + ranges.length, 1])
        assert.deepEqual(
          bytes.filter((count) => count > 0),
          ranges.map(([, length]) => length),
        )
      }
    })
  }
})

describe('parquet reader', () => {
  const file = written()
  const { footer } = footerOf(file)

  it('reads the footer with each walk through a file, and with random access once', () => {
    const twice = [...Array(10).keys(), ...Array(10).keys()]
    const walks = readSamples(parquet, { f: file }, { samplesPerFile: 10 }, twice)
    assert.deepEqual([walks.storage.sizes, walks.storage.opens], [2, 2 * (1 + 3)])
    const random = readSamples(parquet, { f: file }, { samplesPerFile: 10, extent: 'sample' }, [9, 0, 5, 6, 0])
    assert.deepEqual([random.storage.sizes, random.storage.opens], [1, 1 + 4])
    assert.equal(random.bytes[3], 0)
  })

  it('reads a row group again where a walk begins anew, also if it is the only one', () => {
    const one = written({ samples: 3 })
    const { bytes } = readSamples(parquet, { f: one }, { samplesPerFile: 3 }, [0, 1, 2, 0, 1, 2])
    assert.deepEqual(
      bytes.map((count) => count > 0),
      [true, false, false, true, false, false],
    )
  })

  it('reads the last 64 KiB first, and a longer footer from its beginning', () => {
    const many = written({ samples: 2000, parquet: settings({ rowGroupSize: 1 }) })
    const { begin } = footerOf(many)
    assert.ok(many.length - begin > 65_536)
    const { storage } = readSamples(parquet, { f: many }, { samplesPerFile: 2000, requestBytes: 1 << 20 }, [1999])
    assert.deepEqual(
      storage.log.slice(0, 2).map(([offset, asked]) => [offset, asked]),
      [
        [many.length - 65_536, 65_536],
        [begin, many.length - begin],
      ],
    )
  })

  it('reads only from the first to the last of the columns that are asked for', () => {
    const columns = [
      { name: 'a', dtype: 'int64', size: 2 },
      { name: 'b', dtype: 'float32', size: 1 },
      { name: 'c', dtype: 'binary', size: 9 },
    ]
    const own = written({ parquet: settings({ columns }) })
    const [a, b] = footerOf(own).footer.groups[0]!.columns
    for (const verify of [false, true]) {
      const read = (names: string[]) => readSamples(parquet, { f: own }, { samplesPerFile: 10, columns: names, verify }).bytes[0]
      assert.equal(read(['b']), b!.byteLength)
      assert.equal(read(['b', 'a']), a!.byteLength + b!.byteLength)
      assert.throws(() => read(['z']), /has none of the columns z of storage_options\.columns; it has a, b, c/)
    }
  })

  it('says what is wrong, with the numbers', () => {
    const fails = (bytes: Uint8Array, message: RegExp, over = {}) =>
      assert.throws(
        () => readSamples(parquet, { f: bytes }, { samplesPerFile: 10, ...over }, [9]),
        (error) => error instanceof DataError && message.test(error.message),
      )
    fails(new Uint8Array(0), /f: is empty/)
    fails(file.subarray(0, 10), /has 10 bytes, less than any Parquet file/)
    fails(file.subarray(0, -1), /does not end with PAR1 but with 0x..504152: truncated, or no Parquet file/)
    fails(Buffer.concat([file.subarray(0, -4), Buffer.from('PARE')]), /has an encrypted footer/)
    fails(Buffer.concat([file.subarray(0, -8), Buffer.from('ffffff7f50415231', 'hex')]), /says that its footer has 2147483647 bytes/)
    // Without its data the footer points beyond the file.
    fails(file.subarray(footerOf(file).begin - 20), /column 0 of row group 0 is bytes \[4, \d+\), beyond the data before byte 20/)
    fails(file, /holds 10 rows; the configuration says num_samples_per_file 11/, { samplesPerFile: 11 })
    const broken = file.slice()
    broken[footer.groups[2]!.columns[0]!.begin + 1] = 0x55
    assert.ok(readSamples(parquet, { f: broken }, { samplesPerFile: 10 }, [9]).bytes[0]! > 0)
    fails(broken, /column data\.list\.element has a page|has metadata that cannot be read/, { verify: true })
  })

  it('with verify decodes the values', () => {
    const bad = file.slice()
    // The width of the indices, which follows the levels in the data page of the last row group.
    const { begin, byteLength } = footer.groups[2]!.columns[0]!
    const at = Buffer.from(bad).indexOf(Buffer.from([8, 2 * 5 + 1]), begin + 1024)
    assert.ok(at > begin && at < begin + byteLength)
    bad[at] = 40
    bad[at + 1] = 0xff
    assert.throws(
      () => readSamples(parquet, { f: bad }, { samplesPerFile: 10, verify: true }, [9]),
      (error) => error instanceof DataError && /f: row group 2 cannot be decoded: /.test(error.message),
    )
  })

  it('finds the row group of every row', () => {
    const groups = [0, 4, 8].map((firstRow) => ({ firstRow, rows: firstRow === 8 ? 2 : 4, columns: [] }))
    for (let row = 0; row < 10; row++) assert.equal(findGroup({ rows: 10, groups }, row), Math.floor(row / 4))
  })

  it('survives damage of every kind', { timeout: 600_000 }, () => {
    assertSurvives(parquet, written({ dims: [3, 3] }), { samplesPerFile: 10, requestBytes: 300 })
  })

  it('inspect survives damage', { timeout: 600_000 }, async () => {
    const small = written({ dims: [2, 2], samples: 2 })
    for (const { what, bytes } of damaged(small, 12)) {
      if (/^cut to [1-9]/.test(what)) continue
      await inspected(bytes).catch((error: unknown) => assert.ok(error instanceof DataError, `${what}: ${String((error as Error).stack)}`))
    }
  })

  it('releases what it knows of a file', () => {
    const h = harness({ f: file }, 262_144)
    const reader = parquet.sampleReader!(h.port, optionsOf({ samplesPerFile: 10 }))
    h.run(reader.read('f', 5))
    h.run(reader.release('f'))
    h.run(reader.read('f', 6))
    assert.deepEqual([h.storage.sizes, h.storage.opens], [2, 4])
  })
})

describe('parquet writer', () => {
  it('announces the exact size, for every type, length of list and number of rows', () => {
    for (const columns of [[], everyType, everyType.slice(3, 9)])
      for (const [samples, rowGroupSize, generationBatchSize] of [
        [10, 4, 0],
        [13, 4, 8],
        [9, 4, 6],
        [1, 1024, 0],
        [3000, 1024, 0],
      ] as const)
        for (const dims of [[4, 5], [1, 1], [1, 2], [700]]) {
          if (columns.length > 0 && dims.length === 2 && dims[0] === 1) continue
          const own = { ...spec, dims, samples, parquet: settings({ columns, rowGroupSize, generationBatchSize }) }
          assert.equal(parquet.writer!.sizeBytes(own), written(own, 1000).length, `${samples} rows, ${dims}`)
        }
  })

  it('makes the row groups that DLIO’s writes make', () => {
    const groups = (samples: number, rowGroupSize: number, generationBatchSize: number) =>
      footerOf(written({ samples, parquet: settings({ rowGroupSize, generationBatchSize }) })).footer.groups.map(({ rows }) => rows)
    assert.deepEqual(groups(10, 4, 0), [4, 4, 2])
    assert.deepEqual(groups(13, 4, 8), [4, 4, 4, 1])
    assert.deepEqual(groups(13, 4, 6), [4, 2, 4, 2, 1])
  })

  it('cuts pages of a megabyte at rows, and decodes to as many rows', async () => {
    const own = written({ dims: [400_000], samples: 5 })
    const rows = await inspected(own)
    assert.deepEqual(
      rows.map(({ data }) => data!.nbytes),
      new Array(5).fill(400_000),
    )
    // Two rows a page: row groups of 4 and 1 rows have pages of 2, 2 and 1.
    assert.equal(
      Buffer.from(own)
        .toString('latin1')
        .split(Buffer.from([8]).toString('latin1')).length > 3,
      true,
    )
    assert.deepEqual(
      readSamples(parquet, { f: own }, { samplesPerFile: 5, verify: true }, [0, 4]).bytes.map((count) => count > 0),
      [true, true],
    )
  })

  it('writes every type so that it reads back in its shape', async () => {
    const rows = await inspected(
      written({ samples: 5, parquet: settings({ columns: [...everyType, { name: 'text', dtype: 'string', size: 1 }] }) }),
    )
    assert.equal(rows.length, 5)
    const descr: Record<string, string> = {
      uint8: '|u1',
      int8: '|i1',
      uint16: '<u2',
      int16: '<i2',
      uint32: '<u4',
      int32: '<i4',
      uint64: '<u8',
      int64: '<i8',
      float16: '<f2',
      float32: '<f4',
      float64: '<f8',
    }
    for (const row of rows) {
      for (const [name, dtype] of Object.entries(descr)) {
        const bytes = Number(dtype.slice(2))
        assert.deepEqual({ ...row[`${name}s`], sha256: '' }, { shape: [3], dtype, nbytes: 3 * bytes, sha256: '' }, name)
        assert.ok('value' in row[name]!, name)
        assert.equal('hex' in row[name]!, dtype.includes('f'), name)
      }
      assert.deepEqual([row.list!.shape, row.list!.dtype, row.unknown!.shape, row.unknown!.dtype], [[1], '<f4', [2], '<f4'])
      assert.equal(row.binary!.nbytes, 7)
      assert.equal(typeof row.bool!.value, 'boolean')
      assert.match(String(row.text!.value), /^s_\d+$/)
      assert.ok((row.int8!.value as number) >= -128 && (row.uint16!.value as number) >= 0)
    }
    assert.equal(new Set(rows.map((row) => row.uint64s!.sha256)).size, 5)
    assert.equal(
      parquet.writer!.sizeBytes({ ...spec, parquet: settings({ columns: [{ name: 'text', dtype: 'string', size: 1 }] }) }),
      undefined,
    )
  })

  it('refuses what a file cannot be', () => {
    const refused = (over: Partial<FileSpec>, message: RegExp) =>
      assert.throws(
        () => parquet.writer!.sizeBytes({ ...spec, parquet: settings(), ...over }),
        (error) => error instanceof ConfigError && message.test(error.message),
      )
    refused({ dims: [2 ** 20, 2 ** 20] }, /lists have 1 to 2\^28 values/)
    refused({ samples: 1.5 }, /impossible numbers/)
    refused({ parquet: settings({ partitionBy: 'a' }) }, /partition_by: a: DLIO then writes folders/)
    refused({ parquet: settings({ columns: [everyType[0]!, everyType[0]!] }) }, /two columns are called uint8/)
  })
})

describe('thrift', () => {
  it('gives back what was written', () => {
    const fields: readonly ThriftField[] = [
      [1, 'i32', -5],
      [2, 'i64', 2 ** 52 + 1],
      [4, 'bool', true],
      [5, 'bool', false],
      [6, 'byte', 200],
      [20, 'text', 'é'],
      [21, 'struct', [[1, 'i32', 1]]],
      [22, 'i32s', [0, -1, 300]],
      [40, 'texts', Array.from({ length: 20 }, (_, i) => String(i))],
      [41, 'structs', [[[3, 'i32', 7]], []]],
    ]
    const value = new ThriftReader('f', encodeStruct(fields), 0).struct()
    assert.deepEqual([value.get(1), value.get(2), value.get(4), value.get(5), value.get(6)], [-5, 2 ** 52 + 1, true, false, -56])
    assert.equal(Buffer.from(value.get(20) as Uint8Array).toString(), 'é')
    assert.deepEqual(value.get(21), new Map([[1, 1]]))
    assert.deepEqual(value.get(22), [0, -1, 300])
    assert.deepEqual(
      (value.get(40) as Uint8Array[]).map((text) => Buffer.from(text).toString()),
      fields[8]![2],
    )
    assert.deepEqual(value.get(41), [new Map([[3, 7]]), new Map()])
  })

  it('believes no length: lists, texts and depths beyond the bytes there are end in an error', () => {
    const fails = (hex: string, message: RegExp) =>
      assert.throws(
        () => new ThriftReader('f', Buffer.from(hex, 'hex'), 100).struct(),
        (error) => error instanceof DataError && message.test(error.message),
      )
    fails('19f1ffffffff0f', /a list claims 4294967295 elements \(at byte 107\)/)
    fails('18ffffffff0f', /a text claims 4294967295 bytes/)
    fails('1c'.repeat(40), /nested more than 16 deep/)
    fails(`15${'ff'.repeat(12)}`, /more than ten bytes/)
    fails('15', /ends within a structure/)
    fails('1b00', /a field has type 11/)
    fails('17000000', /ends within a number/)
  })
})

describe('pythonHex', () => {
  it('writes doubles as float.hex does', () => {
    // From Python 3.11.
    const values: [number, string][] = [
      [3, '0x1.8000000000000p+1'],
      [-0.1, '-0x1.999999999999ap-4'],
      [0, '0x0.0p+0'],
      [-0, '-0x0.0p+0'],
      [5e-324, '0x0.0000000000001p-1022'],
      [1.7976931348623157e308, '0x1.fffffffffffffp+1023'],
      [Number.POSITIVE_INFINITY, 'inf'],
      [Number.NEGATIVE_INFINITY, '-inf'],
      [Number.NaN, 'nan'],
    ]
    for (const [value, text] of values) assert.equal(pythonHex(value), text)
  })
})
