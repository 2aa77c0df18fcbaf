// zod's core, without its classic or mini front and without its forty languages: messages here are our own, and the translations are
// more than half of what loading zod costs (42 of 71 ms on the machine it was measured on).
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** Loads zod's core with an empty module standing in for the translations, which nothing here asks for. */
function loadCore(): typeof import('zod/v4/core') {
  const translations = require.resolve('zod/v4/locales')
  const loadedBefore = require.cache[translations]
  require.cache[translations] ??= {
    id: translations,
    filename: translations,
    loaded: true,
    exports: {},
    children: [],
    paths: [],
  } as unknown as NodeJS.Module
  try {
    return require('zod/v4/core') as typeof import('zod/v4/core')
  } finally {
    // Whoever asks for the translations later gets the real ones.
    if (!loadedBefore) delete require.cache[translations]
  }
}

export const z = loadCore()
