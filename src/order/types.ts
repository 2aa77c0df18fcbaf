// Who reads which sample when: the vocabulary of orders. All of it is pure, no I/O and no clock.
//
// *File index*: position in the list of a split's files as found or computed (`FileList`), before any shuffle.
// *Reader*: one PyTorch worker or tf.data thread of a rank, 0-based; −1 is the training process itself.
// *Batch* k: 0-based within one rank's epoch of one split, in delivery order. A *step* is a batch that is computed on; batches
// beyond `steps` are surplus, fetched by DLIO's loop and not used. A reader's *unit* j is the j-th batch that this reader makes.

export type Split = 'train' | 'valid'

/** Names of a split's files. Lazy: fifty million computed names cost nothing until asked for. */
export interface FileList {
  readonly count: number
  /** Path relative to the data folder, for example `train/img_03_of_16.npz`. */
  name(fileIndex: number): string
  /** On lists that follow the numbers of files in subfolders: file i lies in subfolder i mod this. Absent on all others. */
  readonly numberedSubfolders?: number
}

/** Caller-owned arrays that an order fills with one batch; grown by the caller to the batch size. */
export interface BatchSink {
  /** File index of each sample. */
  files: Float64Array
  /** Sample index in its file. */
  samples: Float64Array
}

interface OrderBase {
  /** Batches that are computed on. */
  readonly steps: number
  /** Batches that the loader's consumer fetches: steps, and the surplus ones. */
  readonly batches: number
  /** Readers of this rank; 1 with `reader` −1 when the training process reads itself. */
  readonly readers: number
  readonly inProcess: boolean
  /** Fills `into` with the samples of batch k in batch order and returns how many there are (placeholders not counted). */
  batch(k: number, into: BatchSink): number
  /** The reader that makes batch k, −1 for the training process, undefined where a batch mixes several. */
  readerOf(k: number): number | undefined
}

/** Every batch is made by one reader: PyTorch workers, tf.data generator threads. */
export interface BatchOrder extends OrderBase {
  readonly kind: 'batch'
  /**
   * Units that reader `reader` (0-based; 0 for the training process) can make in this epoch: batches, surplus and read-ahead included, and
   * what it reads only to drop it, which stands behind all batches in the delivery order and is never delivered.
   */
  unitsOf(reader: number): number
  /** Position in the delivery order of the reader's unit j, and back. */
  batchOfUnit(reader: number, unit: number): number
  unitOfBatch(k: number): number
}

/** Readers stream whole files of records, batches are cut from their interleaving (TFRecord under tf.data). */
export interface StreamOrder extends OrderBase {
  readonly kind: 'stream'
  readonly recordsPerFile: number
  /** How many files reader `reader` may open in this epoch (passes of `repeat` included). */
  filesOf(reader: number): number
  /** File index of the reader's i-th file. */
  fileOf(reader: number, i: number): number
  /** Input records (over all readers) that must have been read before batch k can be delivered: shuffle buffer included. */
  inputsNeeded(k: number): number
  /** How many of the first `inputs` input records come from reader `reader`. */
  recordsOf(reader: number, inputs: number): number
}

export type EpochOrder = BatchOrder | StreamOrder
