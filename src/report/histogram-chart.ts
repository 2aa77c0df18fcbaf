// Latency histograms on a logarithmic axis, of one run with its percentiles or of several laid over each other.
import type { LatencySummary } from '../metrics/records.js'
import { axis, chart, grid, labelStyle, markLine, type Series, seriesColour, seriesDash } from './charts.js'
import { type Bins, commonBins } from './distributions.js'
import { microsecondsText } from './format.js'
import type { Markup } from './markup.js'

/** Draws distributions over each other. Undefined where none has buckets. */
export function histogramChart(series: readonly Series<LatencySummary>[], label: string): Markup | undefined {
  const bins = commonBins(series.map(({ value }) => value))
  if (bins === undefined) return undefined
  const only = series.length === 1 ? series[0]!.value : undefined
  const end = bins.begin + bins.width * bins.shares[0]!.length
  const ticks = timeTicks(10 ** bins.begin, 10 ** end).map(Math.log10)
  const x = axis({ type: 'value', name: 'time (logarithmic)' }, 'x')
  return chart(
    {
      // Above the two rows of percentiles.
      grid: { ...grid, ...(only ? { top: 48 } : {}) },
      xAxis: {
        ...x,
        min: bins.begin,
        max: end,
        axisTick: { ...x.axisTick, customValues: ticks },
        axisLabel: { ...labelStyle, customValues: ticks, formatter: (log: number) => tickText(10 ** log) },
      },
      yAxis: { ...axis({ type: 'value', name: '% of records' }, 'y'), nameGap: only ? 30 : 12, min: 0, splitNumber: 4 },
      series: series.map(({ index }, i) => ({
        type: 'line',
        // A value holds from its point to the next one: the outline of bars.
        step: 'end',
        silent: true,
        symbol: 'none',
        color: seriesColour(index),
        lineStyle: { width: 1.5, type: seriesDash(index) },
        ...(only ? { areaStyle: { opacity: 0.25 } } : {}),
        data: outline(bins, i),
        ...(only ? { markLine: percentiles(only, bins.begin, end) } : {}),
      })),
    },
    label,
  )
}

function outline({ begin, width, shares }: Bins, which: number): [number, number][] {
  const values = shares[which]!
  return [...Array.from(values, (share, bin): [number, number] => [begin + bin * width, share]), [begin + values.length * width, 0]]
}

function percentiles({ p50Us, p99Us }: LatencySummary, begin: number, end: number) {
  const lines = [
    ['p50', p50Us, 14],
    ['p99', p99Us, 2],
  ] as const
  return markLine(
    lines.map(([name, us, distance]) => {
      const at = Math.log10(Math.max(1, us))
      // Labels stand in two rows, and on the side where there is room.
      const align = (at - begin) / (end - begin) > 0.6 ? 'right' : 'left'
      return { at, axis: 'x', label: `${name} ${microsecondsText(us)}`, labelOptions: { align, distance } } as const
    }),
  )
}

/** Fewer labels than that fit side by side. */
const mostTicks = 7

/** Round times in [fromUs, toUs]: powers of ten, with 2 and 5 or 3 between them where there is room, or equal steps in a narrow range. */
export function timeTicks(fromUs: number, toUs: number): number[] {
  const within = (factors: readonly number[]) => {
    const ticks: number[] = []
    for (let power = Math.floor(Math.log10(fromUs)); power <= Math.ceil(Math.log10(toUs)); power++)
      for (const factor of factors) {
        const tick = Number((factor * 10 ** power).toPrecision(3))
        if (tick >= fromUs * 0.999 && tick <= toUs * 1.001) ticks.push(tick)
      }
    return ticks
  }
  if (toUs / fromUs < 4) return evenTicks(fromUs, toUs)
  const candidates = [[1, 2, 3, 5], [1, 2, 5], [1, 3], [1]].map(within)
  const fitting = candidates.find((ticks) => ticks.length <= mostTicks) ?? candidates.at(-1)!
  return fitting.filter((_, i) => i % Math.ceil(fitting.length / mostTicks) === 0)
}

function evenTicks(from: number, to: number): number[] {
  const rough = (to - from) / (mostTicks - 2)
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough)!
  const first = Math.ceil(from / step)
  return Array.from({ length: Math.max(0, Math.floor(to / step) - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(6)))
}

function tickText(us: number): string {
  const round = (value: number) => String(Number(value.toPrecision(4)))
  if (us < 999.95) return `${round(us)} µs`
  return us < 999_950 ? `${round(us / 1000)} ms` : `${round(us / 1e6)} s`
}
