// What an .npz array must be to hold samples: DLIO's generators write member `x` with the samples on its last axis, `y` with their labels.
import { DataError } from '../../errors.js'
import { elementTypeByName } from '../dtype.js'
import type { NpyHeader } from '../npy.js'

/** Name of the member that holds the samples (DLIO `NPZGenerator.generate`: `np.savez(out, x=records, y=labels)`). */
export const samplesMember = 'x.npy'
export const labelsMember = 'y.npy'

/** Samples in an array: its last axis. @throws DataError where it has no axis */
export function sampleCount(uri: string, header: NpyHeader): number {
  if (header.shape.length === 0)
    throw new DataError(uri, `member ${samplesMember} is a single value; samples are on the last axis of an array`)
  return header.shape.at(-1)!
}

/** What the configuration says of a file's samples. */
export interface ExpectedSamples {
  readonly samplesPerFile: number
  /** NumPy dtype name. */
  readonly elementType: string
  readonly verify: boolean
}

/** Checks the header of `x` against the configuration. @throws DataError */
export function checkSamples(uri: string, header: NpyHeader, expected: ExpectedSamples): number {
  const samples = sampleCount(uri, header)
  if (samples < expected.samplesPerFile)
    throw new DataError(
      uri,
      `holds ${samples} samples (shape (${header.shape.join(', ')}), samples on the last axis); the configuration says num_samples_per_file ${expected.samplesPerFile}`,
    )
  if (expected.verify && header.type.name !== (elementTypeByName(expected.elementType)?.name ?? expected.elementType))
    throw new DataError(
      uri,
      `member ${samplesMember} has element type ${header.type.name} (${header.type.descr}); the configuration says record_element_type ${expected.elementType}`,
    )
  return samples
}

/** @throws DataError where there is no such sample */
export function checkSampleIndex(uri: string, sample: number, samples: number): void {
  if (!(sample >= 0 && sample < samples)) throw new DataError(uri, `has no sample ${sample}: it holds ${samples}`)
}
