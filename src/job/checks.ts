// What must hold before a run may start. Everything here fails with exit code 2, before anything was touched.
import { totalmem } from 'node:os'
import type { Warning, Workload } from '../config/workload.js'
import { dataLocation } from '../dataset/layout.js'
import { ConfigError } from '../errors.js'
import { formatNames, isFormatName } from '../formats/index.js'
import { recordBytes } from '../metrics/settings.js'
import { checkLoader } from '../order/mapping.js'
import { decimalBytes } from '../output/text.js'
import { lazily } from '../package.js'
import type { Plan } from '../plan/types.js'
import type { Target } from '../storage/object/connect.js'
import { isObjectLocation, localPath, rootUri } from '../storage/uri.js'

export interface DataAccess {
  /** Local path of the data folder, or the URI that those of its objects begin with. */
  readonly folder: string
  readonly direct: boolean
  /** Where the data lies in an object store. */
  readonly objects?: Target
}

/** Where the data lies and how it is read. Throws ConfigError for loaders, storage and formats that cannot be read. */
export function dataAccess(workload: Workload, directFlag: boolean): DataAccess {
  const { storage, dataset, reader } = workload
  checkLoader(workload)
  if (!isFormatName(dataset.format)) throw refusal('dataset.format', dataset.format, `cannot be read yet; ${formatNames.join(', ')} can`)
  const location = dataLocation(workload)
  if (isObjectLocation(location)) {
    if (directFlag)
      throw new ConfigError(`--direct: ${dataset.folder} is object storage, which has no page cache to go past; leave the flag out`)
    const { resolveTarget } = lazily<typeof import('../storage/object/connect.js')>('storage/object/connect.js')
    const objects = resolveTarget(location, storage.options)
    return { folder: rootUri(objects.place), direct: false, objects }
  }
  const direct = directFlag || location.scheme === 'direct' || storage.type === 'direct_fs' || reader.odirect
  return { folder: localPath(location), direct }
}

/** Checks that the plan has something to do. Throws ConfigError where an epoch has no steps, or fewer than asked for. */
export function checkSteps(plan: Plan): void {
  const { workload, world, train, valid } = plan
  const { totalTrainingSteps } = workload.train
  if (workload.workflow.train && train.steps === 0)
    throw refusal(
      'reader.batch_size',
      String(train.batchSize),
      `no step fits into an epoch: ${train.files.count} files × ${workload.dataset.numSamplesPerFile} samples over ${world.ranks} rank(s) give less than one batch each${trimming(plan)}; lower the batch size or the number of ranks, or generate more files`,
    )
  const possible = Math.floor((workload.dataset.numSamplesPerFile * workload.dataset.numFilesTrain) / train.batchSize / world.ranks)
  if (workload.profile === null && totalTrainingSteps > possible)
    throw refusal(
      'train.total_training_steps',
      String(totalTrainingSteps),
      `only have data for ${possible} steps but ${totalTrainingSteps} wanted in each epoch; lower it or generate more files`,
    )
  if (workload.workflow.evaluation && valid.steps === 0)
    throw refusal(
      'reader.batch_size_eval',
      String(valid.batchSize),
      `no evaluation step fits: ${valid.files.count} files give less than one batch for each of ${world.ranks} rank(s)`,
    )
}

/** DLIO lists no files where it does not train, and then evaluates 0 steps (main.initialize). Throws ConfigError for such a job. */
export function checkWorkflow({ workflow }: Workload): void {
  if (workflow.evaluation && !workflow.train)
    throw refusal(
      'workflow.evaluation',
      'true',
      'nothing can be evaluated: DLIO lists no files where workflow.train is false; set workflow.train=true, or workflow.evaluation=false',
    )
}

/** Upstream DLIO keeps a multiple of samples per file × batch size × ranks of *files* (main.initialize), which can be none. */
function trimming({ workload, world, train }: Plan): string {
  if (workload.semantics !== 'upstream' || train.numFilesUsed > 0) return ''
  const unit = workload.dataset.numSamplesPerFile * train.batchSize * world.ranks
  return ` (upstream DLIO trims the files to a multiple of samples per file × batch size × ranks = ${unit}, which leaves none; MLCommons' does not: --semantics mlcommons)`
}

export const cacheWarningCode = 'page-cache'

/** Whether the configured training data fits into memory: DLIO's condition for its warning, but for reads past the page cache. */
export function fitsInMemory({ dataset, workflow }: Workload, direct: boolean): boolean {
  const dataBytes = recordBytes(dataset) * dataset.numSamplesPerFile * dataset.numFilesTrain
  return workflow.train && !direct && dataBytes <= totalmem()
}

/** Data that fits into memory is read from the page cache after the first epoch (or at once, when it has just been generated). */
export function cacheWarnings(plan: Plan, direct: boolean, memoryBytes: number): Warning[] {
  const { dataset } = plan.workload
  const dataBytes = recordBytes(dataset) * dataset.numSamplesPerFile * plan.train.numFilesUsed
  if (direct || dataBytes > memoryBytes) return []
  return [
    {
      code: cacheWarningCode,
      message: `the data set (${decimalBytes(dataBytes)}) fits into memory (${decimalBytes(memoryBytes)}): reads may come from the page cache and not from the storage; use --direct, or more data`,
    },
  ]
}

function refusal(path: string, value: string, rule: string): ConfigError {
  return new ConfigError(`${path} ${value}: ${rule}`, [])
}
