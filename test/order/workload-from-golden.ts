// A workload as the recordings give it (DLIO's keys) turned into the program's own type, for tests of order without the configuration room.
import type { Duration, FormatName, ShuffleMode, Workload } from '#src/config/workload.js'

type Section = Readonly<Record<string, unknown>>

export interface GoldenWorkload {
  readonly framework?: string
  readonly workflow?: Section
  readonly dataset: Section
  readonly reader: Section
  readonly train?: Section
  readonly evaluation?: Section
}

const number = (section: Section | undefined, key: string, otherwise: number): number => Number(section?.[key] ?? otherwise)

function duration(value: unknown): Duration {
  if (value === undefined) return { type: 'constant', mean: 0 }
  return typeof value === 'number' ? { type: 'constant', mean: value } : (value as Duration)
}

/** DLIO's defaults where a key is absent. */
export function workloadFromGolden(golden: GoldenWorkload, tree: string): Workload {
  const { dataset, reader, train, evaluation, workflow } = golden
  return {
    source: { name: 'golden', path: 'workload.yaml', configDigest: '' },
    framework: (golden.framework ?? 'pytorch') as Workload['framework'],
    frameworkReason: 'recorded',
    semantics: tree === 'upstream' ? 'upstream' : 'mlcommons',
    profile: null,
    honoured: [],
    profiling: { profiler: 'none', iostatDevices: [] },
    model: {
      name: 'golden',
      type: null,
      sizeBytes: 10240,
      numLayers: -1,
      layerParameters: [],
      optimizationGroups: [],
      modelDatatype: 'fp16',
      optimizerDatatype: 'fp32',
      parallelism: { tensor: 1, pipeline: 1, data: -1, zeroStage: 0 },
      transformer: { vocabSize: 32000, hiddenSize: 2048, ffnHiddenSize: 8192, numAttentionHeads: 32, numKvHeads: 8 },
    },
    workflow: {
      generateData: false,
      train: workflow?.train !== false,
      evaluation: workflow?.evaluation === true,
      checkpoint: false,
      profiling: false,
    },
    storage: { type: 'local_fs', root: './', options: {} },
    dataset: {
      folder: 'data',
      format: dataset.format as FormatName,
      numFilesTrain: number(dataset, 'num_files_train', 8),
      numFilesEval: number(dataset, 'num_files_eval', 0),
      numSamplesPerFile: number(dataset, 'num_samples_per_file', 1),
      numSubfoldersTrain: number(dataset, 'num_subfolders_train', 0),
      numSubfoldersEval: number(dataset, 'num_subfolders_eval', 0),
      recordLengthBytes: number(dataset, 'record_length_bytes', 65536),
      recordLengthBytesStdev: 0,
      recordLengthBytesResize: 0,
      recordDims: [],
      recordElementType: 'uint8',
      filePrefix: String(dataset.file_prefix ?? 'img'),
      compression: 'none',
      compressionLevel: 4,
      keepFiles: true,
      hdf5: { chunkDims: [], maxShape: [], numDsetPerRecord: 1 },
      parquet: { columns: [], rowGroupSize: 1024, generationBatchSize: 0, partitionBy: null },
      generationBufferBytes: 2 ** 31,
      skipListing: dataset.skip_listing === true,
      listingValidationInterval: 1000,
    },
    reader: {
      dataLoader: reader.data_loader as Workload['reader']['dataLoader'],
      sampler: null,
      batchSize: number(reader, 'batch_size', 1),
      batchSizeEval: number(reader, 'batch_size_eval', 1),
      readThreads: number(reader, 'read_threads', 1),
      writeThreads: 1,
      computationThreads: 1,
      prefetchSize: number(reader, 'prefetch_size', 2),
      fileShuffle: reader.file_shuffle !== undefined,
      sampleShuffle: (reader.sample_shuffle ?? 'off') as ShuffleMode,
      shuffleSize: number(reader, 'shuffle_size', 1024),
      keepsFilesOpen: reader.read_type !== undefined,
      transferSizeBytes: 262_144,
      odirect: false,
      multiprocessingContext: 'fork',
      pinMemory: true,
      preprocessTime: duration(reader.preprocess_time),
    },
    train: {
      epochs: number(train, 'epochs', 1),
      computationTime: duration(train?.computation_time),
      totalTrainingSteps: number(train, 'total_training_steps', -1),
      seed: number(train, 'seed', 123),
      seedChangeEpoch: train?.seed_change_epoch !== false,
    },
    evaluation: {
      evalTime: duration(evaluation?.eval_time),
      evalAfterEpoch: number(evaluation, 'eval_after_epoch', 1),
      epochsBetweenEvals: number(evaluation, 'epochs_between_evals', 1),
    },
    checkpoint: {
      folder: 'checkpoints',
      checkpointAfterEpoch: 1,
      epochsBetweenCheckpoints: 1,
      stepsBetweenCheckpoints: -1,
      mode: 'default',
      fsync: false,
      direct: false,
      numCheckpointsWrite: 0,
      numCheckpointsRead: 0,
      pauseSeconds: 0,
      rankSync: false,
      randomizeTensor: true,
    },
    output: { folder: null, logFile: 'dlio.log', excludeStartSteps: 1, excludeEndSteps: 0 },
    metric: { au: 0.9 },
    raw: {},
  }
}
