// Checkpoints: how long they took, and at what rate.
import type { CheckpointSummary } from '../../metrics/summary.js'
import { byteRates, bytes, plain, seconds } from '../format.js'
import { html, type Markup } from '../markup.js'
import { type Fact, figure, figures, having, runName, runTable, type Section } from '../parts.js'
import { checkpointChart } from '../run-charts.js'
import type { ReportRun } from '../runs.js'

const kinds = [
  ['save', 'saved', 'Save'],
  ['load', 'loaded', 'Load'],
] as const

/** Undefined where no run has saved or loaded one. */
export function checkpointSection(runs: readonly ReportRun[]): Section | undefined {
  const facts = kinds.flatMap(([kind, done, title]) => factsOf(kind, done, title))
  const tables = runTable(runs, [
    ...facts,
    ['Bytes written, framing included', ({ result }) => writtenOf(result?.checkpoint?.bytesWritten)],
  ])
  if (tables === undefined) return undefined
  const drawings = kinds.map(([kind, done]) => {
    const found = having(runs, ({ figures: { checkpoint } }) => checkpoint[kind]).filter(({ value }) => value.slowestDurationMs.length > 0)
    if (!found.some(({ value }) => value.count > 1)) return undefined
    return figure(`Checkpoints ${done}`, checkpointChart(found, `Time of each checkpoint ${done}`), {
      keys: runs.length === 1 ? [] : found.map(({ run, index }) => runName(run, index)),
      note: 'From the first rank’s begin to the last rank’s end.',
    })
  })
  return {
    id: 'checkpoints',
    title: 'Checkpoints',
    body: html`${figures(...drawings)}
${tables}`,
  }
}

function factsOf(kind: 'save' | 'load', done: string, title: string): Fact<ReportRun>[] {
  const of =
    (fact: (summary: CheckpointSummary) => Markup | undefined) =>
    ({ figures: { checkpoint } }: ReportRun) =>
      checkpoint[kind] && fact(checkpoint[kind])
  return [
    [`Checkpoints ${done}`, of(({ count }) => plain(count))],
    [`Size of one, ${done}`, of(({ sizeBytes }) => bytes(sizeBytes))],
    [`${title}: time of rank 0, mean`, of(({ meanSeconds }) => seconds(meanSeconds))],
    [`${title}: rate of rank 0`, of(({ bytesPerSecond }) => byteRates(bytesPerSecond))],
    [`${title}: time until the last rank, mean`, of(({ slowestMeanSeconds }) => seconds(slowestMeanSeconds))],
    [`${title}: rate until the last rank`, of(({ slowestBytesPerSecond }) => byteRates(slowestBytesPerSecond))],
  ]
}

function writtenOf(written: number | undefined): Markup | undefined {
  return written === undefined ? undefined : bytes(written)
}
