// Rules between keys (DLIO utils/config.py ConfigArguments.validate and derive_configurations). Those that depend on the number of
// ranks are the plan's.
import type { HonourName } from './honour.js'
import type { AllValues } from './read-section.js'
import type { Report } from './report.js'
import { checkStorage } from './storage-rules.js'
import type { ConfigNode, Source } from './tree.js'
import type { DataLoaderName, FormatName, FrameworkName, Semantics } from './workload.js'

export interface Decided {
  readonly framework: FrameworkName
  readonly dataLoader: DataLoaderName
  readonly semantics: Semantics
  readonly honoured: readonly HonourName[]
  /** Nothing is read in this run: only generating, or only checkpoints. */
  readonly readsNothing: boolean
  /** The framework's own rules apply: no other loader can. */
  readonly hasProfile: boolean
}

/** Checks all rules; each broken one becomes a problem at the key that breaks it. `source` is the file, for keys that it does not give. */
export function checkRules(all: AllValues, decided: Decided, source: Source, report: Report): void {
  const complain = (node: ConfigNode | undefined, path: string, rule: string, remedy: string) =>
    node ? report.badValue(node, path, { rule, remedy }) : report.problem({ source }, path, { rule, remedy, value: '(not given)' })
  checkStorage(all, report)
  checkDataset(all, complain)
  checkHonoured(all, decided.honoured, complain)
  checkFormat(all, decided, complain)
  if (!decided.readsNothing) checkReader(all, decided, complain)
  checkModel(all, complain)
  checkCheckpoint(all, complain)
}

type Complain = (node: ConfigNode | undefined, path: string, rule: string, remedy: string) => void

function checkDataset({ dataset }: AllValues, complain: Complain): void {
  const { values, given, broken } = dataset
  const dims = values.record_dims
  const datasets = values['hdf5.num_dset_per_record']
  if (dims.length > 0 && values.record_length_bytes_stdev > 0)
    complain(
      given('record_length_bytes_stdev'),
      'dataset.record_length_bytes_stdev',
      'cannot be above 0 together with record_dims, whose samples all have one size',
      'delete record_dims or record_length_bytes_stdev',
    )
  if (datasets > 1 && !broken('record_dims') && (dims[0] ?? 1) % datasets !== 0)
    complain(
      given('hdf5.num_dset_per_record'),
      'dataset.hdf5.num_dset_per_record',
      dims.length > 0 ? `must divide the first of record_dims, which is ${dims[0]}` : 'needs record_dims, whose first dimension it divides',
      dims.length > 0 ? 'choose a divisor, or another first dimension' : 'give record_dims, or delete the key',
    )
  for (const split of ['train', 'eval'] as const) {
    const files = values[`num_files_${split}`]
    if (!Number.isSafeInteger(files * values.num_samples_per_file))
      complain(
        given(`num_files_${split}`),
        `dataset.num_files_${split}`,
        'makes more than 2^53 samples',
        'give fewer files or fewer samples for each',
      )
  }
  const elements = dims.reduce((product, dim) => product * dim, 1)
  if (!Number.isSafeInteger(elements * 8))
    complain(given('record_dims'), 'dataset.record_dims', 'makes a sample of more than 2^50 elements', 'give smaller dimensions')
}

function checkFormat(
  { dataset, reader, storage }: AllValues,
  { dataLoader, semantics, readsNothing, hasProfile }: Decided,
  complain: Complain,
): void {
  const { values, given, broken } = dataset
  const { format } = values
  const node = given('format')
  if (broken('format')) return
  if (format === 'hdf5_opt')
    complain(node, 'dataset.format', 'hdf5_opt has neither a generator nor a reader, in DLIO as here', 'write hdf5')
  if (format === 'parquet' && semantics === 'upstream')
    complain(
      node,
      'dataset.format',
      "parquet is a format of MLCommons' DLIO only",
      'run with --semantics mlcommons, or choose another format',
    )
  if ((format === 'jpeg' || format === 'png') && values.record_dims.length > 2)
    complain(
      given('record_dims'),
      'dataset.record_dims',
      `${format} files hold 2 dimensions, not ${values.record_dims.length}`,
      'give [height, width]',
    )
  if (readsNothing || reader.broken('data_loader')) return
  const library = storage.values.storage_library ?? storage.values.storage_options?.storage_library
  const streamsAnything = semantics === 'mlcommons' && library === 's3dlio'
  const seeks = dataLoader === 'jax' || (dataLoader === 'pytorch' && (hasProfile || !streamsAnything))
  if (format === 'tfrecord' && seeks)
    complain(
      node,
      'dataset.format',
      `tfrecord${node ? '' : ", DLIO's default,"} cannot be read by the ${dataLoader} data loader`,
      'use --framework tensorflow, or another format such as npz',
    )
  if (format === 'npz' && dataLoader === 'native_dali')
    complain(node, 'dataset.format', 'npz cannot be read by the native_dali data loader', 'write npy, or choose another data_loader')
  if (reader.values.odirect && format !== 'npz' && format !== 'npy')
    complain(
      reader.given('odirect'),
      'reader.odirect',
      `DLIO reads npy and npz with O_DIRECT, not ${format}`,
      'delete the key and run with --direct',
    )
}

