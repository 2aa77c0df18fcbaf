// Several runs side by side, by the rules of `dl-driver compare`: the first is the base of the others.
import { compareRuns, type Row, type Verdict } from '../../compare/compare.js'
import type { Quantity } from '../../compare/quantities.js'
import { describeDifferences } from '../../compare/table.js'
import { byteRate, microseconds, none, percent, sampleRate, seconds } from '../format.js'
import { exact, html, type Markup } from '../markup.js'
import { runName, type Section, table } from '../parts.js'
import type { ReportRun } from '../runs.js'

/** As of `compare` without --threshold. */
const thresholdPercent = 5

const marks: Partial<Record<Verdict, { text: string; state: string }>> = {
  improvement: { text: 'better', state: 'good' },
  regression: { text: 'worse', state: 'bad' },
  'within noise': { text: 'within noise', state: 'none' },
  'not judged': { text: 'too few samples to judge', state: 'none' },
}

const units: Readonly<Record<Quantity['unit'], (value: number | null) => Markup>> = {
  '%': percent,
  'samples/s': sampleRate,
  'B/s': byteRate,
  s: seconds,
  µs: microseconds,
}

/** Undefined for a single run. */
export function comparisonSection(runs: readonly ReportRun[]): Section | undefined {
  const [base, ...others] = runs
  if (base === undefined || others.length === 0) return undefined
  const comparisons = others.map((run) => compareRuns(base.measured, run.measured, thresholdPercent))
  const quantities = new Map(comparisons.flatMap(({ quantities: rows }) => rows.map((row) => [row.key, row] as const)))
  const rows = [...quantities.values()].map(({ key, title, unit, base: value }) => [
    title,
    units[unit](value),
    ...comparisons.flatMap((comparison) => changed(comparison.quantities.find((row) => row.key === key))),
  ])
  const differing = comparisons.flatMap(({ workDifferences }, i) =>
    workDifferences.length === 0
      ? []
      : [html`<li>${others[i]!.label} did other work than ${base.label}: ${describeDifferences(workDifferences)}</li>\n`],
  )
  return {
    id: 'comparison',
    title: 'Comparison',
    body: html`${
      differing.length > 0 && html`<div class="warnings"><h2>Ratios below compare runs of different work</h2><ul>${differing}</ul></div>`
    }
${table(['', runName(base, 0), ...others.flatMap((run, i) => [runName(run, i + 1), 'ratio', ''])], rows)}
<p class="note">Ratios (×) are to ${base.label}. “Better” and “worse” are changes of more than ${thresholdPercent} % beyond twice the standard error of the epochs, by the rules of <code>dl-driver compare</code>.</p>`,
  }
}

/** Value, ratio to the base, and what the change is called. */
function changed(row: Row | undefined): Markup[] {
  if (row === undefined || row.new === null) return [none, html``, html``]
  const mark = marks[row.verdict]
  const ratio = row.base === null || row.base === 0 ? undefined : row.new / row.base
  return [
    units[row.unit](row.new),
    html`${ratio !== undefined && html`×${exact(ratio, ratio.toFixed(2))}`}`,
    html`${mark && html`<span class="mark ${mark.state}">${mark.text}</span>`}`,
  ]
}
