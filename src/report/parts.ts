// The parts that sections are made of: tables, figures, keys to colours.
import { seriesColour, seriesColours } from './charts.js'
import { none } from './format.js'
import { html, type Markup } from './markup.js'
import type { ReportRun } from './runs.js'

export interface Section {
  /** Anchor of the section within the page. */
  readonly id: string
  readonly title: string
  readonly body: Markup
}

type Cell = Markup | string

/** A table with a line of column titles; the first cell of a row is its title. Wide tables scroll on their own. */
export function table(head: readonly Cell[], rows: readonly (readonly Cell[])[]): Markup {
  return html`<div class="scroll" tabindex="0"><table><thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead><tbody>
${rows.map(([title = '', ...cells]) => html`<tr><th scope="row">${title}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>\n`)}</tbody></table></div>`
}

/** What a run has to say on a row; `undefined` where it has nothing. */
export type Fact<T> = readonly [title: string, of: (of: T) => Cell | undefined]

/** One line a fact and one column a run; facts that no run has are left out, and so is a table without any. */
function factTable<T>(columns: readonly T[], heads: readonly Cell[], facts: readonly Fact<T>[], kind = 'facts'): Markup | undefined {
  const rows = facts.flatMap(([title, of]) => {
    const cells = columns.map(of)
    return cells.every((cell) => cell === undefined || cell === none) ? [] : [{ title, cells: cells.map((cell) => cell ?? none) }]
  })
  if (rows.length === 0) return undefined
  return html`<div class="scroll" tabindex="0"><table class="${kind}">${columns.length > 1 && html`<thead><tr><td></td>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>`}<tbody>
${rows.map(({ title, cells }) => html`<tr><th scope="row">${title}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>\n`)}</tbody></table></div>`
}

/** The same of runs. */
export function runTable(runs: readonly ReportRun[], facts: readonly Fact<ReportRun>[], kind?: string): Markup | undefined {
  return factTable(
    runs,
    runs.map((run, i) => runName(run, i)),
    facts,
    kind,
  )
}

/** A run's label behind its colour. */
export function runName({ label }: Pick<ReportRun, 'label'>, index: number): Markup {
  return key(label, index)
}

/** Text behind the colour that stands for it in charts. */
export function key(label: string, index: number): Markup {
  return keyOf(label, seriesColour(index), index >= seriesColours)
}

/** As {@link key}, in a colour (CSS) that is no series’. */
export function keyOf(label: string, colour: string, dashed = false): Markup {
  return html`<span class="key"><i style="background:${colour}"${dashed && html` class="dashed"`}></i><bdi>${label}</bdi></span>`
}

/** What colours mean; nothing where there is only one. */
export function legend(keys: readonly Markup[]): Markup {
  return keys.length > 1 ? html`<p class="legend">${keys}</p>` : html``
}

/** A chart with its title, and what must be known to read it. */
export function figure(title: string, drawing: Markup | undefined, { note, keys = [], wide = false }: FigureOptions = {}): Markup {
  if (drawing === undefined) return html``
  return html`<figure${wide && html` class="wide"`}><figcaption>${title}</figcaption>${legend(keys)}<div class="drawing">${drawing}</div>${note !== undefined && html`<p class="note">${note}</p>`}</figure>\n`
}

interface FigureOptions {
  readonly note?: string
  readonly keys?: readonly Markup[]
  readonly wide?: boolean
}

/** Figures side by side, those without a drawing left out; nothing where none has one. */
export function figures(...items: readonly (Markup | undefined)[]): Markup {
  const shown = items.filter((item) => item !== undefined && item.text !== '')
  return shown.length === 0 ? html`` : html`<div class="figures">${shown as Markup[]}</div>`
}

/** What would push the rest out of sight, folded. */
export function folded(title: string, body: Markup): Markup {
  return html`<details><summary>${title}</summary>${body}</details>`
}

/** Values of those runs that have one, each with the run's place. */
export function having<T>(
  runs: readonly ReportRun[],
  of: (run: ReportRun) => T | undefined,
): { run: ReportRun; index: number; value: T }[] {
  return runs.flatMap((run, index) => {
    const value = of(run)
    return value === undefined ? [] : [{ run, index, value }]
  })
}
