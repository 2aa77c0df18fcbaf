import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RunRecord } from '#src/metrics/records.js'
import { summarize } from '#src/metrics/summary.js'
import { renderSummary } from '#src/output/summary-table.js'
import { type ProgressSnapshot, progressLine, remainingSeconds, TerminalReporter, type Verbosity } from '#src/output/terminal.js'
import { binaryBytes, decimalBytes, paletteFor, shortDuration, shortNumber } from '#src/output/text.js'
import { ObjectMeter } from '#src/storage/object/meter.js'
import { defaultReadOptions } from '#src/storage/object/read-options.js'
import { objectsRecord } from '#src/storage/object/record.js'
import { client, epochOf, inputOf, io, settings, stepsOf, workedExample } from '../metrics/samples.js'

function reporter(verbosity: Verbosity, isTTY: boolean, environment: NodeJS.ProcessEnv = {}, columns = 200) {
  const written: string[] = []
  const stream = { isTTY, columns, write: (text: string | Uint8Array) => written.push(String(text)) > 0 }
  return { reporter: new TerminalReporter({ verbosity, stream: stream as never, environment }), text: () => written.join('') }
}

const halfway: ProgressSnapshot = {
  phase: 'training',
  epoch: 2,
  epochs: 4,
  step: 500,
  steps: 1000,
  auPercentSoFar: 92.14,
  bytes: 30e9,
  samples: 12_000,
  elapsedSeconds: 30,
}

test('a progress line tells epoch, step, AU, rates and the time left', () => {
  assert.equal(progressLine(halfway, undefined), 'training  epoch 2/4  step 500/1,000  ETA 50.0 s  AU 92.1 %  1.00 GB/s  400 samples/s')
})

test('the time left is told from the begin of the run, not of the process, which may have made the data set before', (t) => {
  let tick = () => {}
  t.mock.method(globalThis, 'setInterval', ((each: () => void) => {
    tick = each
    return { unref() {} }
  }) as never)
  let nowMs = 600_000
  t.mock.method(performance, 'now', () => nowMs)
  const { reporter: plain, text } = reporter('normal', false)
  plain.start(() => halfway)
  nowMs += 10_000
  tick()
  plain.stop()
  // 3/8 of the steps in 10 s.
  assert.match(text(), /ETA 16\.7 s {2}AU 92\.1 % {2}3\.00 GB\/s {2}1,200 samples\/s/)
})

test('a part that does not fit is left out whole, since half a number is another one', () => {
  for (const [columns, end] of [
    [49, 'ETA 50.0 s'],
    [47, 'step 500/1,000'],
    [46, 'step 500/1,000'],
    [36, 'step 500/1,000'],
    [35, 'epoch 2/4'],
  ] as const) {
    const { reporter: live, text } = reporter('normal', true, { NO_COLOR: '1' }, columns)
    live.show(halfway)
    assert.ok(text().endsWith(end), `${columns}: ${text()}`)
  }
})

test('rates are of the time since the snapshot before', () => {
  const before = { ...halfway, bytes: 20e9, samples: 8000, elapsedSeconds: 28 }
  assert.match(progressLine(halfway, before), /5\.00 GB\/s {2}2,000 samples\/s/)
})

test('unknown parts are left out: nothing is shown as 0 that was not measured', () => {
  const first = { phase: 'starting', epoch: 0, epochs: 4, step: 0, steps: 0, bytes: 0, samples: 0, elapsedSeconds: 0 } as const
  assert.equal(progressLine(first, undefined), 'starting')
  assert.equal(remainingSeconds({ ...halfway, epoch: 1, step: 0 }), undefined)
  assert.equal(remainingSeconds({ ...halfway, phase: 'evaluating' }), undefined)
})

