// Values of the schema → the workload of the contract: the last place where a default is chosen.
import type { ConfigLocation } from './bundled.js'
import { compressionsOf } from './checks.js'
import type { FrameworkDecision } from './decide.js'
import { deepFreeze, digestOf } from './digest.js'
import type { HonourName } from './honour.js'
import { showValue } from './problems.js'
import { readerOfProfile, resolveProfile } from './profile-rules.js'
import type { ProfileValues } from './profiles.js'
import type { AllValues } from './read-section.js'
import type { Report } from './report.js'
import { withStdev } from './schema/duration.js'
import { locateFolder, locateStorage, storageOptions } from './storage-rules.js'
import { type MapNode, toPlain } from './tree.js'
import type { FormatName, FrameworkProfile, Semantics, Workload } from './workload.js'

interface Choices {
  readonly semantics: Semantics
  readonly honoured: readonly HonourName[]
  readonly direct?: boolean | undefined
  /** The profile of the framework that applies. */
  readonly profile?: ProfileValues | undefined
}

/** TensorFlow's default buffer of a TFRecordDataset. */
const defaultTransferBytes = 262144

/** Builds the frozen workload of a configuration without problems; says what has no effect or another one than it looks. */
export function resolveWorkload(
  all: AllValues,
  decision: FrameworkDecision,
  choices: Choices,
  location: ConfigLocation,
  root: MapNode,
  report: Report,
): Workload {
  const profile = choices.profile === undefined ? null : resolveProfile(all, choices.profile, choices.semantics)
  const { honoured } = choices
  if (profile === null) {
    warnOfDefects(all, honoured, report)
    warnOfShuffles(all, decision, choices, report)
  }
  const raw = toPlain(root)
  const output = all.output.values
  const workflow = all.workflow.values
  const effective = {
    framework: decision.framework,
    dataLoader: decision.dataLoader,
    semantics: choices.semantics,
    direct: choices.direct === true,
    ...(honoured.length === 0 ? {} : { honoured }),
    ...(profile === null ? {} : { profile }),
  }
  const located = locateStorage(all)
  if (located.warning !== undefined) report.warn('data-folder', located.warning)
  return deepFreeze<Workload>({
    source: { name: location.name, path: location.path, configDigest: digestOf({ ...effective, workload: raw }) },
    framework: decision.framework,
    frameworkReason: decision.reason,
    semantics: choices.semantics,
    honoured,
    profile,
    model: resolveModel(all),
    workflow: {
      generateData: workflow.generate_data,
      train: workflow.train,
      evaluation: workflow.evaluation,
      checkpoint: workflow.checkpoint,
      profiling: workflow.profiling,
    },
    storage: {
      type: all.storage.values.storage_type,
      root: all.storage.values.storage_root,
      options: storageOptions(all),
    },
    dataset: resolveDataset(all, located.folder, honoured, report),
    reader: resolveReader(all, decision, choices, profile),
    train: {
      epochs: all.train.values.epochs,
      computationTime: withStdev(all.train.values.computation_time, all.train.values.computation_time_stdev),
      totalTrainingSteps: all.train.values.total_training_steps > 0 ? all.train.values.total_training_steps : -1,
      seed: all.train.values.seed,
      seedChangeEpoch: all.train.values.seed_change_epoch,
    },
    evaluation: {
      evalTime: withStdev(all.evaluation.values.eval_time, all.evaluation.values.eval_time_stdev),
      evalAfterEpoch: all.evaluation.values.eval_after_epoch,
      epochsBetweenEvals: all.evaluation.values.epochs_between_evals,
    },
    checkpoint: resolveCheckpoint(all, choices, report),
    output: {
      folder: output.folder,
      logFile: output.log_file,
      excludeStartSteps: output['metric.exclude_start_steps'],
      excludeEndSteps: output['metric.exclude_end_steps'],
    },
    profiling: { profiler: all.profiling.values.profiler, iostatDevices: all.profiling.values.iostat_devices },
    metric: { au: all.metric.values.au },
    raw,
  })
}

