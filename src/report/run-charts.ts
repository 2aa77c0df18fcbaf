// Charts of what changed over a run: epochs, steps, checkpoints.
import { largest } from '../metrics/statistics.js'
import type { CheckpointSummary, PhaseSummary } from '../metrics/summary.js'
import type { TimeSplit } from '../metrics/time-split.js'
import { axis, chart, chartWidth, labelStyle, markLine, type Series, seriesColour, seriesDash } from './charts.js'
import type { StepCourse } from './distributions.js'
import { tickBytes, tickNumber } from './format.js'
import type { Markup } from './markup.js'

/** More points than that would hide the line. */
const mostSymbols = 60

function line(values: readonly (number | null)[], index: number) {
  return {
    type: 'line',
    silent: true,
    // Of many thousand points only those are drawn that can be told apart.
    sampling: 'lttb',
    color: seriesColour(index),
    lineStyle: { width: 2, type: seriesDash(index) },
    symbol: values.length <= mostSymbols ? 'circle' : 'none',
    symbolSize: 6,
    data: values.map((value) => value ?? '-'),
  }
}

/** Numbers from 1 to the length of the longest list. */
function numbers(lists: readonly (readonly unknown[])[]): string[] {
  return Array.from({ length: largest(lists.map(({ length }) => length)) }, (_, i) => String(i + 1))
}

/** AU of each epoch (or evaluation) of each run, with the threshold where all have the same. */
export function auChart(phases: readonly Series<PhaseSummary>[], round: string, label: string): Markup {
  const lists = phases.map(({ value }) => value.auPercentByEpoch)
  const targets = [...new Set(phases.map(({ value }) => value.targetAuPercent))]
  const target = targets.length === 1 ? targets[0] : undefined
  // Named beside the axis: within the drawing it would lie on the lines.
  const threshold = target === undefined ? {} : { markLine: markLine([{ at: target, axis: 'y', label: '' }], 'var(--target)') }
  const name = target === undefined ? 'AU, %' : `AU, % (dashed: target ${tickNumber(target)} %)`
  return chart(
    {
      xAxis: { ...axis({ type: 'category', name: round }, 'x'), data: numbers(lists) },
      // From 0: a part of the axis would make small differences look large.
      yAxis: { ...axis({ type: 'value', name }, 'y'), min: 0, max: 100, interval: 25 },
      series: lists.map((values, i) => ({ ...line(values, phases[i]!.index), ...(i === 0 ? threshold : {}) })),
    },
    label,
  )
}

/** Samples a second of each epoch; on the right as bytes where a sample has the same size in all runs. */
export function throughputChart(
  phases: readonly Series<PhaseSummary>[],
  recordBytes: readonly number[],
  round: string,
  label: string,
): Markup {
  const lists = phases.map(({ value }) => value.samplesPerSecondByEpoch)
  const most = niceCeiling(largest(lists.flat().map((value) => value ?? 0)))
  const sampleBytes = new Set(recordBytes).size === 1 ? recordBytes[0]! : 0
  const left = { ...axis({ type: 'value', name: 'samples/s' }, 'y'), min: 0, max: most, interval: most / 4 }
  const right = {
    ...axis({ type: 'value', name: 'bytes/s' }, 'y'),
    nameTextStyle: { ...labelStyle, align: 'right' },
    position: 'right',
    min: 0,
    max: most * sampleBytes,
    interval: (most * sampleBytes) / 4,
    splitLine: { show: false },
    axisLabel: { ...labelStyle, formatter: tickBytes },
  }
  return chart(
    {
      xAxis: { ...axis({ type: 'category', name: round }, 'x'), data: numbers(lists) },
      yAxis: [{ ...left, axisLabel: { ...labelStyle, formatter: tickNumber } }, ...(sampleBytes > 0 ? [right] : [])],
      series: lists.map((values, i) => line(values, phases[i]!.index)),
    },
    label,
  )
}

