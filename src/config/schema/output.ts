import { key, section } from './key.js'
import { fileName, int, nullable, number, text } from './kinds.js'

export const output = section({
  name: 'output',
  keys: {
    folder: key(nullable(text()), null, 'Folder of the results; `--output` goes before it.', { defaultText: 'a new folder for each run' }),
    log_file: key(fileName(), 'dlio.log', 'Name of the log in that folder.'),
    'metric.exclude_start_steps': key(int({ min: 0 }), 1, 'Steps at the start of each block that metrics leave out.', { unit: 'steps' }),
    'metric.exclude_end_steps': key(int({ min: 0 }), 0, 'Steps at the end of each block that metrics leave out.', { unit: 'steps' }),
  },
})

export const metric = section({
  name: 'metric',
  keys: { au: key(number({ min: 0, max: 1 }), 0.9, 'Accelerator utilisation to reach, as a fraction.') },
})
