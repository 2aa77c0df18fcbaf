import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Writable } from 'node:stream'
import { describe, test } from 'node:test'
import { writeLines } from '#src/cli/write-lines.js'
import { OrderDigest, runDigest } from '#src/order/digest.js'
import { digestLines, orderLines } from '#src/plan/order-lines.js'
import { summarize, summaryTable } from '#src/plan/summary.js'
import { bin, driver, scratchFolder, workloadFile } from '../cli/driver.js'
import { plan, range, type Sections } from './workloads.js'

const parse = (lines: Iterable<string>) => [...lines].map((line) => JSON.parse(line) as Record<string, unknown>)

describe('order lines', () => {
  test('hold one step each, epoch by epoch and rank by rank, evaluation behind training', () => {
    const sections = { dataset: { num_files_train: 8, num_files_eval: 4 }, reader: { batch_size_eval: 2 }, workflow: { evaluation: true } }
    const lines = parse(orderLines(plan(sections, 2), 1))
    assert.deepEqual(lines[1], {
      rank: 0,
      epoch: 1,
      split: 'train',
      step: 2,
      reader: 1,
      samples: [
        ['train/img_4_of_8.npz', 0],
        ['train/img_6_of_8.npz', 0],
      ],
    })
    assert.deepEqual(
      lines.map(({ rank, split, step }) => `${rank} ${split} ${step}`),
      ['0 train 1', '0 train 2', '0 valid 1', '1 train 1', '1 train 2', '1 valid 1'],
    )
  })

  test('have no reader where a batch mixes several', () => {
    const [line] = parse(orderLines(plan({ dataset: { format: 'tfrecord' }, reader: { data_loader: 'tensorflow' } }), 1))
    assert.equal('reader' in line!, false)
  })

  test('are JSON whatever the files are called', () => {
    const [line] = parse(orderLines(plan({ dataset: { file_prefix: 'a "quoted" \\ name' } }), 1))
    assert.deepEqual((line!.samples as unknown[])[0], ['train/a "quoted" \\ name_00_of_16.npz', 0])
  })
})

describe('digests', () => {
  const shuffled: Sections = { reader: { file_shuffle: 'seed' } }

  test('are the same for the same seed and differ between seeds, epochs and ranks', () => {
    const digests = (sections: Sections) => parse(digestLines(plan(sections, 2), 2)).map(({ digest, orderDigest }) => digest ?? orderDigest)
    const first = digests(shuffled)
    assert.equal(first.length, 5)
    assert.equal(new Set(first).size, 5)
    assert.deepEqual(digests(shuffled), first)
    assert.notEqual(digests({ ...shuffled, train: { seed: 124 } }).at(-1), first.at(-1))
  })

  test('do not depend on the number of workers, but on what files are called', () => {
    const digest = (sections: Sections) => runDigest(plan({ ...shuffled, ...sections }))
    assert.equal(digest({ reader: { ...shuffled.reader, read_threads: 7 } }), digest({}))
    assert.notEqual(digest({ dataset: { file_prefix: 'other' } }), digest({}))
  })

  test('of a run are those of the plan command, wherever the plan of the run stands', () => {
    const own = plan(shuffled, 2)
    own.advance(2)
    assert.equal(runDigest(own), parse(digestLines(plan(shuffled, 2), 2)).at(-1)!.orderDigest)
  })

  test('tell batches of one size from those of another over the same samples', () => {
    const [a, b] = [1, 2].map((batch_size) => new OrderDigest(plan({ reader: { batch_size } })).epoch(0, 1))
    assert.notEqual(a, b)
  })
})

test('the summary adds up', () => {
  const own = plan(
    {
      dataset: { num_files_train: 64, num_samples_per_file: 3, num_files_eval: 4, record_length_bytes: 10_000 },
      workflow: { evaluation: true },
      evaluation: { eval_time: 0.5 },
      train: { epochs: 3, computation_time: { type: 'uniform', min: 0.1, max: 0.3 } },
      reader: { batch_size: 4, batch_size_eval: 3, read_threads: 3, prefetch_size: 4 },
    },
    2,
  )
  const { train, valid, sampleBytes, atLeastSeconds, memory } = summarize(own)
  assert.equal(sampleBytes, 10_000)
  assert.deepEqual([train.stepsPerEpoch, train.samplesPerEpoch, train.dataBytes], [24, 192, 1_920_000])
  assert.deepEqual([valid.stepsPerEpoch, valid.samplesPerEpoch], [2, 12])
  assert.ok(Math.abs(atLeastSeconds - (3 * 24 * 0.2 + 3 * 2 * 0.5)) < 1e-9)
  // prefetch_factor = ⌈4/3⌉ = 2 batches for each of 3 workers of 2 ranks.
  assert.equal(memory.prefetchedSampleBytes, 2 * 3 * 4 * 10_000 * 2)
  assert.match(summaryTable(summarize(own)), /training files {2,}64, 3 samples each, about 1\.92 MB/)
})

