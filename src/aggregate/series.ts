// The statistics that DLIO's postprocessor shows of a series (postprocessor.py get_stats, which uses Python's statistics).
import { mean } from '../metrics/statistics.js'
import { pythonFixed } from '../output/python.js'

export const seriesColumns = ['mean', 'std', 'min', 'median', 'p90', 'p99', 'max'] as const

/** One text for each of {@link seriesColumns}: two decimals, or `n/a` for fewer than two values. */
export function describeSeries(values: readonly number[]): readonly string[] {
  if (values.length < 2) return seriesColumns.map(() => 'n/a')
  const sorted = [...values].sort((a, b) => a - b)
  const average = mean(values)!
  const squares = values.reduce((total, value) => total + (value - average) ** 2, 0)
  const sampleStdev = Math.sqrt(squares / (values.length - 1))
  return [average, sampleStdev, sorted[0]!, median(sorted), quantile(sorted, 90), quantile(sorted, 99), sorted.at(-1)!].map((value) =>
    pythonFixed(value, 2),
  )
}

/** `statistics.median`, whose rounding differs from that of the 50th quantile. */
function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** `statistics.quantiles(values, n=100, method='inclusive')`: linear between the two nearest values. */
function quantile(sorted: readonly number[], percent: number): number {
  const position = percent * (sorted.length - 1)
  const below = Math.floor(position / 100)
  const part = position % 100
  const next = sorted[below + 1]
  return next === undefined || part === 0 ? sorted[below]! : (sorted[below]! * (100 - part) + next * part) / 100
}

/** Adds up series of equal steps, as those of a job's ranks; shorter ones end the sum. */
export function sumOfSeries(series: readonly (readonly number[])[]): number[] {
  const length = Math.min(...series.map((values) => values.length))
  return Array.from({ length: Number.isFinite(length) ? length : 0 }, (_, i) => series.reduce((total, values) => total + values[i]!, 0))
}
