// The workloads that the published Python package of DLIO ships: all valid, all planned to the counts that DLIO's documentation gives.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import type { HonourName } from '#src/config/honour.js'
import { loadWorkload } from '#src/config/load.js'
import type { Semantics } from '#src/config/workload.js'
import { computedFiles } from '#src/dataset/naming.js'
import { createPlan } from '#src/plan/plan.js'
import { summarize } from '#src/plan/summary.js'
import { driver } from '../cli/driver.js'
import { lacking } from '../requirements.js'

const execute = promisify(execFile)
const release = 'dlio-benchmark==2.0.0'

/** Folder of the package's workloads, fetched once for a checkout; undefined where it cannot be. */
async function publishedWorkloads(t: TestContext): Promise<string | undefined> {
  const kept = resolve('.cache', release.replace('==', '-'))
  const workloads = join(kept, 'dlio_benchmark', 'configs', 'workload')
  if (existsSync(workloads)) return workloads
  mkdirSync('.cache', { recursive: true })
  const folder = mkdtempSync(resolve('.cache', 'dlio-'))
  try {
    await execute('python3', ['-m', 'venv', join(folder, 'venv')])
    const python = join(folder, 'venv', 'bin', 'python')
    await execute(python, [
      '-m',
      'pip',
      'download',
      '--quiet',
      '--retries=10',
      '--timeout=60',
      '--disable-pip-version-check',
      '--no-deps',
      '--only-binary=:all:',
      '-d',
      folder,
      release,
    ])
    const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'))!
    await execute(python, ['-m', 'zipfile', '-e', join(folder, wheel), join(folder, 'unpacked')])
    renameSync(join(folder, 'unpacked'), kept)
    return workloads
  } catch (error) {
    lacking(t, `${release} cannot be fetched: ${(error as Error).message.split('\n').slice(0, 2).join(' ')}`)
    return undefined
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Published {
  readonly framework: 'pytorch' | 'tensorflow'
  readonly dataset: {
    readonly format?: string
    readonly num_files_train: number
    readonly num_samples_per_file: number
    readonly num_files_eval?: number
  }
  readonly reader: { readonly batch_size: number }
  readonly train?: { readonly total_training_steps?: number; readonly epochs?: number }
}

/** Steps of an epoch of one rank (main.initialize, main.run): upstream trims files, MLCommons' gives each rank an equal share of them. */
function stepsPerEpoch({ dataset, reader, train = {} }: Published, semantics: string, ranks: number): number {
  const { num_files_train: files, num_samples_per_file: perFile } = dataset
  const batch = reader.batch_size
  const unit = perFile * batch * ranks
  const possible =
    semantics === 'upstream'
      ? Math.floor((perFile * Math.floor(files / unit) * unit) / batch / ranks)
      : dataset.format === 'tfrecord'
        ? Math.ceil((files * perFile) / batch)
        : Math.floor((Math.floor(files / ranks) * perFile) / batch)
  const { total_training_steps: most = -1 } = train
  return most > 0 ? Math.min(possible, most) : possible
}

/** What `plan --json` prints. Throws where `validate` would find a problem. */
function planOf(config: string, semantics: Semantics, ranks: number, honour: readonly HonourName[] = []): ReturnType<typeof summarize> {
  const { workload } = loadWorkload({ config, overrides: [], semantics, honour })
  return summarize(createPlan(workload, { ranks, hosts: 1 }, computedFiles(workload)))
}

test('every workload of the published package passes validate, and plans to the right counts', async (t) => {
  const folder = await publishedWorkloads(t)
  if (folder === undefined) return
  const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'))
  assert.ok(names.length >= 14, `only ${names.length} workloads`)
  for (const name of names) {
    const path = join(folder, name)
    const published = parse(readFileSync(path, 'utf8')) as Published
    const { dataset, train = {} } = published
    for (const semantics of ['mlcommons', 'upstream'] as const)
      for (const ranks of [1, 8]) {
        // MLCommons' DLIO shards TFRecord lists twice; what becomes of that is held against recordings elsewhere.
        if (semantics === 'mlcommons' && ranks > 1 && dataset.format === 'tfrecord') continue
        const plan = planOf(path, semantics, ranks)
        assert.deepEqual(
          [plan.train.files, plan.train.samplesPerFile, plan.train.stepsPerEpoch, plan.train.batchSize, plan.epochs],
          [
            dataset.num_files_train,
            dataset.num_samples_per_file,
            stepsPerEpoch(published, semantics, ranks),
            published.reader.batch_size,
            train.epochs ?? 1,
          ],
          `${name} ${semantics} ${ranks} ranks`,
        )
      }
  }
  const { code, stdout } = await driver(['validate', join(folder, names[0]!), '--json'])
  assert.deepEqual([code, JSON.parse(stdout).ok], [0, true])
})

test('under --honour record_length the sizes of the published workloads are those of their old keys', async (t) => {
  const folder = await publishedWorkloads(t)
  if (folder === undefined) return
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.yaml'))) {
    const { dataset } = parse(readFileSync(join(folder, name), 'utf8')) as { dataset: { record_length: number } }
    const { sampleBytes } = planOf(join(folder, name), 'mlcommons', 1, ['record_length'])
    assert.equal(sampleBytes, Math.floor(Math.sqrt(dataset.record_length)) ** 2, name)
  }
})
