import { key, section } from './key.js'
import { bool, choice, fileName, int, list, nullable, number, shape, text, textOrNone } from './kinds.js'

const count = int({ min: 0 })
/** More than any file system holds; and it bounds what an order of files costs. */
const files = int({ min: 0, max: 2 ** 31 - 1 })
const maxRecord = 2 ** 50
const dims = list(int({ min: 1 }))
const column = shape(
  { name: text(), dtype: text(), size: int({ min: 1 }) },
  ['dtype', 'size'],
  'a mapping of name, dtype (a NumPy name, list, string, binary or bool) and size (an integer of at least 1)',
)

export const dataset = section({
  name: 'dataset',
  notRead: {
    record_length: 'record_length_bytes',
    record_length_stdev: 'record_length_bytes_stdev',
    record_length_resize: 'record_length_bytes_resize',
    num_files: 'num_files_train',
  },
  keys: {
    data_folder: key(
      textOrNone(),
      './data/',
      'Folder of the data set, with subfolders `train` and `valid`: a path below `storage.storage_root` (empty: that itself), or a URI.',
    ),
    format: key(
      choice([
        'tfrecord',
        'hdf5',
        'csv',
        'npz',
        'npy',
        'jpeg',
        'png',
        'indexed_binary',
        'mmap_indexed_binary',
        'synthetic',
        'parquet',
        'hdf5_opt',
      ]),
      'tfrecord',
      "Format of the files, and their suffix. `parquet` is of MLCommons' DLIO; `hdf5_opt` has no reader anywhere.",
    ),
    num_files_train: key(files, 8, 'Files of the training set.'),
    num_files_eval: key(files, 0, 'Files of the evaluation set.'),
    num_samples_per_file: key(int({ min: 1 }), 1, 'Samples in each file.'),
    num_subfolders_train: key(files, 0, 'Subfolders of `train`; 0 or 1: none.'),
    num_subfolders_eval: key(files, 0, 'Subfolders of `valid`; 0 or 1: none.'),
    record_length_bytes: key(
      number({ min: 1, max: maxRecord }),
      65536,
      'Size of a sample: the square array of this many elements, rounded down. May be fractional.',
      { unit: 'elements' },
    ),
    record_length_bytes_stdev: key(number({ min: 0, max: maxRecord }), 0, 'Spread of the size of samples from file to file.', {
      unit: 'elements',
    }),
    record_length_bytes_resize: key(
      number({ min: 0, max: maxRecord }),
      0,
      'Size of the array a sample is turned into; 0: as `record_length_bytes`.',
      {
        unit: 'bytes',
      },
    ),
    record_dims: key(dims, [], 'Shape of a sample, in place of `record_length_bytes`.', { unit: 'elements' }),
    record_element_type: key(
      choice(['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'uint64', 'int64', 'float16', 'float32', 'float64']),
      'uint8',
      'NumPy type of the elements; images are always uint8.',
    ),
    record_element_bytes: key(int({ min: 1 }), 4, 'Overwritten by the width of `record_element_type`.', { unit: 'bytes', ignored: true }),
    generation_buffer_size: key(int({ min: 1 }), 2 ** 31, 'Largest piece in which indexed_binary files are written.', { unit: 'bytes' }),
    file_prefix: key(fileName(), 'img', 'Beginning of file names: `{prefix}_{i}_of_{N}.{format}`.'),
    compression: key(nullable(text()), 'none', 'Only hdf5 (gzip, lzf) and csv are really compressed, as in DLIO.'),
    compression_level: key(int({ min: 0, max: 9 }), 4, 'Level of gzip in hdf5 files.'),
    enable_chunking: key(bool(), false, 'Nothing.', { ignored: true }),
    chunk_size: key(count, 0, 'Nothing.', { unit: 'bytes', ignored: true }),
    keep_files: key(bool(), true, 'Keep the data set; false: the data folder is deleted at the end of the run.'),
    'hdf5.chunk_dims': key(dims, [], 'Chunk shape of hdf5 data sets, samples first.', { unit: 'elements' }),
    'hdf5.max_shape': key(dims, [], 'Largest shape of a sample in hdf5 data sets; makes them chunked.', { unit: 'elements' }),
    'hdf5.num_dset_per_record': key(int({ min: 1 }), 1, 'Data sets that share a sample; must divide the first of `record_dims`.'),
    data_gen_method: key(
      nullable(choice(['dgen', 'numpy'])),
      null,
      "Generator of contents in MLCommons' DLIO; here contents are always fresh random bytes.",
      { mlcommonsOnly: true },
    ),
    skip_listing: key(bool({ words: true }), false, 'Compute the names of the files and do not list the folder.', { mlcommonsOnly: true }),
    listing_validation_interval: key(count, 1000, 'With `skip_listing`: the first, the last and each n-th file are looked for; 0: none.', {
      mlcommonsOnly: true,
    }),
    'parquet.columns': key(list(column), [], 'Columns of parquet files; none: one column of bytes.', { mlcommonsOnly: true }),
    'parquet.row_group_size': key(int({ min: 1 }), 1024, 'Rows of a row group.', { mlcommonsOnly: true }),
    'parquet.partition_by': key(nullable(text()), null, 'Column to partition the data set by.', { mlcommonsOnly: true }),
    'parquet.generation_batch_size': key(count, 0, 'Rows generated at once; 0: a row group.', { mlcommonsOnly: true }),
    'parquet.use_s3dlio_gen': key(bool(), false, 'Let the s3dlio library generate; object stores only.', { mlcommonsOnly: true }),
  },
})
