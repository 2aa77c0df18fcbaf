// Batches from an object store are those of the same files on a local file system.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { referencePython } from '../interop/python.js'
import { startFakeStore } from '../storage/fake-store.js'
import { startProxy } from '../storage/proxy-server.js'
import { noCredentials, startS3 } from '../storage/services.js'

const execute = promisify(execFile)
const golden = join('test', 'golden', 'datasets')
const formats = ['npz', 'hdf5', 'tfrecord']

const dataSets = readdirSync(golden).filter((name) => formats.some((format) => name.includes(`-up-${format}-`)))
const env = {
  ...process.env,
  PYTHONPATH: resolve('python'),
  PYTHONDONTWRITEBYTECODE: '1',
  DL_DRIVER_BIN: resolve('bin', 'dl-driver.js'),
}

/** A configuration that reads a recorded data set from `folder`. */
function configFile(path: string, id: string, more: object, folder: string): string {
  const { workload } = JSON.parse(readFileSync(join(golden, id, 'expected.json'), 'utf8'))
  // The committed copies do not hold all files of the recordings.
  const train = join(golden, id, 'data', 'train')
  const files = readdirSync(train, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length
  const { compression, ...recorded } = workload.dataset
  const dataset = { ...recorded, num_files_train: files, data_folder: folder }
  const reader = { ...workload.reader, batch_size: 2, read_threads: 2 }
  writeFileSync(path, JSON.stringify({ ...workload, ...more, reader, dataset }))
  return path
}

describe('loading from an object store', () => {
  it('gives the batches of every format that are on disk, through a proxy too', async (t) => {
    const python = await referencePython(t, join('test', 'python', 'requirements.txt'))
    const service = await startS3(t)
    if (python === undefined || service === undefined) return
    const scratch = mkdtempSync(join(tmpdir(), 'dl-driver-objects-'))
    t.after(() => rmSync(scratch, { recursive: true, force: true }))
    const proxy = await startProxy({ credentials: 'ann:password' })
    t.after(() => proxy.close())
    const proxyUrl = proxy.url.replace('//', '//ann:password@')
    let sets = 0
    for (const id of dataSets) {
      const data = join(golden, id, 'data')
      const place = await service.place()
      for (const name of readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())) {
        const path = join(name.parentPath, name.name)
        const key = `${place.slice('s3://'.length)}/${path.slice(data.length + 1)}`
        const { ok, status } = await fetch(`${service.endpoint}/${key}`, { method: 'PUT', body: readFileSync(path) })
        assert.ok(ok, `PUT ${key}: ${status}`)
      }
      const config = (name: string, more: object, folder: string) => configFile(join(scratch, `${id}-${name}.json`), id, more, folder)
      const local = config('local', {}, resolve(data))
      const remote = config('s3', { storage: { storage_type: 's3', storage_options: service.options } }, place)
      const { stdout } = await execute(python, [join('test', 'python', 'objects.py'), local, remote], { env })
      assert.ok(Number(stdout) > 0)
      const before = proxy.seen.length
      const through = config('proxy', { storage: { storage_type: 's3', storage_options: { ...service.options, proxy: proxyUrl } } }, place)
      await execute(python, [join('test', 'python', 'objects.py'), local, through], { env })
      assert.ok(proxy.seen.length > before)
      sets++
    }
    assert.ok(sets >= 3)
  })
  for (const provider of ['azure', 'gcs'] as const)
    it(`gives the batches that are on disk from ${provider}, too`, async (t) => {
      const python = await referencePython(t, join('test', 'python', 'requirements.txt'))
      if (python === undefined) return
      const scratch = mkdtempSync(join(tmpdir(), 'dl-driver-objects-'))
      t.after(() => rmSync(scratch, { recursive: true, force: true }))
      const store = await startFakeStore(provider)
      t.after(() => store.close())
      for (const id of formats.flatMap((format) => dataSets.find((name) => name.includes(`-up-${format}-`)) ?? [])) {
        const data = join(golden, id, 'data')
        const uri = store.uri(id)
        for (const entry of readdirSync(data, { recursive: true, withFileTypes: true }).filter((found) => found.isFile())) {
          const path = join(entry.parentPath, entry.name)
          store.buckets.get(id)!.set(`data/${path.slice(data.length + 1)}`, readFileSync(path))
        }
        const local = configFile(join(scratch, `${id}-local.json`), id, {}, resolve(data))
        const remote = configFile(join(scratch, `${id}-remote.json`), id, { storage: { storage_options: store.options } }, uri)
        const { stdout } = await execute(python, [join('test', 'python', 'objects.py'), local, remote], {
          env: { ...env, ...noCredentials },
        })
        assert.ok(Number(stdout) > 0)
      }
      assert.ok(store.seen.some(({ kind }) => kind === 'get'))
    })
})
