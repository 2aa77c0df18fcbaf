// Computations on an event loop go on within the event that brings an answer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AsyncRunner, createWindow, IoPort, runAsync } from '#src/storage/io.js'
import type { AsyncStorage, Io } from '#src/storage/types.js'

interface Asked {
  readonly done: (answer: number) => void
  readonly failed: (error: unknown) => void
}

/** Answers opens and closes at once, and reads when the test says so. */
function slowReads(): { storage: AsyncStorage; asked: Asked[] } {
  const asked: Asked[] = []
  return { asked, storage: { perform: ({ op }) => (op === 'read' ? { answer: (done, failed) => asked.push({ done, failed }) } : 7) } }
}

const port = new IoPort(createWindow(4096))

function* twoReads(): Io<number> {
  const handle = yield port.open('f')
  const first = yield port.read(handle, 0, 4096)
  let second: number
  try {
    second = yield port.read(handle, first, 4096)
  } catch {
    second = -1
  }
  yield port.close(handle)
  return 100 * first + second
}

test('an answer takes the computation to its next request before whoever answers goes on', () => {
  const { storage, asked } = slowReads()
  const ended: number[] = []
  const runner = new AsyncRunner<number>(
    storage,
    (value) => ended.push(value),
    (error) => assert.fail(String(error)),
  )
  assert.equal(runner.start(twoReads()), false)
  assert.equal(asked.length, 1)
  asked[0]!.done(3)
  assert.equal(asked.length, 2)
  asked[1]!.done(4)
  assert.deepEqual([ended, runner.value], [[304], 304])
  // The same runner runs the next.
  runner.start(twoReads())
  asked[2]!.done(1)
  asked[3]!.failed(new Error('lost'))
  assert.deepEqual(ended, [304, 99])
})

test('a computation whose answers are all at hand ends at once, and nobody is called', () => {
  const never = () => assert.fail('called')
  const runner = new AsyncRunner<number>({ perform: () => 5 }, never, never)
  assert.equal(runner.start(twoReads()), true)
  assert.equal(runner.value, 505)
})

test('what a computation throws is told once: thrown by start, handed to `failed` later', async () => {
  const { storage, asked } = slowReads()
  const failures: unknown[] = []
  const runner = new AsyncRunner<number>(
    storage,
    () => assert.fail('ended'),
    (error) => failures.push(error),
  )
  const wrong = function* (reads: boolean): Io<number> {
    if (reads) yield port.read(1, 0, 1)
    throw new Error('bad data')
  }
  assert.throws(() => runner.start(wrong(false)), /bad data/)
  runner.start(wrong(true))
  asked[0]!.done(1)
  assert.match(String(failures), /^Error: bad data$/)
  await assert.rejects(runAsync(wrong(false), storage), /bad data/)
  const later = runAsync(wrong(true), storage)
  asked[1]!.failed(new Error('reset'))
  await assert.rejects(later, /reset/)
})
