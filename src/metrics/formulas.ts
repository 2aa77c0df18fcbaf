// AU and throughput of the steps of one rank: DLIO's formulas (statscounter.py: compute_metrics_train, compute_metrics_eval, end_train).
//
// A block's *window* is the steps that count: [begin, end) of its lists. C is the computing time inside the window, T the wall time of
// the block without the load and compute time of the excluded steps. AU = 100 C / T, throughput = steps / T × batch size.
import type { StepsRecord } from './records.js'
import { mean, populationStdev, sum } from './statistics.js'

/**
 * Which program's arithmetic is applied. `default` is what this program reports under both semantics; the others reproduce stored
 * numbers: `mlcommons-exact` (MLCommons' fork), `upstream-exact` (argonne-lcf) and `v1.0-exact` (DLIO of the MLPerf Storage v1.0 results).
 */
export type FormulaName = 'default' | 'mlcommons-exact' | 'upstream-exact' | 'v1.0-exact'

export interface Formula {
  readonly name: FormulaName
  /** Steps over time: of the window over T; all but two over T whatever is excluded; all over the block's wall time. */
  readonly throughput: 'window' | 'all-but-two' | 'all-over-wall'
  /** Whether window bounds are clamped to the block, or taken as Python slices, whose negative ends count from the end. */
  readonly bounds: 'clamped' | 'python'
  /** What stands where nothing was measured: nothing, or DLIO's 0. */
  readonly unmeasured: 'absent' | 'zero'
  /** How evaluations are joined over ranks: mean AU and summed throughput, or DLIO's concatenated lists with AU divided by the ranks. */
  readonly evaluations: 'by-evaluation' | 'concatenated'
  /** DLIO v1.0 always excludes exactly the first step. */
  readonly fixedExclusion: boolean
}

const dlio = { bounds: 'python', unmeasured: 'zero', evaluations: 'concatenated', fixedExclusion: false } as const

export const formulas: Readonly<Record<FormulaName, Formula>> = {
  default: {
    name: 'default',
    throughput: 'window',
    bounds: 'clamped',
    unmeasured: 'absent',
    evaluations: 'by-evaluation',
    fixedExclusion: false,
  },
  'mlcommons-exact': { ...dlio, name: 'mlcommons-exact', throughput: 'window' },
  'upstream-exact': { ...dlio, name: 'upstream-exact', throughput: 'all-but-two' },
  'v1.0-exact': { ...dlio, name: 'v1.0-exact', throughput: 'all-over-wall', fixedExclusion: true },
}

/** Which steps are left out, and how many steps an epoch (or evaluation) of a rank was planned to have. */
export interface WindowRule {
  readonly excludeStartSteps: number
  readonly excludeEndSteps: number
  readonly plannedSteps: number
}

/** AU and throughput of one rank in one block, epoch or evaluation. Absent: not measured. */
export interface Figures {
  readonly auPercent?: number
  /** Of this rank alone. */
  readonly samplesPerSecond?: number
  readonly steps: number
  /** Steps inside the window. */
  readonly measuredSteps: number
}

/** [begin, end) are the steps that count; the steps before `begin` and from `tailBegin` on are taken out of the wall time. */
export interface StepWindow {
  readonly begin: number
  readonly end: number
  /** Equal to `end`, but for Python slices that overlap. */
  readonly tailBegin: number
}

/** The window of a list of `count` steps. Its end is where DLIO puts it: at the planned steps of the *epoch* minus the excluded ones. */
export function stepWindow(count: number, rule: WindowRule, formula: Formula): StepWindow {
  const bound = (index: number) => {
    if (index >= 0) return Math.min(index, count)
    return formula.bounds === 'python' ? Math.max(0, count + index) : 0
  }
  const begin = bound(formula.fixedExclusion ? 1 : rule.excludeStartSteps)
  const last = bound(formula.fixedExclusion ? count : rule.plannedSteps - rule.excludeEndSteps)
  const end = Math.max(begin, last)
  return { begin, end, tailBegin: formula.bounds === 'python' ? last : end }
}

/** C and T of one block or evaluation, in milliseconds. */
export function busyAndTotal(
  steps: StepsRecord,
  rule: WindowRule,
  formula: Formula,
): { busyMs: number; totalMs: number; measured: number } {
  const { begin, end, tailBegin } = stepWindow(steps.procMs.length, rule, formula)
  const excludedMs = sum(steps.procMs.subarray(0, begin)) + sum(steps.procMs.subarray(tailBegin))
  return { busyMs: sum(steps.computeMs.subarray(begin, end)), totalMs: steps.endMs - steps.beginMs - excludedMs, measured: end - begin }
}

