import { key, section } from './key.js'
import { choice, deviceName, type Kind, list } from './kinds.js'

const names = list(deviceName())
/** DLIO takes one name as well as a list of them. */
const devices: Kind<readonly string[]> = {
  ...names,
  json: { type: ['array', 'string'], items: { type: 'string' } },
  check: (value) => names.check(typeof value === 'string' ? [value] : value),
}

export const profiling = section({
  name: 'profiling',
  keys: {
    profiler: key(
      choice(['none', 'iostat', 'darshan', 'tensorboard']),
      'iostat',
      'What `workflow.profiling` starts: iostat writes `iostat.json`; darshan must be in LD_PRELOAD; tensorboard has nothing to profile here.',
    ),
    iostat_devices: key(devices, [], 'Block devices that iostat watches; none: all.'),
  },
})
