// dlio.log made from the events of recorded runs, line by line against the recorded logs.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { StorageError } from '#src/errors.js'
import { type BlockDescription, describeBlock, formulas } from '#src/metrics/formulas.js'
import { readRecordedRank } from '#src/metrics/from-dlio.js'
import { checkpointSeconds, summarize, windowRule } from '#src/metrics/summary.js'
import { DlioLog, dlioLogOptions } from '#src/output/dlio-log.js'
import type { RunEvent, RunPart } from '#src/output/events.js'
import { type RecordedRun, recordedRuns } from '../metrics/recorded-runs.js'

const folder = mkdtempSync(join(tmpdir(), 'dlio-log-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'dlio.log')

type Untimed = RunEvent extends infer E ? (E extends unknown ? Omit<E, 'atMs'> : never) : never

/** What rank 0 of a recorded run would have told, from its records; figures are the stored ones. */
function eventsOf(run: RecordedRun): Untimed[] {
  const { settings, input, stored, tree, ranks } = run
  const raw = run.workload.raw as Record<string, Record<string, boolean & number> | undefined>
  const { record, figures } = readRecordedRank(run.out, 0)
  const parts: [RunPart, boolean][] = [
    ['generate', raw.workflow?.generate_data ?? false],
    ['train', settings.trains],
    ['evaluate', settings.evaluates],
    ['checkpoint', settings.checkpoints],
  ]
  const capped = (raw.train?.total_training_steps ?? -1) > 0
  const samplesPerFile = stored.num_samples_per_file as number
  const filesOf = (key: string) => (stored[key] as number) / (tree === 'fork' ? ranks : 1)
  const rule = windowRule(input, settings, 'train')
  const formula = formulas[run.exactFormula]
  const events: Untimed[] = [{ type: 'runStart', parts: parts.flatMap(([part, on]) => (on ? [part] : [])), ranks }]
  if (settings.trains) events.push({ type: 'cacheWarning' })
  if (parts[0]![1]) events.push({ type: 'generationStart' }, { type: 'generationEnd' })
  if (settings.trains) {
    const files = filesOf('num_files_train')
    const all = Math.floor((samplesPerFile * files) / settings.batchSize / (tree === 'fork' ? 1 : ranks))
    const cap = capped ? { cappedSteps: input.stepsPerEpoch } : {}
    events.push({ type: 'trainPlanned', steps: all, samplesPerFile, files, batchSize: settings.batchSize, ...cap })
  }
  if (settings.evaluates)
    events.push({
      type: 'evalPlanned',
      steps: input.stepsPerEval,
      samplesPerFile,
      files: filesOf('num_files_eval'),
      batchSize: settings.batchSizeEval,
    })
  record.epochs.forEach((epoch, e) => {
    const { epoch: number } = epoch
    const stored = figures.epochs[e]!
    if (settings.trains) events.push({ type: 'epochStart', epoch: number, steps: input.stepsPerEpoch, capped })
    const checkpoint = (block: number, step: number) => {
      for (const { kind, beginMs, endMs, sizeBytes, block: ended } of epoch.checkpoints)
        if (ended === block) {
          events.push({ type: 'checkpointStart', kind, epoch: number, block, step })
          events.push({ type: 'checkpointEnd', kind, epoch: number, block, seconds: checkpointSeconds({ beginMs, endMs }), sizeBytes })
        }
    }
    let steps = 0
    epoch.blocks.forEach((block, b) => {
      events.push({ type: 'blockStart', epoch: number, block: b + 1 })
      const described: BlockDescription = { ...describeBlock(block, settings.batchSize, rule, formula), ...stored.blocks[b] }
      events.push({ type: 'blockEnd', epoch: number, block: b + 1, described })
      steps += block.procMs.length
      checkpoint(b + 1, steps)
    })
    if (!settings.trains) {
      // Saves come first, then loads, as they are numbered.
      for (const kind of ['save', 'load'] as const)
        for (const { block, beginMs, endMs, sizeBytes } of epoch.checkpoints.filter((checkpoint) => checkpoint.kind === kind)) {
          events.push({ type: 'checkpointStart', kind, epoch: number, block, step: block })
          events.push({ type: 'checkpointEnd', kind, epoch: number, block, seconds: checkpointSeconds({ beginMs, endMs }), sizeBytes })
        }
      return
    }
    events.push({ type: 'epochEnd', epoch: number, steps, seconds: (epoch.trainEndMs - epoch.beginMs) / 1000 })
    if (epoch.evaluation) {
      const seconds = (epoch.evaluation.endMs - epoch.evaluation.beginMs) / 1000
      events.push({ type: 'evalStart', epoch: number, steps: input.stepsPerEval })
      events.push({ type: 'evalEnd', epoch: number, seconds, ...stored.evaluation!, steps: input.stepsPerEval })
    }
  })
  events.push({ type: 'outputSaved', folder: './out' })
  events.push({ type: 'runEnd', summary: exactSummary(run) }, { type: 'rankOutputsSaved' })
  return events
}

/** The summary with the metric as stored: how it is computed has its own tests. */
function exactSummary(run: RecordedRun) {
  const summary = summarize(run.input, run.settings, run.exactFormula)
  return { ...summary, metric: run.stored.metric as typeof summary.metric }
}

/** Lines of DLIO's internals and of its data generation, which have no counterpart here. */
const foreign = [
  /^\[OUTPUT\] (\[DEBUG|=====|WARNING: Data Generation| {2})/,
  /^\[WARNING\] (dgen-py|Could not flush)/,
  /(File listing|Streamed file sharding|Reshard for epoch|Worker pre-warm)/,
  /(Model size|Optimizer state size|Total checkpoint size|Total number of parameters|(Saved|Loaded) (model|optimizer)|Checkpointing (write|read))/,
]

const normal = (text: string) =>
  text
    .split('\n')
    .filter((line) => !foreign.some((pattern) => pattern.test(line)))
    .map((line) => line.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}/, 'TS'))
    // Two true statements that DLIO gets wrong: the cap is per epoch, and the fork multiplies a rank's steps by the ranks.
    .map((line) => line.replace(/(Total training steps is set to be \d+\.).*/, '$1'))
    .map((line) => line.replace(/(Max steps|Steps per eval)( per epoch)? per rank: \d+ = (\d+) \* \d+/, '$1$2 per rank: # = $3 * #'))

for (const run of recordedRuns())
  test(`the log of ${run.id} is the recorded one, line by line`, () => {
    const log = new DlioLog(path, dlioLogOptions(run.workload, run.ranks))
    for (const event of eventsOf(run)) log.event({ ...event, atMs: 0 } as RunEvent)
    log.close()
    const actual = normal(readFileSync(path, 'utf8'))
    const expected = normal(readFileSync(join(run.out, 'dlio.log'), 'utf8'))
    assert.equal(actual.length, expected.length)
    expected.forEach((line, i) => {
      assertSameLine(actual[i]!, line)
    })
  })

/** Equal, or apart by one in a last decimal: stamps round once more than what DLIO printed. */
function assertSameLine(actual: string, expected: string): void {
  const numbers = /\d+\.\d+/g
  assert.equal(actual.replace(numbers, '#'), expected.replace(numbers, '#'))
  const [ours, theirs] = [actual.match(numbers) ?? [], expected.match(numbers) ?? []]
  theirs.forEach((text, i) => {
    const unit = 10 ** -(text.length - text.indexOf('.') - 1)
    assert.equal(text.length, ours[i]!.length, `${actual}\n${expected}`)
    assert.ok(Math.abs(Number(ours[i]) - Number(text)) <= 1.01 * unit, `${actual}\n${expected}`)
  })
}

const options = {
  semantics: 'mlcommons',
  ranks: 2,
  computationTime: "{'mean': 0.01}",
  checkpointLines: { save: false, load: false },
} as const

test('under mlcommons the steps of a rank are counted from its own files', () => {
  const log = new DlioLog(path, options)
  log.event({ type: 'trainPlanned', atMs: 0, steps: 24, samplesPerFile: 1, files: 48, batchSize: 2 })
  log.close()
  assert.match(
    readFileSync(path, 'utf8'),
    /Max steps per epoch per rank: 24 = 1 \* 48 \/ 2 \(samples per file \* local files \/ batch size\)\n$/,
  )
})

test('what was not measured is said to be, never 0', () => {
  const log = new DlioLog(path, options)
  log.event({ type: 'blockEnd', atMs: 0, epoch: 1, block: 1, described: { steps: 1, measuredSteps: 0, seconds: 0.5 } })
  log.close()
  const text = readFileSync(path, 'utf8')
  assert.equal(text.match(/n\/a/g)?.length, 4)
  assert.match(text, /Computation time per step \(second\): n\/a\+\/-n\/a \(metric window empty — too few steps\) \(set value/)
})

test('lines below the threshold are dropped, output stands above warning, and an echo hears the rest', () => {
  const heard: string[] = []
  const log = new DlioLog(path, { ...options, threshold: 'output', echo: (text) => heard.push(text) })
  log.line('info', 'a')
  log.line('warning', 'b')
  log.line('output', 'c')
  log.line('error', 'd')
  log.close()
  const text = readFileSync(path, 'utf8')
  assert.match(text, /^\[OUTPUT\] \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6} c\n\[ERROR\] d\n$/)
  assert.equal(heard.join(''), text)
})

test('a log is begun anew, and one that cannot be written is a storage error', () => {
  new DlioLog(path, options).close()
  assert.equal(readFileSync(path, 'utf8'), '')
  assert.throws(() => new DlioLog(join(folder, 'missing', 'dlio.log'), options), StorageError)
})

test('checkpoint lines of the final block follow the counts in the configuration, and a plain computation time is quoted as a mean', () => {
  const optionsFor = (checkpoint: object, train: object) =>
    dlioLogOptions({ semantics: 'upstream', raw: { checkpoint, train } } as never, 1)
  assert.deepEqual(optionsFor({ num_checkpoints_write: 0, num_checkpoints_read: 2 }, {}).checkpointLines, { save: false, load: true })
  assert.deepEqual(optionsFor({ num_checkpoints_write: 1, num_checkpoints_read: -1 }, {}).checkpointLines, { save: true, load: false })
  assert.equal(optionsFor({}, { computation_time: 0.5 }).computationTime, "{'mean': 0.5}")
  assert.equal(optionsFor({}, { computation_time: { mean: 0.5, stdev: 0.1 } }).computationTime, "{'mean': 0.5, 'stdev': 0.1}")
  assert.equal(optionsFor({}, {}).computationTime, '{}')
})
