// The report of DLIO's postprocessor (postprocessor.py write_report), of runs of any age: its own reads only those before v1.0.
import { bytesPerMiB } from '../metrics/dlio-metric.js'
import type { CheckpointRecord, EpochRecord, StepsRecord } from '../metrics/records.js'
import { sum } from '../metrics/statistics.js'
import { pythonFixed } from '../output/python.js'
import { cpuColumns, type DiskColumn, diskColumns, type IostatSample } from './iostat.js'
import type { Job } from './jobs.js'
import { describeSeries, seriesColumns, sumOfSeries } from './series.js'

export interface ReportInput {
  readonly name: string
  readonly job: Job
  /** Samples of iostat.json; undefined where there is none, and then no tables are shown. */
  readonly iostat: readonly IostatSample[] | undefined
}

/** A part of an epoch: its steps on every rank, or a checkpoint. */
interface Phase {
  readonly title: 'Block' | 'Eval' | 'Checkpoint'
  readonly beginMs: number
  readonly endMs: number
  readonly steps?: readonly StepsRecord[]
  readonly batchSize: number
}

/** Column at which the values of a table begin. */
const labelWidth = 'W Bandwidth (MB/s):'.length + 16

/** The whole text of the report. */
export function dlioReport({ name, job, iostat }: ReportInput): string {
  const { settings } = job
  const epochs = job.ranks[0]!.record.epochs
  const [begin, end] = [epochs[0]!.beginMs, epochs.at(-1)!.endMs]
  const facts: [string, string][] = [
    ['Run name:', name],
    ['Started:', stamp(begin)],
    ['Ended:', stamp(end)],
    ['Duration (s):', seconds(end - begin)],
    ['Num Ranks:', String(job.ranks.length)],
    ['Batch size (per rank):', String(settings.batchSize)],
    ...(settings.evaluates ? [['Eval batch size:', String(settings.batchSizeEval)] as [string, string]] : []),
  ]
  const parts = [
    'DLIO v1.0 Report\n\n',
    "Note: Training phases lasting less than 2 seconds, will show 'n/a' values, as there is not enough data to compute statistics.\n\n",
    'Overall\n\n',
    description(facts, 1),
  ]
  const all = epochs.map((epoch) => phasesOf(job, epoch))
  const tableOf = (rates: readonly number[] | undefined, phases: readonly Phase[], scope: string, indent: number) =>
    iostat
      ? table({ rates, recordBytes: settings.recordBytes, samples: samplesIn(iostat, phases), disks: diskNames(iostat), scope, indent })
      : ''
  parts.push(tableOf(overallRates(job), all.flat(), 'over all epochs', 1))
  parts.push('\nDetailed Report\n\n')
  const numbers = { Block: 0, Eval: 0, Checkpoint: 0 }
  epochs.forEach((epoch, i) => {
    const duration = epoch.trainEndMs - epoch.beginMs
    parts.push(`Epoch ${epoch.epoch}\n`)
    parts.push(description([...times(epoch), ['Duration (s):', seconds(duration)]], 1))
    for (const phase of all[i]!) {
      numbers[phase.title]++
      parts.push(`    ${phase.title} ${numbers[phase.title]}\n`)
      parts.push(description([...times(phase), ['Duration (s):', seconds(phase.endMs - phase.beginMs)], ...averages(phase)], 2))
      parts.push(tableOf(stepRates(phase), [phase], 'over all steps', 2))
    }
  })
  return parts.join('')
}

/** Parts of an epoch in the order of their beginning, times those of rank 0. */
function phasesOf({ ranks, settings }: Job, { epoch, blocks, checkpoints, evaluation }: EpochRecord): Phase[] {
  const onRanks = (of: (record: EpochRecord) => StepsRecord | undefined) =>
    ranks.flatMap(({ record }) => of(record.epochs.find((other) => other.epoch === epoch)!) ?? [])
  const stretch = ({ beginMs, endMs }: StepsRecord | CheckpointRecord) => ({ beginMs, endMs })
  const { batchSize, batchSizeEval } = settings
  return [
    ...blocks.map((block, i): Phase => ({ title: 'Block', ...stretch(block), steps: onRanks((record) => record.blocks[i]), batchSize })),
    ...checkpoints.map((checkpoint): Phase => ({ title: 'Checkpoint', ...stretch(checkpoint), batchSize })),
    ...(evaluation
      ? [{ title: 'Eval', ...stretch(evaluation), steps: onRanks((record) => record.evaluation), batchSize: batchSizeEval } as const]
      : []),
  ].sort((a, b) => a.beginMs - b.beginMs)
}

