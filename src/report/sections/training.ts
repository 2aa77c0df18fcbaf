// Training and evaluation over epochs: AU with its threshold, throughput.
import { largest } from '../../metrics/statistics.js'
import type { PhaseSummary } from '../../metrics/summary.js'
import { byteRate, byteRates, percent, plain, sampleRate, seconds } from '../format.js'
import { html, type Markup } from '../markup.js'
import { type Fact, figure, figures, folded, having, runName, runTable, type Section, table } from '../parts.js'
import { auChart, throughputChart } from '../run-charts.js'
import type { ReportRun } from '../runs.js'

/** Longer tables are cut; result.json has all epochs. */
const mostRows = 1000
/** Longer tables are folded. */
const openRows = 12

const phases = {
  train: {
    id: 'training',
    title: 'Training',
    round: 'epoch',
    rounds: 'Epochs',
    counts: 'Of the steps that AU counts, all ranks together.',
  },
  evaluation: {
    id: 'evaluation',
    title: 'Evaluation',
    round: 'evaluation',
    rounds: 'Evaluations',
    counts: 'All steps over the wall time, all ranks together.',
  },
} as const

/** Undefined where no run has such a phase. */
export function phaseSection(runs: readonly ReportRun[], phase: keyof typeof phases): Section | undefined {
  const { id, title, round, rounds, counts } = phases[phase]
  const found = having(runs, ({ figures: all }) => all[phase])
  if (found.length === 0) return undefined
  const sizes = found.map(({ run }) => run.figures.settings.recordBytes)
  const keys = runs.length === 1 ? [] : found.map(({ run, index }) => runName(run, index))
  const measured = found.some(({ value }) => value.auPercentByEpoch.some((au) => au !== null))
  return {
    id,
    title,
    body: html`${
      measured &&
      figures(
        figure(`Accelerator utilisation (AU) by ${round}`, auChart(found, round, `AU in percent by ${round}`), { keys }),
        figure(`Throughput by ${round}`, throughputChart(found, sizes, round, `Samples per second by ${round}`), {
          keys,
          note: counts,
        }),
      )
    }
<div class="tables">${runTable(runs, phaseFacts(phase, rounds))}
${byRound(runs, phase, round)}</div>`,
  }
}

function phaseFacts(phase: keyof typeof phases, rounds: string): Fact<ReportRun>[] {
  const of =
    (fact: (summary: PhaseSummary, run: ReportRun) => Markup | string | undefined) =>
    (run: ReportRun): Markup | string | undefined =>
      run.figures[phase] && fact(run.figures[phase], run)
  const rank = (found: PhaseSummary['slowestRank'], other: PhaseSummary['slowestRank']) =>
    found && other && found.rank !== other.rank ? html`${percent(found.auPercent)} (rank ${found.rank})` : undefined
  return [
    ['AU, mean of the epochs', of(({ auPercent, tooFewSteps }) => tooFewFacts(tooFewSteps) ?? percent(auPercent))],
    ['AU, standard deviation', of(({ auStdevPercent }) => percent(auStdevPercent))],
    ['AU to reach', of(({ targetAuPercent }) => percent(targetAuPercent))],
    ['AU of the slowest rank', of(({ slowestRank, fastestRank }) => rank(slowestRank, fastestRank))],
    ['AU of the fastest rank', of(({ slowestRank, fastestRank }) => rank(fastestRank, slowestRank))],
    ['Throughput', of(({ samplesPerSecond }) => sampleRate(samplesPerSecond))],
    ['Throughput in bytes', of(({ bytesPerSecond }) => byteRates(bytesPerSecond))],
    ['All samples over all time', of(({ overallSamplesPerSecond }) => sampleRate(overallSamplesPerSecond))],
    [rounds, of(({ epochs }) => plain(epochs))],
    ['Steps of a rank', of(({ steps }) => plain(steps))],
    ['Steps left out of AU', of(({ excluded }) => plain(excluded.steps))],
    ['Samples, all ranks', of(({ samples }) => plain(samples))],
    ['Time', of(({ seconds: time }) => seconds(time))],
  ]
}

function tooFewFacts(tooFewSteps: PhaseSummary['tooFewSteps']): string | undefined {
  return tooFewSteps && `not measured: too few steps (has ${tooFewSteps.have}, needs ${tooFewSteps.need})`
}

function byRound(runs: readonly ReportRun[], phase: keyof typeof phases, round: string): Markup {
  const found = having(runs, ({ figures: all }) => all[phase])
  const count = largest(found.map(({ value }) => value.auPercentByEpoch.length))
  if (count < 2) return html``
  const head = found.flatMap(({ run, index }) => {
    const whose = (quantity: string) => (runs.length === 1 ? quantity : html`${runName(run, index)}<br>${quantity}`)
    return [whose('AU'), whose('samples'), whose('bytes')]
  })
  const rows = Array.from({ length: Math.min(count, mostRows) }, (_, i) => [
    String(i + 1),
    ...found.flatMap(({ run, value }) => {
      const rate = value.samplesPerSecondByEpoch[i]
      const rateBytes = rate === null || rate === undefined ? undefined : rate * run.figures.settings.recordBytes
      return [percent(value.auPercentByEpoch[i]), sampleRate(rate), byteRate(rateBytes)]
    }),
  ])
  const cut = count > mostRows && html`<p class="note">The first ${mostRows} of ${count}; result.json has all.</p>`
  const body = html`${table([round, ...head], rows)}${cut}`
  return count <= openRows ? body : folded(`All ${count} ${round}s`, body)
}
