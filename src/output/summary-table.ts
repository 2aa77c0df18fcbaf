// The short table at the end of a run: what a person wants to know, in the order in which it is asked.
import type { Warning } from '../config/workload.js'
import type { GenerationRecord } from '../dataset/generation-record.js'
import type { RunRecord } from '../metrics/records.js'
import type { CheckpointSummary, PhaseSummary, Summary } from '../metrics/summary.js'
import { objectsRows, retriesText } from './objects-rows.js'
import { binaryBytes, decimalBytes, grouped, type Palette, paletteFor, printable, shortDuration, shortNumber } from './text.js'

export interface SummaryTableInput {
  readonly summary: Summary
  readonly record: Pick<RunRecord, 'io' | 'client' | 'objects' | 'generation'>
  /** Warnings of configuration and plan; the summary's are added. */
  readonly warnings: readonly Warning[]
  /** Where the files are; absent where none were written. */
  readonly folder?: string
  /** Whose order and reads were replayed, for example `mlcommons, pytorch`. */
  readonly replayed: string
  /** Why the run ended early; absent for one that finished. */
  readonly interruption?: string
  /** No colours unless given. */
  readonly palette?: Palette
}

/** The table, each line ended. */
export function renderSummary(input: SummaryTableInput): string {
  const { summary, record } = input
  const palette = input.palette ?? paletteFor(false, {})
  const rows: [string, string][] = []
  if (input.interruption !== undefined) rows.push(['Interrupted', palette.bad(`${printable(input.interruption)}; figures are of a part`)])
  if (record.generation) rows.push(['Generated', generationText(record.generation)])
  if (summary.train) rows.push(...phaseRows('Training', 'AU', summary.train, palette), ...throughputRows(summary))
  if (summary.timeSplit) {
    const { wallSeconds, waitingPercent, computingPercent, restPercent } = summary.timeSplit
    const shares = `waiting for data ${percent(waitingPercent)}, computing ${percent(computingPercent)}, barriers and rest ${percent(restPercent)}`
    rows.push(['Time', `${shortDuration(wallSeconds)}: ${shares}`])
  }
  if (summary.evaluation) rows.push(...phaseRows('Evaluation', 'Evaluation AU', summary.evaluation, palette))
  if (summary.checkpoint.save) rows.push(['Checkpoints saved', checkpointText(summary.checkpoint.save)])
  if (summary.checkpoint.load) rows.push(['Checkpoints loaded', checkpointText(summary.checkpoint.load)])
  if (record.objects) rows.push(...objectsRows(record.objects))
  rows.push(['Client', clientText(record)])
  if (summary.train && summary.train.epochs > 0) {
    const { boundBy, reason, advice } = summary.verdict
    rows.push(['Bound by', `${palette.bold(boundBy)}: ${reason}`])
    if (advice !== undefined) rows.push(['To change that', advice])
  }
  rows.push(['Replayed', printable(input.replayed)])
  if (input.folder !== undefined) rows.push(['Files', printable(input.folder)])
  const width = Math.max(...rows.map(([title]) => title.length))
  const lines = rows.map(([title, text]) => `${palette.dim(title.padEnd(width))}  ${text}`)
  for (const { message } of [...input.warnings, ...summary.warnings]) lines.push(`${palette.warn('warning:')} ${printable(message)}`)
  return `${lines.join('\n')}\n`
}

const percent = (value: number) => `${value.toFixed(1)} %`

