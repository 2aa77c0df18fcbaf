// What DLIO's generator asks h5py for, for one file: shape, type, chunks, filters. And what HDF5 would refuse.
import { ConfigError } from '../../errors.js'
import type { FileSpec } from '../types.js'
import { type NumberType, numberType } from './datatype.js'
import { FilterId } from './filters.js'

/** A filter that the writer applies to chunks. */
export interface WrittenFilter {
  readonly id: typeof FilterId.deflate | typeof FilterId.lzf
  /** Deflate's level. */
  readonly level: number
}

/** The datasets of samples in one file; all of them are alike. */
export interface DatasetPlan {
  readonly datasets: number
  readonly samples: number
  readonly shape: readonly number[]
  readonly maxShape: readonly number[]
  readonly type: NumberType
  readonly payloadBytes: number
  /** Undefined for contiguous data. */
  readonly chunkDims: readonly number[] | undefined
  readonly filter: WrittenFilter | undefined
}

/** HDF5's own limit of a chunk is 4 GiB; chunks are put together in memory. */
const mostChunkBytes = 2 ** 30
const mostChunks = 2 ** 22

function refuse(key: string, value: unknown, rule: string, remedy: string): never {
  const shown = Array.isArray(value) ? `[${value.join(', ')}]` : String(value)
  throw new ConfigError(`dataset.${key}: ${shown}: ${rule}; ${remedy}`, [
    { source: 'workload', path: `dataset.${key}`, value: shown, rule, remedy },
  ])
}

/**
 * Makes a plan of a file, by the rules of DLIO's hdf5 generator (HDF5Generator.generate) and of h5py (make_new_dset, fill_dcpl).
 * Throws ConfigError for what h5py or HDF5 would refuse.
 */
export function planDatasets(spec: FileSpec): DatasetPlan {
  const type = numberType(spec.elementType)
  if (type === undefined)
    refuse(
      'record_element_type',
      spec.elementType,
      'HDF5 files are written with int8 to uint64 and float16 to float64',
      'choose one of these',
    )
  const datasets = spec.hdf5.numDsetPerRecord
  const shape = [spec.samples, ...sampleDims(spec)]
  const maxShape = planMaxShape(spec, shape)
  const filter = planFilter(spec)
  const isChunked = spec.hdf5.chunkDims.length > 0 || spec.hdf5.maxShape.length > 0 || filter !== undefined
  const chunkDims = isChunked ? planChunks(spec, shape, maxShape, type.sizeBytes) : undefined
  const payloadBytes = shape.reduce((bytes, dim) => bytes * dim, type.sizeBytes)
  return { datasets, samples: spec.samples, shape, maxShape, type, payloadBytes, chunkDims, filter }
}

/** A sample's shape in each dataset: the first axis is divided among the datasets, and where record_dims then begins with 1, that is dropped. */
function sampleDims(spec: FileSpec): readonly number[] {
  const { numDsetPerRecord: datasets } = spec.hdf5
  const [first = 1, ...others] = spec.dims
  if (!Number.isInteger(datasets) || datasets < 1) refuse('hdf5.num_dset_per_record', datasets, 'must be a positive integer', 'set it to 1')
  if (datasets > 1 && spec.dimsDrawn === true)
    refuse('hdf5.num_dset_per_record', datasets, 'needs record_dims, whose first axis is divided among the datasets', 'set record_dims')
  if (first % datasets !== 0)
    refuse('hdf5.num_dset_per_record', datasets, `must divide the first of record_dims, ${first}`, 'choose a divisor of it')
  const divided = first / datasets
  return divided === 1 && spec.dimsDrawn !== true ? others : [divided, ...others]
}

