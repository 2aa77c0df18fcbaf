// The part of a job that makes its data set.
import { together } from '../cluster/agreement.js'
import { generateDataset } from '../dataset/generate.js'
import type { RunLog } from '../output/events.js'
import type { JobOptions } from './types.js'

/** Collective: each process makes its share. */
export async function generate(options: JobOptions, log: RunLog): Promise<void> {
  const { workload, world } = options
  log.event({ type: 'generationStart', atMs: Date.now() })
  await together(world, () =>
    generateDataset(workload, {
      ranks: world.ranks,
      share: { part: world.process, parts: world.processes },
      localProcesses: world.localProcesses,
      signal: options.signal,
      ...(options.onGenerate && { onProgress: options.onGenerate }),
    }),
  )
  log.event({ type: 'generationEnd', atMs: Date.now() })
}