describe('writing lines', () => {
  test('waits for a slow reader', async () => {
    let pending = 0
    let most = 0
    const slow = new Writable({
      highWaterMark: 1000,
      write(chunk: Buffer, _, done) {
        pending += chunk.length
        most = Math.max(most, slow.writableLength)
        setImmediate(() => {
          pending -= chunk.length
          done()
        })
      },
    })
    await writeLines(
      slow,
      range(400).map(() => `${'x'.repeat(999)}\n`),
    )
    assert.equal(pending, 0)
    assert.ok(most <= 70_000, `${most} bytes were waiting at once`)
  })

  test('ends quietly when the reader has gone, and throws any other error', async () => {
    for (const [code, expected] of [
      ['EPIPE', undefined],
      ['ENOSPC', /ENOSPC/],
    ] as const) {
      let produced = 0
      const broken = new Writable({ write: (_, __, done) => done(Object.assign(new Error(code), { code })) })
      const lines = (function* () {
        for (; produced < 1_000_000; produced++) yield 'x'.repeat(100)
      })()
      if (expected === undefined) await writeLines(broken, lines)
      else await assert.rejects(writeLines(broken, lines), expected)
      assert.ok(produced < 10_000, `${produced} lines were made for nobody`)
    }
  })
})

describe('dl-driver plan', () => {
  const folder = scratchFolder('plan')
  const config = workloadFile(folder, {
    framework: 'pytorch',
    dataset: { data_folder: `${folder}/absent`, format: 'npz', num_files_train: 2000 },
    reader: { data_loader: 'pytorch', batch_size: 1, read_threads: 2 },
    train: { epochs: 50 },
  })

  test('prints steps of as many epochs as asked for', async () => {
    const { code, stdout } = await driver(['plan', config, 'dataset.num_files_train=8', '--order', '--epochs', '2', '--ranks', '2'])
    assert.equal(code, 0)
    const lines = parse(stdout.trimEnd().split('\n'))
    assert.equal(lines.length, 2 * 2 * 4)
    assert.deepEqual(lines.at(-1), { rank: 1, epoch: 2, split: 'train', step: 4, reader: 1, samples: [['train/img_7_of_8.npz', 0]] })
  })

  test('prints sizes of files to generate', async () => {
    const { stdout } = await driver(['plan', config, 'dataset.num_files_train=2', '--dims'])
    assert.deepEqual(
      parse(stdout.trimEnd().split('\n')).map(({ file, dims }) => [file, dims]),
      [
        ['train/img_0_of_2.npz', [256, 256]],
        ['train/img_1_of_2.npz', [256, 256]],
      ],
    )
  })

  test('prints a summary, as JSON when asked, and warnings beside it', async () => {
    const { code, stdout, stderr } = await driver(['plan', config, '--ranks', '3', '--json'])
    assert.equal(code, 0)
    const summary = JSON.parse(stdout) as { train: { stepsPerEpoch: number }; warnings: unknown[] }
    assert.equal(summary.train.stepsPerEpoch, 666)
    assert.equal(summary.warnings.length, 1)
    assert.match(stderr, /warning: as MLCommons’ DLIO does, this plan leaves 2 training samples unread/)
  })

  test('refuses flags that contradict each other, with exit code 2 and nothing printed', async () => {
    for (const flags of [['--order', '--dims'], ['--digest'], ['--epochs', '2'], ['--order', '--json'], ['--order', '--epochs', '0']]) {
      const { code, stdout, stderr } = await driver(['plan', config, ...flags])
      assert.deepEqual([code, stdout], [2, ''], flags.join(' '))
      assert.match(stderr, /--(order|digest|epochs|json)/)
    }
  })

  test('ends with exit code 0 when its reader goes away', async () => {
    const child = spawn(process.execPath, [bin, 'plan', config, '--order'], { stdio: ['ignore', 'pipe', 'pipe'] })
    let words = ''
    child.stderr.on('data', (chunk: Buffer) => {
      words += chunk.toString()
    })
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const [code] = (await once(child, 'exit')) as [number]
    assert.deepEqual([code, words], [0, ''])
  })
})
