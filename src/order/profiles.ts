// The mapping of a framework profile: the framework's own rules for who reads which sample, instead of DLIO's.
import type { Workload } from '../config/workload.js'
import type { DatasetFiles, World } from '../plan/types.js'
import { type Mapping, splitSettings } from './mapping.js'
import { grainSplit } from './profile-grain.js'
import type { ProfileSource, ProfileSplit } from './profile-source.js'
import { tfdataSplit } from './profile-tfdata.js'
import { torchSplit } from './profile-torch.js'
import { SharedLists } from './shared-lists.js'
import type { FileList, Split } from './types.js'

export function profileMapping(workload: Workload, world: World, files: DatasetFiles): Mapping {
  const lists = new SharedLists()
  const train = splitOf(workload, world, lists, 'train', files.train)
  const valid = splitOf(workload, world, lists, 'valid', files.valid)
  return {
    train,
    valid,
    lists,
    advance: (epoch) => {
      train.advance(epoch)
      valid.advance(epoch)
    },
    // No framework seeds NumPy's global generator.
    streamPosition: () => undefined,
  }
}

function splitOf(workload: Workload, { ranks }: World, lists: SharedLists, split: Split, files: FileList): ProfileSplit {
  const { numFiles: asked, batchSize, isUsed } = splitSettings(workload, split)
  const numFiles = isUsed ? (asked > 0 ? Math.min(files.count, asked) : files.count) : 0
  const samplesPerFile = workload.dataset.numSamplesPerFile
  const source: ProfileSource = { workload, split, ranks, batchSize, samplesPerFile, numFiles, files, lists }
  const profile = workload.profile!
  switch (profile.framework) {
    case 'pytorch':
      return torchSplit(source, profile)
    case 'tensorflow':
      return tfdataSplit(source, profile)
    case 'jax':
      return grainSplit(source, profile)
  }
}
