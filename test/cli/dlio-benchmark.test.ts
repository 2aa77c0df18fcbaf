import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseJob } from '#src/cli/dlio-benchmark.js'
import { ConfigError } from '#src/errors.js'
import { scratchFolder, workloadFile } from './driver.js'

test('the workload, its overrides and the run folder are taken from a hydra command line, in any order', () => {
  assert.deepEqual(
    parseJob(['++workload.train.epochs=2', 'workload=unet3d_h100', '++hydra.run.dir=out/a b', 'workload.reader.batch_size=4']),
    {
      config: 'unet3d_h100',
      overrides: ['++workload.train.epochs=2', 'workload.reader.batch_size=4'],
      outputFolder: 'out/a b',
    },
  )
})

test('a workload of --config-dir is found, and a bundled one of the same name goes before it', () => {
  const dir = scratchFolder('config-dir')
  mkdirSync(join(dir, 'workload'))
  const own = workloadFile(join(dir, 'workload'), {}, 'mine.yaml')
  workloadFile(join(dir, 'workload'), {}, 'unet3d_h100.yaml')
  assert.equal(parseJob(['workload=mine', '--config-dir', dir]).config, own)
  assert.equal(parseJob(['workload=mine', `--config-dir=${dir}`]).config, own)
  assert.equal(parseJob(['workload=unet3d_h100', '--config-dir', dir]).config, 'unet3d_h100')
})

test('what is not understood is refused by name', () => {
  assert.throws(
    () => parseJob(['workload=a', '--multirun']),
    (error) => error instanceof ConfigError && error.message.startsWith('--multirun: not understood'),
  )
  assert.throws(() => parseJob(['++workload.train.epochs=2']), /workload=NAME is missing/)
})