test('on a terminal the line is rewritten in place and has what fits into its width, elsewhere each is a plain line', () => {
  const live = reporter('normal', true, {}, 30)
  live.reporter.show(halfway)
  live.reporter.stop()
  assert.equal(live.text(), '\r\x1b[2K\x1b[1mtraining\x1b[0m  epoch 2/4\r\x1b[2K')
  const plain = reporter('normal', false)
  plain.reporter.show(halfway)
  plain.reporter.stop()
  assert.equal(plain.text(), `${progressLine(halfway, undefined)}\n`)
})

test('quiet shows nothing, not even warnings', () => {
  const { reporter: quiet, text } = reporter('quiet', true)
  quiet.start(() => halfway)
  quiet.show(halfway)
  quiet.line('warning', 'a')
  quiet.event({ type: 'generationStart', atMs: 0 })
  quiet.stop()
  assert.equal(text(), '')
})

test('a warning stands above the live line, with control characters made harmless', () => {
  const { reporter: live, text } = reporter('normal', true, { NO_COLOR: '1' }, 20)
  live.show(halfway)
  live.line('warning', 'file \x1b[31mx\n')
  assert.equal(text(), '\r\x1b[2Ktraining  epoch 2/4\r\x1b[2Kwarning: file �[31mx�\ntraining  epoch 2/4')
})

test('only the verbose hear of epochs and blocks', () => {
  for (const verbosity of ['normal', 'verbose'] as const) {
    const { reporter: own, text } = reporter(verbosity, false)
    own.event({ type: 'blockEnd', atMs: 0, epoch: 1, block: 2, described: { steps: 10, measuredSteps: 9, seconds: 1.5, auPercent: 91 } })
    own.line('output', 'words')
    assert.equal(text(), verbosity === 'verbose' ? 'epoch 1 block 2: 10 steps in 1.5 s, AU 91.00 %\nwords\n' : '')
  }
})

test('colours need a terminal that has them, and no NO_COLOR', () => {
  assert.equal(paletteFor(true, {}).bold('x'), '\x1b[1mx\x1b[0m')
  for (const [isTty, environment] of [
    [false, {}],
    [true, { NO_COLOR: '1' }],
    [true, { TERM: 'dumb' }],
  ] as const)
    assert.equal(paletteFor(isTty, environment).bold('x'), 'x')
  assert.equal(paletteFor(true, { NO_COLOR: '' }).bold('x'), '\x1b[1mx\x1b[0m')
})

test('sizes, rates and times are short and say their unit', () => {
  assert.deepEqual([999, 1000, 1.5e9].map(decimalBytes), ['999 B', '1.00 kB', '1.50 GB'])
  assert.deepEqual([1023, 1024, 1.5 * 2 ** 30].map(binaryBytes), ['1,023 B', '1.00 KiB', '1.50 GiB'])
  assert.deepEqual([0, 0.0123, 0.99951, 9.999, 12.34, 99.96, 1234.5, 1e7].map(shortNumber), [
    '0',
    '0.012',
    '1.00',
    '10.0',
    '12.3',
    '100',
    '1,235',
    '10,000,000',
  ])
  assert.deepEqual([0.25, 12.34, 59.97, 245, 3845].map(shortDuration), ['250 ms', '12.3 s', '1:00', '4:05', '1:04:05'])
})

const record: RunRecord = {
  ...inputOf(
    workedExample.map((steps) => [epochOf(1, [steps])]),
    5,
  ),
  io,
  client,
  histograms: {},
}

