// What a file format offers: a reader for runs (over the I/O seam), an inspector for people and tests, a writer for the generator.

import type { IoPort } from '../storage/io.js'
import type { Io, IoRequest } from '../storage/types.js'
import type { CrcKind } from './checksums.js'
import type { DecoderOptions, SampleDecoder } from './decoder.js'

/**
 * Which bytes a run asks of the storage for one sample:
 * `file`: the whole file per sample, no parsing beyond the framing (MLCommons' DLIO, dlio-formats.md 3.3);
 * `upstream`: what upstream DLIO's library asks for (dlio-formats.md 3.2), e.g. one hyperslab per HDF5 sample;
 * `sample`: just the sample where the format allows (framework profiles).
 */
export type ReadExtent = 'file' | 'upstream' | 'sample'

export interface ReaderOptions {
  readonly extent: ReadExtent
  /** Size of one read request in bytes, ≤ the window's capacity: 256 KiB to 1 MiB through the page cache, DLIO's own with O_DIRECT. */
  readonly requestBytes: number
  /** Decode everything and check CRCs, shapes and types. Without it headers and framing are still parsed. */
  readonly verify: boolean
  /** Samples a file holds according to the configuration. A file with fewer is an error. */
  readonly samplesPerFile: number
  /** NumPy dtype name that the configuration says, checked with `verify`. */
  readonly elementType: string
  /** Keep files open from sample to sample until they are released (upstream's `read_type`, and its generators). */
  readonly keepOpen: boolean
  /** Bytes of one sample's array, where the configuration fixes them (no standard deviation). Undefined: they differ from file to file. */
  readonly sampleBytes?: number | undefined
  /** Names of the columns that are read (parquet: `storage_options.columns`). Undefined: all. */
  readonly columns?: readonly string[] | undefined
}

/** Reads single samples; made once per reader (PyTorch worker, tf.data thread) and reused for all its files. */
export interface SampleReader {
  /** Reads sample `sample` of file `uri`; returns the bytes of the sample's data that were fetched. Throws DataError, StorageError. */
  read(uri: string, sample: number): Io<number>
  /** Closes file `uri` if it was kept open. */
  release(uri: string): Io<void>
  /** Closes what was kept open. */
  close(): Io<void>
}

/** Reads files of records front to back. */
export interface StreamReader {
  /** Starts file `uri`. */
  open(uri: string): Io<void>
  /** Reads on until at least one more record is complete; returns the number of records complete in this file so far, or −1 once the file has ended (and is closed). */
  advance(): Io<number>
  /** Stops in the middle of a file. */
  close(): Io<void>
}

export interface ArrayInfo {
  readonly shape: readonly number[]
  /** NumPy dtype string, for example `|u1`, `<f4`. */
  readonly dtype: string
  readonly nbytes: number
  /** sha256 of the bytes in C order as the reference library returns them. */
  readonly sha256: string
}

/** One line of `inspect --json`; the shape of `samples` and `labels` is the one of the recordings' `expected.json`. */
export interface Inspection {
  readonly file: string
  readonly format: string
  /** One entry per sample; with several arrays a sample, an object keyed by array name. Format-specific extra fields are allowed. */
  readonly samples: readonly (Record<string, unknown> | ArrayInfo)[]
  readonly labels: readonly unknown[] | null
  /** Of a file without samples (synthetic): what it holds. */
  readonly text?: string
}

/** What the generator wants in one file. */
export interface FileSpec {
  /** Shape of one sample without the sample axis, for example [85, 75] or [2, 8, 4]. */
  readonly dims: readonly number[]
  /** True if `dims` were drawn from record_length_bytes, not given as record_dims: hdf5 drops a leading 1 of the latter only. */
  readonly dimsDrawn?: boolean
  readonly samples: number
  /** NumPy dtype name. */
  readonly elementType: string
  readonly compression: string
  readonly compressionLevel: number
  readonly hdf5: { readonly chunkDims: readonly number[]; readonly maxShape: readonly number[]; readonly numDsetPerRecord: number }
  /** Number of the file in the generator's one list, training files first; 0 unless given. */
  readonly index?: number
  /** Every sample of the file is the same record (csv of upstream DLIO). */
  readonly repeatsRecord?: boolean
  /** Images are written as the bytes of their pixels, not encoded (jpeg and png of MLCommons' DLIO). */
  readonly rawImages?: boolean
  readonly parquet?: ParquetSpec
}

/** `dataset.parquet` of MLCommons' DLIO. */
export interface ParquetSpec {
  /** None: one column `data` with the bytes of a sample. */
  readonly columns: readonly { readonly name: string; readonly dtype: string; readonly size: number }[]
  readonly rowGroupSize: number
  /** Rows of one write, none of whose row groups is longer; 0: a row group. */
  readonly generationBatchSize: number
  /** Column to partition the data set by. */
  readonly partitionBy: string | null
}

/** Files beside a data file: TFRecord's `index`; the `offsets` and `sizes` of indexed binaries. */
export type SideKind = 'index' | 'offsets' | 'sizes'

/** Appends bytes to a file beside the data file. */
export type SideOutput = (kind: SideKind, bytes: Uint8Array) => void

/** Where a writer puts bytes: under a temporary name until `commit`. */
export interface OutputFile {
  /** Appends. The bytes may be reused by the caller once it returns. */
  append(bytes: Uint8Array): void
  /** Overwrites bytes already appended (checksums that are known only afterwards). */
  patch(byteOffset: number, bytes: Uint8Array): void
  readonly byteLength: number
}

/** A source of fresh random content of the right element type. */
export interface ContentSource {
  /**
   * Up to `maxBytes` (a multiple of the element size) of new content in reused memory; at most `preferredBytes` per call.
   * Integers: uniform over all values; float32/64: uniform [0, 1); other floats finite.
   */
  next(maxBytes: number): Uint8Array
  readonly preferredBytes: number
  /** Checksum of all that `next` gave last, where the source knows it without reading; `initial` is that of the bytes before. */
  checksum?(kind: CrcKind, initial: number): number
}

export interface FormatWriter {
  /**
   * Writes one file; what belongs into files beside it is handed to `side`. Answers with a promise where a library works in the background.
   * Throws ConfigError for what the format cannot hold.
   */
  write(spec: FileSpec, content: ContentSource, out: OutputFile, side: SideOutput): void | Promise<void>
  /** Exact size in bytes of the file that `write` makes, undefined where it depends on the content (compression). Pure. */
  sizeBytes(spec: FileSpec): number | undefined
}

/** One format, as listed in formats/index.ts. Members are loaded only when used. */
export interface Format {
  readonly name: string
  /** `stream` formats have a StreamReader, the others a SampleReader. */
  readonly kind: 'sample' | 'stream'
  sampleReader?(port: IoPort, options: ReaderOptions): SampleReader
  streamReader?(port: IoPort, options: ReaderOptions): StreamReader
  /** Random access to the values of samples; absent where a format's values cannot be loaded. */
  decoder?(port: IoPort, options: DecoderOptions): SampleDecoder
  inspect(path: string): Promise<Inspection>
  readonly writer?: FormatWriter
}

export type { Io, IoRequest }
