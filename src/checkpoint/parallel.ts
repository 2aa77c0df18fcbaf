// Who is who in a job with tensor, pipeline and data parallelism (DLIO `BaseCheckpointing.__init__`).
import type { Workload } from '../config/workload.js'

export interface Parallelism {
  readonly tensor: number
  readonly pipeline: number
  /** Replicas of the model. In a subset more than the ranks that run make up. */
  readonly data: number
  readonly zeroStage: number
}

/** Which part of the model a rank holds. */
export interface RankPlace {
  readonly rank: number
  readonly pipelineRank: number
  readonly dataRank: number
  /** Number of the rank among those that share one replica. */
  readonly modelRank: number
}

/** The parallelism of a job of `ranks` ranks. Fewer than one replica needs, which no run accepts, count as one replica. */
export function parallelismOf({ model }: Pick<Workload, 'model'>, ranks: number): Parallelism {
  const { tensor, pipeline, data, zeroStage } = model.parallelism
  return { tensor, pipeline, data: data > 0 ? data : Math.max(1, Math.floor(ranks / (tensor * pipeline))), zeroStage }
}

export function placeOf(rank: number, { tensor, pipeline }: Parallelism): RankPlace {
  const replica = tensor * pipeline
  return {
    rank,
    pipelineRank: Math.floor(rank / tensor) % pipeline,
    dataRank: Math.floor(rank / replica),
    modelRank: rank % replica,
  }
}

/** Layers [begin, end) of 1 … `layers` that a pipeline stage holds: the first stages hold one more where they do not divide. */
export function stageLayers(stage: number, stages: number, layers: number): { readonly begin: number; readonly end: number } {
  const each = Math.floor(layers / stages)
  const more = layers % stages
  const begin = 1 + stage * each + Math.min(stage, more)
  return { begin, end: begin + each + (stage < more ? 1 : 0) }
}