/** The next of 1, 1.2, 1.6, 2, 2.4, 3, 4, 6, 8 times a power of ten, all of which have round quarters. */
function niceCeiling(value: number): number {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  const factor = [1, 1.2, 1.6, 2, 2.4, 3, 4, 6, 8, 10].find((size) => size * power >= value) ?? 10
  return Number((factor * power).toPrecision(3))
}

/** Where the time of each epoch went, in seconds of a rank on average. */
export function splitChart(splits: readonly (TimeSplit | undefined)[], label: string): Markup {
  const parts = [
    ['waitingSeconds', 'var(--waiting)'],
    ['computingSeconds', 'var(--computing)'],
    ['restSeconds', 'var(--rest)'],
  ] as const
  return chart(
    {
      xAxis: { ...axis({ type: 'category', name: 'epoch' }, 'x'), data: numbers([splits]) },
      yAxis: { ...axis({ type: 'value', name: 'seconds' }, 'y'), min: 0, splitNumber: 4 },
      series: parts.map(([part, color]) => ({
        type: 'bar',
        stack: 'time',
        silent: true,
        color,
        barMaxWidth: 36,
        data: splits.map((split) => split?.[part] ?? '-'),
      })),
    },
    label,
  )
}

/** Step times in the order of the run: of one run median and slowest, of several the medians. */
export function courseChart(courses: readonly Series<StepCourse>[], label: string): Markup {
  const only = courses.length === 1 ? courses[0]!.value : undefined
  const steps = largest(courses.map(({ value }) => value.steps))
  const points = (course: StepCourse, values: readonly number[]) => values.map((ms, i) => [course.firstStep[i]!, ms])
  const plainLine = { type: 'line', silent: true, symbol: 'none' }
  const begins = only && only.epochBegins.length <= 20 ? only.epochBegins.slice(1) : []
  const series = only
    ? [
        { ...plainLine, color: 'var(--waiting)', lineStyle: { width: 1 }, data: points(only, only.maxMs) },
        { ...plainLine, color: 'var(--c1)', lineStyle: { width: 1.5 }, data: points(only, only.medianMs) },
      ]
    : courses.map(({ index, value }) => ({
        ...plainLine,
        color: seriesColour(index),
        lineStyle: { width: 1.5, type: seriesDash(index) },
        data: points(value, value.medianMs),
      }))
  return chart(
    {
      xAxis: {
        ...axis({ type: 'value', name: begins.length > 0 ? 'step of the run (dashed: a new epoch)' : 'step of the run' }, 'x'),
        min: 1,
        max: Math.max(2, steps),
      },
      yAxis: { ...axis({ type: 'value', name: 'ms a step' }, 'y'), min: 0, splitNumber: 4 },
      series: series.map((one, i) =>
        i === 0 && begins.length > 0
          ? {
              ...one,
              markLine: markLine(
                begins.map((at) => ({ at, axis: 'x', label: '' }) as const),
                'var(--axis)',
              ),
            }
          : one,
      ),
    },
    label,
    { width: 2 * chartWidth },
  )
}

/** Time of each checkpoint until the last rank was done. */
export function checkpointChart(summaries: readonly Series<CheckpointSummary>[], label: string): Markup {
  const longestMs = largest(summaries.flatMap(({ value }) => value.slowestDurationMs))
  const [unit, divisor] = longestMs < 1000 ? (['ms', 1] as const) : (['seconds', 1000] as const)
  const lists = summaries.map(({ value }) => value.slowestDurationMs.map((ms) => ms / divisor))
  const single = lists.length === 1
  return chart(
    {
      xAxis: { ...axis({ type: 'category', name: 'checkpoint' }, 'x'), data: numbers(lists) },
      yAxis: { ...axis({ type: 'value', name: unit }, 'y'), min: 0, splitNumber: 4 },
      series: lists.map((values, i) =>
        single
          ? { type: 'bar', silent: true, color: seriesColour(summaries[i]!.index), barMaxWidth: 36, data: values }
          : line(values, summaries[i]!.index),
      ),
    },
    label,
  )
}