function averages({ steps }: Phase): [string, string][] {
  if (steps === undefined) return []
  const average = (of: (record: StepsRecord) => Float64Array) => seconds(sum(steps.map((record) => sum(of(record)))) / steps.length)
  return [
    ['Avg loading time / rank (s):', average(({ loadMs }) => loadMs)],
    ['Avg processing time / rank (s):', average(({ procMs }) => procMs)],
  ]
}

/** Samples a second of each epoch, as summary.json has them. */
function overallRates({ stored }: Job): readonly number[] {
  const rates = stored?.metric.train_throughput_samples_per_second
  return Array.isArray(rates) ? rates.filter((rate): rate is number => typeof rate === 'number') : []
}

/** Samples a second of each step: what a batch took from wish to end, of all ranks together. */
function stepRates({ steps, batchSize }: Phase): readonly number[] | undefined {
  return steps && sumOfSeries(steps.map(({ procMs }) => Array.from(procMs, (ms) => (batchSize / ms) * 1000)))
}

function samplesIn(iostat: readonly IostatSample[], phases: readonly Phase[]): readonly IostatSample[] {
  return phases.flatMap(({ beginMs, endMs }) => iostat.filter(({ timeMs }) => timeMs >= beginMs && timeMs < endMs))
}

function diskNames(iostat: readonly IostatSample[]): readonly string[] {
  return [...new Set(iostat.flatMap(({ disks }) => [...disks.keys()]))]
}

const diskLabels: Readonly<Record<DiskColumn, string>> = {
  'rMB/s': 'R Bandwidth (MB/s):',
  'wMB/s': 'W Bandwidth (MB/s):',
  'r/s': 'R IOPS:',
  'w/s': 'W IOPS:',
  r_await: 'Avg R Time (ms):',
  w_await: 'Avg W Time (ms):',
  'aqu-sz': 'Avg Queue Length:',
}
const cpuLabels = { user: 'User (%):', system: 'System (%):', iowait: 'IO Wait (%):', steal: 'Steal (%):', idle: 'Idle (%):' } as const

interface TableInput {
  /** Samples a second; undefined where nothing was read. */
  readonly rates: readonly number[] | undefined
  readonly recordBytes: number
  readonly samples: readonly IostatSample[]
  readonly disks: readonly string[]
  readonly scope: string
  readonly indent: number
}

function table({ rates, recordBytes, samples, disks, scope, indent }: TableInput): string {
  const margin = '    '.repeat(indent)
  const row = (label: string, cells: readonly string[] = []) =>
    `${margin}${label.padEnd(labelWidth)}${cells.map((cell) => `${cell.padStart(12)} `).join('')}\n`
  const lines = [row('', seriesColumns), `${margin}${''.padEnd(labelWidth)}${'-'.repeat(90)}\n`]
  if (rates)
    lines.push(
      row(`Throughput Stats (${scope})`),
      row('  Samples/s:', describeSeries(rates)),
      row('  MB/s (derived from Samples/s):', describeSeries(rates.map((rate) => (rate * recordBytes) / bytesPerMiB))),
    )
  lines.push('\n', row('I/O Stats (over all time segments)'))
  for (const disk of disks) {
    lines.push(row(`  Device: ${disk}`))
    for (const column of diskColumns)
      lines.push(row(`    ${diskLabels[column]}`, describeSeries(samples.flatMap((sample) => sample.disks.get(disk)?.[column] ?? []))))
    lines.push('\n')
  }
  lines.push(row('CPU Stats'))
  for (const column of cpuColumns) lines.push(row(`    ${cpuLabels[column]}`, describeSeries(samples.map(({ cpu }) => cpu[column]))))
  return `${lines.join('')}\n`
}

/** Names and values, one a line, values below each other. */
function description(rows: readonly (readonly [string, string])[], indent: number): string {
  const width = Math.max(...rows.map(([label]) => label.length)) + 8
  return `${rows.map(([label, value]) => `${'    '.repeat(indent)}${label.padEnd(width)}${value}\n`).join('')}\n`
}

function times({ beginMs, endMs }: { readonly beginMs: number; readonly endMs: number }): [string, string][] {
  return [
    ['Started:', stamp(beginMs)],
    ['Ended:', stamp(endMs)],
  ]
}

/** As pandas prints a time: `2026-11-22 12:54:20.952960`. Stamps were read as UTC. */
function stamp(ms: number): string {
  const microseconds = Math.round((ms % 1000) * 1000)
  const whole = new Date(Math.floor(ms / 1000) * 1000).toISOString().slice(0, 19).replace('T', ' ')
  return microseconds === 0 ? whole : `${whole}.${String(microseconds).padStart(6, '0')}`
}

const seconds = (ms: number): string => pythonFixed(ms / 1000, 2)
