// What is settled before a run is measured: the files, the plan, and what to warn of.
import { together } from '../cluster/agreement.js'
import type { Warning } from '../config/workload.js'
import { type Listing, listDataset } from '../dataset/listing.js'
import { computedFiles } from '../dataset/naming.js'
import { readHost } from '../output/host.js'
import { createPlan } from '../plan/plan.js'
import type { Plan } from '../plan/types.js'
import { proxyWarnings } from '../storage/object/proxy.js'
import { checkpointsOnly, checkpointWarnings } from './checkpoints.js'
import { cacheWarnings, checkSteps } from './checks.js'
import { listTogether } from './processes.js'
import { profilerWarnings } from './profiler.js'
import type { JobOptions, Session } from './types.js'

export interface Prepared {
  readonly plan: Plan
  /** Memory that the plan's epochs share between threads. */
  readonly permutations: SharedArrayBuffer
  /** The same plan before its first epoch: the one that runs is brought from epoch to epoch by its conductor. */
  readonly freshPlan: () => Plan
  readonly host: ReturnType<typeof readHost>
  readonly warnings: readonly Warning[]
}

/** Collective. Throws ConfigError where the plan has nothing to do, and the errors of listing. */
export async function prepare(options: JobOptions, session: Session): Promise<Prepared> {
  const { workload, world } = options
  const only = checkpointsOnly(workload)
  const listing = only
    ? { files: computedFiles(workload), warnings: [] }
    : await listTogether(world, workload, () => list(options, session))
  const ranks = { ranks: world.ranks, hosts: world.hosts }
  const { plan, permutations } = await together(world, () => {
    const sizing = createPlan(workload, ranks, listing.files)
    const permutations = new SharedArrayBuffer(sizing.sharedBytes)
    const plan = sizing.sharedBytes === 0 ? sizing : createPlan(workload, ranks, listing.files, permutations)
    if (!only) checkSteps(plan)
    return { plan, permutations }
  })
  const host = readHost()
  const { access, checkpoints } = session
  const uncached = access.direct || access.objects !== undefined
  const warnings = [
    ...profilerWarnings(workload),
    ...(access.objects?.warnings ?? proxyWarnings(checkpoints?.proxy)),
    ...listing.warnings,
    ...(only ? [] : [...plan.warnings, ...cacheWarnings(plan, uncached, host.memoryBytes)]),
    ...(checkpoints ? checkpointWarnings(workload, checkpoints, only ? undefined : plan) : []),
  ]
  const freshPlan = () => createPlan(workload, ranks, listing.files, new SharedArrayBuffer(plan.sharedBytes))
  return { plan, permutations, freshPlan, host, warnings }
}

function list({ signal, workload }: JobOptions, { access }: Session): Listing | Promise<Listing> {
  return access.objects === undefined ? listDataset(workload, access.folder) : access.objects.list(signal)
}