function resolveModel({ model: { values } }: AllValues): Workload['model'] {
  return {
    name: values.name,
    type: values.type,
    sizeBytes: values.model_size_bytes,
    numLayers: values.num_layers,
    layerParameters: values.layer_parameters,
    optimizationGroups: values.optimization_groups,
    modelDatatype: values.model_datatype,
    optimizerDatatype: values.optimizer_datatype,
    parallelism: {
      tensor: values['parallelism.tensor'],
      pipeline: values['parallelism.pipeline'],
      data: values['parallelism.data'],
      zeroStage: values['parallelism.zero_stage'],
    },
    transformer: {
      vocabSize: values['transformer.vocab_size'],
      hiddenSize: values['transformer.hidden_size'],
      ffnHiddenSize: values['transformer.ffn_hidden_size'],
      numAttentionHeads: values['transformer.num_attention_heads'],
      numKvHeads: values['transformer.num_kv_heads'],
    },
  }
}

/** MLCommons' file writer flushes every file whatever `fsync` says, upstream's none (it stores the key under another name). */
function resolveCheckpoint(all: AllValues, choices: Choices, report: Report): Workload['checkpoint'] {
  const { values, given } = all.checkpoint
  const { storage_type: type } = all.storage.values
  const isUpstream = choices.semantics === 'upstream'
  if (all.workflow.values.checkpoint) {
    if (values.checkpoint_mechanism_classname !== null)
      report.warn(
        'checkpoint-mechanism',
        "checkpoint.checkpoint_mechanism_classname: has no effect, Python classes cannot be used: DLIO's own mechanism of the framework is replayed",
      )
    if (given('ksm')) report.warn('checkpoint-ksm', 'checkpoint.ksm: has no effect, no tensors are kept in memory that could be merged')
    if (isUpstream && values.fsync)
      report.warn(
        'checkpoint-fsync',
        'checkpoint.fsync: files are flushed, which upstream DLIO does not do: set it to false to compare with its results',
      )
    if (!isUpstream && given('fsync') && !values.fsync)
      report.warn('checkpoint-fsync', "checkpoint.fsync: false has no effect: MLCommons' DLIO flushes every file")
  }
  return {
    folder: locateFolder(all, values.checkpoint_folder).folder,
    checkpointAfterEpoch: values.checkpoint_after_epoch,
    epochsBetweenCheckpoints: values.epochs_between_checkpoints,
    stepsBetweenCheckpoints: values.steps_between_checkpoints,
    mode: values.mode,
    fsync: values.fsync || !isUpstream,
    direct: choices.direct === true || type === 'direct_fs' || values.checkpoint_folder.startsWith('direct://'),
    numCheckpointsWrite: Math.max(0, values.num_checkpoints_write),
    numCheckpointsRead: Math.max(0, values.num_checkpoints_read),
    pauseSeconds: Math.max(0, values.time_between_checkpoints),
    rankSync: values.rank_sync,
    randomizeTensor: values.randomize_tensor,
  }
}

function resolveDataset({ dataset }: AllValues, folder: string, honoured: readonly HonourName[], report: Report): Workload['dataset'] {
  const d = dataset.values
  const format = d.format as FormatName // hdf5_opt is refused by the rules
  const given = d.compression ?? 'none'
  const compression = compressionsOf(format, honoured).includes(given) ? given : 'none'
  if (given !== compression) {
    const remedy = compressionsOf(format, ['compression']).includes(given) ? '; --honour compression compresses them' : ''
    report.warn('compression', `dataset.compression: ${given} has no effect on ${format} files, in DLIO as here${remedy}`)
  }
  const isImage = format === 'jpeg' || format === 'png'
  if (isImage && d.record_element_type !== 'uint8')
    report.warn('element-type', `dataset.record_element_type: ${format} files hold uint8, not ${d.record_element_type}`)
  return {
    folder,
    format,
    numFilesTrain: d.num_files_train,
    numFilesEval: d.num_files_eval,
    numSamplesPerFile: d.num_samples_per_file,
    numSubfoldersTrain: d.num_subfolders_train,
    numSubfoldersEval: d.num_subfolders_eval,
    recordLengthBytes: d.record_length_bytes,
    recordLengthBytesStdev: d.record_length_bytes_stdev,
    recordLengthBytesResize: d.record_length_bytes_resize,
    recordDims: d.record_dims,
    recordElementType: isImage ? 'uint8' : d.record_element_type,
    filePrefix: d.file_prefix,
    compression,
    compressionLevel: d.compression_level,
    keepFiles: d.keep_files,
    hdf5: { chunkDims: d['hdf5.chunk_dims'], maxShape: d['hdf5.max_shape'], numDsetPerRecord: d['hdf5.num_dset_per_record'] },
    parquet: {
      columns: d['parquet.columns'].map(({ name, dtype, size }) => ({
        name: name as string,
        dtype: (dtype as string | undefined) ?? 'float32',
        size: (size as number | undefined) ?? 1,
      })),
      rowGroupSize: d['parquet.row_group_size'],
      generationBatchSize: d['parquet.generation_batch_size'],
      partitionBy: d['parquet.partition_by'],
    },
    generationBufferBytes: d.generation_buffer_size,
    skipListing: d.skip_listing,
    listingValidationInterval: d.listing_validation_interval,
  }
}

