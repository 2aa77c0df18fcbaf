// The few facts of a workload that metrics depend on.
import type { Workload } from '../config/workload.js'
import { ConfigError } from '../errors.js'

export interface MetricSettings {
  readonly trains: boolean
  readonly evaluates: boolean
  readonly checkpoints: boolean
  readonly batchSize: number
  readonly batchSizeEval: number
  /** Size of one sample, by which samples/s become bytes/s; may be fractional. */
  readonly recordBytes: number
  readonly excludeStartSteps: number
  readonly excludeEndSteps: number
  readonly targetAuPercent: number
}

/** C names and NumPy names without a width. */
const widthsBytes: Readonly<Record<string, number>> = {
  bool: 1,
  byte: 1,
  ubyte: 1,
  half: 2,
  short: 2,
  ushort: 2,
  single: 4,
  float: 8,
  double: 8,
  int: 8,
  uint: 8,
  complex: 16,
}

/** Bytes of one element of a NumPy dtype name such as `uint8`, `float32` or `complex128`. */
function elementBytes(dtype: string): number {
  const named = widthsBytes[dtype]
  if (named !== undefined) return named
  const bits = Number(/^(?:u?int|b?float|complex)(8|16|32|64|128)$/.exec(dtype)?.[1])
  if (Number.isInteger(bits)) return bits / 8
  throw new ConfigError(`dataset.record_element_type: the width of "${dtype}" is not known, so bytes per second cannot be computed`)
}

/**
 * Bytes of one sample: the product of `record_dims` and the element's width where dimensions are given, else `record_length_bytes`
 * as configured. (DLIO upstream counts 1 byte a sample when it generates and trains in one run.)
 */
export function recordBytes(dataset: Pick<Workload['dataset'], 'recordDims' | 'recordElementType' | 'recordLengthBytes'>): number {
  if (dataset.recordDims.length === 0) return dataset.recordLengthBytes
  return dataset.recordDims.reduce((product, dimension) => product * dimension, elementBytes(dataset.recordElementType))
}

/** Errors: ConfigError for an element type of unknown width. */
export function metricSettings(workload: Workload): MetricSettings {
  return {
    trains: workload.workflow.train,
    evaluates: workload.workflow.evaluation,
    checkpoints: workload.workflow.checkpoint,
    batchSize: workload.reader.batchSize,
    batchSizeEval: workload.reader.batchSizeEval,
    recordBytes: recordBytes(workload.dataset),
    excludeStartSteps: workload.output.excludeStartSteps,
    excludeEndSteps: workload.output.excludeEndSteps,
    targetAuPercent: workload.metric.au * 100,
  }
}
