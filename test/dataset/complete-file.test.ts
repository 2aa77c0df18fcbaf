import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { CompleteFile, temporaryPath } from '#src/dataset/complete-file.js'
import { RandomContent } from '#src/dataset/content/source.js'

const scratch = mkdtempSync(join(tmpdir(), 'complete-file-'))
after(() => rmSync(scratch, { recursive: true }))

test('whatever the sizes of pieces and the places of patches, the file holds what was appended with the patches applied', () => {
  const size = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 16_000, max: 70_000 }))
  const step = fc.record({ append: size, patchAt: fc.nat(1000), patchLength: fc.nat(40) })
  const file = new CompleteFile(new Uint8Array(65_536), () => {})
  const path = join(scratch, 'any')
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      let expected = Buffer.alloc(0)
      file.open(path)
      for (const [i, { append, patchAt, patchLength }] of steps.entries()) {
        const piece = Buffer.alloc(append, i + 1)
        file.append(piece)
        piece.fill(0xee) // the caller uses its memory again
        expected = Buffer.concat([expected, Buffer.alloc(append, i + 1)])
        assert.equal(file.byteLength, expected.length)
        const byteOffset = Math.floor((patchAt / 1001) * expected.length)
        const patch = Buffer.alloc(Math.min(patchLength, expected.length - byteOffset), 0xa0 + i)
        file.patch(byteOffset, patch)
        patch.copy(expected, byteOffset)
      }
      file.commit()
      assert.deepEqual(readFileSync(path), expected)
    }),
    { numRuns: 60 },
  )
  assert.deepEqual(readdirSync(scratch), ['any'])
})

test('content that is made in the file’s own buffer arrives whole, whatever is appended or patched before, after or in between', () => {
  const kinds = ['whole', 'halves', 'foreign first', 'never', 'patch first', 'own memory'] as const
  const step = fc.record({
    kind: fc.constantFrom(...kinds),
    length: fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 600_000 })),
  })
  const path = join(scratch, 'in-place')
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const content = new RandomContent('uint8')
      const file = new CompleteFile(content.fileBuffer, () => {})
      content.makeIn(file)
      const expected: Buffer[] = []
      const appended = (bytes: Uint8Array): void => {
        expected.push(Buffer.from(bytes))
        file.append(bytes)
      }
      file.open(path)
      for (const { kind, length } of steps) {
        if (kind === 'own memory') {
          appended(Buffer.alloc(length, 0x5a))
          continue
        }
        const piece = content.next(length)
        assert.ok(piece.length <= length && (piece.length > 0 || length === 0))
        if (kind === 'never') continue
        const before = Buffer.from(piece)
        if (kind === 'foreign first') appended(Buffer.alloc(100, 0xa5))
        if (kind === 'patch first') file.patch(0, file.byteLength > 0 ? Buffer.concat(expected).subarray(0, 1) : Buffer.alloc(0))
        assert.deepEqual(Buffer.from(piece), before)
        const middle = kind === 'halves' ? piece.length >> 1 : 0
        appended(piece.subarray(0, middle))
        appended(piece.subarray(middle))
      }
      file.commit()
      assert.deepEqual(readFileSync(path), Buffer.concat(expected))
    }),
    { numRuns: 100 },
  )
  rmSync(path)
})

test('a small file with content between its headers is one write', () => {
  const content = new RandomContent('uint8')
  const writes: number[] = []
  const file = new CompleteFile(content.fileBuffer, (sizeBytes) => writes.push(sizeBytes))
  content.makeIn(file)
  file.open(join(scratch, 'one-write'))
  file.append(new Uint8Array(183))
  file.append(content.next(115_000))
  file.append(new Uint8Array(300))
  file.patch(14, new Uint8Array(4))
  file.commit()
  rmSync(join(scratch, 'one-write'))
  assert.deepEqual(writes, [115_483])
})

test('a patch may reach from bytes that are on the disk into bytes that are still gathered', () => {
  const path = join(scratch, 'across')
  const file = new CompleteFile(new Uint8Array(65_536), () => {})
  file.open(path)
  file.append(new Uint8Array(70_000))
  file.append(new Uint8Array(10))
  file.patch(69_995, new Uint8Array(10).fill(1))
  file.commit()
  assert.deepEqual(readFileSync(path), Buffer.concat([Buffer.alloc(69_995), Buffer.alloc(10, 1), Buffer.alloc(5)]))
  rmSync(path)
})

test('a patch beyond what was written is refused', () => {
  const file = new CompleteFile(new Uint8Array(65_536), () => {})
  file.open(join(scratch, 'patched'))
  file.append(new Uint8Array(10))
  assert.throws(() => file.patch(8, new Uint8Array(3)), /bytes 8 to 11 are beyond the 10 written so far/)
  file.discard()
})

test('a file has its name only after commit, and discard leaves nothing', () => {
  const folder = mkdtempSync(join(scratch, 'names-'))
  const path = join(folder, 'a.npz')
  const file = new CompleteFile(new Uint8Array(65_536), () => {})
  file.open(path)
  file.append(new Uint8Array(100_000))
  assert.deepEqual(readdirSync(folder), [basename(temporaryPath(path))])
  file.commit()
  assert.deepEqual(readdirSync(folder), ['a.npz'])
  file.open(path)
  file.append(new Uint8Array(5))
  file.discard()
  file.discard()
  assert.deepEqual(readdirSync(folder), ['a.npz'])
  assert.equal(readFileSync(path).length, 100_000)
})
