import { duration } from './duration.js'
import { key, section } from './key.js'
import { anything, bool, choice, int, list, nullable, number, text } from './kinds.js'

/** Far more than any data loader uses; what is beyond is a slip, and every reader costs memory. */
const maxThreads = 1024
const threads = int({ min: 0, max: maxThreads })
/** Beyond any batch that is trained on; it bounds the memory of a batch's samples. */
const batch = int({ min: 1, max: 2 ** 24 })
/** A bare `off` in a file is a boolean, as in YAML 1.1. */
const shuffleMode = {
  ...choice(['off', 'seed', 'random'], (value) => (value === false ? 'off' : value)),
  json: { enum: ['off', 'seed', 'random', false] },
}
const noTime = { type: 'constant', mean: 0 } as const

export const reader = section({
  name: 'reader',
  aliases: ['data_reader'],
  keys: {
    data_loader: key(
      nullable(choice(['tensorflow', 'pytorch', 'dali', 'native_dali', 'custom', 'none', 'synthetic'])),
      null,
      'The data loader that is replayed.',
      { defaultText: "the framework's" },
    ),
    data_loader_sampler: key(nullable(choice(['iterative', 'index', 'none'])), null, 'How samples are assigned to readers.', {
      defaultText: 'iterative with tensorflow, index with the others',
    }),
    data_loader_classname: key(nullable(text()), null, 'Python class of a loader of one’s own; needs `data_loader_sampler`.'),
    reader_classname: key(nullable(text()), null, 'Python class of a reader of one’s own.'),
    batch_size: key(batch, 1, 'Samples of a training batch of one rank.'),
    batch_size_eval: key(batch, 1, 'Samples of an evaluation batch of one rank.'),
    read_threads: key(
      threads,
      1,
      'Readers of one rank: PyTorch workers (0: the training process reads itself) or tf.data threads (0 is 1). 1 means one.',
    ),
    write_threads: key(int({ min: 1, max: maxThreads }), 1, 'Threads that generate files; 1: as many as there are processors.', {
      mlcommonsOnly: true,
    }),
    computation_threads: key(threads, 1, 'Parallel map calls of the TFRecord pipeline.'),
    prefetch_size: key(
      int({ min: 0, max: 2 ** 20 }),
      2,
      'Batches read ahead of one rank; PyTorch: ceil(prefetch_size ÷ read_threads) for each worker, 2 when 0.',
    ),
    file_shuffle: key(
      anything(['off', 'seed', 'random']),
      undefined,
      'Shuffle the order of files. As in DLIO any given value means on, even `off`.',
      { defaultText: '`off`' },
    ),
    sample_shuffle: key(shuffleMode, 'off', "Shuffle samples in the TFRecord pipeline's buffer; no effect on PyTorch's order."),
    shuffle_size: key(int({ min: 1, max: 2 ** 31 - 1 }), 1024, 'Samples in the shuffle buffer.'),
    read_type: key(
      anything(['on_demand', 'memory']),
      undefined,
      'Keep files open from sample to sample. As in DLIO any given value means `memory`.',
      { defaultText: '`on_demand`' },
    ),
    file_access: key(
      choice(['multi', 'shared', 'collective', 'mpio', 'posix']),
      'multi',
      'Nothing here; in DLIO only the indexed_binary generator asks it.',
      { ignored: true },
    ),
    transfer_size: key(nullable(int({ min: 1, max: 2 ** 30 })), null, 'Size of the reads of TFRecord files.', {
      unit: 'bytes',
      defaultText: '262144',
    }),
    odirect: key(bool(), false, 'Read npy and npz files with O_DIRECT; `--direct` does it for every format.'),
    dont_use_mmap: key(bool(), false, 'Of the DALI loader only.'),
    multiprocessing_context: key(
      nullable(choice(['fork', 'spawn', 'forkserver'])),
      null,
      'How PyTorch starts workers; recorded, and without effect on the order.',
      {
        defaultText: 'spawn (mlcommons), fork (upstream)',
      },
    ),
    pin_memory: key(bool(), true, 'Copy batches to pinned memory.'),
    preprocess_time: key(duration, noTime, 'Slept for every sample by its reader.', { unit: 's' }),
    preprocess_time_stdev: key(nullable(number({ min: 0 })), null, 'Spread of a normal `preprocess_time`.', { unit: 's' }),
    transformed_record_dims: key(list(int({ min: 1 })), [], 'Shape of the array that the loader delivers for a sample.', {
      unit: 'elements',
    }),
    transformed_record_element_type: key(text(), 'uint8', 'NumPy type of that array.'),
  },
})
