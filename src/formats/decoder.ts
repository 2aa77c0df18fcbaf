// What a format offers beside reading for a benchmark: the values of single samples, put where the caller says. Loaders of real tensors use it.
import type { Io } from '../storage/types.js'

/** One array of a sample. Two samples with equal layouts can lie in one tensor. */
export interface ArrayLayout {
  /** `data` is what is trained on, `label` its target. */
  readonly role: 'data' | 'label'
  /** The name in the file, where a sample may have several arrays: `x`, `records_0`, `image`. */
  readonly name: string
  /** NumPy type string, for example `|u1`, `<f4`. */
  readonly dtype: string
  /** Shape of one sample's array. */
  readonly shape: readonly number[]
  /** Elements in Fortran's order; C's otherwise. */
  readonly fortranOrder: boolean
  readonly sizeBytes: number
}

/** Bytes behind an array that a decoder may overwrite, to read on beyond it in the same call. */
export const slackBytes = 2048

/** Memory for the arrays of a batch's samples. Index 0 of `bytes` is page-aligned. */
export interface SampleTarget {
  readonly bytes: Uint8Array
  /**
   * Makes room for an array of the present sample and returns where in `bytes` it begins; {@link slackBytes} behind it are free for now.
   * A further call may move what was placed before, so one array is filled before the next is asked for.
   */
  place(layout: ArrayLayout): number
}

export interface DecoderOptions {
  /** Size of one read request in bytes, ≤ the window's capacity. */
  readonly requestBytes: number
  /** Bytes are not read straight to their place: requests must be aligned (O_DIRECT), or each is dear and shall bring as much as it can (objects). */
  readonly throughWindow: boolean
  /** Check everything that the format has checksums for. */
  readonly verify: boolean
  readonly samplesPerFile: number
  /** NumPy dtype name that the configuration says; what the files say counts where they say it. */
  readonly elementType: string
}

/** Decodes samples; made once for each reader and reused for all its files. */
export interface SampleDecoder {
  /** Puts all arrays of sample `sample` of file `uri` into the target, data before labels. Throws DataError, StorageError. */
  decode(uri: string, sample: number, target: SampleTarget): Io<void>
  /** Closes what was kept open. */
  close(): Io<void>
}
