// How large each generated file is: the dimensions that DLIO's generators draw.
import type { Workload } from '../config/workload.js'
import { elementTypeByName } from '../formats/dtype.js'
import type { FileSpec, FormatWriter } from '../formats/types.js'
import { RandomState } from '../order/numpy-random.js'
import type { FileList } from '../order/types.js'
import { formatWriter } from './format-writer.js'
import { fileNamer } from './naming.js'

/** DLIO seeds NumPy's global generator with this before it draws (data_generator.py `generate`); MLCommons adds the rank. */
const generatorSeed = 10

/** Draws the dimensions of the files of one workload. File indices count training files first, then evaluation files. */
export interface DimensionSource {
  /** Shape of a sample of file `index`, without the sample axis. Each call's index must be larger than the last one's. */
  dims(index: number): readonly number[]
}

/**
 * Dimensions in DLIO's order, in memory that does not grow with the number of files. One entry of `2·T` draws of N(d, σ) belongs to each of
 * the T files, d = int(√L), σ = stdev / 2 / √L; upstream draws all from one stream, in MLCommons' fork rank r = i mod ranks takes entry i of
 * its own. Source: DLIO `ConfigArguments.derive_configurations`, `DataGenerator.get_dimension`.
 */
export function createDimensionSource(workload: Workload, world: { readonly ranks: number }): DimensionSource {
  const { recordDims, recordLengthBytes, recordLengthBytesStdev } = workload.dataset
  if (recordDims.length > 0) return { dims: () => recordDims }
  const typical = typicalDims(workload)
  if (!(recordLengthBytesStdev > 0)) return { dims: () => typical }
  const side = typical[0]!
  const sideStdev = recordLengthBytesStdev / 2 / Math.sqrt(recordLengthBytes)
  const numStreams = workload.semantics === 'mlcommons' ? world.ranks : 1
  const streams = new Map<number, { random: RandomState; position: number }>()
  const truncate = (z: number): number => Math.max(1, Math.trunc(side + sideStdev * z))
  return {
    dims(index) {
      const number = index % numStreams
      let stream = streams.get(number)
      if (stream === undefined) {
        stream = { random: new RandomState(generatorSeed + number), position: 0 }
        streams.set(number, stream)
      }
      if (index < stream.position)
        throw new RangeError(`dimensions of file ${index} were asked for after those of file ${stream.position - 1}`)
      for (; stream.position < index; stream.position++) stream.random.skipNormalPair()
      stream.position++
      return [truncate(stream.random.standardNormal()), truncate(stream.random.standardNormal())]
    },
  }
}

/** Dimensions without their random part: those of each file when the standard deviation is 0, and about the mean otherwise. */
export function typicalDims(workload: Workload): readonly number[] {
  const { recordDims, recordLengthBytes } = workload.dataset
  if (recordDims.length > 0) return recordDims
  const side = Math.trunc(Math.sqrt(recordLengthBytes))
  return [side, side]
}

/** Bytes of a sample's array where all files have the same dimensions, undefined where they are drawn. */
export function fixedSampleBytes(workload: Workload): number | undefined {
  const { recordLengthBytesStdev, recordElementType } = workload.dataset
  const itemBytes = elementTypeByName(recordElementType)?.itemBytes
  if (recordLengthBytesStdev > 0 || itemBytes === undefined) return undefined
  return typicalDims(workload).reduce((product, dim) => product * dim, itemBytes)
}

/** The files that a workload generates, training files first, then evaluation files: DLIO's one list, in the order of their numbers. */
export function generatedFiles(workload: Workload): FileList {
  const trainCount = workload.dataset.numFilesTrain
  const train = fileNamer(workload, 'train')
  const valid = fileNamer(workload, 'valid')
  return {
    count: trainCount + Math.max(0, workload.dataset.numFilesEval),
    name: (index) => (index < trainCount ? train(index) : valid(index - trainCount)),
  }
}

/** What is asked of a format's writer for file `index` (of {@link generatedFiles}), whose samples have shape `dims`. */
export function fileSpec(workload: Workload, dims: readonly number[], index: number): FileSpec {
  const { numSamplesPerFile, recordDims, recordElementType, compression, compressionLevel, hdf5, parquet } = workload.dataset
  const isUpstream = workload.semantics === 'upstream'
  return {
    dims,
    dimsDrawn: recordDims.length === 0,
    samples: numSamplesPerFile,
    elementType: recordElementType,
    compression,
    compressionLevel,
    hdf5,
    index,
    repeatsRecord: isUpstream,
    // MLCommons' generators encode images for DALI's own readers only.
    rawImages: !isUpstream && workload.reader.dataLoader !== 'native_dali',
    parquet,
  }
}

/** One line of `plan --dims`. */
export interface FileDimensions {
  /** Relative to the data folder. */
  readonly file: string
  readonly dims: readonly number[]
  /** Exact size of the file that the generator writes; null where it depends on the content, or nothing here can write the format. */
  readonly sizeBytes: number | null
}

/**
 * Name, dimensions and size of each file to generate, lazily. `ranks` matters only to MLCommons' draws. `writer` is the format's own
 * unless given.
 */
export function* fileDimensions(
  workload: Workload,
  world: { readonly ranks: number },
  writer: Pick<FormatWriter, 'sizeBytes'> | undefined = formatWriter(workload.dataset.format),
): Iterable<FileDimensions> {
  const files = generatedFiles(workload)
  const source = createDimensionSource(workload, world)
  for (let index = 0; index < files.count; index++) {
    const dims = source.dims(index)
    yield { file: files.name(index), dims, sizeBytes: writer?.sizeBytes(fileSpec(workload, dims, index)) ?? null }
  }
}
