// The typed, frozen workload: where configuration ends. Beyond this type no string is parsed and no default is chosen.

import type { HonourName } from './honour.js'

export type FrameworkName = 'pytorch' | 'tensorflow' | 'jax'
/** Which living version of DLIO is replayed: MLCommons' fork (what MLPerf Storage runs) or argonne-lcf's upstream. */
export type Semantics = 'mlcommons' | 'upstream'
export type FormatName =
  | 'tfrecord'
  | 'hdf5'
  | 'csv'
  | 'npz'
  | 'npy'
  | 'jpeg'
  | 'png'
  | 'indexed_binary'
  | 'mmap_indexed_binary'
  | 'synthetic'
  | 'parquet'
export type DataLoaderName = 'pytorch' | 'tensorflow' | 'jax' | 'dali' | 'native_dali' | 'custom' | 'none' | 'synthetic'
export type ShuffleMode = 'off' | 'seed' | 'random'

/** A time that is slept, in seconds: a constant or a draw of NumPy's legacy generator; the absolute value counts (DLIO utility.sleep). */
export type Duration =
  | { readonly type: 'constant'; readonly mean: number }
  | { readonly type: 'normal'; readonly mean: number; readonly stdev: number }
  | { readonly type: 'uniform'; readonly min: number; readonly max: number }
  | { readonly type: 'gamma'; readonly shape: number; readonly scale: number }
  | { readonly type: 'exponential'; readonly scale: number }
  | { readonly type: 'poisson'; readonly lam: number }

/** torch.utils.data.DataLoader over a map-style data set. */
export interface PytorchProfile {
  readonly framework: 'pytorch'
  readonly batchSize: number
  readonly numWorkers: number
  /** Null: by `shuffle`, distributed where there are several ranks. */
  readonly sampler: 'sequential' | 'random' | 'distributed' | null
  /** Of RandomSampler or DistributedSampler. */
  readonly shuffle: boolean
  readonly seed: number
  readonly dropLast: boolean
  /** Batches outstanding for each worker; null without workers. */
  readonly prefetchFactor: number | null
  readonly persistentWorkers: boolean
  readonly pinMemory: boolean
  readonly inOrder: boolean
  readonly multiprocessingContext: string
  readonly returnType: string | null
}

/** tf.data: files, shard, interleave, shuffle, batch, prefetch. */
export interface TensorflowProfile {
  readonly framework: 'tensorflow'
  readonly batchSize: number
  /** Null: no shuffle. */
  readonly shuffleBufferSize: number | null
  readonly seed: number
  readonly reshuffleEachIteration: boolean
  /** Slots of the interleave, AUTOTUNE resolved. */
  readonly cycleLength: number
  /** Whether `cycle_length` was given, and must not exceed the inputs. */
  readonly cycleGiven: boolean
  readonly blockLength: number
  /** Slots that read at once, AUTOTUNE resolved; at most `cycleLength`. */
  readonly parallelReads: number
  /** Batches, AUTOTUNE resolved. */
  readonly prefetchBatches: number
  readonly deterministic: boolean
  readonly dropRemainder: boolean
}

/** An index sampler over random access data, in the manner of grain. */
export interface JaxProfile {
  readonly framework: 'jax'
  readonly batchSize: number
  readonly seed: number
  readonly shuffle: boolean
  readonly workerCount: number
  /** Batches ahead of the loop, of all workers of a rank. */
  readonly prefetchBatches: number
  readonly dropRemainder: boolean
  readonly writable: boolean
}

export type FrameworkProfile = PytorchProfile | TensorflowProfile | JaxProfile

/** Element types of model and optimizer state. */
export type StateType = 'int8' | 'uint8' | 'fp16' | 'bf16' | 'fp32' | 'fp64'

/** What decides which tensors a checkpoint holds. */
export interface ModelState {
  readonly name: string
  readonly type: string | null
  /** Of the flat blob. */
  readonly sizeBytes: number
  /** 0 or less: no layers. */
  readonly numLayers: number
  /** Elements of the tensors of every layer, and of the optimizer's groups, where they are given instead of computed. */
  readonly layerParameters: readonly number[]
  readonly optimizationGroups: readonly number[]
  readonly modelDatatype: StateType
  readonly optimizerDatatype: StateType
  /** `data` 0 or less: follows from the number of ranks. */
  readonly parallelism: { readonly tensor: number; readonly pipeline: number; readonly data: number; readonly zeroStage: number }
  readonly transformer: {
    readonly vocabSize: number
    readonly hiddenSize: number
    readonly ffnHiddenSize: number
    readonly numAttentionHeads: number
    readonly numKvHeads: number
  }
}

