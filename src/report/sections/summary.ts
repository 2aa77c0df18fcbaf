// The top of the page: warnings, the figures asked for first, the verdict.
import { doubts, type Headline, headlines } from '../headline.js'
import { exact, html, type Markup } from '../markup.js'
import { runName } from '../parts.js'
import type { ReportRun } from '../runs.js'

/** More would hide the figures; all of a run's are in its result.json. */
const mostWarnings = 50

/** What must be known before a figure is trusted; the same warning of several runs stands once. */
export function warnings(runs: readonly ReportRun[]): Markup {
  const labels = new Map<string, string[]>()
  for (const run of runs) for (const doubt of new Set(doubts(run))) labels.set(doubt, [...(labels.get(doubt) ?? []), run.label])
  if (labels.size === 0) return html``
  const items = [...labels].slice(0, mostWarnings).map(([doubt, of]) => {
    const whose = runs.length === 1 || of.length === runs.length ? '' : `${of.join(', ')}: `
    return html`<li>${whose}${doubt}</li>\n`
  })
  const more = labels.size > mostWarnings && html`<li>and ${labels.size - mostWarnings} more</li>`
  return html`<div class="warnings"><h2>${labels.size === 1 ? 'Warning' : 'Warnings'}</h2><ul>
${items}${more}</ul></div>`
}

/** Tiles of one run with its verdict. */
export function headline(run: ReportRun): Markup {
  const tile = ({ title, value, text, note, state }: Headline) =>
    html`<div class="tile"><span>${title}</span><b${state && html` class="${state}"`}>${Number.isNaN(value) ? text : exact(value, text)}</b><span>${note}</span></div>\n`
  return html`<div class="tiles">
${headlines(run).map(tile)}</div>
${verdict(run)}`
}

/** What a run was bound by, and what to change. */
export function verdict({ result }: ReportRun, name?: Markup): Markup {
  if (result?.train === undefined) return html``
  const { boundBy, reason, advice } = result.verdict
  return html`<p class="verdict">${name} <strong>Bound by ${boundBy}:</strong> ${reason}.${advice !== undefined && html` To change that: ${advice}.`}</p>`
}

/** The verdicts of several runs, one below the other. */
export function verdicts(runs: readonly ReportRun[]): Markup {
  return html`${runs.map((run, i) => verdict(run, runName(run, i)))}`
}
