// What happens in a run, told once and heard by all: dlio.log, the terminal, and the drop-in's stderr. Times of day are milliseconds since the Unix epoch.
import type { BlockDescription } from '../metrics/formulas.js'
import type { Summary } from '../metrics/summary.js'

/** Levels of DLIO's logger, in rising order; `output` stands above `warning`. */
export const logLevels = ['debug', 'info', 'warning', 'output', 'error', 'critical'] as const
export type LogLevel = (typeof logLevels)[number]

interface At {
  readonly atMs: number
}

/** Steps of an epoch or evaluation, with the numbers they come from. */
interface StepCount {
  readonly steps: number
  readonly samplesPerFile: number
  /** Files of the whole job under `upstream`, of one rank under `mlcommons`. */
  readonly files: number
  readonly batchSize: number
}

export type RunEvent = At &
  (
    | { readonly type: 'runStart'; readonly parts: readonly RunPart[]; readonly ranks: number }
    | { readonly type: 'cacheWarning' }
    | { readonly type: 'generationStart' }
    | { readonly type: 'generationEnd' }
    | ({ readonly type: 'trainPlanned' /** DLIO's total_training_steps, where set. */; readonly cappedSteps?: number } & StepCount)
    | ({ readonly type: 'evalPlanned' } & StepCount)
    | { readonly type: 'epochStart'; readonly epoch: number; readonly steps: number; readonly capped: boolean }
    | { readonly type: 'blockStart'; readonly epoch: number; readonly block: number }
    /** Figures are rank 0's own, as {@link BlockDescription} has them. */
    | { readonly type: 'blockEnd'; readonly epoch: number; readonly block: number; readonly described: BlockDescription }
    | { readonly type: 'epochEnd'; readonly epoch: number; readonly steps: number; readonly seconds: number }
    | { readonly type: 'evalStart'; readonly epoch: number; readonly steps: number }
    | ({ readonly type: 'evalEnd'; readonly epoch: number; readonly seconds: number; readonly steps: number } & Rank0Figures)
    | ({ readonly type: 'checkpointStart' /** Steps done in this epoch. */; readonly step: number } & CheckpointName)
    | ({
        readonly type: 'checkpointEnd'
        readonly seconds: number
        readonly sizeBytes: number
        /** Of rank 0; absent for parts that it does not have. */
        readonly modelSeconds?: number
        readonly optimizerSeconds?: number
      } & CheckpointName)
    | ({ readonly type: 'checkpointPlanned'; readonly isSubset: boolean } & CheckpointSizes)
    /** All writing, or all reading, of a run that only checkpoints. */
    | { readonly type: 'checkpointSeries'; readonly kind: 'save' | 'load'; readonly phase: 'begins' | 'ended' }
    | { readonly type: 'outputSaved'; readonly folder: string }
    | { readonly type: 'runEnd'; readonly summary: Summary }
    | { readonly type: 'rankOutputsSaved' }
  )

export type RunPart = 'generate' | 'train' | 'evaluate' | 'checkpoint'

interface Rank0Figures {
  readonly auPercent?: number
  readonly samplesPerSecond?: number
}

/** What one checkpoint holds, of all ranks. */
interface CheckpointSizes {
  /** Absent for a model without layers. */
  readonly parameters?: number
  readonly modelBytes: number
  readonly optimizerBytes: number
  readonly hasOptimizer: boolean
}

interface CheckpointName {
  readonly kind: 'save' | 'load'
  readonly epoch: number
  readonly block: number
}

/** Whoever wants to know what happens. Called from the thread that has the news, never per step; must be quick and must not throw. */
export interface RunLog {
  /** Free text. Listeners add their own level marks and times. */
  line(level: LogLevel, text: string): void
  event(event: RunEvent): void
}

/** One listener for several. */
export function teeLog(...logs: readonly RunLog[]): RunLog {
  return {
    line(level, text) {
      for (const log of logs) log.line(level, text)
    },
    event(event) {
      for (const log of logs) log.event(event)
    },
  }
}
