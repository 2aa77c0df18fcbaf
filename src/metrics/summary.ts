// From records to numbers: everything a run's outputs say is computed here, from nothing but what was recorded.
import type { Warning, Workload } from '../config/workload.js'
import {
  bytesPerGiB,
  type CheckpointEvent,
  type DlioMetric,
  dlioMetric,
  type JobFigures,
  joinEvaluations,
  joinTraining,
  measured,
  type RankFigures,
} from './dlio-metric.js'
import { blockFigures, epochFigures, evaluationFigures, type Formula, type FormulaName, formulas, type WindowRule } from './formulas.js'
import type { CheckpointRecord, EpochRecord, RunRecord } from './records.js'
import { type MetricSettings, metricSettings } from './settings.js'
import { missingSamples } from './short-batches.js'
import { largest, mean, populationStdev, sum } from './statistics.js'
import { type TimeSplit, timeSplit } from './time-split.js'
import { judge, lagPercent, type Verdict } from './verdict.js'

/** A run's records; what another program left behind lacks the last ones. */
export type SummaryInput = Pick<
  RunRecord,
  'beginMs' | 'endMs' | 'ranks' | 'hosts' | 'stepsPerEpoch' | 'stepsPerEval' | 'samplesPerEpoch' | 'samplesPerEval'
> &
  Partial<Pick<RunRecord, 'io' | 'client'>>

/** Training, or all evaluations. What could not be measured is absent. */
export interface PhaseSummary {
  /** Mean over epochs of the mean over ranks. */
  readonly auPercent?: number
  readonly auStdevPercent?: number
  readonly auPercentByEpoch: readonly (number | null)[]
  /** Of the whole job: mean over epochs of the sum over ranks. */
  readonly samplesPerSecond?: number
  readonly samplesPerSecondStdev?: number
  readonly samplesPerSecondByEpoch: readonly (number | null)[]
  /** `samplesPerSecond` times the size of a sample. */
  readonly bytesPerSecond?: number
  readonly targetAuPercent: number
  readonly meetsTarget?: boolean
  /** The ranks with the lowest and the highest AU (mean over epochs). */
  readonly slowestRank?: { readonly rank: number; readonly auPercent: number }
  readonly fastestRank?: { readonly rank: number; readonly auPercent: number }
  /** Epochs trained, or evaluations made. */
  readonly epochs: number
  /** Of one rank over all epochs (of the busiest, should they differ). */
  readonly steps: number
  /** Of all ranks. */
  readonly samples: number
  /** Wall time over all epochs, checkpoints in training included, of the slowest rank. */
  readonly seconds: number
  /** All samples over all that time, start-up of each epoch included: true whatever is excluded from the figures above. */
  readonly overallSamplesPerSecond?: number
  readonly excluded: {
    /** Steps left out at the start of each block, and at the end of an epoch. */
    readonly startSteps: number
    readonly endSteps: number
    /** Steps of one rank over all epochs that AU leaves out, and that it counts. */
    readonly steps: number
    readonly measuredSteps: number
  }
  /** Where no block has a step that counts: steps that a block must have, and the most that one had. */
  readonly tooFewSteps?: { readonly need: number; readonly have: number }
}

export interface CheckpointSummary {
  readonly count: number
  readonly sizeBytes: number
  /** As DLIO measures: rank 0's own time, the whole job's bytes. */
  readonly meanSeconds: number
  /** From the first rank's begin to the last rank's end. */
  readonly slowestMeanSeconds: number
  /** Mean of each checkpoint's rate as DLIO measures it. */
  readonly bytesPerSecond?: number
  /** The same bytes over the time until the last rank was done. */
  readonly slowestBytesPerSecond?: number
  /** Of each checkpoint, rank 0's own time and the time until the last rank was done. */
  readonly durationMs: readonly number[]
  readonly slowestDurationMs: readonly number[]
}

