// Computes a job's metrics again from its recorded steps, finds the program whose arithmetic its stored numbers follow, and lists what differs.
import { basename } from 'node:path'
import type { DlioMetric, RankFigures } from '../metrics/dlio-metric.js'
import {
  blockFigures,
  busyAndTotal,
  evaluationFigures,
  type Figures,
  type Formula,
  type FormulaName,
  formulas,
} from '../metrics/formulas.js'
import type { RankRecord, StepsRecord } from '../metrics/records.js'
import type { MetricSettings } from '../metrics/settings.js'
import { metricOf, rankFigures, type Summary, summarize, windowRule } from '../metrics/summary.js'
import type { Job } from './jobs.js'

/** Stored and computed numbers agree within this relative difference. */
export const relativeTolerance = 1e-9

/** DLIO computes AU with a block time that it reads from the clock apart from the time stamps that it stores. */
export function blockTimeToleranceMs(wallMs: number, ownTimes: boolean): number {
  return ownTimes ? 5 + 0.01 * wallMs : 100 + 0.02 * wallMs
}

/** Time stamps are in microseconds: so much may the time between two of them be off. */
const stampPrecisionMs = 0.002

/** A stored number that the recorded steps do not give. */
export interface Difference {
  /** Name of the file, and key within it. */
  readonly file: string
  readonly key: string
  readonly stored: unknown
  /** Null: there is nothing to compute it from. */
  readonly computed: unknown
}

export interface Recomputation {
  /** The arithmetic that the stored numbers follow best; `default` where they follow it, or where nothing is stored. */
  readonly formula: FormulaName
  /** All that explain every stored number. */
  readonly fitting: readonly FormulaName[]
  /** Under `formula`; bytes a sample as that program counts them. */
  readonly metric: DlioMetric
  readonly recordBytes: number
  /** Under this program's own formula, whatever was stored. */
  readonly own: Summary
  readonly comparedNumbers: number
  readonly differences: readonly Difference[]
}

interface Attempt {
  readonly formula: FormulaName
  readonly recordBytes: number
  readonly metric: DlioMetric
  /** Everything of this program's own that follows from the same records. */
  readonly summary: () => Summary
  readonly compared: number
  readonly differences: readonly Difference[]
}

/** Recomputes a job. Pure. */
export function recompute(job: Job): Recomputation {
  const names: readonly FormulaName[] =
    job.program === 'dl-driver' ? ['default'] : ['default', 'mlcommons-exact', 'upstream-exact', 'v1.0-exact']
  const attempts = names.flatMap((name) =>
    recordSizes(job, name).map((recordBytes) => attempt(job, { ...job.settings, recordBytes }, name)),
  )
  // Stable: of equally good ones the first, so the default.
  const best = attempts.reduce((a, b) => (b.differences.length < a.differences.length ? b : a))
  return {
    formula: best.formula,
    fitting: [...new Set(attempts.filter(({ differences }) => differences.length === 0).map(({ formula }) => formula))],
    metric: best.metric,
    recordBytes: best.recordBytes,
    own: attempts[0]!.summary(),
    comparedNumbers: best.compared,
    differences: best.differences,
  }
}

/** DLIO upstream takes 1 byte for a sample when it generates and trains in one run. */
function recordSizes({ settings, facts }: Job, formula: FormulaName): number[] {
  return formula === 'upstream-exact' && facts?.generatesAndTrains ? [settings.recordBytes, 1] : [settings.recordBytes]
}

function attempt(job: Job, settings: MetricSettings, name: FormulaName): Attempt {
  const comparison = new Comparison()
  const formula = formulas[name]
  const input = { ...job.input, ranks: withBlockTimes(job, settings, formula, comparison) }
  const ranks = rankFigures(input, settings, formula)
  compareRanks(job, ranks, comparison)
  const metric = metricOf(input, settings, formula, ranks)
  if (job.stored) compareMetric(job.stored.metric, metric, basename(job.stored.path), comparison)
  return {
    formula: name,
    recordBytes: settings.recordBytes,
    metric,
    summary: () => summarize(input, settings, name),
    compared: comparison.count,
    differences: comparison.differences,
  }
}

class Comparison {
  count = 0
  readonly differences: Difference[] = []

  /** `scale`: what a number's precision is relative to, where not to itself. */
  values(file: string, key: string, stored: unknown, computed: unknown, scale = 0): void {
    this.count++
    const equal =
      typeof stored === 'number' && typeof computed === 'number' && Number.isFinite(stored)
        ? Math.abs(stored - computed) <= relativeTolerance * Math.max(Math.abs(stored), Math.abs(scale))
        : stored === computed
    // JSON has no Infinity.
    const printed = typeof stored === 'number' && !Number.isFinite(stored) ? String(stored) : stored
    if (!equal) this.differences.push({ file, key, stored: printed, computed: computed ?? null })
  }
}

