import { key, section } from './key.js'
import { choice } from './kinds.js'

/** Keys that stand beside the sections. */
export const topLevel = section({
  name: '',
  keys: {
    framework: key(
      choice(['tensorflow', 'pytorch', 'jax']),
      'tensorflow',
      'The framework whose data loading is replayed; `--framework` goes before it. DLIO does not know `jax`.',
    ),
  },
})