export interface Workload {
  /** Where it came from: a bundled name or a file, with the sha256 of the effective configuration. */
  readonly source: { readonly name: string; readonly path: string; readonly configDigest: string }
  readonly framework: FrameworkName
  /** Why that framework applies, for people: `--framework`, `framework: of the configuration`, … */
  readonly frameworkReason: string
  readonly semantics: Semantics
  /** Settings taken at their word where DLIO does not: `--honour`. */
  readonly honoured: readonly HonourName[]
  /** The framework's own rules, asked for by a framework profile; null: DLIO's mapping. `reader` then holds what follows from it. */
  readonly profile: FrameworkProfile | null
  readonly model: ModelState
  readonly workflow: {
    readonly generateData: boolean
    readonly train: boolean
    readonly evaluation: boolean
    readonly checkpoint: boolean
    readonly profiling: boolean
  }
  readonly storage: {
    readonly type: 'local_fs' | 'direct_fs' | 'parallel_fs' | 's3' | 'aistore'
    readonly root: string
    readonly options: Readonly<Record<string, unknown>>
  }
  readonly dataset: {
    /** Data folder as the user means it, `storage.root` already joined: a path or a URI, without a trailing slash. */
    readonly folder: string
    readonly format: FormatName
    readonly numFilesTrain: number
    readonly numFilesEval: number
    readonly numSamplesPerFile: number
    readonly numSubfoldersTrain: number
    readonly numSubfoldersEval: number
    /** Elements, not bytes, when `recordDims` is empty and the element is wider than one byte (DLIO's own reading). May be fractional. */
    readonly recordLengthBytes: number
    readonly recordLengthBytesStdev: number
    readonly recordLengthBytesResize: number
    readonly recordDims: readonly number[]
    /** NumPy dtype name, for example `uint8`, `float32`. */
    readonly recordElementType: string
    readonly filePrefix: string
    /** What files are really compressed with: `none` where DLIO ignores the value. */
    readonly compression: string
    readonly compressionLevel: number
    readonly keepFiles: boolean
    readonly hdf5: { readonly chunkDims: readonly number[]; readonly maxShape: readonly number[]; readonly numDsetPerRecord: number }
    readonly parquet: {
      /** None: one column `data` with the bytes of a sample. */
      readonly columns: readonly { readonly name: string; readonly dtype: string; readonly size: number }[]
      readonly rowGroupSize: number
      /** Rows generated at once; 0: a row group. */
      readonly generationBatchSize: number
      readonly partitionBy: string | null
    }
    readonly generationBufferBytes: number
    readonly skipListing: boolean
    readonly listingValidationInterval: number
  }
  readonly reader: {
    readonly dataLoader: DataLoaderName
    readonly sampler: 'iterative' | 'index' | 'none' | null
    readonly batchSize: number
    readonly batchSizeEval: number
    /** PyTorch workers or tf.data threads a rank; 0 = the training process itself. */
    readonly readThreads: number
    readonly writeThreads: number
    readonly computationThreads: number
    readonly prefetchSize: number
    /** True when the key is given with any value, which is what DLIO tests (quirk 7), or as honoured. */
    readonly fileShuffle: boolean
    readonly sampleShuffle: ShuffleMode
    readonly shuffleSize: number
    /** True when `read_type` is given: DLIO upstream then keeps files open (quirk 7); or as honoured. */
    readonly keepsFilesOpen: boolean
    readonly transferSizeBytes: number
    readonly odirect: boolean
    readonly multiprocessingContext: string
    readonly pinMemory: boolean
    readonly preprocessTime: Duration
  }
  readonly train: {
    readonly epochs: number
    readonly computationTime: Duration
    /** Cap on the steps of each epoch (that is what DLIO makes of `total_training_steps`); −1 = none. */
    readonly totalTrainingSteps: number
    readonly seed: number
    readonly seedChangeEpoch: boolean
  }
  readonly evaluation: { readonly evalTime: Duration; readonly evalAfterEpoch: number; readonly epochsBetweenEvals: number }
  readonly checkpoint: {
    /** As the user means it, `storage.root` already joined: a path or a URI, without a trailing slash. */
    readonly folder: string
    readonly checkpointAfterEpoch: number
    readonly epochsBetweenCheckpoints: number
    readonly stepsBetweenCheckpoints: number
    /** `subset`: only some ranks of a job of `model.parallelism.data` replicas run. */
    readonly mode: 'default' | 'subset'
    /** Whether each file is flushed to the storage before it counts as written. */
    readonly fsync: boolean
    /** Whether files are written past the page cache. */
    readonly direct: boolean
    /** Of a run that only checkpoints: how many are written and read, 0 for none, and the pause before each. */
    readonly numCheckpointsWrite: number
    readonly numCheckpointsRead: number
    readonly pauseSeconds: number
    /** A barrier inside the timed part. */
    readonly rankSync: boolean
    /** Random contents; false: ones. */
    readonly randomizeTensor: boolean
  }
  readonly output: {
    /** Output folder; null where the configuration leaves it to the command. */
    readonly folder: string | null
    readonly logFile: string
    readonly excludeStartSteps: number
    readonly excludeEndSteps: number
  }
  readonly profiling: { readonly profiler: 'none' | 'iostat' | 'darshan' | 'tensorboard'; readonly iostatDevices: readonly string[] }
  readonly metric: { /** Accelerator utilisation to reach, as a fraction. */ readonly au: number }
  /** The effective configuration, DLIO's keys and nesting, as given after overrides (what `config.yaml` of a run holds). */
  readonly raw: Readonly<Record<string, unknown>>
}

/** Something the user should know that does not stop the run. */
export interface Warning {
  /** Stable short name, for programs: `unknown-key`, `ignored-key`, `page-cache`, … */
  readonly code: string
  readonly message: string
}
