import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Command } from 'commander'
import { formatInspection, inspectFile, registerInspect } from '#src/cli/inspect.js'
import { ConfigError, DataError, StorageError } from '#src/errors.js'
import { formatNameOf, formatNames, getFormat } from '#src/formats/index.js'
import { recordedFiles } from './golden.js'
import { noise } from './memory-storage.js'
import { npyFile, npyFileOf, zipFile } from './zip-builder.js'

const folder = mkdtempSync(join(tmpdir(), 'dl-driver-inspect-'))
after(() => rmSync(folder, { recursive: true }))
const put = (name: string, bytes: Uint8Array | string) => {
  writeFileSync(join(folder, name), bytes)
  return join(folder, name)
}

describe('inspect of recorded files', () => {
  for (const format of ['npz', 'tfrecord'])
    for (const { title, path, want } of recordedFiles(format))
      it(`${title}: says what the reference library reads`, async () => {
        const { file, format: named, samples, labels } = await inspectFile(path)
        assert.deepEqual([file, named], [path, format])
        assert.deepEqual(samples, want.samples)
        assert.deepEqual(labels, want.labels)
      })
})

describe('inspect', () => {
  const small = recordedFiles('npz').find(({ title }) => title.startsWith('x02'))!

  it('takes file URIs, and says the file as it was given', async () => {
    const uri = pathToFileURL(small.path).href
    const { file, samples } = await inspectFile(uri)
    assert.equal(file, uri)
    assert.deepEqual(samples, small.want.samples)
  })

  it('finds the format by the first bytes where the name does not tell', async () => {
    const zip = zipFile([{ name: 'x.npy', data: npyFile('uint8', [2, 1], noise(2)) }])
    assert.equal((await inspectFile(put('unnamed', zip))).format, 'npz')
    assert.equal((await inspectFile(put('wrong.dat', zip))).format, 'npz')
    await assert.rejects(inspectFile(put('text.txt', 'hello, this is text')), /text\.txt: is in none of the formats .*npz, hdf5, tfrecord/)
    const none = () => assert.fail('the ending tells')
    for (const [name, format] of [
      ['a.NPZ', 'npz'],
      ['a.h5', 'hdf5'],
      ['a.b.hdf5', 'hdf5'],
      ['x/y.tfrecords', 'tfrecord'],
    ] as const)
      assert.equal(formatNameOf(name, none), format)
    assert.equal(
      formatNameOf('a', () => Buffer.from('\x89HDF\r\n\x1a\n----', 'latin1')),
      'hdf5',
    )
    assert.equal(
      formatNameOf('a', () => Buffer.from('300000000000000095f5d05f', 'hex')),
      'tfrecord',
    )
    assert.equal(
      formatNameOf('a', () => new Uint8Array(0)),
      undefined,
    )
  })

  it('refuses what is not a regular local file, with the reason', async () => {
    const rejects = (file: string, message: RegExp) =>
      assert.rejects(inspectFile(file), (error) => error instanceof StorageError && message.test(error.message))
    await rejects(join(folder, 'absent.npz'), /absent\.npz: cannot open: no such file \(ENOENT\)/)
    await rejects(folder, /cannot open: it is no regular file/)
    await rejects('/dev/zero', /cannot open: it is no regular file/)
    await assert.rejects(inspectFile('http://bucket/a.npz'), /http:\/\/bucket\/a\.npz: unknown scheme http:\/\//)
    await rejects('file://elsewhere/a.npz', /elsewhere\/a\.npz: cannot open: no such file/)
  })

  it('turns every memory order and byte order into C-ordered samples', async () => {
    // Shape (2, 3, 2), elements 0…11 in the file; Fortran order runs through the first axis first, samples are on the last.
    const of = (fortran: boolean, descr: string, data: Uint8Array) =>
      zipFile([
        {
          name: 'x.npy',
          data: npyFileOf(`{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (2, 3, 2), }`, data),
        },
      ])
    const elements = Uint8Array.from({ length: 12 }, (_, i) => i)
    const plain = zipFile(
      [0, 1].map((i) => ({
        name: `${'xy'[i]}.npy`,
        data: npyFile(
          'uint8',
          [2, 3, 1],
          Uint8Array.from([0, 2, 4, 1, 3, 5], (n) => n + 6 * i),
        ),
      })),
    )
    const expected = [(await inspectFile(put('plain.npz', plain))).samples[0], undefined]
    const fortran = await inspectFile(put('f.npz', of(true, '|u1', elements)))
    assert.deepEqual(fortran.samples[0], expected[0])
    const c = await inspectFile(put('c.npz', of(false, '|u1', elements)))
    const even = await inspectFile(
      put('e.npz', zipFile([{ name: 'x.npy', data: npyFile('uint8', [2, 3, 1], Uint8Array.from([0, 2, 4, 6, 8, 10])) }])),
    )
    assert.deepEqual(c.samples[0], even.samples[0])
  })

  it('hashes interleaved samples alike, however pieces cut their elements', async () => {
    // 3 samples of float64 in 700,000 elements: pieces of 262,144 bytes end within elements because of the 183-byte head.
    const data = noise(8 * 3 * 30_000)
    const { samples } = await inspectFile(put('wide.npz', zipFile([{ name: 'x.npy', data: npyFile('float64', [30_000, 3], data) }])))
    for (let i = 0; i < 3; i++) {
      const own = Buffer.concat(Array.from({ length: 30_000 }, (_, k) => data.subarray(8 * (3 * k + i), 8 * (3 * k + i) + 8)))
      const alone = await inspectFile(put('alone.npz', zipFile([{ name: 'x.npy', data: npyFile('float64', [30_000, 1], own) }])))
      assert.deepEqual(samples[i], alone.samples[0])
    }
  })

  it('gives labels of any number type as values that JSON can carry', async () => {
    const labels = async (elementType: string, bytes: Uint8Array, count: number) =>
      (
        await inspectFile(
          put(
            'labels.npz',
            zipFile([
              { name: 'x.npy', data: npyFile('uint8', [1, count], new Uint8Array(count)) },
              { name: 'y.npy', data: npyFile(elementType, [bytes.length / count === 0 ? 0 : count], bytes) },
            ]),
          ),
        )
      ).labels
    assert.deepEqual(await labels('int64', new Uint8Array(new BigInt64Array([-3n, 2n ** 60n]).buffer), 2), [-3, '1152921504606846976'])
    assert.deepEqual(await labels('float32', new Uint8Array(new Float32Array([0.5, Number.NaN]).buffer), 2), [0.5, 'NaN'])
    assert.deepEqual(await labels('bool', Uint8Array.from([0, 1]), 2), [false, true])
    assert.deepEqual(await labels('uint16', Uint8Array.from([1, 2]), 1), [513])
    assert.equal((await inspectFile(put('none.npz', zipFile([{ name: 'x.npy', data: npyFile('uint8', [1, 1], noise(1)) }])))).labels, null)
  })

  it('refuses to list more samples than it can hold in memory, whatever a file of a few bytes claims', async () => {
    const bomb = zipFile([{ name: 'x.npy', data: npyFile('uint8', [1, 5_000_000], new Uint8Array(5_000_000)), method: 8 }])
    await assert.rejects(
      inspectFile(put('many.npz', bomb)),
      (error) => error instanceof DataError && /5000000 samples; inspect lists at most 65536/.test(error.message),
    )
    const turned = npyFileOf("{'descr': '|u1', 'fortran_order': True, 'shape': (100000, 100000, 1), }")
    await assert.rejects(
      inspectFile(
        put(
          'turned.npz',
          zipFile([{ name: 'x.npy', data: turned, says: { compressedBytes: 4_000_000_000, uncompressedBytes: 4_000_000_000 } }]),
        ),
      ),
      DataError,
    )
  })
})

describe('the format table', () => {
  it('gives formats by name and says which there are where one is not', () => {
    for (const name of formatNames) assert.equal(getFormat(name).name, name)
    assert.deepEqual([getFormat('npz').kind, getFormat('tfrecord').kind], ['sample', 'stream'])
    for (const name of ['hdf5_opt', 'constructor'])
      assert.throws(
        () => getFormat(name),
        (error) =>
          error instanceof ConfigError && error.message === `format ${name} cannot be read or written; ${formatNames.join(', ')} can`,
      )
  })
})

describe('inspect command', () => {
  async function run(...args: string[]) {
    const written = { stdout: '', stderr: '' }
    const original = { stdout: process.stdout.write, stderr: process.stderr.write, exitCode: process.exitCode }
    process.exitCode = undefined
    for (const stream of ['stdout', 'stderr'] as const)
      process[stream].write = ((text: string) => {
        written[stream] += text
        return true
      }) as typeof process.stdout.write
    try {
      const program = new Command().exitOverride()
      registerInspect(program)
      await program.parseAsync(['inspect', ...args], { from: 'user' })
      return { ...written, exitCode: process.exitCode as number | undefined }
    } finally {
      process.stdout.write = original.stdout
      process.stderr.write = original.stderr
      process.exitCode = original.exitCode
    }
  }
  const files = recordedFiles('npz')
    .slice(0, 2)
    .map(({ path }) => path)

  it('prints one JSON line per file with --json, and nothing else on stdout', async () => {
    const { stdout, stderr, exitCode } = await run(...files, '--json')
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      lines.map(({ file }) => file),
      files,
    )
    assert.deepEqual(Object.keys(lines[0]), ['file', 'format', 'samples', 'labels'])
    assert.deepEqual([stderr, exitCode], ['', undefined])
  })

  it('goes on behind a bad file, with one line about it on stderr and exit code 1', async () => {
    const bad = put('bad.npz', 'PK\x03\x04')
    const { stdout, stderr, exitCode } = await run(bad, files[0]!, '--json')
    assert.equal(stdout.split('\n').filter(Boolean).length, 1)
    assert.match(stderr, /^dl-driver: .*bad\.npz: is truncated: .*\n$/)
    assert.equal(exitCode, 1)
  })

  it('prints a table for people, at most twelve rows a file', () => {
    const sample = { shape: [2, 3], dtype: '<f4', nbytes: 24, sha256: 'ab' }
    assert.equal(
      formatInspection({ file: 'a.npz', format: 'npz', samples: [sample], labels: [7] }),
      'a.npz: npz, 1 sample\n  sample  shape   dtype  bytes  label  sha256\n  0       (2, 3)  <f4    24     7      ab\n',
    )
    const several = formatInspection({ file: 'a.hdf5', format: 'hdf5', samples: [{ records_0: sample, records_1: sample }], labels: null })
    assert.match(several, /array .*\n {2}0 +records_0 .*\n {2}0 +records_1 /)
    const many = formatInspection({
      file: 'b',
      format: 'tfrecord',
      samples: Array.from({ length: 20 }, (_, i) => ({ offset: i, nbytes: 1, sha256: '' })),
      labels: null,
    })
    assert.match(many, /and 8 more; --json lists all\n$/)
    assert.equal(many.split('\n').length, 1 + 1 + 12 + 1 + 1)
    assert.equal(formatInspection({ file: 'c', format: 'npz', samples: [], labels: null }), 'c: npz, 0 samples\n')
  })
})