function planMaxShape(spec: FileSpec, shape: readonly number[]): readonly number[] {
  const { maxShape } = spec.hdf5
  if (maxShape.length === 0) return shape
  const whole = [shape[0] as number, ...maxShape]
  if (whole.length !== shape.length)
    refuse(
      'hdf5.max_shape',
      maxShape,
      `must have ${shape.length - 1} axes, as a sample of shape [${shape.slice(1).join(', ')}]`,
      'correct it',
    )
  whole.forEach((most, axis) => {
    if (!Number.isInteger(most) || most < (shape[axis] as number))
      refuse(
        'hdf5.max_shape',
        maxShape,
        `axis ${axis - 1} must be an integer of at least ${shape[axis]}, the sample's own length`,
        'make it larger',
      )
  })
  return whole
}

function planFilter(spec: FileSpec): WrittenFilter | undefined {
  const { compression, compressionLevel } = spec
  // DLIO fails on an explicit `none`; what is meant is plain.
  if (compression === '' || compression === 'none') return undefined
  if (compression === 'lzf') return { id: FilterId.lzf, level: 0 }
  if (compression !== 'gzip')
    refuse(
      'compression',
      compression,
      'is no filter of HDF5 (DLIO fails with "Compression filter is unavailable")',
      'leave the key out for uncompressed data, or use gzip or lzf',
    )
  if (!Number.isInteger(compressionLevel) || compressionLevel < 0 || compressionLevel > 9)
    refuse('compression_level', compressionLevel, 'must be an integer from 0 to 9 for gzip', 'use 4, the default')
  return { id: FilterId.deflate, level: compressionLevel }
}

function planChunks(spec: FileSpec, shape: readonly number[], maxShape: readonly number[], elementBytes: number): readonly number[] {
  const { chunkDims } = spec.hdf5
  const key = 'hdf5.chunk_dims'
  if (chunkDims.length === 0) return guessChunk(shape, elementBytes)
  if (chunkDims.length !== shape.length)
    refuse(
      key,
      chunkDims,
      `must have ${shape.length} axes, the samples' axis first: the datasets have shape [${shape.join(', ')}]`,
      'correct it',
    )
  chunkDims.forEach((dim, axis) => {
    if (!Number.isInteger(dim) || dim < 1 || dim > (maxShape[axis] as number))
      refuse(key, chunkDims, `axis ${axis} must be an integer from 1 to ${maxShape[axis]}`, 'make the chunk fit into the dataset')
  })
  const chunkBytes = chunkDims.reduce((bytes, dim) => bytes * dim, elementBytes)
  if (chunkBytes > mostChunkBytes)
    refuse(key, chunkDims, `chunks of ${chunkBytes} bytes, at most ${mostChunkBytes} are written`, 'make them smaller')
  const chunks = maxShape.reduce((product, dim, axis) => product * Math.ceil(dim / (chunkDims[axis] as number)), 1)
  if (chunks > mostChunks)
    refuse(key, chunkDims, `cuts a dataset into ${chunks} chunks, at most ${mostChunks} are written`, 'make the chunks larger')
  return chunkDims
}

const chunkBaseBytes = 16 * 1024
const chunkLeastBytes = 8 * 1024
const chunkMostBytes = 1024 * 1024

/** The chunk shape that h5py chooses (h5py._hl.filters.guess_chunk): axes are halved in turn until a chunk is near a size that grows with the dataset. */
export function guessChunk(shape: readonly number[], elementBytes: number): number[] {
  const chunk = shape.map((dim) => (dim === 0 ? 1024 : dim))
  const elements = () => chunk.reduce((product, dim) => product * dim, 1)
  const wished = chunkBaseBytes * 2 ** Math.log10((elements() * elementBytes) / 2 ** 20)
  const target = Math.min(chunkMostBytes, Math.max(chunkLeastBytes, wished))
  for (let axis = 0; ; axis = (axis + 1) % chunk.length) {
    const bytes = elements() * elementBytes
    if ((bytes < target || Math.abs(bytes - target) / target < 0.5) && bytes < chunkMostBytes) return chunk
    if (elements() === 1) return chunk
    chunk[axis] = Math.ceil((chunk[axis] as number) / 2)
  }
}
