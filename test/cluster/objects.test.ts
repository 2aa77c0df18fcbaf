// Jobs of several processes on object storage: each reads its share, and the result is of all of them together.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { bin, scratchFolder, workloadFile } from '../cli/driver.js'
import { lacking } from '../requirements.js'
import { startFakeStore } from '../storage/fake-store.js'
import { noCredentials } from '../storage/services.js'
import { eventually, launchers, patientOpenMpi, processesIn, processOfRank, runUnder, startUnder } from './mpirun.js'

const folder = scratchFolder('mpi-objects')
const hasProgram = (name: string) => (process.env.PATH ?? '').split(':').some((place) => existsSync(join(place, name)))

for (const launcher of launchers)
  for (const provider of ['s3', 'azure', 'gcs'] as const)
    test(`${launcher.name}: two processes on ${provider} generate and list once, read every object once, and add up what they asked for and sent again`, async (t) => {
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
      const { world, io, objects, generation } = JSON.parse(ran.stdout) as Result
      assert.equal(world.ranks, 2)
      const ofData = (kind: string) => store.seen.filter((seen) => seen.kind === kind && !seen.key.includes('checkpoints'))
      const written = store.seen.filter(({ kind, key }) => kind === 'put' && key.endsWith('.npz')).map(({ key }) => key)
      assert.deepEqual([written.length, new Set(written).size], [8 + 4, 8 + 4], 'each process makes its share')
      assert.deepEqual([generation!.filesWritten, generation!.filesTotal], [12, 12])
      assert.equal(generation!.objects!.uploads[0]!.requests, 12)
      assert.equal(io.samplesRead, 2 * (8 + 4))
      assert.deepEqual([objects!.requests.list, objects!.retries, io.retries], [ofData('list').length, { throttled: 2 }, 2])
      assert.equal(objects!.requests.get, ofData('get').length - 2)
      const [endpoint] = objects!.endpoints
      assert.deepEqual([endpoint!.requests, endpoint!.failures, endpoint!.totalUs!.count], [24, 2, 24])
      assert.equal(endpoint!.bytes, io.bytesAsked)
    })

/** A job of two processes that makes 40 objects in a store, and its command. */
async function generatingJob(name: string) {
  const store = await startFakeStore('s3')
  const own = scratchFolder(name)
  const workload = {
    workflow: { generate_data: true, train: true },
    storage: { storage_options: { ...store.options, s3_max_attempts: 1 } },
    dataset: { data_folder: store.uri('bucket'), format: 'npz', num_files_train: 40, record_length_bytes: 4096 },
    reader: { batch_size: 1 },
  }
  const out = join(own, 'out')
  const program = [process.execPath, bin, 'run', workloadFile(own, workload), '--output', out]
  const partial = () => {
    assert.deepEqual(readdirSync(out).sort(), ['dlio.log', 'result.partial.json'])
    return JSON.parse(readFileSync(join(out, 'result.partial.json'), 'utf8')) as Result
  }
  return { store, own, program, partial, env: { ...noCredentials, DL_DRIVER_TEST_JOB: own } }
}

for (const launcher of launchers) {
  test(`${launcher.name}: two processes that are interrupted while they upload their data set leave one partial result of both`, async (t) => {
    if (!hasProgram(launcher.program)) return lacking(t, `${launcher.name} is not installed`)
    const { store, own, program, partial, env } = await generatingJob('mpi-interrupted-upload')
    store.spoil = ({ kind }, number) => (kind === 'put' && number >= 6 ? { none: 'silence' } : undefined)
    const job = startUnder(launcher, 2, program, { env: { ...env, ...patientOpenMpi } })
    // All are under way by then, and nothing more comes that could be complete here and not yet be known there.
    await eventually('all other uploads are held', () => store.seen.filter(({ kind }) => kind === 'put').length === 40)
    process.kill(processOfRank(own, launcher, 1), 'SIGTERM')
    assert.equal(await job.ended, 130, job.stderr())
    await eventually('all processes end', () => processesIn(own).length === 0)
    store.close()
    const { complete, generation, warnings, world } = partial()
    assert.deepEqual([complete, world.ranks, warnings], [false, 2, []])
    assert.deepEqual([generation!.filesWritten, generation!.filesTotal], [store.buckets.get('bucket')!.size, 40])
  })

  test(`${launcher.name}: where one of two processes cannot upload, the job fails with one error, and the partial result counts both`, async (t) => {
    if (!hasProgram(launcher.program)) return lacking(t, `${launcher.name} is not installed`)
    const { store, own, program, partial, env } = await generatingJob('mpi-failed-upload')
    // Of process 1, which makes every other file.
    store.spoil = ({ kind, key }) =>
      kind === 'put' && /img_\d?[13579]_of/.test(key) ? { error: { status: 403, code: 'AccessDenied' } } : undefined
    const ran = await runUnder(launcher, 2, program, { env: { ...env, ...patientOpenMpi } })
    await eventually('all processes end', () => processesIn(own).length === 0)
    store.close()
    assert.equal(ran.code, 1, ran.stderr)
    const [message, ...more] = [...ran.stderr.matchAll(/^error: (.*)$/gm)].map(([, words]) => words!)
    assert.deepEqual(more, [])
    const { interruption, generation } = partial()
    assert.equal(interruption, `the data set was not made: ${message}`)
    assert.deepEqual([generation!.filesWritten, generation!.filesTotal], [store.buckets.get('bucket')!.size, 40])
    assert.equal(generation!.filesWritten, 20)
  })
}
