// What an array must be to hold samples, in .npy files as in the member `x` of .npz archives: the samples are its last axis.
import { DataError } from '../errors.js'
import type { ArrayLayout } from './decoder.js'
import { elementTypeByName } from './dtype.js'
import type { NpyHeader } from './npy/layout.js'

/** Samples in an array: its last axis. `what` names it in messages. @throws DataError where it has no axis */
export function sampleCount(uri: string, header: NpyHeader, what: string): number {
  if (header.shape.length === 0) throw new DataError(uri, `${what} is a single value; samples are on the last axis of an array`)
  return header.shape.at(-1)!
}

/** What the configuration says of a file's samples. */
export interface ExpectedSamples {
  readonly samplesPerFile: number
  /** NumPy dtype name. */
  readonly elementType: string
  readonly verify: boolean
}

/** Checks the header of the array against the configuration. @throws DataError */
export function checkSamples(uri: string, header: NpyHeader, expected: ExpectedSamples, what: string): number {
  const samples = sampleCount(uri, header, what)
  if (samples < expected.samplesPerFile)
    throw new DataError(
      uri,
      `holds ${samples} samples (shape (${header.shape.join(', ')}), samples on the last axis); the configuration says num_samples_per_file ${expected.samplesPerFile}`,
    )
  if (expected.verify && header.type.name !== (elementTypeByName(expected.elementType)?.name ?? expected.elementType))
    throw new DataError(
      uri,
      `${what} has element type ${header.type.name} (${header.type.descr}); the configuration says record_element_type ${expected.elementType}`,
    )
  return samples
}

/** Whether the bytes of one sample lie side by side in an array of `samples` samples. */
export function samplesAreContiguous(header: NpyHeader, samples: number): boolean {
  return header.fortranOrder || samples === 1 || header.elements === samples
}

/** @throws DataError where there is no such sample */
export function checkSampleIndex(uri: string, sample: number, samples: number): void {
  if (!(sample >= 0 && sample < samples)) throw new DataError(uri, `has no sample ${sample}: it holds ${samples}`)
}

/** Layout of x[..., i], one sample of the array. */
export function sampleLayout(header: NpyHeader): ArrayLayout {
  const shape = header.shape.slice(0, -1)
  const samples = header.shape.at(-1)!
  const sizeBytes = samples === 0 ? 0 : header.dataBytes / samples
  return { role: 'data', name: 'x', dtype: header.type.descr, shape, fortranOrder: header.fortranOrder && shape.length > 1, sizeBytes }
}
