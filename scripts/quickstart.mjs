// `npm run quickstart`: installs, builds, generates a small data set and runs the main job on it. Nothing but Node is needed.
import { join } from 'node:path'
import { ensureBuilt, root, run } from './ensure.mjs'

await ensureBuilt()
run(process.execPath, [
  join(root, 'bin', 'dl-driver.js'),
  'run',
  'quickstart',
  '--generate',
  '--output',
  join(root, 'quickstart', 'results'),
  ...process.argv.slice(2),
])
