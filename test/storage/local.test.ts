import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { StorageError } from '#src/errors.js'
import { createWindow, IoPort, runAsync, runBlocking } from '#src/storage/io.js'
import { AsyncLocalStorage, LocalStorage } from '#src/storage/local.js'
import { privateMeter } from '#src/storage/meter.js'
import type { Io } from '#src/storage/types.js'

let folder = ''
let file = ''
const content = randomBytes(20_001)

before(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'local-'))
  file = join(folder, 'data')
  fs.writeFileSync(file, content)
})
after(() => fs.rmSync(folder, { recursive: true }))

function* readSpan(port: IoPort, uri: string, byteOffset: number, byteLength: number): Io<Buffer> {
  const handle = yield port.open(uri)
  const got = yield port.read(handle, byteOffset, byteLength)
  const { bytes, begin, end } = port.window
  assert.equal(end - begin, got)
  const copy = Buffer.from(bytes.slice(begin, end))
  yield port.close(handle)
  return copy
}

for (const direct of [false, true])
  test(`any span of a file of any length comes back as it is, ${direct ? 'with O_DIRECT' : 'through the page cache'}`, async () => {
    const port = new IoPort(createWindow(32_768))
    const blocking = new LocalStorage(direct, privateMeter())
    const onLoop = new AsyncLocalStorage(direct, privateMeter())
    await fc.assert(
      fc.asyncProperty(fc.nat(25_000), fc.integer({ min: 1, max: 32_768 }), async (byteOffset, byteLength) => {
        const expected = content.subarray(byteOffset, byteOffset + byteLength)
        assert.deepEqual(runBlocking(readSpan(port, file, byteOffset, byteLength), blocking), expected)
        assert.deepEqual(await runAsync(readSpan(port, file, byteOffset, byteLength), onLoop), expected)
      }),
      { numRuns: 60 },
    )
  })

test('a file system that refuses O_DIRECT is a clear error that names the file and the way out', () => {
  const port = new IoPort(createWindow(4096))
  assert.throws(
    () => runBlocking(readSpan(port, '/proc/self/status', 0, 10), new LocalStorage(true, privateMeter())),
    (error) =>
      error instanceof StorageError && error.uri === '/proc/self/status' && /refuses O_DIRECT; use a plain path/.test(error.message),
  )
})

test('a missing file is named in the error, blocking and on the event loop', async () => {
  const port = new IoPort(createWindow(4096))
  const uri = join(folder, 'absent')
  const named = (error: unknown) =>
    error instanceof StorageError && error.code === 'ENOENT' && error.message === `${uri}: cannot open: no such file (ENOENT)`
  assert.throws(() => runBlocking(readSpan(port, uri, 0, 10), new LocalStorage(false, privateMeter())), named)
  await assert.rejects(runAsync(readSpan(port, uri, 0, 10), new AsyncLocalStorage(false, privateMeter())), named)
})

test('the meter counts files, calls and delivered bytes, and the most reads in flight', async () => {
  const gauge = new Int32Array(new SharedArrayBuffer(8))
  const { IoMeter, meterSlot } = await import('#src/storage/meter.js')
  const counters = new Float64Array(meterSlot.count)
  const onLoop = new AsyncLocalStorage(false, new IoMeter(counters, gauge))
  await Promise.all([0, 1, 2].map((i) => runAsync(readSpan(new IoPort(createWindow(4096)), file, i * 4096, 4096), onLoop)))
  await runAsync(readSpan(new IoPort(createWindow(4096)), file, 20_000, 4096), onLoop)
  assert.equal(counters[meterSlot.filesOpened], 4)
  assert.equal(counters[meterSlot.readCalls], 4)
  assert.equal(counters[meterSlot.bytes], 3 * 4096 + 1) // the last span ends one byte after it begins
  assert.deepEqual([gauge[0], gauge[1]! >= 1 && gauge[1]! <= 3], [0, true])
})
