// Every reader reads what DLIO's own readers read, sample by sample, what is dropped afterwards included: recordings against traces.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { goldenFolder, goldenJson } from '../golden.js'
import { driver, scratchFolder, workloadFile } from './driver.js'

interface Case {
  readonly id: string
  readonly tree: string
  readonly format: string
  readonly framework: string
  readonly ranks: number
  readonly order: string
  readonly reads: string
  readonly steps: number
  readonly fails: boolean
  readonly repeatable: { readonly reads: boolean | null; readonly reads_without_warm_up: boolean | null }
}
type Section = Record<string, unknown>
interface Recording {
  readonly workload: { readonly dataset: Section; readonly reader: Section; readonly train?: Section; readonly evaluation?: Section }
  readonly by_rank: readonly {
    readonly rank: number
    readonly effective?: { readonly read_threads: number }
    readonly epochs: readonly Record<'train' | 'eval', { steps: Batch[]; surplus: Batch[] } | undefined>[]
  }[]
}
interface Batch {
  readonly items: readonly unknown[]
  readonly reader: number
}
type Event = readonly ['o' | 'c', string] | readonly ['s', string, number]
interface RecordedReader {
  readonly rank: number
  readonly split: string
  readonly reader: number
  readonly created_during: readonly [string, number]
  readonly events: readonly Event[]
}
interface TraceEvent {
  readonly name: string
  readonly ts: number
  readonly args: { rank: number; epoch: number; split: string; step: number; reader: number; file: string; sample: number }
}

const { cases } = goldenJson<{ cases: Case[] }>('order', 'index.json')
const comparable = cases.filter(
  ({ format, fails, steps, reads, repeatable }) =>
    (format === 'npz' || format === 'hdf5') &&
    !fails &&
    steps > 0 &&
    (repeatable.reads === true || repeatable.reads_without_warm_up === true) &&
    existsSync(join(goldenFolder('order'), reads)),
)

const samplesOf = (events: readonly Event[]): string[] => events.flatMap((event) => (event[0] === 's' ? [`${event[1]} ${event[2]}`] : []))
const opensOf = (events: readonly Event[]): number => events.filter(([kind]) => kind === 'o').length

/** MLCommons' DLIO makes readers of their own for its warm-up, except in the training process, where one reader does everything. */
const isWarmUp = ({ created_during: [when], reader }: RecordedReader): boolean =>
  reader !== -1 && (when === 'before' || when.startsWith('after'))

/** What our readers did, by rank, split and reader: one list of reads an epoch, in the order of their beginnings. */
function readsOfTrace(events: readonly TraceEvent[]): Map<string, string[][]> {
  const byReader = new Map<string, Map<number, string[]>>()
  for (const { name, args } of events.toSorted((a, b) => a.ts - b.ts)) {
    if (name !== 'read') continue
    const key = `${args.rank} ${args.split} ${args.reader}`
    const epochs = byReader.get(key) ?? new Map<number, string[]>()
    byReader.set(key, epochs)
    const list = epochs.get(args.epoch) ?? []
    epochs.set(args.epoch, list)
    list.push(`${args.file} ${args.sample}`)
  }
  return new Map([...byReader].map(([key, epochs]) => [key, [...epochs].sort(([a], [b]) => a - b).map(([, reads]) => reads)]))
}

/** The warm-up of the reader in the training process, taken out: one batch before each epoch, the one after the last epoch at the end. */
function withoutWarmUp(events: readonly Event[], batchSize: number, readsOfEpochs: readonly string[][]): string[] {
  const all = samplesOf(events)
  let at = 0
  const kept = readsOfEpochs.flatMap((epoch) => {
    at += batchSize + epoch.length
    return all.slice(at - epoch.length, at)
  })
  assert.equal(all.length - at, batchSize, 'a last warm-up')
  return kept
}

