// What must hold before a run that takes checkpoints may start, and what people should know about them.
import { closeSync, openSync, rmSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { stateFormat } from '../checkpoint/formats.js'
import { type CheckpointTotals, checkpointTotals, reportedBytes } from '../checkpoint/layout.js'
import type { ObjectFolder } from '../checkpoint/object-place.js'
import { trainingCheckpoints } from '../checkpoint/schedule.js'
import type { Warning, Workload } from '../config/workload.js'
import { ConfigError, StorageError } from '../errors.js'
import { lazily } from '../package.js'
import type { Plan } from '../plan/types.js'
import { makeFolders } from '../storage/folders.js'
import { proxiesOf } from '../storage/object/proxy.js'
import { objectReadOptions } from '../storage/object/settings.js'
import { isObjectLocation, keyOf, type Location, localPath, parseLocation, placeUri } from '../storage/uri.js'

export interface CheckpointPlan {
  /** Local path of the checkpoint folder, or its URI. */
  readonly folder: string
  /** Where it is in an object store. */
  readonly objects?: ObjectFolder
  /** `host:port` of the proxy before it; known to the first process once the folder is prepared. */
  readonly proxy?: string | undefined
  readonly totals: CheckpointTotals
  /** Bytes of a whole checkpoint as DLIO counts them. */
  readonly sizeBytes: number
}

/** Whether a run only writes and reads checkpoints: DLIO then looks at no data set. */
export function checkpointsOnly({ workflow }: Workload): boolean {
  return workflow.checkpoint && !workflow.train
}

/**
 * The checkpoints of a job of `ranks` ranks, `localRanks` of them in this process; undefined where there are none. Throws ConfigError for what
 * cannot be.
 */
export function planCheckpoints(workload: Workload, ranks: number, localRanks = ranks): CheckpointPlan | undefined {
  if (!workload.workflow.checkpoint) return undefined
  checkWorld(workload, ranks)
  const location = parseLocation(workload.checkpoint.folder)
  const totals = checkpointTotals(workload, ranks)
  if (stateFormat(workload) === 'tensorflow' && (totals.parameters !== undefined || totals.hasOptimizer))
    throw refusal(
      workload,
      'framework',
      'tensorflow',
      'checkpoints of layers and optimizer states are written for PyTorch only: DLIO cannot load those of TensorFlow either',
      'use --framework pytorch, or leave out model.num_layers and model.optimization_groups',
    )
  const objects = objectFolder(workload, location, ranks, localRanks)
  const folder = objects ? placeUri(objects.target.place) : localPath(location)
  return { folder, totals, sizeBytes: reportedBytes(totals), ...(objects && { objects }) }
}

/** Uploads of all ranks at once, which MLCommons' DLIO shares out among them, and fewest of one rank (its `pt_obj_save`). */
const uploadsAtOnce = 16
const fewestUploads = 2

function objectFolder(workload: Workload, location: Location, ranks: number, localRanks: number): ObjectFolder | undefined {
  if (!isObjectLocation(location)) return undefined
  const { resolveTarget } = lazily<typeof import('../storage/object/connect.js')>('storage/object/connect.js')
  const target = resolveTarget(location, workload.storage.options)
  const partsInFlight = Math.max(fewestUploads, Math.ceil(uploadsAtOnce / ranks))
  // Besides those on their way each rank gathers one.
  const memoryBytes = localRanks * (partsInFlight + 1) * target.settings.partSizeBytes
  if (memoryBytes > totalmem() / 2)
    throw refusal(
      workload,
      'checkpoint.checkpoint_folder',
      workload.checkpoint.folder,
      `the uploads of ${localRanks} ranks, ${partsInFlight + 1} parts of ${target.settings.partSizeBytes} bytes each, do not fit into half of the memory`,
      'lower storage.storage_options.multipart_part_size, or run fewer ranks on this machine',
    )
  return { target, options: objectReadOptions(workload.storage.options), partsInFlight }
}

/** The rules of DLIO's `validate` that depend on the number of ranks. */
function checkWorld(workload: Workload, ranks: number): void {
  const { model, checkpoint } = workload
  const { tensor, pipeline, data } = model.parallelism
  const replica = tensor * pipeline
  if (checkpoint.mode === 'subset') {
    if (data * replica < ranks)
      throw refusal(
        workload,
        'checkpoint.mode',
        'subset',
        `Comm size: ${ranks} is larger than 3D parallelism size: ${data * replica} (tensor ${tensor} × pipeline ${pipeline} × data ${data})`,
        'run fewer ranks, or raise model.parallelism.data',
      )
  } else if (ranks % replica !== 0)
    throw refusal(
      workload,
      'model.parallelism',
      `tensor ${tensor} × pipeline ${pipeline}`,
      `Number of processes ${ranks} is not a multiple of model parallelism size: ${replica}`,
      `run ${Math.ceil(ranks / replica) * replica} ranks, or a part of the job with checkpoint.mode: subset and model.parallelism.data`,
    )
}

/** Makes the folder and proves that files can be made in it. Throws ConfigError: nothing else was touched yet. */
export async function prepareCheckpointFolder(workload: Workload, plan: CheckpointPlan): Promise<CheckpointPlan> {
  if (plan.objects) return { ...plan, proxy: await proveWritable(workload, plan.objects) }
  prepareLocalFolder(workload, plan.folder)
  return plan
}

/** Writes an object of no bytes and deletes it. Returns the proxies on the way, for people. */
async function proveWritable(workload: Workload, { target }: ObjectFolder): Promise<string | undefined> {
  const uri = placeUri(target.place)
  const { connect } = lazily<typeof import('../storage/object/connect.js')>('storage/object/connect.js')
  try {
    const control = await connect(target)
    try {
      const { proxies, endpoints } = await control.grant()
      const probe = keyOf(target.place, `.dl-driver-probe.${process.pid}.${Date.now()}.tmp`)
      await control.put(probe, new Uint8Array(0))
      await control.delete([probe])
      return proxiesOf(proxies, endpoints)
    } finally {
      control.close()
    }
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
    throw refusal(workload, 'checkpoint.checkpoint_folder', uri, `cannot be written to: ${error.message}`, 'see dl-driver doctor for why')
  }
}

function prepareLocalFolder(workload: Workload, folder: string): void {
  const probe = join(folder, `.dl-driver-probe.${process.pid}.tmp`)
  try {
    makeFolders(folder)
    try {
      closeSync(openSync(probe, 'w'))
    } finally {
      rmSync(probe, { force: true })
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw refusal(workload, 'checkpoint.checkpoint_folder', folder, `cannot be written to: ${code ?? message}`, 'choose another folder')
  }
}

/** What is odd about the checkpoints of a run. `plan` is absent where nothing is trained. */
export function checkpointWarnings(workload: Workload, { totals }: CheckpointPlan, plan: Plan | undefined): Warning[] {
  const { numCheckpointsWrite: written, numCheckpointsRead: read } = workload.checkpoint
  const count = plan ? trainingCheckpoints(workload, plan.epochs, plan.train.steps) : written + read
  const none = plan
    ? 'its schedule (checkpoint_after_epoch, epochs_between_checkpoints, steps_between_checkpoints) has none in this run'
    : 'num_checkpoints_write and num_checkpoints_read are not above 0'
  if (count === 0) return [{ code: 'no-checkpoints', message: `workflow.checkpoint is on, but no checkpoint is taken: ${none}` }]
  if (totals.files === 0)
    return [
      {
        code: 'empty-checkpoints',
        message: 'checkpoints hold nothing: the model is a transformer without layers; give model.num_layers, or another model.type',
      },
    ]
  return []
}

function refusal({ source: { path: source } }: Workload, path: string, value: string, rule: string, remedy: string): ConfigError {
  return new ConfigError(`${path} ${value}: ${rule}; ${remedy}`, [{ source, path, value, rule, remedy }])
}
