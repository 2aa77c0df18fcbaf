// What a job is asked to do, what it has at hand meanwhile, and what comes out.
import type { World } from '../cluster/world.js'
import type { Warning, Workload } from '../config/workload.js'
import type { GenerateProgress } from '../dataset/generate.js'
import type { GenerationRecord } from '../dataset/generation-record.js'
import type { EngineProgress } from '../engine/result.js'
import type { RunRecord } from '../metrics/records.js'
import type { Summary } from '../metrics/summary.js'
import type { DlioLogOptions } from '../output/dlio-log.js'
import type { RunLog } from '../output/events.js'
import type { Result } from '../output/result.js'
import type { CheckpointPlan } from './checkpoints.js'
import type { JobObjects } from './objects.js'
import type { Profiler } from './profiler.js'

export interface JobOptions {
  readonly workload: Workload
  /** Warnings of the configuration. */
  readonly warnings: readonly Warning[]
  /** The processes of the job, of which this is one. All run it alike; process 0 writes what is there once. */
  readonly world: World
  /** Output folder; created. */
  readonly outputFolder: string
  readonly generate: boolean
  readonly direct: boolean
  readonly verify: boolean
  readonly tracePath?: string | undefined
  /** The command line, for the record. */
  readonly command: readonly string[]
  /** How dlio.log is written, where not as DLIO does without settings. */
  readonly dlioLog?: Pick<DlioLogOptions, 'threshold' | 'echo'>
  /** Whether result.json is written beside DLIO's files; it is unless false. */
  readonly writesResult?: boolean
  /** Hears what happens, beside dlio.log. */
  readonly log: RunLog
  /** Aborting it interrupts the job. */
  readonly signal: AbortSignal
  readonly onGenerate?: (progress: GenerateProgress) => void
  /** Called once the engine runs, with a look at where it is. */
  readonly onStart?: (progress: () => EngineProgress) => void
}

export interface JobOutcome {
  /** Absent where the job only generated. */
  readonly result?: Result
  readonly summary?: Summary
  readonly record?: RunRecord
  /** Warnings that the log has not been told yet. */
  readonly lateWarnings: readonly Warning[]
  /** Threads hang in reads: the process has to be ended by force. */
  readonly hangs?: boolean
}

/** What a job has made ready when measuring begins. */
export interface Session {
  readonly access: { readonly folder: string; readonly direct: boolean; readonly objects?: JobObjects }
  readonly checkpoints: CheckpointPlan | undefined
  /** `alarms`: hears of this process's own ranks. */
  readonly logs: { readonly all: RunLog; readonly people: RunLog; readonly alarms: RunLog }
  readonly beginMs: number
  readonly profiler: Profiler
  /** What this process made of the data set before. */
  readonly generation?: GenerationRecord | undefined
}
