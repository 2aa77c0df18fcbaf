import { duration } from './duration.js'
import { key, section } from './key.js'
import { bool, int, nullable, number } from './kinds.js'

export const train = section({
  name: 'train',
  keys: {
    epochs: key(int({ min: 0 }), 1, 'Passes over the training set.'),
    computation_time: key(duration, { type: 'constant', mean: 0 }, 'Time the accelerator computes for each step.', { unit: 's' }),
    computation_time_stdev: key(nullable(number({ min: 0 })), null, 'Spread of a normal `computation_time`.', { unit: 's' }),
    total_training_steps: key(int({ min: -1 }), -1, 'Most steps of each epoch (not of the run, despite its name); 0 or −1: no limit.'),
    seed: key(int({ min: 0, max: 2 ** 32 - 1 }), 123, 'Seed of shuffles and of drawn times.'),
    seed_change_epoch: key(bool(), true, 'Add the number of the epoch to the seed.'),
  },
})
