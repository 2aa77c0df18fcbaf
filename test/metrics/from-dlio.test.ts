import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { DataError, StorageError } from '#src/errors.js'
import { readJson, readRecordedRank } from '#src/metrics/from-dlio.js'

const folder = mkdtempSync(join(tmpdir(), 'from-dlio-'))
after(() => rmSync(folder, { recursive: true }))

const output = {
  host_cpu_count: 2,
  '1': { load: { block1: [0.1] }, proc: { block1: [0.3] }, compute: { block1: [0.2] }, au: { block1: 50 }, throughput: { block1: 7 } },
  hostname: 'host0',
}
const stats = {
  '1': {
    start: '2026-01-01T00:00:00.000000',
    block1: { start: '2026-01-01T00:00:00.250000', end: '2026-01-01T00:00:01.000001', duration: '0.75' },
    end: '2026-01-01T00:00:02',
    duration: '1.00',
  },
}

function write(name: string, value: unknown): void {
  writeFileSync(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value))
}

/** Deep copy with one change. */
function changed<T>(value: T, change: (copy: Record<string, Record<string, Record<string, unknown>>>) => void): T {
  const copy = structuredClone(value)
  change(copy as never)
  return copy
}

test('times of steps become milliseconds and stamps keep their microseconds', () => {
  write('0_output.json', output)
  write('0_per_epoch_stats.json', stats)
  const { record, figures, ownTimes } = readRecordedRank(folder, 0)
  const block = record.epochs[0]!.blocks[0]!
  assert.deepEqual([...block.loadMs, ...block.procMs, ...block.computeMs], [100, 300, 200])
  assert.equal(Math.round((block.endMs - block.beginMs) * 1000), 750_001)
  assert.equal(record.epochs[0]!.trainEndMs - record.epochs[0]!.beginMs, 1000)
  assert.deepEqual(figures.epochs[0]!.blocks, [{ auPercent: 50, samplesPerSecond: 7, steps: 1, measuredSteps: 1 }])
  assert.equal(ownTimes, true)
})

test('a rank without stamps of its own takes rank 0’s, as DLIO v1.0 left them', () => {
  write('3_output.json', output)
  write('per_epoch_stats.json', stats)
  assert.equal(readRecordedRank(folder, 3).ownTimes, false)
})

test('NaN and Infinity as Python writes them are read, inside strings they stay', () => {
  write('nan.json', '{"a": NaN, "b": [-Infinity, 1.5], "c": "NaN \\" Infinity"}')
  assert.deepEqual(readJson(join(folder, 'nan.json')), { a: null, b: [-Infinity, 1.5], c: 'NaN " Infinity' })
})

const broken: [string, unknown, unknown, RegExp][] = [
  ['text that is no JSON', '{"1": NaN', stats, /is not JSON/],
  ['an empty file', '', stats, /is not JSON/],
  ['a list instead of an object', '[]', stats, /the file must be an object, not \[\]/],
  [
    'a time that is text',
    changed(output, (o) => (o['1']!.proc!.block1 = ['x'])),
    stats,
    /epoch 1 proc\.block1\[0\] must be a finite number, not "x"/,
  ],
  [
    'a time that is NaN',
    JSON.stringify(output).replace('0.3', 'NaN'),
    stats,
    /epoch 1 proc\.block1\[0\] must be a finite number, not null/,
  ],
  ['a time beyond all numbers', JSON.stringify(output).replace('0.3', '1e999'), stats, /epoch 1 proc\.block1\[0\] must be a finite number/],
  [
    'lists of unequal length',
    changed(output, (o) => (o['1']!.load!.block1 = [])),
    stats,
    /epoch 1 block1 has 0 load, 1 proc and 1 compute times/,
  ],
  ['a missing list', changed(output, (o) => delete o['1']!.compute), stats, /epoch 1 compute must be an object, not nothing/],
  ['a missing epoch', output, {}, /epoch 1 is missing/],
  [
    'a stamp that is none',
    output,
    changed(stats, (s) => (s['1']!.block1!.end = 'now')),
    /epoch 1 block1\.end must be a time stamp such as .*, not "now"/,
  ],
  [
    'a duration that is none',
    output,
    changed(stats, (s) => (s['1']!.duration = 'long' as never)),
    /epoch 1 duration must be seconds as text, not "long"/,
  ],
]
for (const [name, badOutput, badStats, message] of broken)
  test(`${name} is refused with file and key`, () => {
    write('7_output.json', badOutput)
    write('7_per_epoch_stats.json', badStats)
    assert.throws(
      () => readRecordedRank(folder, 7),
      (error) => error instanceof DataError && message.test(error.message) && error.uri.includes(join(folder, '7_')),
    )
  })

test('a missing file is named', () => {
  assert.throws(
    () => readRecordedRank(folder, 9),
    (error) => error instanceof StorageError && error.uri.endsWith('9_output.json') && error.code === 'ENOENT',
  )
})
