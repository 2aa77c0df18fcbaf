import assert from 'node:assert/strict'
import { test } from 'node:test'
import { durationText, GenerateProgressView, progressText, remainingSeconds, sizeText } from '#src/cli/generate-progress.js'
import type { GenerateProgress } from '#src/dataset/generate.js'

const progress: GenerateProgress = { filesTotal: 100, filesWritten: 25, filesSkipped: 0, bytesWritten: 5e9, bytesPerFile: 2e8, seconds: 10 }

test('sizes have three digits and the decimal unit that fits', () => {
  assert.deepEqual([0, 999, 1000, 65_536, 999_600, 1.234e9, 5e15].map(sizeText), [
    '0 B',
    '999 B',
    '1.00 kB',
    '65.5 kB',
    '1.00 MB',
    '1.23 GB',
    '5.00 PB',
  ])
})

test('durations name at most two units', () => {
  assert.deepEqual([0.4, 59, 60, 725, 3599.6, 11_220].map(durationText), [
    '0 s',
    '59 s',
    '1 min 00 s',
    '12 min 05 s',
    '1 h 00 min',
    '3 h 07 min',
  ])
})

test('the time left follows from bytes where files are large, from files where sizes are unknown, and kept files cost nothing', () => {
  assert.equal(remainingSeconds(progress), 30)
  assert.equal(remainingSeconds({ ...progress, filesWritten: 0 }), 30)
  assert.equal(remainingSeconds({ ...progress, bytesPerFile: null }), 30)
  assert.equal(remainingSeconds({ ...progress, filesSkipped: 50, filesWritten: 0 }), 10)
  assert.equal(remainingSeconds({ ...progress, filesWritten: 0, bytesWritten: 0 }), undefined)
  assert.equal(remainingSeconds({ ...progress, filesSkipped: 100, filesWritten: 0, bytesWritten: 0 }), undefined)
})

test('progress tells files, bytes, rate and the time left', () => {
  assert.equal(progressText(progress), 'generating: 25 of 100 files, 5.00 GB, 500 MB/s, 30 s left')
  assert.equal(progressText({ ...progress, filesSkipped: 50 }), 'generating: 75 of 100 files (50 kept), 5.00 GB, 500 MB/s, 10 s left')
})

function shown(isTTY: boolean, seconds: readonly number[], columns = 200): string[] {
  const written: string[] = []
  const view = new GenerateProgressView({ isTTY, columns, write: (text) => written.push(text) })
  for (const s of seconds) view.show({ ...progress, seconds: s })
  view.end()
  return written
}

test('away from a terminal there is a line every ten seconds, and none for what takes less', () => {
  const lines = shown(false, [0.2, 5, 9.9, 10.1, 15, 20, 20.2, 30.3])
  assert.deepEqual(
    lines.map((line) => line.replace(/.*GB, /, '')),
    ['495 MB/s, 30 s left\n', '248 MB/s, 1 min 01 s left\n', '165 MB/s, 1 min 31 s left\n'],
  )
})

test('on a terminal one line is rewritten, never wider than the terminal, and taken away at the end', () => {
  assert.deepEqual(shown(true, [1.9]), [])
  assert.deepEqual(shown(true, [10, 10.2], 20), ['\r\x1b[Kgenerating: 25 of 1', '\r\x1b[Kgenerating: 25 of 1', '\r\x1b[K'])
})
