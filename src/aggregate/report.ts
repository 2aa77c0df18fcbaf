// What `aggregate` says of jobs: JSON for programs, a few lines each for people.

import type { DlioMetric } from '../metrics/dlio-metric.js'
import type { FormulaName } from '../metrics/formulas.js'
import type { PhaseSummary, Summary } from '../metrics/summary.js'
import { decimalBytes, grouped, type Palette, printable, shortDuration, shortNumber } from '../output/text.js'
import type { Job, Skipped } from './jobs.js'
import { blockTimeToleranceMs, type Difference, type Recomputation, relativeTolerance } from './recompute.js'

const aggregateSchemaVersion = 1

export interface AggregateRun {
  /** Several where hosts of one job wrote folders of their own. */
  readonly folders: readonly string[]
  readonly program: Job['program']
  readonly ranks: number
  readonly hosts: readonly string[]
  /** In DLIO's keys and units, under `formula`. */
  readonly metric: DlioMetric
  /** Whose arithmetic `metric` follows: that of the stored numbers. */
  readonly formula: FormulaName
  readonly fittingFormulas: readonly FormulaName[]
  /** Under this program's own formula, whatever was stored. */
  readonly own: Pick<Summary, 'metric' | 'settings' | 'train' | 'evaluation' | 'checkpoint' | 'timeSplit' | 'measuredTimeSplit'>
  /** Files that batch size, sample size and the like were taken from. */
  readonly settingsFrom: readonly string[]
  readonly stored: {
    /** Numbers stored by the ranks and in summary.json that were compared. */
    readonly compared: number
    readonly relativeTolerance: number
    readonly differences: readonly Difference[]
  }
}

export interface AggregateResult {
  readonly schemaVersion: number
  /** Of the one job that was found; absent where there are several. */
  readonly metric?: DlioMetric
  readonly runs: readonly AggregateRun[]
  readonly skipped: readonly Skipped[]
}

export function aggregateRun(job: Job, recomputation: Recomputation): AggregateRun {
  const { metric, settings, train, evaluation, checkpoint, timeSplit, measuredTimeSplit } = recomputation.own
  return {
    folders: job.folders,
    program: job.program,
    ranks: job.ranks.length,
    hosts: job.input.hosts.map(({ hostname }) => hostname),
    metric: recomputation.metric,
    formula: recomputation.formula,
    fittingFormulas: recomputation.fitting,
    own: {
      metric,
      settings,
      ...(train ? { train } : {}),
      ...(evaluation ? { evaluation } : {}),
      checkpoint,
      ...(timeSplit ? { timeSplit } : {}),
      ...(measuredTimeSplit ? { measuredTimeSplit } : {}),
    },
    settingsFrom: job.facts?.sources ?? [],
    stored: { compared: recomputation.comparedNumbers, relativeTolerance, differences: recomputation.differences },
  }
}

export function aggregateResult(runs: readonly AggregateRun[], skipped: readonly Skipped[]): AggregateResult {
  const [only] = runs
  return {
    schemaVersion: aggregateSchemaVersion,
    ...(runs.length === 1 && only ? { metric: only.metric } : {}),
    runs,
    skipped,
  }
}

const formulaWords: Readonly<Record<FormulaName, string>> = {
  default: 'this program’s own arithmetic',
  'mlcommons-exact': 'the arithmetic of MLCommons’ DLIO (mlcommons-exact)',
  'upstream-exact': 'the arithmetic of argonne-lcf’s DLIO (upstream-exact: throughput counts all steps but two)',
  'v1.0-exact': 'the arithmetic of DLIO for MLPerf Storage v1.0 (v1.0-exact: throughput counts all steps over the wall time)',
}

/** Differences that are printed; --json has all. */
const mostDifferences = 8

/** One job for people, each line ended. */
export function renderRun(run: AggregateRun, palette: Palette): string {
  const { own } = run
  const hosts = run.hosts.length > 1 ? ` on ${run.hosts.length} hosts` : ''
  const rows: [string, string][] = [
    ...(own.train ? phaseRows('AU', 'Throughput', own.train) : []),
    ...(own.evaluation ? phaseRows('Evaluation AU', 'Evaluation', own.evaluation) : []),
  ]
  for (const [title, events] of [
    ['Checkpoints saved', own.checkpoint.save],
    ['Checkpoints loaded', own.checkpoint.load],
  ] as const)
    if (events) {
      const rate = events.bytesPerSecond === undefined ? '' : `, ${decimalBytes(events.bytesPerSecond)}/s`
      rows.push([
        title,
        `${grouped(events.count)} of ${decimalBytes(events.sizeBytes)} in ${shortDuration(events.meanSeconds)} on average${rate}`,
      ])
    }
  rows.push(['Stored', storedWords(run, palette)])
  const width = Math.max(...rows.map(([title]) => title.length))
  const title = `${palette.bold(printable(run.folders.join(' + ')))}: ${run.program}, ${run.ranks} rank${run.ranks === 1 ? '' : 's'}${hosts}`
  const differences = run.stored.differences
    .slice(0, mostDifferences)
    .map(
      ({ file, key, stored, computed }) =>
        `    ${printable(file)} ${printable(key)}: ${palette.bad(`stored ${shown(stored)}, computed ${shown(computed)}`)}`,
    )
  const more = run.stored.differences.length - mostDifferences
  return [
    title,
    ...rows.map(([name, text]) => `  ${palette.dim(name.padEnd(width))}  ${text}`),
    ...differences,
    ...(more > 0 ? [`    and ${more} more; --json lists all`] : []),
    '',
  ].join('\n')
}

function phaseRows(auTitle: string, rateTitle: string, phase: PhaseSummary): [string, string][] {
  const { auPercent, auStdevPercent = 0, samplesPerSecond, bytesPerSecond, meetsTarget, targetAuPercent, tooFewSteps } = phase
  const count = `over ${phase.epochs} epoch${phase.epochs === 1 ? '' : 's'}`
  if (auPercent === undefined || samplesPerSecond === undefined || bytesPerSecond === undefined)
    return [[auTitle, tooFewSteps ? `not measured: too few steps: has ${tooFewSteps.have}, need ${tooFewSteps.need}` : 'not measured']]
  return [
    [
      auTitle,
      `${auPercent.toFixed(2)} % ± ${auStdevPercent.toFixed(2)} ${count}, ${meetsTarget ? 'meets' : 'misses'} the target of ${targetAuPercent.toFixed(1)} %`,
    ],
    [rateTitle, `${shortNumber(samplesPerSecond)} samples/s, ${decimalBytes(bytesPerSecond)}/s`],
  ]
}

function storedWords({ stored, formula, fittingFormulas }: AggregateRun, palette: Palette): string {
  const { compared, differences } = stored
  if (compared === 0) return 'no numbers to compare with'
  const precision = `1e-9 relative, block times ${blockTimeToleranceMs(0, true)} ms + 1 % of their stamps`
  if (differences.length === 0)
    return `${palette.good(`all ${grouped(compared)} numbers agree`)} with ${formulaWords[formula]}; tolerance ${precision}`
  const fits = fittingFormulas.length === 0 ? 'no known formula explains them; nearest is' : 'compared with'
  return `${palette.bad(`${grouped(differences.length)} of ${grouped(compared)} numbers differ`)}: ${fits} ${formulaWords[formula]}; tolerance ${precision}`
}

function shown(value: unknown): string {
  if (typeof value === 'number') return String(Number(value.toPrecision(10)))
  if (value === null) return 'nothing'
  const text = JSON.stringify(value)
  return printable(text.length > 60 ? `${text.slice(0, 57)}...` : text)
}
