// Words of checkpoints. A *state* is what one rank saves into one file: named tensors, some of them in groups.
import type { StateType } from '../config/workload.js'

/** One-dimensional, as all of DLIO's are. Two entries that are the same object are stored once. */
export interface Tensor {
  readonly type: StateType
  readonly elements: number
}

/** In the order of saving. */
export type State = ReadonlyMap<string, Tensor | State>

/** What a file belongs to, as DLIO times and reports it. `blob`: the flat model of `model.model_size_bytes`. */
export type StatePart = 'blob' | 'model' | 'optimizer'

export interface StateFile {
  /** Within the folder of a checkpoint, without extension. */
  readonly name: string
  readonly part: StatePart
  readonly state: State
}

/** Bytes of an element (DLIO `BaseCheckpointing.get_datatype_size`). */
export const elementBytes: Readonly<Record<StateType, number>> = { int8: 1, uint8: 1, fp16: 2, bf16: 2, fp32: 4, fp64: 8 }

/** Bytes of the values of a tensor, without whatever a file format puts around them. */
export function tensorBytes({ type, elements }: Tensor): number {
  return elements * elementBytes[type]
}

/** Each tensor of a state once, in the order in which they are first met. */
export function tensorsOf(state: State): Tensor[] {
  const found = new Set<Tensor>()
  const walk = (entries: State) => {
    for (const entry of entries.values())
      if (isTensor(entry)) found.add(entry)
      else walk(entry)
  }
  walk(state)
  return [...found]
}

/** Whether an entry of a state is a tensor, not a state within it. */
export function isTensor(entry: Tensor | State): entry is Tensor {
  return !(entry instanceof Map)
}

/** Bytes of all tensors of a state. */
export function stateBytes(state: State): number {
  return tensorsOf(state).reduce((sum, tensor) => sum + tensorBytes(tensor), 0)
}
