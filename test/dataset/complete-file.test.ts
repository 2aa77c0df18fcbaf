import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { CompleteFile, temporaryPath } from '#src/dataset/complete-file.js'

const scratch = mkdtempSync(join(tmpdir(), 'complete-file-'))
after(() => rmSync(scratch, { recursive: true }))

test('whatever the sizes of pieces and the places of patches, the file holds what was appended with the patches applied', () => {
  const size = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 16_000, max: 70_000 }))
  const step = fc.record({ append: size, patchAt: fc.nat(1000), patchLength: fc.nat(40) })
  const file = new CompleteFile(() => {})
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

test('a patch beyond what was written is refused', () => {
  const file = new CompleteFile(() => {})
  file.open(join(scratch, 'patched'))
  file.append(new Uint8Array(10))
  assert.throws(() => file.patch(8, new Uint8Array(3)), /bytes 8 to 11 are beyond the 10 written so far/)
  file.discard()
})

test('a file has its name only after commit, and discard leaves nothing', () => {
  const folder = mkdtempSync(join(scratch, 'names-'))
  const path = join(folder, 'a.npz')
  const file = new CompleteFile(() => {})
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