function resolveReader(
  { reader, storage, dataset }: AllValues,
  { dataLoader }: FrameworkDecision,
  choices: Choices,
  profile: FrameworkProfile | null,
): Workload['reader'] {
  const r = reader.values
  // DLIO's TensorFlow loader makes 1 of 0 (data_loader/tf_data_loader.py).
  const readThreads = dataLoader === 'tensorflow' ? Math.max(1, r.read_threads) : r.read_threads
  const byStorage = storage.values.storage_type === 'direct_fs' || storageOptions({ storage } as AllValues).uri_scheme === 'direct'
  return {
    dataLoader,
    sampler: r.data_loader_sampler ?? (dataLoader === 'tensorflow' ? 'iterative' : 'index'),
    batchSize: r.batch_size,
    batchSizeEval: r.batch_size_eval,
    readThreads,
    writeThreads: r.write_threads,
    computationThreads: r.computation_threads,
    prefetchSize: r.prefetch_size,
    fileShuffle: isOn(reader, 'file_shuffle', 'off', choices.honoured),
    sampleShuffle: r.sample_shuffle,
    shuffleSize: r.shuffle_size,
    keepsFilesOpen: isOn(reader, 'read_type', 'on_demand', choices.honoured),
    transferSizeBytes: r.transfer_size ?? defaultTransferBytes,
    odirect: r.odirect || choices.direct === true || byStorage || dataset.values.data_folder.startsWith('direct://'),
    multiprocessingContext: r.multiprocessing_context ?? (choices.semantics === 'upstream' ? 'fork' : 'spawn'),
    pinMemory: r.pin_memory,
    preprocessTime: withStdev(r.preprocess_time, r.preprocess_time_stdev),
    ...(profile === null ? {} : readerOfProfile(profile)),
  }
}

/** DLIO stores these two as they are written and compares them with enum members, which text never equals (LoadConfig): any value is on. */
function isOn(
  { given, values }: AllValues['reader'],
  key: 'file_shuffle' | 'read_type',
  off: string,
  honoured: readonly HonourName[],
): boolean {
  if (given(key) === undefined) return false
  return !honoured.includes(key) || (values[key] !== off && values[key] !== false && values[key] !== null)
}

/** Says where a value does something else than it says. */
function warnOfDefects({ reader }: AllValues, honoured: readonly HonourName[], report: Report): void {
  const shuffle = reader.given('file_shuffle')
  if (shuffle && !honoured.includes('file_shuffle') && reader.values.file_shuffle !== 'seed' && reader.values.file_shuffle !== 'random')
    report.warn(
      'file-shuffle',
      `reader.file_shuffle: ${showValue(shuffle)} shuffles files: DLIO takes any given value as on; delete the key to turn it off, or --honour file_shuffle`,
    )
  const readType = reader.given('read_type')
  if (readType && !honoured.includes('read_type') && reader.values.read_type !== 'memory')
    report.warn(
      'read-type',
      `reader.read_type: ${showValue(readType)} means memory: DLIO takes any given value so; delete the key for on_demand, or --honour read_type`,
    )
}

/** The sampler of DLIO's PyTorch loader yields ascending numbers whatever is shuffled before (dlio_sampler, get_global_map_index). */
function warnOfShuffles({ reader, workflow }: AllValues, { dataLoader }: FrameworkDecision, choices: Choices, report: Report): void {
  if (!workflow.values.train || (dataLoader !== 'pytorch' && dataLoader !== 'dali')) return
  const without = [
    ...(reader.values.sample_shuffle === 'off' ? [] : ['reader.sample_shuffle']),
    ...(choices.semantics === 'upstream' && isOn(reader, 'file_shuffle', 'off', choices.honoured) ? ['reader.file_shuffle'] : []),
  ]
  if (without.length > 0)
    report.warn(
      'shuffle',
      `${without.join(' and ')}: no effect on the order in which DLIO's ${dataLoader} loader reads, in DLIO as here; to shuffle, ask for the framework's own rules: pytorch_config.shuffle=true`,
    )
}
