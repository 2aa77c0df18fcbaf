// Tensors of a transformer's layers and of its optimizer: element counts by DLIO's arithmetic (`BaseCheckpointing.get_num_parameters`,
// `get_layer_parameters`, `get_optimization_groups`). All divisions round down, one after the other.
import type { ModelState } from '../config/workload.js'
import type { Parallelism } from './parallel.js'

const divide = (value: number, ...by: number[]): number => by.reduce((left, divisor) => Math.floor(left / divisor), value)

/** Width of the key and value projections: grouped-query attention has fewer heads of them. */
function keyValueWidth({ hiddenSize, numAttentionHeads, numKvHeads }: ModelState['transformer']): number {
  return divide(hiddenSize, numAttentionHeads) * numKvHeads
}

/** Parameters of the whole model; 0 without layers. */
export function parameterCount({ numLayers, transformer }: ModelState): number {
  if (numLayers <= 0) return 0
  const { vocabSize, hiddenSize: h, ffnHiddenSize: f } = transformer
  const layer = 2 * h + h * (h + 2 * keyValueWidth(transformer)) + h * h + 3 * f * h
  return 2 * vocabSize * h + h + numLayers * layer
}

/**
 * Elements of each tensor that a rank holds of layer `layer`: 0 is the embedding, 1 … L are the transformer's, L + 1 is the output head and
 * L + 2 the final norm. Norms are not divided among tensor-parallel ranks; ZeRO stage 3 divides everything among replicas.
 */
export function layerTensors(model: ModelState, layer: number, { tensor, data, zeroStage }: Parallelism): number[] {
  const { vocabSize, hiddenSize: h, ffnHiddenSize: f } = model.transformer
  const shard = zeroStage === 3 ? data : 1
  const split = (elements: number) => divide(elements, tensor, shard)
  const norm = divide(h, shard)
  if (layer === 0 || layer === model.numLayers + 1) return [split(vocabSize * h)]
  if (layer === model.numLayers + 2) return [norm]
  return [norm, split(h * (h + 2 * keyValueWidth(model.transformer))), split(h * h), norm, split(2 * h * f), split(h * f)]
}

/** Elements of the optimizer's tensors of one rank: master weights and two moments, each with a small companion. None without parameters. */
export function optimizerTensors(model: ModelState, { tensor, pipeline, data, zeroStage }: Parallelism): number[] {
  const own = divide(parameterCount(model), (zeroStage > 0 ? data : 1) * tensor * pipeline)
  const companion = 5 * model.transformer.hiddenSize
  return own > 0 ? [own, companion, own, companion, own, companion] : []
}
