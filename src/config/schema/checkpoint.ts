import { key, section } from './key.js'
import { bool, choice, int, nullable, number, text } from './kinds.js'

export const checkpoint = section({
  name: 'checkpoint',
  keys: {
    checkpoint_folder: key(text(), './checkpoints/', 'Where checkpoints go.'),
    checkpoint_after_epoch: key(int({ min: 0 }), 1, 'First epoch with a checkpoint at its end.', { unit: 'epochs' }),
    epochs_between_checkpoints: key(int({ min: 0 }), 1, 'Epochs from one checkpoint to the next.', { unit: 'epochs' }),
    steps_between_checkpoints: key(
      int({ min: -1 }),
      -1,
      '0 or more: checkpoints after every so many steps and none at the end of epochs.',
      { unit: 'steps' },
    ),
    type: key(choice(['rank_zero', 'all_ranks']), 'rank_zero', 'Nothing.', { ignored: true }),
    mode: key(
      choice(['default', 'subset']),
      'default',
      '`subset`: fewer ranks than the model needs write their part; needs `model.parallelism.data`.',
    ),
    checkpoint_mechanism_classname: key(nullable(text()), null, 'Python class of a mechanism of one’s own.'),
    fsync: key(bool(), false, "Flush each file to the storage before it counts as written. MLCommons' DLIO always does."),
    time_between_checkpoints: key(number(), -1, 'Slept before each checkpoint of a checkpoint-only run; 0 or less: not at all.', {
      unit: 's',
    }),
    num_checkpoints_write: key(int({ min: -1 }), -1, 'Checkpoints that a checkpoint-only run writes; 0 or less: none.'),
    num_checkpoints_read: key(int({ min: -1 }), -1, 'Checkpoints that it reads back; 0 or less: none.'),
    recovery_rank_shift: key(bool(), false, 'Nothing, as in DLIO.', { ignored: true }),
    rank_sync: key(bool(), false, 'A barrier inside the timed part of a checkpoint.'),
    randomize_tensor: key(bool(), true, 'Random contents; false: ones.'),
    'ksm.madv_mergeable_id': key(
      int({ min: 0 }),
      12,
      'Advice given to the kernel when checkpoints share memory pages (KSM), which the presence of `ksm` turns on.',
    ),
    'ksm.high_ram_trigger': key(number({ min: 0 }), 30, 'Memory in use that starts the wait for merging.', { unit: '%' }),
    'ksm.low_ram_exit': key(number({ min: 0 }), 15, 'Memory in use that ends it.', { unit: '%' }),
    'ksm.await_time': key(number({ min: 0 }), 200, 'Longest wait for merging.', { unit: 's' }),
  },
})
