// The part of a job that makes its data set.
import { together } from '../cluster/agreement.js'
import { runGeneration } from '../dataset/generate.js'
import { type GenerationRecord, generationRecord } from '../dataset/generation-record.js'
import type { RunLog } from '../output/events.js'
import type { JobOptions } from './types.js'

export interface Generated {
  /** Of this process's share. */
  readonly record: GenerationRecord
  /** Where a process did not come to its end, so that the job goes no further. */
  readonly end?: {
    readonly interrupted: boolean
    /** This process's own. */
    readonly failure?: Error
    /** Of all processes, in order. */
    readonly messages: readonly string[]
  }
}

/** Collective: each process makes its share. Throws ConfigError before anything is touched. */
export async function generate(options: JobOptions, log: RunLog): Promise<Generated> {
  const { workload, world } = options
  log.event({ type: 'generationStart', atMs: Date.now() })
  const { report, failure } = await together(world, () =>
    runGeneration(workload, {
      ranks: world.ranks,
      share: { part: world.process, parts: world.processes },
      localProcesses: world.localProcesses,
      signal: options.signal,
      ...(options.onGenerate && { onProgress: options.onGenerate }),
    }),
  )
  const record = generationRecord(report)
  const ends = await world.allGather({ message: failure?.message, interrupted: failure !== undefined && options.signal.aborted })
  const messages = ends.flatMap(({ message }) => message ?? [])
  if (messages.length > 0)
    return { record, end: { interrupted: ends.some(({ interrupted }) => interrupted), messages, ...(failure && { failure }) } }
  log.event({ type: 'generationEnd', atMs: Date.now() })
  return { record }
}
