// One spelling of a place means the same to everything that a job does there: each is given to the program, against a store of its own.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { driver, scratchFolder, workloadFile } from '../cli/driver.js'
import { type Provider, startFakeStore } from './fake-store.js'
import { noCredentials } from './services.js'
import { spellings } from './spellings.js'

const folder = scratchFolder('spellings')
const providers: Readonly<Record<string, Provider>> = { s3: 's3', az: 'azure', gs: 'gcs' }

describe('a spelling of a place', { concurrency: 3 }, () => {
  for (const [number, [dataFolder, { type, root, scheme }, uri, warns]] of spellings.entries())
    test(`${JSON.stringify(dataFolder)}${root === undefined ? '' : ` below ${root}`}${scheme === undefined ? '' : ` with ${scheme}`}: data and checkpoints are written to, listed, read and reported at ${uri}`, async () => {
      const [, name = '', rest = ''] = /^(\w+):\/\/(.*)$/.exec(uri)!
      const provider = providers[name]!
      const [bucket = '', ...parts] = (provider === 'azure' ? rest.slice('account/'.length) : rest).split('/')
      const prefix = parts.join('/')
      const store = await startFakeStore(provider)
      store.uri(bucket)
      const workload = {
        framework: 'pytorch',
        model: { name: 'm', model_size_bytes: 1000 },
        workflow: { generate_data: true, train: true, checkpoint: true },
        storage: {
          ...(type === undefined ? {} : { storage_type: type }),
          ...(root === undefined ? {} : { storage_root: root }),
          storage_options: {
            ...store.options,
            ...(provider === 'azure' ? { account_name: 'account' } : {}),
            ...(scheme === undefined ? {} : { uri_scheme: scheme }),
          },
        },
        dataset: { data_folder: dataFolder, format: 'npz', num_files_train: 2, record_length_bytes: 256 },
        reader: { batch_size: 1, read_threads: 1 },
        train: { epochs: 1, computation_time: 0 },
        checkpoint: { checkpoint_folder: dataFolder, epochs_between_checkpoints: 1 },
      }
      const path = workloadFile(folder, workload, `w${number}.yaml`)
      const ran = await driver(['run', path, '--output', join(folder, `out-${number}`), '--json', '--verify'], { env: noCredentials })
      store.close()
      assert.equal(ran.code, 0, ran.stderr)
      const below = prefix === '' ? '' : `${prefix}/`
      const files = [0, 1].map((i) => `${below}train/img_${i}_of_2.npz`)
      // generate, and nowhere else.
      assert.deepEqual([...store.buckets.keys()], [bucket])
      const keys = [...store.buckets.get(bucket)!.keys()].sort()
      assert.deepEqual(
        keys.filter((key) => key.includes('.npz')),
        files,
      )
      // checkpoint.
      const saved = keys.filter((key) => !key.includes('.npz'))
      assert.ok(saved.length > 0 && saved.every((key) => key.startsWith(below) && !key.startsWith(`${below}/`)), String(keys))
      // list and read.
      const asked = (kind: string) => [...new Set(store.seen.filter((seen) => seen.kind === kind).map(({ key }) => key))].sort()
      assert.ok(asked('list').includes(`${below}train/`), String(asked('list')))
      assert.deepEqual(
        asked('get').filter((key) => key.includes('.npz')),
        files,
      )
      // report.
      const { objects, io, warnings } = JSON.parse(ran.stdout) as Result
      assert.deepEqual([objects!.uri, io.samplesRead], [uri, 2])
      if (warns !== undefined)
        assert.ok(
          warnings.some(({ message }) => warns.test(message)),
          JSON.stringify(warnings),
        )
    })
})
