// Which files each rank saves, with which tensors, and how large the whole checkpoint is (DLIO `BaseCheckpointing`). Pure.
import type { ModelState, StateType, Workload } from '../config/workload.js'
import { layerTensors, optimizerTensors, parameterCount } from './model.js'
import { type Parallelism, parallelismOf, placeOf, stageLayers } from './parallel.js'
import { type State, type StateFile, type StatePart, stateBytes, type Tensor } from './types.js'

type Model = Pick<Workload, 'model'>

/** Whether any file of a rank belongs to a checkpoint: without ZeRO the first replica alone saves. */
function saves(rank: number, { zeroStage, tensor, pipeline }: Parallelism): boolean {
  return zeroStage > 0 || rank < tensor * pipeline
}

/** The files that rank `rank` of a job of `ranks` saves, in this order. */
export function rankFiles(workload: Model, ranks: number, rank: number): StateFile[] {
  const { model } = workload
  const parallelism = parallelismOf(workload, ranks)
  if (!saves(rank, parallelism)) return []
  const { dataRank, modelRank } = placeOf(rank, parallelism)
  const blob = blobState(model)
  const optimizer = optimizerState(model, parallelism)
  return [
    ...(blob ? [{ name: `model_states-${rank}`, part: 'blob' as const, state: blob }] : []),
    ...layerFiles(model, parallelism, rank),
    ...(optimizer
      ? [{ name: `zero_pp_rank_${dataRank}_mp_rank_${modelRank}_optim_states`, part: 'optimizer' as const, state: optimizer }]
      : []),
  ]
}

/** The flat blob of int8 that stands for a model without a description. */
function blobState({ type, sizeBytes }: ModelState): State | undefined {
  return type !== 'transformer' && sizeBytes > 0 ? new Map([['a', { type: 'int8', elements: sizeBytes }]]) : undefined
}

function layerFiles(model: ModelState, parallelism: Parallelism, rank: number): StateFile[] {
  if (model.numLayers <= 0) return []
  const { zeroStage, pipeline } = parallelism
  const { dataRank, modelRank } = placeOf(rank, parallelism)
  const isSharded = zeroStage === 0 || zeroStage === 3
  // ZeRO 1 and 2 replicate the model: the first replica saves it.
  if (!isSharded && dataRank > 0) return []
  const layers = layerStates(model, parallelism, rank)
  const file = (name: string, state: State): StateFile => ({ name, part: 'model', state })
  if (isSharded) return [file(`zero_pp_rank_${dataRank}_mp_rank_${modelRank}_model_states`, layers)]
  if (pipeline === 1) return [file(`model_${modelRank}_model_states`, layers)]
  return [...layers].map(([layer, state]) => file(`layer_${layer}-model_${modelRank}_model_states`, state as State))
}

/** The layers that a rank holds, by number. */
function layerStates(model: ModelState, parallelism: Parallelism, rank: number): State {
  const { pipeline, tensor } = parallelism
  const { pipelineRank } = placeOf(rank, parallelism)
  const stage = stageLayers(pipelineRank, pipeline, model.numLayers)
  if (model.layerParameters.length > 0) {
    // One and the same state for every layer, so that its tensors are stored once.
    const shared = named(
      model.layerParameters.map((elements) => Math.floor(elements / tensor)),
      'int8',
    )
    return new Map(Array.from({ length: stage.end - stage.begin }, (_, i) => [String(stage.begin + i), shared]))
  }
  const begin = pipelineRank === 0 ? 0 : stage.begin
  const end = pipelineRank === pipeline - 1 ? model.numLayers + 3 : stage.end
  return new Map(
    Array.from({ length: end - begin }, (_, i): [string, State] => [
      String(begin + i),
      named(layerTensors(model, begin + i, parallelism), model.modelDatatype),
    ]),
  )
}

function optimizerState(model: ModelState, parallelism: Parallelism): State | undefined {
  const { optimizationGroups: groups } = model
  if (groups.length > 0) {
    const int8 = (elements: number): Tensor => ({ type: 'int8', elements })
    const pairs = groups.map((elements, i): [string, State] => [
      String(i),
      new Map([
        ['a', int8(elements)],
        ['b', int8(elements)],
      ]),
    ])
    const combined = groups.reduce((sum, elements) => sum + elements, 0)
    return combined > 0
      ? new Map<string, State | Tensor>([...pairs.filter((_, i) => groups[i]! > 0), ['combined', int8(combined)]])
      : undefined
  }
  const tensors = optimizerTensors(model, parallelism)
  return tensors.length > 0 ? named(tensors, model.optimizerDatatype) : undefined
}

/** Tensors under their numbers; those without elements are left out. */
function named(elements: readonly number[], type: StateType): State {
  return new Map(elements.flatMap((count, i): [string, Tensor][] => (count > 0 ? [[String(i), { type, elements: count }]] : [])))
}

export interface CheckpointTotals {
  /** Of the whole model; undefined where it has no layers. */
  readonly parameters?: number
  /** As DLIO counts: tensors of all ranks that save, or the flat blob once. Layers and groups of given sizes count nothing. */
  readonly modelBytes: number
  readonly optimizerBytes: number
  /** Whether there is an optimizer state at all. */
  readonly hasOptimizer: boolean
  /** What all tensors of all files really hold. */
  readonly payloadBytes: number
  readonly files: number
}

/**
 * Sizes of one checkpoint of a job of `ranks` ranks. DLIO with ZeRO stage 2 counts the model once for each replica though one saves it; here
 * saved bytes are counted.
 */
export function checkpointTotals(workload: Model, ranks: number): CheckpointTotals {
  const { model } = workload
  let modelBytes = 0
  let optimizerBytes = 0
  let payloadBytes = 0
  let files = 0
  let hasOptimizer = false
  const known: KnownSizes = new Map()
  for (let rank = 0; rank < ranks; rank++)
    for (const { part, bytes } of sizesOf(workload, ranks, rank, known)) {
      files++
      payloadBytes += bytes
      if (part === 'model' && model.layerParameters.length === 0) modelBytes += bytes
      if (part === 'optimizer') {
        hasOptimizer = true
        if (model.optimizationGroups.length === 0) optimizerBytes += bytes
      }
    }
  const blob = blobState(model)
  return {
    ...(model.numLayers > 0 ? { parameters: parameterCount(model) } : {}),
    modelBytes: blob ? model.sizeBytes : modelBytes,
    optimizerBytes,
    hasOptimizer,
    payloadBytes,
    files,
  }
}

type KnownSizes = Map<string, readonly { readonly part: StatePart; readonly bytes: number }[]>

/** Sizes of a rank's files: the same for all that hold the same stage, of the first replica or of another. */
function sizesOf(workload: Model, ranks: number, rank: number, known: KnownSizes) {
  const parallelism = parallelismOf(workload, ranks)
  const { pipelineRank, dataRank } = placeOf(rank, parallelism)
  const key = `${pipelineRank} ${dataRank === 0} ${saves(rank, parallelism)}`
  const sizes = known.get(key) ?? rankFiles(workload, ranks, rank).map(({ part, state }) => ({ part, bytes: stateBytes(state) }))
  known.set(key, sizes)
  return sizes
}

/** Bytes of the state that DLIO reports: {@link CheckpointTotals}' model and optimizer. */
export function reportedBytes(totals: CheckpointTotals): number {
  return totals.modelBytes + totals.optimizerBytes
}
