// What a person should know about a plan before trusting its result.
import type { FormatName, FrameworkProfile, Warning, Workload } from '../config/workload.js'
import type { SplitPlan, World } from './types.js'

/** Warnings of a plan: at most one a split about samples, one about orders that cannot be DLIO's own. */
export function planWarnings(workload: Workload, world: World, train: SplitPlan, valid: SplitPlan): Warning[] {
  const warnings: Warning[] = []
  const { workflow, dataset, reader } = workload
  if (!workflow.train) return warnings
  for (const [name, split] of [
    ['training', train],
    ['evaluation', valid],
  ] as const) {
    if (split === valid && !workflow.evaluation) continue
    const message = samplesMessage(workload, world, name, split)
    if (message !== undefined) warnings.push({ code: 'samples-unread', message })
  }
  if (workload.profile !== null) return [...warnings, ...profileWarnings(workload.profile)]
  if (dataset.format === 'tfrecord' && reader.dataLoader === 'tensorflow' && reader.sampleShuffle === 'random')
    warnings.push({
      code: 'unseeded-shuffle',
      message:
        'reader.sample_shuffle: random is unseeded in DLIO, so that no two of its runs read in the same order; here the order is drawn from train.seed',
    })
  const untouched = unreadFormats[dataset.format]
  if (untouched !== undefined && reader.dataLoader !== 'synthetic') warnings.push({ code: 'nothing-read', message: untouched })
  return warnings
}

/** Formats of whose samples DLIO reads not a byte. */
const unreadFormats: Readonly<Partial<Record<FormatName, string>>> = {
  mmap_indexed_binary:
    'dataset.format: mmap_indexed_binary maps files and looks at no sample, in DLIO as here: the storage is asked for the indexes only; indexed_binary, or a framework profile, reads the samples',
  synthetic: 'dataset.format: synthetic files are never opened, in DLIO as here: the storage is asked for nothing',
}

/** Where readiness decides, the order can only be that of a run in which everything becomes ready in order. */
function profileWarnings(profile: FrameworkProfile): Warning[] {
  const key =
    profile.framework === 'pytorch' && !profile.inOrder
      ? 'in_order'
      : profile.framework === 'tensorflow' && !profile.deterministic
        ? 'deterministic'
        : undefined
  if (key === undefined) return []
  const message = `${key}: false of the ${profile.framework} profile delivers what becomes ready first: the order that is planned and hashed is that of ${key}: true`
  return [{ code: 'order-by-readiness', message }]
}

function samplesMessage({ semantics, profile }: Workload, { ranks }: World, name: string, split: SplitPlan): string | undefined {
  const { samplesDropped, samplesRepeated, numFilesUsed, files, steps } = split
  if (samplesDropped === 0 && samplesRepeated === 0) return undefined
  const dlio = semantics === 'upstream' ? 'upstream DLIO' : 'MLCommons’ DLIO'
  const tree = profile === null ? dlio : `${profile.framework} by its own rules`
  const parts = [
    samplesDropped > 0 ? `leaves ${samplesDropped} ${name} samples unread in an epoch` : undefined,
    samplesRepeated > 0 ? `reads ${samplesRepeated} of them more than once` : undefined,
  ].filter((part) => part !== undefined)
  const why = `${numFilesUsed} of ${files.count} files are used, ${steps} steps on ${ranks} ${ranks === 1 ? 'rank' : 'ranks'} with batches of ${split.batchSize}`
  return `as ${tree} does, this plan ${parts.join(' and ')} (${why})`
}
