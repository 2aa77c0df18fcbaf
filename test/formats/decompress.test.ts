import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { DataError } from '#src/errors.js'
import { bunzip2 } from '#src/formats/decompress/bzip2.js'
import { decompress } from '#src/formats/decompress/index.js'
import { unxz } from '#src/formats/decompress/xz.js'
import { damaged } from './damage.js'
import { noise } from './memory-storage.js'
import { zipFile } from './zip-builder.js'

const folder = fileURLToPath(new URL('../../../test/golden/compressed/', import.meta.url))
const expected = JSON.parse(readFileSync(`${folder}expected.json`, 'utf8')) as Record<string, { bytes: number; sha256: string }>
const limit = 2 ** 22

const decoderOf = (name: string) => (name.endsWith('.xz') ? unxz : bunzip2)

describe('decompression', () => {
  for (const [name, want] of Object.entries(expected)) {
    const file = readFileSync(folder + name)
    const decode = decoderOf(name)
    it(`${name}: gives back what the program was given`, () => {
      const bytes = decode('f', file, limit)
      assert.equal(bytes.length, want.bytes)
      assert.equal(createHash('sha256').update(bytes).digest('hex'), want.sha256)
    })
    it(`${name}: more than is allowed is a DataError`, () => {
      assert.throws(() => decode('f', file, want.bytes - 1), /f: cannot be decompressed: more than \d+ bytes come out/)
    })
    it(`${name}: damage is a DataError, or goes unnoticed where nothing checks the bytes`, () => {
      let found = 0
      for (const { what, bytes } of damaged(file, 60))
        try {
          decode('f', bytes, limit)
        } catch (error) {
          assert.ok(error instanceof DataError && error.message.startsWith('f: '), `${what}: ${String((error as Error).stack)}`)
          found++
        }
      assert.ok(found > 60)
    })
  }

  const text = Buffer.from('1,2,3\n'.repeat(1000))
  const both = { gzip: gzipSync(text), zip: zipFile([{ name: 'a.csv', data: text, method: 8 }]) } as const
  for (const [compression, file] of Object.entries(both) as [keyof typeof both, Uint8Array][])
    it(`${compression}: gives back the text; damage is a DataError`, () => {
      assert.equal(Buffer.compare(decompress('f', compression, file), text), 0)
      for (const { what, bytes } of damaged(file, 200))
        try {
          decompress('f', compression, bytes)
        } catch (error) {
          assert.ok(error instanceof DataError, `${what}: ${String((error as Error).stack)}`)
        }
    })

  it('zip: one member, stored or deflated, whose checksum fits', () => {
    const stored = zipFile([{ name: 'a.csv', data: text }])
    assert.equal(Buffer.compare(decompress('f', 'zip', stored), text), 0)
    const fails = (file: Uint8Array, message: RegExp) =>
      assert.throws(
        () => decompress('f', 'zip', file),
        (error) => error instanceof DataError && message.test(error.message),
      )
    fails(
      zipFile([
        { name: 'a', data: text },
        { name: 'b', data: text },
      ]),
      /is a zip archive of 2 members; pandas reads one/,
    )
    fails(zipFile([{ name: 'a', data: text, says: { crc32: 1 } }]), /does not have the size or the CRC-32/)
    fails(noise(100), /no end of a zip archive/)
  })
})
