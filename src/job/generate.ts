// The part of a job that makes its data set.
import { together } from '../cluster/agreement.js'
import { generateDataset } from '../dataset/generate.js'
import { layOutThreads } from '../engine/pool.js'
import type { RunLog } from '../output/events.js'
import type { JobOptions } from './types.js'

/** What runs after generating. */
export interface RunAhead {
  readonly checkpoints: boolean
  readonly objects: boolean
}

/** Collective: each process makes its share. `ahead`: undefined where the job only generates. */
export async function generate(options: JobOptions, ahead: RunAhead | undefined, log: RunLog): Promise<void> {
  const { workload, world } = options
  // Encoding images uses libuv's pool, whose size is then the run's.
  if (ahead)
    layOutThreads(
      { workload, world: { ranks: world.ranks, hosts: world.hosts } },
      { checkpoints: ahead.checkpoints, objects: ahead.objects ? 'http' : 'none' },
      world.localRanks,
    )
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