/**
 * The records with the block times that DLIO itself used: a stored AU tells the time T exactly (AU = 100 C / T, and C is the sum of recorded
 * steps). It is taken where it agrees with the time stamps, and noted as a difference where not. So the stored throughput, computed over
 * the same time, can be told from another formula's even where they are close.
 */
function withBlockTimes(job: Job, settings: MetricSettings, formula: Formula, comparison: Comparison): RankRecord[] {
  const unrounded = (steps: StepsRecord, stored: Figures | undefined, phase: 'train' | 'eval'): StepsRecord => {
    const rule = windowRule(job.input, settings, phase)
    const isTraining = phase === 'train'
    const own = isTraining
      ? blockFigures(steps, settings.batchSize, rule, formula)
      : evaluationFigures(steps, settings.batchSizeEval, rule, formula)
    if (!stored?.samplesPerSecond || !own.samplesPerSecond) return steps
    const wallMs = steps.endMs - steps.beginMs
    const overMs = isTraining && formula.throughput !== 'all-over-wall' ? busyAndTotal(steps, rule, formula).totalMs : wallMs
    const missingMs = overMs * (own.samplesPerSecond / stored.samplesPerSecond - 1)
    return Math.abs(missingMs) <= stampPrecisionMs ? { ...steps, beginMs: 0, endMs: wallMs + missingMs } : steps
  }
  return job.ranks.map(({ record, figures, ownTimes }) => ({
    rank: record.rank,
    epochs: record.epochs.map((epoch, e) => {
      const stored = figures.epochs[e]!
      const corrected = (steps: StepsRecord, figure: Figures | undefined, phase: 'train' | 'eval', name: string): StepsRecord => {
        const { busyMs, totalMs } = busyAndTotal(steps, windowRule(job.input, settings, phase), formula)
        const wallMs = steps.endMs - steps.beginMs
        const au = figure?.auPercent
        // Where nothing was computed, AU tells no time; the throughput, over the same time, tells what the stamps have rounded off.
        if (au === undefined || au <= 0 || busyMs <= 0) return unrounded(steps, figure, phase)
        const trueMs = wallMs + ((100 * busyMs) / au - totalMs)
        if (trueMs > 0 && Math.abs(trueMs - wallMs) <= blockTimeToleranceMs(wallMs, ownTimes))
          return { ...steps, beginMs: 0, endMs: trueMs }
        comparison.count++
        comparison.differences.push({
          file: `${record.rank}_output.json`,
          key: `${epoch.epoch}.au.${name}`,
          stored: au,
          computed: totalMs > 0 ? (100 * busyMs) / totalMs : null,
        })
        return steps
      }
      return {
        ...epoch,
        blocks: epoch.blocks.map((block, b) => corrected(block, stored.blocks[b], 'train', `block${b + 1}`)),
        ...(epoch.evaluation ? { evaluation: corrected(epoch.evaluation, stored.evaluation, 'eval', 'eval') } : {}),
      }
    }),
  }))
}

/** The figures that each rank stored for its blocks and evaluations. */
function compareRanks(job: Job, computed: readonly RankFigures[], comparison: Comparison): void {
  const noted = new Set(comparison.differences.map(({ file, key }) => `${file} ${key}`))
  job.ranks.forEach(({ record, figures }, r) => {
    const file = `${record.rank}_output.json`
    const figure = (epoch: number, name: string, stored: Figures | undefined, own: Figures | undefined) => {
      for (const [kind, storedValue, ownValue] of [
        ['au', stored?.auPercent, own?.auPercent],
        ['throughput', stored?.samplesPerSecond, own?.samplesPerSecond],
      ] as const) {
        const key = `${epoch}.${kind}.${name}`
        if (storedValue !== undefined && !noted.has(`${file} ${key}`)) comparison.values(file, key, storedValue, ownValue)
      }
    }
    figures.epochs.forEach((stored, e) => {
      const own = computed[r]?.epochs[e]
      stored.blocks.forEach((block, b) => {
        figure(stored.epoch, `block${b + 1}`, block, own?.blocks[b])
      })
      if (stored.evaluation) figure(stored.epoch, 'eval', stored.evaluation, own?.evaluation)
    })
  })
}

/** Every number of a stored `metric`. Null (DLIO's NaN) says that nothing was measured, and is compared with nothing. */
function compareMetric(stored: Readonly<Record<string, unknown>>, computed: DlioMetric, file: string, comparison: Comparison): void {
  const known = computed as Readonly<Record<string, unknown>>
  for (const [name, value] of Object.entries(stored)) {
    const key = `metric.${name}`
    // A deviation is as precise as what it deviates from.
    const scale = name.includes('stdev') ? stored[name.replace('stdev', 'mean')] : undefined
    const own = known[name]
    if (value === null) continue
    if (!Array.isArray(value)) comparison.values(file, key, value, own, typeof scale === 'number' ? scale : 0)
    else if (!Array.isArray(own) || own.length !== value.length) comparison.values(file, key, value, own)
    else
      value.forEach((item, i) => {
        if (item !== null) comparison.values(file, `${key}[${i}]`, item, own[i])
      })
  }
}