describe('the reads of each reader', { concurrency: 2 }, () => {
  for (const { id, tree, framework, ranks, order, reads } of comparable)
    test(`of ${id} are those of DLIO’s own`, async () => {
      const { workload, by_rank } = goldenJson<Recording>('order', order)
      const readers = goldenJson<{ readers: RecordedReader[] }>('order', reads).readers.filter(
        (reader) => !(tree === 'fork' && isWarmUp(reader)),
      )
      const folder = scratchFolder('readers', existsSync('/dev/shm'))
      // Times change no read; MLCommons' DLIO makes more workers of one, and the recording says how many.
      const read_threads = by_rank[0]!.effective?.read_threads ?? workload.reader.read_threads
      const config = workloadFile(folder, {
        ...workload,
        workflow: { ...(workload as { workflow?: Section }).workflow, generate_data: true, train: true },
        dataset: { ...workload.dataset, data_folder: join(folder, 'data') },
        reader: { ...workload.reader, read_threads, preprocess_time: 0 },
        train: { ...workload.train, computation_time: 0 },
        evaluation: { ...workload.evaluation, eval_time: 0 },
      })
      const semantics = tree === 'upstream' ? 'upstream' : 'mlcommons'
      const out = join(folder, 'out')
      const trace = join(folder, 'trace.json')
      const run = await driver(['run', config, '-q', '--ranks', String(ranks), '--semantics', semantics, '--output', out, '--trace', trace])
      assert.equal(run.code, 0, run.stderr)
      const ours = readsOfTrace(JSON.parse(readFileSync(trace, 'utf8')) as TraceEvent[])

      // tf.data's threads run ahead of a loop that stops early, as far as time allows; PyTorch's workers have a fixed number of batches.
      const stopsEarly = by_rank.some(({ epochs }) =>
        epochs.some(({ train, eval: valid }) => (train?.surplus.length ?? 0) + (valid?.surplus.length ?? 0) > 0),
      )
      const isExact = framework === 'pytorch' || !stopsEarly
      const seen = new Set<string>()
      for (const { rank, split, reader } of readers) {
        const key = `${rank} ${split} ${reader}`
        if (seen.has(key)) continue
        seen.add(key)
        const recorded = readers.filter((one) => `${one.rank} ${one.split} ${one.reader}` === key)
        const have = ours.get(key) ?? []
        const batchSize = Number(workload.reader[split === 'train' ? 'batch_size' : 'batch_size_eval'] ?? 1)
        if (isExact) {
          const want =
            tree === 'fork' && reader === -1
              ? withoutWarmUp(recorded[0]!.events, batchSize, have)
              : samplesOf(recorded.flatMap(({ events }) => events))
          assert.deepEqual(have.flat(), want, key)
          continue
        }
        assert.equal(have.length, recorded.length, `${key}: epochs with reads`)
        const delivered = deliveredBy(by_rank[rank]!.epochs, split, reader)
        have.forEach((own, i) => {
          const want = samplesOf(recorded[i]!.events)
          const both = Math.min(own.length, want.length)
          assert.ok(both >= delivered[i]!, `${key}, epoch ${i + 1}: ${own.length} reads, ${delivered[i]} samples are delivered`)
          assert.deepEqual(own.slice(0, both), want.slice(0, both), `${key}, epoch ${i + 1}`)
        })
      }
      for (const key of ours.keys()) assert.ok(seen.has(key), `${key} reads, and no reader of DLIO does`)

      // Files are opened as often as there: anew for each sample, once and for all with `read_type`, or by the count of a generator. The
      // reader in MLCommons' training process also opened files for the warm-up. NumPy's arrays outlive their files, in DLIO as here.
      if (!isExact || (tree === 'fork' && readers.some(({ reader }) => reader === -1))) return
      const { io } = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8')) as Result
      assert.equal(
        io.filesOpened,
        readers.reduce((sum, { events }) => sum + opensOf(events), 0),
        'opens',
      )
    })
})

/** How many samples of a reader the loop took in each epoch, surplus ones included. */
function deliveredBy(epochs: Recording['by_rank'][number]['epochs'], split: string, reader: number): number[] {
  return epochs.flatMap((epoch) => {
    const part = split === 'train' ? epoch.train : epoch.eval
    if (part === undefined) return []
    const own = part.steps.filter((batch) => batch.reader === reader)
    return [own.reduce((sum, { items }) => sum + items.filter((item) => item !== null).length, 0)]
  })
}
