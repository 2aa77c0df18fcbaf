// What is asked of a run first: the same few figures at the top of the page and on the terminal.
import { decimalBytes, shortDuration, shortNumber } from '../output/text.js'
import { microsecondsText } from './format.js'
import type { ReportRun } from './runs.js'

export interface Headline {
  readonly title: string
  readonly value: number
  /** With its unit. */
  readonly text: string
  readonly note?: string
  readonly state?: 'good' | 'bad'
}

/** Figures of a run in the order in which people ask for them; what was not measured is absent. */
export function headlines({ figures, result }: ReportRun): Headline[] {
  const { train, evaluation, checkpoint } = figures
  const found: Headline[] = []
  for (const [title, phase] of [
    ['AU', train],
    ['Evaluation AU', train ? undefined : evaluation],
  ] as const)
    if (phase?.auPercent !== undefined)
      found.push({
        title,
        value: phase.auPercent,
        text: `${phase.auPercent.toFixed(1)} %`,
        note: `${phase.meetsTarget ? 'meets' : 'misses'} the target of ${Number(phase.targetAuPercent.toPrecision(4))} %`,
        state: phase.meetsTarget ? 'good' : 'bad',
      })
    else if (phase?.tooFewSteps)
      found.push({
        title,
        value: Number.NaN,
        text: 'not measured',
        note: `too few steps: has ${phase.tooFewSteps.have}, needs ${phase.tooFewSteps.need}`,
      })
  if (train?.bytesPerSecond !== undefined && train.samplesPerSecond !== undefined)
    found.push({
      title: 'Throughput',
      value: train.bytesPerSecond,
      text: `${decimalBytes(train.bytesPerSecond)}/s`,
      note: `${shortNumber(train.samplesPerSecond)} samples/s`,
    })
  else if (train?.overallSamplesPerSecond !== undefined)
    found.push({
      title: 'Throughput',
      value: train.overallSamplesPerSecond,
      text: `${shortNumber(train.overallSamplesPerSecond)} samples/s`,
      note: 'all steps, start-up included',
    })
  const read = result?.io.bytesPerSecond
  if (read !== undefined && read > 0)
    found.push({ title: 'Read', value: read, text: `${decimalBytes(read)}/s`, note: 'asked of the storage over all epochs' })
  for (const [title, events] of [
    ['Checkpoint saved', checkpoint.save],
    ['Checkpoint loaded', checkpoint.load],
  ] as const)
    if (events?.bytesPerSecond !== undefined)
      found.push({
        title,
        value: events.bytesPerSecond,
        text: `${decimalBytes(events.bytesPerSecond)}/s`,
        note: `${decimalBytes(events.sizeBytes)} in ${shortDuration(events.meanSeconds)} on average`,
      })
  const sample = result?.histograms.sampleReadUs
  if (sample)
    found.push({
      title: 'Sample read, p99',
      value: sample.p99Us,
      text: microsecondsText(sample.p99Us),
      note: `median ${microsecondsText(sample.p50Us)}`,
    })
  return found
}

/** What must be known before a figure is trusted: why a run ended early, its own warnings, and stored numbers that its steps do not give. */
export function doubts({ result, figures, recomputed, label }: ReportRun): string[] {
  const differences = recomputed?.differences ?? []
  const [first] = differences
  return [
    ...(result?.complete === false ? [`incomplete, so figures are of a part: ${result.interruption ?? 'no reason was stored'}`] : []),
    ...(first
      ? [
          `${differences.length} of ${recomputed!.comparedNumbers} stored numbers do not follow from the recorded steps, the first ${first.key} of ${first.file}; ` +
            `\`dl-driver aggregate\` on ${label} lists them`,
        ]
      : []),
    ...figures.warnings.map(({ message }) => message),
  ]
}