function checkReader({ reader, topLevel }: AllValues, { framework, dataLoader, hasProfile }: Decided, complain: Complain): void {
  if (reader.broken('data_loader') || topLevel.broken('framework')) return
  const isLoaderOfFramework = dataLoader === 'pytorch' || dataLoader === 'tensorflow'
  if (dataLoader !== framework && isLoaderOfFramework)
    complain(
      reader.given('data_loader'),
      'reader.data_loader',
      `must fit the framework, which is ${framework}`,
      `use --framework ${dataLoader}, or delete the key for the loader of ${framework}`,
    )
  if (dataLoader !== framework && !isLoaderOfFramework && hasProfile)
    complain(
      reader.given('data_loader'),
      'reader.data_loader',
      `must be ${framework}, by whose own rules the framework profile reads`,
      `delete the key, or the ${framework} profile`,
    )
  if (dataLoader === 'custom' && reader.values.data_loader_sampler === null)
    complain(
      reader.given('data_loader'),
      'reader.data_loader',
      'custom needs data_loader_sampler',
      'add data_loader_sampler: index or iterative',
    )
}

/** What is honoured must be one of the words that DLIO means to take (common/enumerations.py). */
function checkHonoured({ reader, dataset }: AllValues, honoured: readonly HonourName[], complain: Complain): void {
  const { file_shuffle: shuffle, read_type: type } = reader.values
  if (
    honoured.includes('file_shuffle') &&
    reader.given('file_shuffle') &&
    ![null, false, 'off', 'seed', 'random'].includes(shuffle as string)
  )
    complain(reader.given('file_shuffle'), 'reader.file_shuffle', 'must be off, seed or random where it is honoured', 'write one of them')
  if (honoured.includes('read_type') && reader.given('read_type') && ![null, 'on_demand', 'memory'].includes(type as string))
    complain(reader.given('read_type'), 'reader.read_type', 'must be on_demand or memory where it is honoured', 'write one of them')
  const compression = dataset.values.compression ?? 'none'
  const format = dataset.values.format as FormatName
  const possible = compressionsOf(format, honoured)
  if (honoured.includes('compression') && compression !== 'none' && !possible.includes(compression) && !dataset.broken('compression'))
    complain(
      dataset.given('compression'),
      'dataset.compression',
      possible.length > 0 ? `${format} files can be compressed with ${possible.join(', ')}` : `${format} files cannot be compressed`,
      'choose what the format has, or none',
    )
}

function checkModel({ model, checkpoint }: AllValues, complain: Complain): void {
  const { values, given, broken } = model
  const pipeline = values['parallelism.pipeline']
  const data = values['parallelism.data']
  if (values.num_layers > 0 && values.num_layers < pipeline && !broken('num_layers'))
    complain(
      given('num_layers') ?? given('parallelism.pipeline'),
      'model.num_layers',
      `must be at least parallelism.pipeline, which is ${pipeline}: each stage holds a layer`,
      'give more layers or fewer stages',
    )
  if (pipeline > 1 && values['parallelism.zero_stage'] === 3)
    complain(
      given('parallelism.zero_stage'),
      'model.parallelism.zero_stage',
      'ZeRO stage 3 does not go with pipeline parallelism',
      'set parallelism.pipeline to 1, or zero_stage to 1',
    )
  if (broken('parallelism.data') || checkpoint.broken('mode')) return
  const subset = checkpoint.values.mode === 'subset'
  if (data > 0 && !subset)
    complain(
      given('parallelism.data'),
      'model.parallelism.data',
      'follows from the number of ranks in the default checkpoint mode',
      'delete the key, or set checkpoint.mode to subset',
    )
  if (data <= 0 && subset)
    complain(
      checkpoint.given('mode'),
      'checkpoint.mode',
      'subset needs model.parallelism.data',
      'give the data parallelism of the whole job there',
    )
}

function checkCheckpoint({ checkpoint }: AllValues, complain: Complain): void {
  const { values, given, broken } = checkpoint
  const { num_checkpoints_write: written, num_checkpoints_read: read } = values
  if (written > 0 && read > written && !broken('num_checkpoints_write'))
    complain(
      given('num_checkpoints_read'),
      'checkpoint.num_checkpoints_read',
      `must be at most num_checkpoints_write, which is ${written}`,
      'read fewer or write more',
    )
  if (given('ksm') && values.randomize_tensor && !broken('randomize_tensor'))
    complain(
      given('ksm'),
      'checkpoint.ksm',
      'needs randomize_tensor: false, for random pages are never alike',
      'set randomize_tensor to false, or delete ksm',
    )
}

/** Formats whose files DLIO really compresses, with the values that do it. */
const effectiveCompression: Readonly<Partial<Record<FormatName, readonly string[]>>> = {
  hdf5: ['gzip', 'lzf'],
  csv: ['gzip', 'bz2', 'zip', 'xz'],
}

/** Compressions that have an effect on files of a format: DLIO's, and with `--honour compression` those that its generators mean to have. */
export function compressionsOf(format: FormatName, honoured: readonly HonourName[]): readonly string[] {
  if (format === 'npz' && honoured.includes('compression')) return ['zip']
  return effectiveCompression[format] ?? []
}