export interface Summary {
  readonly formula: FormulaName
  readonly ranks: number
  readonly settings: MetricSettings
  readonly train?: PhaseSummary
  readonly evaluation?: PhaseSummary
  readonly checkpoint: { readonly save?: CheckpointSummary; readonly load?: CheckpointSummary }
  /** What DLIO's summary.json holds under `metric`. */
  readonly metric: DlioMetric
  /** Bytes asked of the storage over the time in which epochs ran; larger than the samples' own bytes where a format is read whole. */
  readonly storageBytesPerSecond?: number
  /** Of all training time, and of the part that AU counts. */
  readonly timeSplit?: TimeSplit
  readonly measuredTimeSplit?: TimeSplit
  readonly verdict: Verdict
  readonly warnings: readonly Warning[]
}

/** All metrics of a run of `workload`. Errors: ConfigError where a sample's size cannot be known. */
export function summarizeRun(record: RunRecord, workload: Workload): Summary {
  return summarize(record, metricSettings(workload))
}

/** DLIO's `metric` alone, from the figures of the ranks under the same formula. Pure. */
export function metricOf(input: SummaryInput, settings: MetricSettings, formula: Formula, ranks: readonly RankFigures[]): DlioMetric {
  return dlioMetric(
    settings,
    checkpointEvents(input),
    settings.trains ? joinTraining(ranks, formula) : undefined,
    settings.evaluates ? joinEvaluations(ranks, formula) : undefined,
  )
}

/** All metrics of records under a formula. Pure. */
export function summarize(input: SummaryInput, settings: MetricSettings, formulaName: FormulaName = 'default'): Summary {
  const formula = formulas[formulaName]
  const ranks = rankFigures(input, settings, formula)
  const training = settings.trains ? joinTraining(ranks, formula) : undefined
  const evaluations = settings.evaluates ? joinEvaluations(ranks, formula) : undefined
  const train = training && phaseSummary(input, settings, formula, ranks, training, 'train')
  const evaluation = evaluations && phaseSummary(input, settings, formula, ranks, evaluations, 'eval')
  const split = settings.trains ? timeSplit(input.ranks) : undefined
  const measuredSplit = settings.trains ? timeSplit(input.ranks, { rule: windowRule(input, settings, 'train'), formula }) : undefined
  const save = checkpointSummary(input, 'save')
  const load = checkpointSummary(input, 'load')
  const storageBytesPerSecond =
    input.io &&
    perSecond(
      input.io.bytesAsked,
      epochSeconds(input, (epoch) => epoch.endMs - epoch.beginMs),
    )
  const cpuCount = sum(input.hosts.map((host) => host.cpuCount))
  return {
    formula: formulaName,
    ranks: input.ranks.length,
    settings,
    ...(train ? { train } : {}),
    ...(evaluation ? { evaluation } : {}),
    checkpoint: { ...(save ? { save } : {}), ...(load ? { load } : {}) },
    metric: dlioMetric(settings, checkpointEvents(input), training, evaluations),
    ...(storageBytesPerSecond === undefined ? {} : { storageBytesPerSecond }),
    ...(split ? { timeSplit: split } : {}),
    ...(measuredSplit ? { measuredTimeSplit: measuredSplit } : {}),
    verdict: judge(measuredSplit ?? split, input.client, cpuCount),
    warnings: summaryWarnings(train, evaluation, split, input.client),
  }
}

/** The window rule of training or evaluation. */
export function windowRule(input: SummaryInput, settings: MetricSettings, phase: 'train' | 'eval'): WindowRule {
  return {
    excludeStartSteps: settings.excludeStartSteps,
    excludeEndSteps: settings.excludeEndSteps,
    plannedSteps: phase === 'train' ? input.stepsPerEpoch : input.stepsPerEval,
  }
}

/** The figures of every block and evaluation of every rank: what N_output.json stores under `au` and `throughput`. */
export function rankFigures(input: SummaryInput, settings: MetricSettings, formula: Formula): RankFigures[] {
  const trainRule = windowRule(input, settings, 'train')
  const evalRule = windowRule(input, settings, 'eval')
  return input.ranks.map(({ rank, epochs }) => ({
    rank,
    epochs: epochs.map(({ epoch, blocks, evaluation }) => ({
      epoch,
      blocks: blocks.map((block) => blockFigures(block, settings.batchSize, trainRule, formula)),
      ...(evaluation ? { evaluation: evaluationFigures(evaluation, settings.batchSizeEval, evalRule, formula) } : {}),
    })),
  }))
}

