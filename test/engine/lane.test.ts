import assert from 'node:assert/strict'
import { test } from 'node:test'
import { computedFiles } from '#src/dataset/naming.js'
import { Clock } from '#src/engine/clock.js'
import { GeneratorFiles } from '#src/engine/generator-files.js'
import { Lane } from '#src/engine/lane.js'
import { laneWord, SharedState } from '#src/engine/shared-state.js'
import { Turnstile } from '#src/engine/turnstile.js'
import type { Format, SampleReader } from '#src/formats/types.js'
import { createPlan } from '#src/plan/plan.js'
import { createWindow } from '#src/storage/io.js'
import type { Io } from '#src/storage/types.js'
import { workloadFromGolden } from '../order/workload-from-golden.js'

/** Remembers what it is asked for, and asks the storage for nothing. */
class Notes implements SampleReader {
  // biome-ignore lint/correctness/useYield: no storage
  *read(uri: string, sample: number): Io<number> {
    this.lines.push(`read ${uri} ${sample}`)
    return 10
  }
  // biome-ignore lint/correctness/useYield: no storage
  *release(uri: string): Io<void> {
    this.lines.push(`release ${uri}`)
  }
  // biome-ignore lint/correctness/useYield: no storage
  *close(): Io<void> {
    this.lines.push('close')
  }
  readonly lines: string[] = []
}

function run<T>(io: Io<T>): T {
  const { done, value } = io.next()
  assert.ok(done, 'nothing is asked of the storage')
  return value as T
}

test('a lane without work may take up its epoch late, and reads with the lists of the epoch it has credit for', () => {
  const workload = workloadFromGolden(
    {
      framework: 'pytorch',
      dataset: { format: 'npz', num_files_train: 8 },
      reader: { data_loader: 'pytorch', batch_size: 2, read_threads: 1, file_shuffle: 'seed' },
      train: { epochs: 3 },
    },
    'fork',
  )
  const plan = createPlan(workload, { ranks: 1, hosts: 1 }, computedFiles(workload))
  const state = SharedState.create({ lanes: 1, threads: 1 })
  const notes = new Notes()
  const format = { name: 'npz', kind: 'sample', sampleReader: () => notes } as unknown as Format
  const readerOptions = {} as Parameters<NonNullable<Format['sampleReader']>>[1]
  const lane = new Lane(
    {
      plan,
      workload,
      state,
      clock: new Clock(0),
      format,
      readerOptions,
      folder: '',
      samplesRead: () => {},
      trace: undefined,
      turnstile: new Turnstile(state, plan, new Clock(0)),
    },
    0,
    0,
    0,
    createWindow(4096),
  )
  const set = (word: number, value: number) => Atomics.store(state.words, state.lane(0, word), value)

  // Called for epoch 1 and given nothing to do, the lane looks up only when the lists are those of epoch 2 already.
  plan.advance(1)
  set(laneWord.epoch, 1)
  set(laneWord.generation, 1)
  plan.advance(2)
  run(lane.begin())
  assert.equal(lane.hasCredit, false)

  set(laneWord.epoch, 2)
  set(laneWord.generation, 2)
  set(laneWord.granted, 1)
  assert.equal(lane.hasCredit, false, 'credit of an epoch that is not taken up yet')
  run(lane.begin())
  assert.equal(lane.hasCredit, true)
  for (let part = 0, parts = lane.parts(); part < parts; part++) run(lane.part(part))
  const sink = { files: new Float64Array(2), samples: new Float64Array(2) }
  plan.order('train', 0, 2).batch(0, sink)
  assert.deepEqual(
    notes.lines,
    Array.from(sink.files, (file) => `read ${plan.train.files.name(file)} 0`),
  )
})

test('a generator releases the file at hand whenever its own count is a multiple of the samples of a file', () => {
  const notes = new Notes()
  const files = new GeneratorFiles(notes, 3, false)
  for (const [uri, sample] of [
    ['a', 2],
    ['b', 0],
    ['b', 1],
    ['b', 2],
  ] as const)
    assert.equal(run(files.read(uri, sample)), 10)
  assert.deepEqual(notes.lines, ['read a 2', 'read b 0', 'read b 1', 'release b', 'read b 2'])
})

test('a generator that takes in whole files reads each of them once from its opening to its closing, and anew in the next iteration', () => {
  const notes = new Notes()
  const files = new GeneratorFiles(notes, 2, true)
  const bytes = [
    ['a', 0],
    ['a', 1],
    ['a', 0],
    ['b', 1],
    ['a', 1],
  ].map(([uri, sample]) => run(files.read(uri as string, sample as number)))
  run(files.close())
  assert.equal(run(files.read('b', 0)), 10)
  assert.deepEqual(bytes, [10, 0, 10, 10, 0])
  assert.deepEqual(notes.lines, ['read a 0', 'release a', 'read a 0', 'read b 1', 'release b', 'close', 'read b 0'])
})