function phaseRows(name: string, title: string, phase: PhaseSummary, palette: Palette): [string, string][] {
  if (phase.epochs === 0) return [[name, 'none']]
  const { auPercent, meetsTarget, targetAuPercent, slowestRank, fastestRank, excluded, tooFewSteps } = phase
  const rows: [string, string][] = []
  if (auPercent !== undefined) {
    const met = meetsTarget ? palette.good('meets') : palette.bad('misses')
    const spread =
      slowestRank && fastestRank && slowestRank.rank !== fastestRank.rank
        ? `; rank ${slowestRank.rank} ${percent(slowestRank.auPercent)}, rank ${fastestRank.rank} ${percent(fastestRank.auPercent)}`
        : ''
    rows.push([title, `${palette.bold(percent(auPercent))}, ${met} the target of ${percent(targetAuPercent)}${spread}`])
  } else if (tooFewSteps) rows.push([title, `not measured: too few steps: has ${tooFewSteps.have}, need ${tooFewSteps.need}`])
  else rows.push([title, 'not measured'])
  const left = excluded.steps > 0 ? `, ${grouped(excluded.steps)} of them left out of AU` : ''
  const rounds = name === 'Training' ? 'epoch' : 'evaluation'
  const count = `${grouped(phase.epochs)} ${rounds}${phase.epochs === 1 ? '' : 's'}`
  rows.push([
    name,
    `${count}, ${grouped(phase.steps)} steps a rank${left}, ${grouped(phase.samples)} samples in ${shortDuration(phase.seconds)}`,
  ])
  return rows
}

/** Of training; without a measured window the overall rate stands in, and says so. */
function throughputRows({ train, settings, storageBytesPerSecond }: Summary): [string, string][] {
  const rows: [string, string][] = []
  const rate = train?.samplesPerSecond ?? train?.overallSamplesPerSecond
  const bytes = rate === undefined ? undefined : rate * settings.recordBytes
  if (rate !== undefined && bytes !== undefined) {
    const start = train?.samplesPerSecond === undefined ? ' (all steps, start-up included)' : ''
    rows.push(['Throughput', `${decimalBytes(bytes)}/s (${binaryBytes(bytes)}/s), ${shortNumber(rate)} samples/s${start}`])
  }
  if (storageBytesPerSecond !== undefined && storageBytesPerSecond > 0)
    rows.push([
      'Read',
      `${decimalBytes(storageBytesPerSecond)}/s (${binaryBytes(storageBytesPerSecond)}/s) asked of the storage over all epochs`,
    ])
  return rows
}

function generationText({ filesTotal, filesWritten, filesKept, bytesWritten, wallSeconds, objects }: GenerationRecord): string {
  const of = filesWritten + filesKept < filesTotal ? `${grouped(filesWritten)} of ${grouped(filesTotal)}` : grouped(filesWritten)
  const asked = objects === undefined ? '' : `; ${grouped(objects.requests.put)} PUT, ${retriesText(objects.retries)}`
  const rate = wallSeconds > 0 ? ` (${decimalBytes(bytesWritten / wallSeconds)}/s)` : ''
  return `${of} files, ${decimalBytes(bytesWritten)} in ${shortDuration(wallSeconds)}${rate}${asked}`
}

function checkpointText(summary: CheckpointSummary): string {
  const { count, sizeBytes, meanSeconds, slowestMeanSeconds, bytesPerSecond, slowestBytesPerSecond } = summary
  const perSecond = (value: number | undefined) => (value === undefined ? '' : `, ${decimalBytes(value)}/s`)
  const rate = perSecond(bytesPerSecond)
  const slowest =
    slowestMeanSeconds > meanSeconds * 1.01
      ? `; until the last rank: ${shortDuration(slowestMeanSeconds)}${perSecond(slowestBytesPerSecond)}`
      : ''
  return `${grouped(count)} of ${decimalBytes(sizeBytes)} in ${shortDuration(meanSeconds)} on average${rate}${slowest}`
}

function clientText({ io, client }: SummaryTableInput['record']): string {
  const parts = [`${shortNumber(client.cpuSeconds)} CPU s in ${shortDuration(client.wallSeconds)}`]
  if (client.cpuSeconds > 0 && io.bytesAsked > 0) parts.push(`${decimalBytes(io.bytesAsked / client.cpuSeconds)} per CPU s`)
  parts.push(`${binaryBytes(client.maxRssBytes)} of memory`)
  return parts.join(', ')
}
