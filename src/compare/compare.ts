// Whether one run is worse than another, and whether they may be compared at all. The rules are in docs/compare.md.
import { canonicalJson } from '../config/digest.js'
import { mean, sum } from '../metrics/statistics.js'
import type { MeasuredRun } from './measured.js'
import type { Quantity } from './quantities.js'

const compareSchemaVersion = 1

/** Epochs that both runs must have for their spread to tell what is noise. */
const fewestEpochs = 3
/** Standard errors of the difference that count as noise. */
const noiseErrors = 2

export type Verdict = 'same' | 'improvement' | 'regression' | 'within noise' | 'not judged' | 'missing'

export interface Row extends Pick<Quantity, 'key' | 'title' | 'unit' | 'better'> {
  /** Null where that run has no such number. */
  readonly base: number | null
  readonly new: number | null
  /** Of the base; positive where the new number is larger. Absent where the base is 0. */
  readonly changePercent?: number
  /** Differences up to this share of the base are noise, by the spread of the epochs. */
  readonly noisePercent?: number
  readonly verdict: Verdict
}

/** A fact in which two runs differ that must be equal for a fair comparison. */
export interface WorkDifference {
  readonly what: string
  readonly base: unknown
  readonly new: unknown
}

export interface Comparison {
  readonly schemaVersion: number
  readonly base: Pick<MeasuredRun, 'path' | 'program'>
  readonly new: Pick<MeasuredRun, 'path' | 'program'>
  readonly thresholdPercent: number
  /** Not empty only under --force. */
  readonly workDifferences: readonly WorkDifference[]
  readonly quantities: readonly Row[]
  /** Keys of the quantities that are worse. */
  readonly regressions: readonly string[]
}

/** Facts known of both runs in which they differ. */
export function workDifferences(base: MeasuredRun, other: MeasuredRun): WorkDifference[] {
  const differing = Object.keys(base.work).filter(
    (what) => Object.hasOwn(other.work, what) && canonicalJson(base.work[what]) !== canonicalJson(other.work[what]),
  )
  const interrupted = base.complete && other.complete ? [] : [{ what: 'complete', base: base.complete, new: other.complete }]
  return [...interrupted, ...differing.map((what) => ({ what, base: base.work[what], new: other.work[what] }))]
}

/** Compares all quantities that either run has. Pure. */
export function compareRuns(base: MeasuredRun, other: MeasuredRun, thresholdPercent: number): Comparison {
  const keys = new Set([...base.quantities, ...other.quantities].map(({ key }) => key))
  const rows = [...keys].map((key) => {
    const of = ({ quantities }: MeasuredRun) => quantities.find((quantity) => quantity.key === key)
    return row(of(base), of(other), thresholdPercent)
  })
  return {
    schemaVersion: compareSchemaVersion,
    base: { path: base.path, program: base.program },
    new: { path: other.path, program: other.program },
    thresholdPercent,
    workDifferences: workDifferences(base, other),
    quantities: rows,
    regressions: rows.filter(({ verdict }) => verdict === 'regression').map(({ key }) => key),
  }
}

function row(base: Quantity | undefined, other: Quantity | undefined, thresholdPercent: number): Row {
  const { key, title, unit, better } = (base ?? other)!
  const head = { key, title, unit, better, base: base?.value ?? null, new: other?.value ?? null }
  if (base === undefined || other === undefined) return { ...head, verdict: 'missing' }
  const difference = other.value - base.value
  const changePercent = base.value === 0 ? undefined : (100 * difference) / Math.abs(base.value)
  const noise = noiseOf(base.byEpoch ?? [], other.byEpoch ?? [])
  const verdict = (): Verdict => {
    if (difference === 0 || (changePercent !== undefined && Math.abs(changePercent) <= thresholdPercent)) return 'same'
    if (base.isRough || other.isRough) return 'not judged'
    if (noise !== undefined && Math.abs(difference) <= noise) return 'within noise'
    return difference > 0 === (better === 'higher') ? 'improvement' : 'regression'
  }
  return {
    ...head,
    ...(changePercent === undefined ? {} : { changePercent }),
    ...(noise === undefined || base.value === 0 ? {} : { noisePercent: (100 * noise) / Math.abs(base.value) }),
    verdict: verdict(),
  }
}

/** Two standard errors of the difference of two means, from the spread of the epochs (divided by n − 1); undefined where epochs are too few. */
export function noiseOf(base: readonly number[], other: readonly number[]): number | undefined {
  if (base.length < fewestEpochs || other.length < fewestEpochs) return undefined
  return noiseErrors * Math.sqrt(squaredError(base) + squaredError(other))
}

/** Of a mean of values. */
function squaredError(values: readonly number[]): number {
  const average = mean(values)!
  return sum(values.map((value) => (value - average) ** 2)) / (values.length - 1) / values.length
}
