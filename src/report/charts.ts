// Charts as SVG, drawn without a browser. They hold numbers and units only, never text from the runs; colours are CSS variables of the page,
// so that one drawing serves light, dark and print.
import { BarChart, LineChart } from 'echarts/charts'
import { GridComponent, MarkLineComponent } from 'echarts/components'
import { type EChartsCoreOption, init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import { escapeText, Markup } from './markup.js'

use([BarChart, LineChart, GridComponent, MarkLineComponent, SVGRenderer])

/** Colours of runs or endpoints laid over each other, in order; the page defines as many. */
export const seriesColours = 8

export function seriesColour(index: number): string {
  return `var(--c${(index % seriesColours) + 1})`
}

/** What is drawn in a colour: that of its run (or endpoint), also where others have nothing to draw. */
export interface Series<T> {
  readonly index: number
  readonly value: T
}

/** From the ninth on colours repeat, with other dashes. */
export function seriesDash(index: number): 'solid' | number[] {
  return index < seriesColours ? 'solid' : [5, 3]
}

const text = 'var(--muted)'

/** Text of axes and labels. */
export const labelStyle = { color: text, fontSize: 12, fontFamily: 'inherit', textBorderWidth: 0 } as const

interface AxisOptions {
  readonly type: 'value' | 'category'
  /** With the unit, where the labels do not carry it. */
  readonly name: string
}

/** What all axes have in common. */
export function axis({ type, name }: AxisOptions, position: 'x' | 'y') {
  return {
    type,
    name,
    nameLocation: position === 'x' ? 'middle' : 'end',
    nameGap: position === 'x' ? 28 : 12,
    nameTextStyle: { ...labelStyle, align: position === 'x' ? 'center' : 'left' },
    axisLabel: labelStyle,
    axisLine: { show: position === 'x', lineStyle: { color: 'var(--axis)' } },
    axisTick: { show: position === 'x', lineStyle: { color: 'var(--axis)' } },
    splitLine: { show: position === 'y', lineStyle: { color: 'var(--grid)' } },
  }
}

/** A thin labelled line across a chart. */
export function markLine(lines: readonly { at: number; axis: 'x' | 'y'; label: string; labelOptions?: object }[], colour = text) {
  return {
    silent: true,
    symbol: 'none',
    animation: false,
    lineStyle: { color: colour, type: [4, 3], width: 1 },
    data: lines.map(({ at, axis: along, label, labelOptions }) => ({
      [along === 'x' ? 'xAxis' : 'yAxis']: at,
      label: { ...labelStyle, color: colour, formatter: label, show: label !== '', ...labelOptions },
    })),
  }
}

/** Of the drawing; text in it is 12 units high. */
export const chartWidth = 480
const chartHeight = 240

/** Room around the axes' labels. */
export const grid = { left: 8, right: 16, top: 32, bottom: 32, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' }

/** Draws a chart. `label` says what it shows to those who do not see it. */
export function chart(option: EChartsCoreOption, label: string, { width = chartWidth, height = chartHeight } = {}): Markup {
  const instance = init(null, null, { renderer: 'svg', ssr: true, width, height })
  instance.setOption({
    animation: false,
    grid,
    ...option,
  })
  const svg = instance.renderToSVGString()
  instance.dispose()
  return new Markup(tidied(svg, label))
}

/** Takes out what only scripts and the mouse would use. Quotes within text are entities, so what looks like an attribute is one. */
function tidied(svg: string, label: string): string {
  return svg
    .replace(/<style[^>]*>[\s\S]*?<\/style>/g, '')
    .replace(
      /^<svg [^>]*?(viewBox="[^"]*")[^>]*>\s*<rect [^>]*fill="none"[^>]*><\/rect>/,
      (_, box: string) => `<svg ${box} role="img" aria-label="${escapeText(label)}">`,
    )
    .replace(/ (?:class|pointer-events|ecmeta_\w+|xml:space|stroke-miterlimit)="[^"]*"/g, '')
    .replace(/\n/g, '')
}

/** Charts name their parts by a counter of the process; here by their place in the page, so that the same runs give the same page. */
export function renumberCharts(page: string): string {
  const numbers = new Map<string, number>()
  return page.replace(/( id="|url\(#)zr(\d+)-/g, (_, before: string, id: string) => {
    if (!numbers.has(id)) numbers.set(id, numbers.size + 1)
    return `${before}chart${numbers.get(id)}-`
  })
}