function phaseSummary(
  input: SummaryInput,
  settings: MetricSettings,
  formula: Formula,
  ranks: readonly RankFigures[],
  figures: JobFigures,
  phase: 'train' | 'eval',
): PhaseSummary {
  const au = measured(figures.auPercent)
  const rate = measured(figures.samplesPerSecond)
  const auPercent = mean(au)
  const samplesPerSecond = mean(rate)
  const batchSize = phase === 'train' ? settings.batchSize : settings.batchSizeEval
  // Per rank, the figures of each epoch (or evaluation), and the steps of each stretch over which a window lies.
  const ofRanks = ranks.map(({ rank, epochs }) => {
    const stretches = epochs.flatMap((epoch) => (phase === 'train' ? epoch.blocks : epoch.evaluation ? [epoch.evaluation] : []))
    const perEpoch = phase === 'train' ? epochs.map((epoch) => epochFigures(epoch.blocks, formula)) : stretches
    const stepsOfEpochs =
      phase === 'train' ? epochs.map((epoch) => sum(epoch.blocks.map((block) => block.steps))) : stretches.map(({ steps }) => steps)
    const rankAu = mean(perEpoch.flatMap((epoch) => (epoch.auPercent === undefined ? [] : [epoch.auPercent])))
    return {
      rank,
      rankAu,
      steps: sum(stretches.map((stretch) => stretch.steps)),
      stepsOfEpochs,
      measuredSteps: sum(stretches.map((stretch) => stretch.measuredSteps)),
      longest: largest(stretches.map((stretch) => stretch.steps)),
      epochs: perEpoch.length,
    }
  })
  const steps = largest(ofRanks.map((rank) => rank.steps))
  const measuredSteps = largest(ofRanks.map((rank) => rank.measuredSteps))
  const samples =
    sum(ofRanks.map((rank) => rank.steps)) * batchSize -
    missingSamples(
      input,
      phase,
      batchSize,
      ofRanks.map((rank) => rank.stepsOfEpochs),
    )
  const seconds = epochSeconds(input, (epoch) => {
    if (phase === 'train') return epoch.trainEndMs - epoch.beginMs
    return epoch.evaluation ? epoch.evaluation.endMs - epoch.evaluation.beginMs : 0
  })
  const byAu = ofRanks
    .flatMap(({ rank, rankAu }) => (rankAu === undefined ? [] : [{ rank, auPercent: rankAu }]))
    .sort((a, b) => a.auPercent - b.auPercent)
  const overallSamplesPerSecond = samples > 0 ? perSecond(samples, seconds) : undefined
  const need = settings.excludeStartSteps + settings.excludeEndSteps + 1
  const epochs = largest(ofRanks.map((rank) => rank.epochs))
  return {
    ...(auPercent === undefined
      ? {}
      : { auPercent, auStdevPercent: populationStdev(au)!, meetsTarget: auPercent >= settings.targetAuPercent }),
    auPercentByEpoch: figures.auPercent,
    ...(samplesPerSecond === undefined
      ? {}
      : {
          samplesPerSecond,
          samplesPerSecondStdev: populationStdev(rate)!,
          bytesPerSecond: samplesPerSecond * settings.recordBytes,
        }),
    samplesPerSecondByEpoch: figures.samplesPerSecond,
    targetAuPercent: settings.targetAuPercent,
    ...(byAu.length > 0 ? { slowestRank: byAu[0]!, fastestRank: byAu.at(-1)! } : {}),
    epochs,
    steps,
    samples,
    seconds,
    ...(overallSamplesPerSecond === undefined ? {} : { overallSamplesPerSecond }),
    excluded: {
      startSteps: settings.excludeStartSteps,
      endSteps: settings.excludeEndSteps,
      steps: steps - measuredSteps,
      measuredSteps,
    },
    ...(measuredSteps === 0 && epochs > 0 ? { tooFewSteps: { need, have: largest(ofRanks.map((rank) => rank.longest)) } } : {}),
  }
}

/** Seconds summed over epochs, of the rank with the largest sum. */
function epochSeconds(input: SummaryInput, lengthMs: (epoch: EpochRecord) => number): number {
  return largest(input.ranks.map((rank) => sum(rank.epochs.map(lengthMs)))) / 1000
}

