// Where the wall time of training went: waiting for data, computing, and the rest (barriers, the loop itself, the surplus fetch).
import type { Formula, WindowRule } from './formulas.js'
import { stepWindow } from './formulas.js'
import type { RankRecord, StepsRecord } from './records.js'
import { sum } from './statistics.js'

/** Seconds of one rank on average, and their shares of the wall time. */
export interface TimeSplit {
  readonly wallSeconds: number
  readonly waitingSeconds: number
  readonly computingSeconds: number
  /** Barriers, where faster ranks wait for slower ones, the loop itself, and a surplus batch at the end of an epoch. */
  readonly restSeconds: number
  readonly waitingPercent: number
  readonly computingPercent: number
  readonly restPercent: number
}

/**
 * Splits the wall time of all training blocks, or with a `window` only what remains when the excluded steps are taken out (as for AU).
 * Undefined where there is no such time.
 */
export function timeSplit(ranks: readonly RankRecord[], window?: { rule: WindowRule; formula: Formula }): TimeSplit | undefined {
  let wallMs = 0
  let waitingMs = 0
  let computingMs = 0
  const add = (steps: StepsRecord) => {
    const count = steps.procMs.length
    const { begin, end } = window ? stepWindow(count, window.rule, window.formula) : { begin: 0, end: count }
    if (window && end === begin) return
    wallMs += steps.endMs - steps.beginMs - sum(steps.procMs.subarray(0, begin)) - sum(steps.procMs.subarray(end))
    waitingMs += sum(steps.loadMs.subarray(begin, end))
    computingMs += sum(steps.computeMs.subarray(begin, end))
  }
  for (const rank of ranks) for (const epoch of rank.epochs) for (const block of epoch.blocks) add(block)
  if (ranks.length === 0 || wallMs <= 0) return undefined
  // Stamps of blocks and of steps come from different clock readings; a rest below zero is their noise.
  const restMs = Math.max(0, wallMs - waitingMs - computingMs)
  const seconds = (ms: number) => ms / 1000 / ranks.length
  const percent = (ms: number) => (100 * ms) / wallMs
  return {
    wallSeconds: seconds(wallMs),
    waitingSeconds: seconds(waitingMs),
    computingSeconds: seconds(computingMs),
    restSeconds: seconds(restMs),
    waitingPercent: percent(waitingMs),
    computingPercent: percent(computingMs),
    restPercent: percent(restMs),
  }
}
