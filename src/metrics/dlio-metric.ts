// The `metric` object of DLIO's summary.json: figures of ranks joined over the job (statscounter.py: end_run).
import { epochFigures, type Figures, type Formula } from './formulas.js'
import type { MetricSettings } from './settings.js'
import { largest, mean, populationStdev, sum } from './statistics.js'

type Phase = 'train' | 'eval'
type ListKey = `${Phase}_${'au_percentage' | 'throughput_samples_per_second'}`
type ScalarKey =
  | `${Phase}_${`au_${'mean' | 'stdev'}_percentage` | `throughput_${'mean' | 'stdev'}_samples_per_second` | `io_${'mean' | 'stdev'}_MB_per_second`}`
  | `${'save' | 'load'}_checkpoint_${`io_${'mean' | 'stdev'}_GB_per_second` | `duration_${'mean' | 'stdev'}_seconds`}`
  | 'checkpoint_size_GB'

/**
 * DLIO's own keys and units: MB and GB are MiB and GiB, percent is 0 to 100. Lists hold one number per epoch or evaluation, null where
 * there was nothing to measure; a key is absent where nothing at all was.
 */
export type DlioMetric = { readonly [K in ListKey]?: readonly (number | null)[] } & { readonly [K in ScalarKey]?: number } & {
  readonly [K in `${Phase}_au_meet_expectation`]?: 'success' | 'fail'
}

export interface EpochFigures {
  readonly epoch: number
  /** Of each block of training. */
  readonly blocks: readonly Figures[]
  readonly evaluation?: Figures
}

/** What one rank's metrics are computed from, whether from raw steps or from the figures stored in its N_output.json. */
export interface RankFigures {
  readonly rank: number
  readonly epochs: readonly EpochFigures[]
}

/** One number per epoch or evaluation, over all ranks. */
export interface JobFigures {
  readonly auPercent: readonly (number | null)[]
  readonly samplesPerSecond: readonly (number | null)[]
}

/** Over ranks: AU is the mean, throughput the sum; null where a rank has none. */
function joinRanks(figures: readonly (Figures | undefined)[]): { auPercent: number | null; samplesPerSecond: number | null } {
  const au = figures.map((figure) => figure?.auPercent)
  const rate = figures.map((figure) => figure?.samplesPerSecond)
  const known = (values: readonly (number | undefined)[]): values is readonly number[] => !values.includes(undefined)
  return { auPercent: known(au) ? sum(au) / au.length : null, samplesPerSecond: known(rate) ? sum(rate) : null }
}

/** The job's figures for each epoch of training. */
export function joinTraining(ranks: readonly RankFigures[], formula: Formula): JobFigures {
  const numEpochs = largest(ranks.map((rank) => rank.epochs.length))
  const joined = Array.from({ length: numEpochs }, (_, epoch) =>
    joinRanks(ranks.map((rank) => (rank.epochs[epoch] ? epochFigures(rank.epochs[epoch].blocks, formula) : undefined))),
  )
  return { auPercent: joined.map((epoch) => epoch.auPercent), samplesPerSecond: joined.map((epoch) => epoch.samplesPerSecond) }
}

/** The job's figures for each evaluation; `concatenated` is what DLIO makes of them by adding Python lists. */
export function joinEvaluations(ranks: readonly RankFigures[], formula: Formula): JobFigures {
  const byRank = ranks.map((rank) => rank.epochs.flatMap((epoch) => (epoch.evaluation ? [epoch.evaluation] : [])))
  if (formula.evaluations === 'concatenated') {
    const all = byRank.flat()
    return {
      auPercent: all.map((figures) => (figures.auPercent === undefined ? null : figures.auPercent / ranks.length)),
      samplesPerSecond: all.map((figures) => figures.samplesPerSecond ?? null),
    }
  }
  const count = largest(byRank.map((evaluations) => evaluations.length))
  const joined = Array.from({ length: count }, (_, i) => joinRanks(byRank.map((evaluations) => evaluations[i])))
  return {
    auPercent: joined.map((evaluation) => evaluation.auPercent),
    samplesPerSecond: joined.map((evaluation) => evaluation.samplesPerSecond),
  }
}

/** Numbers of a list that were measured. */
export function measured(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null)
}

export const bytesPerMiB = 1 << 20
export const bytesPerGiB = 1 << 30

/** One save or load as rank 0 saw it. */
export interface CheckpointEvent {
  readonly kind: 'save' | 'load'
  readonly seconds: number
  /** Of the whole job's state; may be fractional where recomputed from a stored rate. */
  readonly sizeBytes: number
}

/** The metric object in DLIO's key order. */
export function dlioMetric(
  settings: MetricSettings,
  checkpoints: readonly CheckpointEvent[],
  training: JobFigures | undefined,
  evaluations: JobFigures | undefined,
): DlioMetric {
  return {
    ...checkpointMetric('save', checkpoints),
    ...checkpointMetric('load', checkpoints),
    ...(checkpoints[0] ? { checkpoint_size_GB: checkpoints[0].sizeBytes / bytesPerGiB } : {}),
    ...(training ? phaseMetric('train', training, settings) : {}),
    ...(evaluations ? phaseMetric('eval', evaluations, settings) : {}),
  }
}

function phaseMetric(phase: Phase, figures: JobFigures, settings: MetricSettings): DlioMetric {
  const au = measured(figures.auPercent)
  const rate = measured(figures.samplesPerSecond)
  const auMean = mean(au)
  const rateMean = mean(rate)
  const rateStdev = populationStdev(rate)
  const toMiB = settings.recordBytes / bytesPerMiB
  return {
    ...(auMean === undefined
      ? {}
      : {
          [`${phase}_au_percentage`]: figures.auPercent,
          [`${phase}_au_mean_percentage`]: auMean,
          [`${phase}_au_meet_expectation`]: auMean >= settings.targetAuPercent ? 'success' : 'fail',
          [`${phase}_au_stdev_percentage`]: populationStdev(au),
        }),
    ...(rateMean === undefined || rateStdev === undefined
      ? {}
      : {
          [`${phase}_throughput_samples_per_second`]: figures.samplesPerSecond,
          [`${phase}_throughput_mean_samples_per_second`]: rateMean,
          [`${phase}_throughput_stdev_samples_per_second`]: rateStdev,
          [`${phase}_io_mean_MB_per_second`]: rateMean * toMiB,
          [`${phase}_io_stdev_MB_per_second`]: rateStdev * toMiB,
        }),
  }
}

function checkpointMetric(kind: 'save' | 'load', all: readonly CheckpointEvent[]): DlioMetric {
  const events = all.filter((event) => event.kind === kind)
  const seconds = events.map((event) => event.seconds)
  // An event within one tick of the clock has no rate.
  const rates = events.filter((event) => event.seconds > 0).map((event) => event.sizeBytes / bytesPerGiB / event.seconds)
  return {
    ...(rates.length === 0
      ? {}
      : {
          [`${kind}_checkpoint_io_mean_GB_per_second`]: mean(rates),
          [`${kind}_checkpoint_io_stdev_GB_per_second`]: populationStdev(rates),
        }),
    ...(seconds.length === 0
      ? {}
      : {
          [`${kind}_checkpoint_duration_mean_seconds`]: mean(seconds),
          [`${kind}_checkpoint_duration_stdev_seconds`]: populationStdev(seconds),
        }),
  }
}