function perSecond(amount: number, seconds: number): number | undefined {
  return seconds > 0 ? amount / seconds : undefined
}

/** Checkpoints as DLIO counts them: rank 0's own stamps, in whole microseconds. */
export function checkpointEvents(input: SummaryInput): CheckpointEvent[] {
  const root = input.ranks.find(({ rank }) => rank === 0)
  return (root?.epochs ?? []).flatMap(({ checkpoints }) =>
    checkpoints.map((checkpoint) => ({ kind: checkpoint.kind, seconds: checkpointSeconds(checkpoint), sizeBytes: checkpoint.sizeBytes })),
  )
}

/** DLIO subtracts two stamps that were rounded to microseconds. */
export function checkpointSeconds({ beginMs, endMs }: Pick<CheckpointRecord, 'beginMs' | 'endMs'>): number {
  return (Math.round(endMs * 1000) - Math.round(beginMs * 1000)) / 1e6
}

function checkpointSummary(input: SummaryInput, kind: 'save' | 'load'): CheckpointSummary | undefined {
  const byRank = input.ranks.map((rank) =>
    rank.epochs.flatMap((epoch) => epoch.checkpoints.filter((checkpoint) => checkpoint.kind === kind)),
  )
  const own = checkpointEvents(input).filter((event) => event.kind === kind)
  const first = own[0]
  const meanSeconds = mean(own.map((event) => event.seconds))
  if (first === undefined || meanSeconds === undefined) return undefined
  const spans = own.map((_, i) => {
    const same = byRank.flatMap((checkpoints) => (checkpoints[i] ? [checkpoints[i]] : []))
    const beginMs = Math.min(...same.map((checkpoint) => checkpoint.beginMs))
    return checkpointSeconds({ beginMs, endMs: Math.max(...same.map((checkpoint) => checkpoint.endMs)) })
  })
  const rate = (seconds: readonly number[]) => mean(own.flatMap((event, i) => (seconds[i]! > 0 ? [event.sizeBytes / seconds[i]!] : [])))
  const bytesPerSecond = rate(own.map((event) => event.seconds))
  const slowestBytesPerSecond = rate(spans)
  return {
    count: own.length,
    sizeBytes: first.sizeBytes,
    meanSeconds,
    slowestMeanSeconds: mean(spans)!,
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    ...(slowestBytesPerSecond === undefined ? {} : { slowestBytesPerSecond }),
    durationMs: own.map((event) => 1000 * event.seconds),
    slowestDurationMs: spans.map((seconds) => 1000 * seconds),
  }
}

function summaryWarnings(
  train: PhaseSummary | undefined,
  evaluation: PhaseSummary | undefined,
  split: TimeSplit | undefined,
  client: RunRecord['client'] | undefined,
): Warning[] {
  const warnings: Warning[] = []
  for (const [phase, name] of [
    [train, 'training'],
    [evaluation, 'evaluation'],
  ] as const) {
    if (phase?.tooFewSteps === undefined) continue
    const { need, have } = phase.tooFewSteps
    const { startSteps, endSteps } = phase.excluded
    warnings.push({
      code: 'too-few-steps',
      message:
        `${name}: too few steps for an AU: ${name === 'training' ? 'a block' : 'an evaluation'} has ${have} and needs ${need}, since the first ` +
        `${startSteps} and the last ${endSteps} are excluded. Use more files, a smaller batch, or lower output.metric.exclude_start_steps`,
    })
  }
  if (client && split && split.computingSeconds > 0) {
    // Mean lateness of a step's end against the mean length of a computation.
    const steps = train?.steps ?? 0
    const lateSeconds = (client.computeLagMeanMs * steps) / 1000
    const late = (100 * lateSeconds) / split.computingSeconds
    if (late > lagPercent)
      warnings.push({
        code: 'client-lag',
        message:
          `computations ended ${client.computeLagMeanMs.toFixed(2)} ms late on average, ${late.toFixed(1)} % of their length: ` +
          'the client is overloaded and AU is not the storage’s alone. Emulate fewer accelerators on this host',
      })
  }
  return warnings
}

/** GiB of a size in bytes, DLIO's "GB". */
export function gib(sizeBytes: number): number {
  return sizeBytes / bytesPerGiB
}
