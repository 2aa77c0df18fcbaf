// How long steps and reads took: histograms and percentiles.
import type { LatencySummary } from '../../metrics/records.js'
import type { Series } from '../charts.js'
import { stepCourse, stepDistribution } from '../distributions.js'
import { microseconds, plain } from '../format.js'
import { histogramChart } from '../histogram-chart.js'
import { html, type Markup } from '../markup.js'
import { figure, figures, having, keyOf, runName, type Section, table } from '../parts.js'
import { courseChart } from '../run-charts.js'
import type { ReportRun } from '../runs.js'

/** More groups than that are finer than the drawing. */
const mostGroups = 240
/** More histograms than that are no longer looked at. */
const mostHistograms = 24

/** One distribution of each run that has it. */
interface Distribution {
  readonly title: string
  readonly note: string
  readonly of: readonly (Series<LatencySummary> & { readonly run: ReportRun })[]
}

/** Undefined where nothing was recorded one by one. */
export function latencySection(runs: readonly ReportRun[]): Section | undefined {
  const shown = distributions(runs)
  if (shown.length === 0) return undefined
  const keysOf = ({ of }: Pick<Distribution, 'of'>) => (runs.length === 1 ? [] : of.map(({ run, index }) => runName(run, index)))
  const courses = having(runs, ({ job }) => job && stepCourse(job, mostGroups))
  const single = runs.length === 1
  return {
    id: 'latency',
    title: 'Step times and latencies',
    body: html`${figures(
      ...shown.map((one) => figure(one.title, histogramChart(one.of, `Histogram: ${one.title}`), { note: one.note, keys: keysOf(one) })),
      courses.length > 0
        ? figure('Step time over the run', courseChart(courses, 'Milliseconds a step over the run'), {
            wide: true,
            keys: single
              ? [keyOf('median of the ranks', 'var(--c1)'), keyOf('slowest', 'var(--waiting)')]
              : keysOf({ of: [] }).concat(courses.map(({ run, index }) => runName(run, index))),
            note: single ? 'Waiting for the batch and computing.' : 'Median of the ranks: waiting for the batch and computing.',
          })
        : undefined,
    )}
${percentileTable(
  shown.flatMap(({ title, of }) =>
    of.map(({ run, index, value }) => [single ? title : html`${title} ${runName(run, index)}`, value] as const),
  ),
)}`,
  }
}

/** Count, mean, extremes and percentiles, one distribution a line. */
export function percentileTable(rows: readonly (readonly [Markup | string, LatencySummary])[]): Markup {
  return table(
    ['', 'records', 'mean', 'min', 'p50', 'p90', 'p99', 'p99.9', 'max'],
    rows.map(([title, { count, ...times }]) => [
      title,
      plain(count),
      ...[times.meanUs, times.minUs, times.p50Us, times.p90Us, times.p99Us, times.p999Us, times.maxUs].map(microseconds),
    ]),
  )
}

function distributions(runs: readonly ReportRun[]): Distribution[] {
  const ofSteps = (time: 'load' | 'proc') => having(runs, ({ job }) => job && stepDistribution(job, time))
  const names = [...new Set(runs.flatMap(({ result }) => Object.keys(result?.histograms ?? {})))].slice(0, mostHistograms)
  return [
    { title: 'Step', note: 'Each training step of each rank: waiting for the batch and computing.', of: ofSteps('proc') },
    { title: 'Waiting for the batch', note: 'The part of each step in which the accelerator had no data.', of: ofSteps('load') },
    ...names.map((name) => ({
      ...titled(name),
      of: having(runs, ({ result }) => (result && Object.hasOwn(result.histograms, name) ? result.histograms[name] : undefined)),
    })),
  ].filter(({ of }) => of.length > 0)
}

function titled(name: string): { title: string; note: string } {
  if (name === 'sampleReadUs') return { title: 'Sample read', note: 'Each sample that readers read, from open to close.' }
  return { title: name.replace(/Us$/, ''), note: 'As the run recorded it.' }
}
