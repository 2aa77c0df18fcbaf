import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DataError } from '#src/errors.js'
import { synthetic } from '#src/formats/synthetic/index.js'
import { assertInspectSurvives, readSamples } from './damage.js'
import { recordedFiles } from './golden.js'
import { contentOf, MemoryOutput } from './memory-storage.js'

const text = (value: string) => ({ f: Buffer.from(value) })

describe('synthetic files', () => {
  for (const { title, path, want } of recordedFiles('synthetic'))
    it(`${title}: inspect gives its text and no samples`, async () => {
      const { samples, labels, text } = await synthetic.inspect(path)
      assert.deepEqual([samples, labels, text], [want.samples, null, (want as unknown as { text: string }).text])
    })

  it('hold the number of the file in the list of all files', () => {
    const out = new MemoryOutput()
    const spec = {
      dims: [32, 32],
      samples: 2,
      elementType: 'uint8',
      compression: 'none',
      compressionLevel: 4,
      hdf5: { chunkDims: [], maxShape: [], numDsetPerRecord: 1 },
      index: 107,
    }
    synthetic.writer!.write(spec, contentOf(new Uint8Array(0)), out, () => assert.fail('there is no file beside it'))
    assert.equal(Buffer.from(out.bytes).toString(), '107')
    assert.equal(synthetic.writer!.sizeBytes(spec), 3)
  })

  it('are never opened, unless they are verified', () => {
    const { storage, bytes } = readSamples(synthetic, text('7'), { samplesPerFile: 2 }, [0, 1])
    assert.deepEqual([storage.opens, bytes], [0, [0, 0]])
    assert.equal(readSamples(synthetic, text('7'), { verify: true }).storage.opens, 1)
  })

  it('must hold a number and nothing else', async () => {
    for (const wrong of ['', '7\n', '-1', 'x', '1'.repeat(21)])
      assert.throws(
        () => readSamples(synthetic, text(wrong), { verify: true }),
        (error) => error instanceof DataError && /holds no decimal number/.test(error.message),
      )
    await assertInspectSurvives(synthetic, Buffer.from('12345'), 'a.synthetic')
  })
})
