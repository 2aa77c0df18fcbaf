// Where the time went: waiting for data, computing, the rest.
import { type TimeSplit, timeSplit } from '../../metrics/time-split.js'
import { percent, seconds } from '../format.js'
import { html, type Markup } from '../markup.js'
import { figure, figures, having, keyOf, runName, type Section, table } from '../parts.js'
import { splitChart } from '../run-charts.js'
import type { ReportRun } from '../runs.js'

const parts = [
  ['waiting for data', 'waiting'],
  ['computing', 'computing'],
  ['barriers and the rest', 'rest'],
] as const

/** More bars than that are too thin to be seen. */
const mostEpochs = 200

/** Undefined where no run has trained. */
export function timeSection(runs: readonly ReportRun[]): Section | undefined {
  const found = having(runs, ({ figures: { timeSplit: split } }) => split)
  if (found.length === 0) return undefined
  const keys = parts.map(([title, part]) => keyOf(title, `var(--${part})`))
  const rows = found.flatMap(({ run, index, value }) => {
    const name = runs.length === 1 ? undefined : runName(run, index)
    const row = (title: string, split: TimeSplit) => [
      name ? html`${name} ${title}` : title,
      seconds(split.wallSeconds),
      ...parts.flatMap(([, part]) => [seconds(split[`${part}Seconds`]), percent(split[`${part}Percent`])]),
    ]
    const measured = run.figures.measuredTimeSplit
    return [row('all training time', value), ...(measured ? [row('steps that AU counts', measured)] : [])]
  })
  const [only] = runs
  return {
    id: 'time',
    title: 'Where the time went',
    body: html`<p class="legend">${keys}</p>
${found.map(({ run, index, value }) => html`${runs.length > 1 && runName(run, index)}${splitBar(value)}`)}
${table(['of a rank, on average', 'time', 'waiting', '', 'computing', '', 'rest', ''], rows)}
${runs.length === 1 && only ? figures(epochSplit(only)) : undefined}`,
  }
}

function splitBar(split: TimeSplit): Markup {
  const bars = parts.map(([title, part]) => {
    const share = split[`${part}Percent`]
    return html`<span style="width:${Math.min(100, share).toFixed(2)}%;background:var(--${part})" title="${title} ${share.toFixed(1)} %"></span>`
  })
  return html`<div class="split">${bars}</div>\n`
}

/** Of each epoch, by the same rule; needs the ranks' steps. */
function epochSplit({ job }: ReportRun): Markup | undefined {
  const count = job?.ranks[0]?.record.epochs.length ?? 0
  if (job === undefined || count < 2 || count > mostEpochs) return undefined
  const splits = Array.from({ length: count }, (_, e) =>
    timeSplit(job.input.ranks.map((rank) => ({ ...rank, epochs: rank.epochs.slice(e, e + 1) }))),
  )
  return figure('Time by epoch', splitChart(splits, 'Seconds of waiting, computing and the rest by epoch'), {
    note: 'Seconds of a rank on average, checkpoints left out.',
  })
}
