import { duration } from './duration.js'
import { key, section } from './key.js'
import { int, nullable, number } from './kinds.js'

export const evaluation = section({
  name: 'evaluation',
  keys: {
    eval_time: key(duration, { type: 'constant', mean: 0 }, 'Time the accelerator computes for each evaluation step.', { unit: 's' }),
    eval_time_stdev: key(nullable(number({ min: 0 })), null, 'Spread of a normal `eval_time`.', { unit: 's' }),
    eval_after_epoch: key(int({ min: 0 }), 1, 'First epoch that is followed by an evaluation.', { unit: 'epochs' }),
    epochs_between_evals: key(int({ min: 0 }), 1, 'Epochs from one evaluation to the next.', { unit: 'epochs' }),
  },
})