test('the table tells AU against its target, throughput in both units, the time split, the client, the verdict and the files', () => {
  const text = renderSummary({
    summary: summarize(record, settings),
    record,
    warnings: [{ code: 'page-cache', message: 'the data fits in memory' }],
    folder: '/out',
    replayed: 'mlcommons, pytorch',
  })
  assert.equal(
    text,
    `AU              36.7 %, misses the target of 90.0 %; rank 1 33.3 %, rank 0 40.0 %
Training        1 epoch, 5 steps a rank, 1 of them left out of AU, 40 samples in 7.0 s
Throughput      384 kB/s (375 KiB/s), 5.87 samples/s
Read            143 MB/s (136 MiB/s) asked of the storage over all epochs
Time            7.0 s: waiting for data 53.6 %, computing 35.7 %, barriers and rest 10.7 %
Client          1.00 CPU s in 10.0 s, 1.00 GB per CPU s, 100 MiB of memory
Bound by        storage: accelerators waited for data 50 % of the measured time while the client's 4 usable processors were 2.5 % busy
To change that  faster storage raises AU; so do more reads in flight (reader.read_threads), if the storage has parallelism left
Replayed        mlcommons, pytorch
Files           /out
warning: the data fits in memory
`,
  )
})

test('a run on object storage tells each endpoint’s GETs and how soon they were answered, other requests, and retries by cause', () => {
  const meter = new ObjectMeter(2)
  for (let i = 0; i < 1200; i++) meter.answered(0, 2, 10, 1e6)
  meter.failed(1)
  for (const cause of ['throttled', 'throttled', 'reset'] as const) meter.retried(cause)
  const opened = {
    uri: 's3://b/p',
    requests: { list: 2, head: 0, get: 1, put: 0, delete: 0 },
    retries: { dns: 1 },
    options: defaultReadOptions,
  }
  const objects = objectsRecord(opened, meter.record(['http://one', 'http://two']))
  const text = renderSummary({ summary: summarize(record, settings), record: { ...record, objects }, warnings: [], replayed: 'x' })
  assert.match(
    text,
    /^GETs {12}1,200 of 1\.20 GB from http:\/\/one; first byte p50 \d\.\d+ ms, p99 \d\.\d+ ms; whole p50 [\d.]+ ms, p99 [\d.]+ ms$/m,
  )
  assert.match(text, /^GETs {12}0 of 0 B from http:\/\/two, 1 failed$/m)
  assert.match(text, /^Other requests {2}2 LIST, 1 GET; retries: 2 throttled, 1 reset, 1 dns$/m)
  const quiet = objectsRecord(
    { ...opened, requests: { list: 0, head: 0, get: 0, put: 0, delete: 0 }, retries: {} },
    new ObjectMeter(1).record(['http://one']),
  )
  assert.match(
    renderSummary({ summary: summarize(record, settings), record: { ...record, objects: quiet }, warnings: [], replayed: 'x' }),
    /^Other requests {2}none; no retries$/m,
  )
})

test('too few steps are told with what is needed, beside the rate that is true all the same', () => {
  const short = { ...record, ...inputOf([[epochOf(1, [stepsOf(0, 2, [2], [0.5])])]], 1) }
  const text = renderSummary({ summary: summarize(short, settings), record: short, warnings: [], replayed: 'x', interruption: 'SIGINT' })
  assert.match(text, /^Interrupted {5}SIGINT; figures are of a part$/m)
  assert.match(text, /^AU {14}not measured: too few steps: has 1, need 2$/m)
  assert.match(text, /2\.00 samples\/s \(all steps, start-up included\)$/m)
  assert.match(text, /^warning: training: too few steps for an AU/m)
  assert.doesNotMatch(text, /NaN|Infinity|undefined/)
})

test('a checkpoint row names the slowest rank’s time where it differs from rank 0’s', () => {
  const checkpointed = [1, 3].map((seconds) => [
    epochOf(1, [], {
      checkpoints: [{ block: 1, kind: 'save', beginMs: 0, endMs: seconds * 1000, sizeBytes: 4e9 }],
    }),
  ])
  const saved = { ...record, ...inputOf(checkpointed, 0) }
  const summary = summarize(saved, { ...settings, trains: false, checkpoints: true })
  assert.match(
    renderSummary({ summary, record: saved, warnings: [], replayed: 'x' }),
    /^Checkpoints saved {2}1 of 4\.00 GB in 1\.0 s on average, 4\.00 GB\/s; until the last rank: 3\.0 s, 1\.33 GB\/s$/m,
  )
})