/** AU and throughput of one block of training. */
export function blockFigures(steps: StepsRecord, batchSize: number, rule: WindowRule, formula: Formula): Figures {
  const count = steps.procMs.length
  const { busyMs, totalMs, measured } = busyAndTotal(steps, rule, formula)
  const counts = { steps: count, measuredSteps: measured }
  const meaningful = measured > 0 && totalMs > 0
  if (!meaningful && formula.unmeasured === 'absent') return counts
  const rate = (numSteps: number, ms: number) => (ms === 0 ? 0 : (numSteps * batchSize * 1000) / ms)
  const au = busyMs > 0 && (meaningful || formula.throughput === 'all-but-two') ? (100 * busyMs) / totalMs : 0
  switch (formula.throughput) {
    case 'window':
      return { ...counts, auPercent: au, samplesPerSecond: meaningful ? rate(measured, totalMs) : 0 }
    case 'all-but-two':
      return { ...counts, auPercent: au, samplesPerSecond: rate(count - 2, totalMs) }
    case 'all-over-wall':
      return { ...counts, auPercent: au, samplesPerSecond: rate(count, steps.endMs - steps.beginMs) }
  }
}

/** AU and throughput of one evaluation: the window rules AU alone, throughput counts all steps over the wall time. */
export function evaluationFigures(steps: StepsRecord, batchSize: number, rule: WindowRule, formula: Formula): Figures {
  const count = steps.procMs.length
  const { busyMs, totalMs, measured } = busyAndTotal(steps, rule, formula)
  const wallMs = steps.endMs - steps.beginMs
  const zero = formula.unmeasured === 'zero' ? 0 : undefined
  const auPercent = measured > 0 && totalMs > 0 ? (100 * busyMs) / totalMs : zero
  const samplesPerSecond = count > 0 && wallMs > 0 ? (count * batchSize * 1000) / wallMs : zero
  return {
    steps: count,
    measuredSteps: measured,
    ...(auPercent === undefined ? {} : { auPercent }),
    ...(samplesPerSecond === undefined ? {} : { samplesPerSecond }),
  }
}

/**
 * Figures of an epoch of one rank: its blocks' figures weighted by their numbers of steps (statscounter.py: end_train). Blocks without
 * figures (no step inside the window) have no weight; DLIO lets them count as 0.
 */
export function epochFigures(blocks: readonly Figures[], formula: Formula): Figures {
  let au = 0
  let rate = 0
  let weight = 0
  let steps = 0
  let measuredSteps = 0
  for (const block of blocks) {
    steps += block.steps
    measuredSteps += block.measuredSteps
    if (block.auPercent === undefined || block.samplesPerSecond === undefined) continue
    au += block.auPercent * block.steps
    rate += block.samplesPerSecond * block.steps
    weight += block.steps
  }
  if (weight > 0) return { auPercent: au / weight, samplesPerSecond: rate / weight, steps, measuredSteps }
  return formula.unmeasured === 'zero' ? { auPercent: 0, samplesPerSecond: 0, steps, measuredSteps } : { steps, measuredSteps }
}

/** What is said of a block as soon as it ends: its figures, and how long the emulated computations really took. */
export interface BlockDescription extends Figures {
  readonly seconds: number
  /** Over the window; absent where that is empty. */
  readonly computeMeanSeconds?: number
  readonly computeStdevSeconds?: number
}

/** Describes one block of training of one rank. `samplesPerSecond` is this rank's alone. */
export function describeBlock(
  steps: StepsRecord,
  batchSize: number,
  rule: WindowRule,
  formula: Formula = formulas.default,
): BlockDescription {
  const { begin, end } = stepWindow(steps.procMs.length, rule, formula)
  const inside = steps.computeMs.subarray(begin, end)
  const average = mean(inside)
  const stdev = populationStdev(inside)
  return {
    ...blockFigures(steps, batchSize, rule, formula),
    seconds: (steps.endMs - steps.beginMs) / 1000,
    ...(average === undefined || stdev === undefined ? {} : { computeMeanSeconds: average / 1000, computeStdevSeconds: stdev / 1000 }),
  }
}
