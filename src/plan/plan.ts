// Workload + world + files → plan. Pure: no I/O, no clock; nothing is computed before it is asked for.
import type { Warning, Workload } from '../config/workload.js'
import { RunError } from '../errors.js'
import { mlcommonsMapping } from '../order/dlio-mlcommons.js'
import { upstreamMapping } from '../order/dlio-upstream.js'
import { evaluates } from '../order/evaluations.js'
import { checkLoader, epochSeed, type Mapping, refuse, type SplitMapping, splitSettings } from '../order/mapping.js'
import { numpySeedMax } from '../order/numpy-random.js'
import { profileMapping } from '../order/profiles.js'
import type { EpochOrder, FileList, Split } from '../order/types.js'
import { DlioSleeps, EpochStates } from './sleeps.js'
import type { DatasetFiles, Plan, SleepStream, SplitPlan, World } from './types.js'
import { planWarnings } from './warnings.js'

/**
 * Makes the plan of a run.
 * @param shared memory of `sharedBytes` bytes where several threads have the plan; without it the plan allocates its own at the first `advance`
 * Throws ConfigError where the workload cannot be replayed, RunError (exit code 2) where there are fewer files than it asks for.
 */
export function createPlan(workload: Workload, world: World, files: DatasetFiles, shared?: SharedArrayBuffer): Plan {
  check(workload, world, files)
  const mapping = mappingOf(workload)(workload, world, files)
  checkSeeds(workload, world, mapping)
  if (shared !== undefined) mapping.lists.attach(shared)
  return new DlioPlan(workload, world, files, mapping)
}

function mappingOf({ profile, semantics }: Workload): (workload: Workload, world: World, files: DatasetFiles) => Mapping {
  if (profile !== null) return profileMapping
  return semantics === 'upstream' ? upstreamMapping : mlcommonsMapping
}

class DlioPlan implements Plan {
  readonly epochs: number
  readonly train: SplitPlan
  readonly valid: SplitPlan
  readonly warnings: readonly Warning[]
  readonly sharedBytes: number
  private readonly states = new EpochStates()

  constructor(
    readonly workload: Workload,
    readonly world: World,
    files: DatasetFiles,
    private readonly mapping: Mapping,
  ) {
    this.epochs = workload.workflow.train ? workload.train.epochs : 0
    this.train = splitPlan(files.train, mapping.train, world)
    this.valid = splitPlan(files.valid, mapping.valid, world)
    this.warnings = planWarnings(workload, world, this.train, this.valid)
    this.sharedBytes = mapping.lists.bytes
  }

  advance(epoch: number): void {
    const { lists } = this.mapping
    if (this.sharedBytes === 0) return
    if (!lists.isAttached) lists.attach(new SharedArrayBuffer(this.sharedBytes))
    if (epoch < lists.epoch) throw new RangeError(`the plan is at epoch ${lists.epoch} already and cannot go back to ${epoch}`)
    for (let next = lists.epoch + 1; next <= epoch; next++) {
      this.mapping.advance(next)
      lists.epoch = next
    }
  }

  order(split: Split, rank: number, epoch: number): EpochOrder {
    const { lists } = this.mapping
    if (this.sharedBytes > 0 && lists.epoch !== epoch)
      throw new RangeError(`the plan is at epoch ${lists.epoch}: advance(${epoch}) comes before an order of epoch ${epoch}`)
    return this.mapping[split].order(rank, epoch)
  }

  evaluates(epoch: number): boolean {
    return evaluates(this.workload, epoch)
  }

  sleeps(rank: number): SleepStream {
    return new DlioSleeps(this.workload, rank, (epoch) => this.mapping.streamPosition(rank, epoch), this.states)
  }
}

function splitPlan(files: FileList, mapping: SplitMapping, { ranks }: World): SplitPlan {
  const { numFilesUsed, batchSize, steps, samplesDropped, samplesRepeated } = mapping
  const samplesPerEpoch = mapping.samplesPerEpoch ?? steps * batchSize * ranks
  return { files, numFilesUsed, batchSize, steps, samplesDropped, samplesRepeated, samplesPerEpoch }
}

function check(workload: Workload, world: World, files: DatasetFiles): void {
  if (!workload.workflow.train) return
  const { dataset, reader, train } = workload
  checkLoader(workload)
  for (const split of ['train', 'valid'] as const) {
    const { numFiles, isUsed } = splitSettings(workload, split)
    const found = files[split].count
    if (isUsed && found < numFiles) {
      const kind = split === 'train' ? 'training' : 'evaluation'
      throw new RunError(
        `Not enough ${kind} dataset is found: ${found} files, ${numFiles} are needed; Please run the code with ++workload.workflow.generate_data=True`,
        2,
      )
    }
  }
  if (workload.profile !== null) return // The mapping knows how many batches the framework's rules give.
  // StatsCounter.__init__: from the configured number of files, in doubles, left to right.
  const most = Math.floor((dataset.numSamplesPerFile * dataset.numFilesTrain) / reader.batchSize / world.ranks)
  const { totalTrainingSteps } = train
  if (totalTrainingSteps > most) {
    const rule = `Only have enough data for ${most} steps an epoch`
    throw refuse(workload, 'train.total_training_steps', String(totalTrainingSteps), rule, `set it to ${most} or less, or give more files`)
  }
}

/** NumPy refuses seeds outside of 32 bits; better now than in the epoch that gets there. */
function checkSeeds(workload: Workload, world: World, mapping: Mapping): void {
  const { epochs } = workload.train
  for (const epoch of [1, epochs])
    for (const rank of [0, world.ranks - 1]) {
      const position = mapping.streamPosition(rank, epoch)
      if (position === undefined) continue
      for (const seed of [position.seed, epochSeed(workload, epoch)])
        if (!Number.isInteger(seed) || seed < 0 || seed > numpySeedMax) {
          const value = `${workload.train.seed} (${seed} in epoch ${epoch} of rank ${rank})`
          throw refuse(workload, 'train.seed', value, 'NumPy: Seed must be between 0 and 2**32 - 1', 'choose a seed in that range')
        }
    }
}
