// Jobs of several processes on object storage: each reads its share, and the result is of all of them together.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { bin, scratchFolder, workloadFile } from '../cli/driver.js'
import { lacking } from '../requirements.js'
import { startFakeStore } from '../storage/fake-store.js'
import { noCredentials } from '../storage/services.js'
import { launchers, runUnder } from './mpirun.js'

const folder = scratchFolder('mpi-objects')
const hasProgram = (name: string) => (process.env.PATH ?? '').split(':').some((place) => existsSync(join(place, name)))

for (const launcher of launchers)
  for (const provider of ['s3', 'azure', 'gcs'] as const)
    test(`${launcher.name}: two processes on ${provider} list once, read every object once, and add up what they asked for and sent again`, async (t) => {
      if (!hasProgram(launcher.program)) return lacking(t, `${launcher.name} is not installed`)
      const store = await startFakeStore(provider)
      const uri = store.uri('bucket')
      store.spoil = ({ kind }, number) => (kind === 'get' && number < 2 ? { error: { status: 503, code: 'SlowDown' } } : undefined)
      const workload = {
        framework: 'pytorch',
        model: { name: 'm', model_size_bytes: 10_000 },
        workflow: { generate_data: true, train: true, evaluation: true, checkpoint: true },
        storage: { storage_options: { ...store.options, retry_base_delay_ms: 1 } },
        dataset: { data_folder: uri, format: 'npz', num_files_train: 8, num_files_eval: 4, record_length_bytes: 512 },
        reader: { batch_size: 1, batch_size_eval: 1, read_threads: 2 },
        train: { epochs: 2, computation_time: 0 },
        checkpoint: { checkpoint_folder: `${uri}/checkpoints`, epochs_between_checkpoints: 1 },
      }
      const path = workloadFile(folder, workload, `${provider}.yaml`)
      const program = [process.execPath, bin, 'run', path, '--output', join(folder, `${launcher.program}-${provider}`), '--json', '--quiet']
      const ran = await runUnder(launcher, 2, program, { env: noCredentials })
      store.close()
      assert.equal(ran.code, 0, ran.stderr)
      const { world, io, objects } = JSON.parse(ran.stdout) as Result
      assert.equal(world.ranks, 2)
      const ofData = (kind: string) => store.seen.filter((seen) => seen.kind === kind && !seen.key.includes('checkpoints'))
      assert.equal(io.samplesRead, 2 * (8 + 4))
      assert.deepEqual([objects!.requests.list, objects!.retries, io.retries], [ofData('list').length, { throttled: 2 }, 2])
      assert.equal(objects!.requests.get, ofData('get').length - 2)
      const [endpoint] = objects!.endpoints
      assert.deepEqual([endpoint!.requests, endpoint!.failures, endpoint!.totalUs!.count], [24, 2, 24])
      assert.equal(endpoint!.bytes, io.bytesAsked)
    })
