import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { bundledConfig, bundledNames } from '#src/config/bundled.js'
import { loadWorkload } from '#src/config/load.js'
import { golden, load, rendered } from './helpers.js'

const bundled = (config: string, overrides: string[] = []) => loadWorkload({ config, overrides })

/** What the parameter sets say that has no effect, as they are published. */
const documented: [RegExp, string[]][] = [
  [/^unet3d_datagen/, ['model-size']],
  [/^unet3d_/, ['model-size', 'shuffle']],
  [/^megatron_/, ['ignored-key', 'model-size', 'shuffle']],
  [/^dlrm$/, ['shuffle']],
  [/^dlrm_s3dlio_/, ['read-type']],
]

test('every bundled workload loads without warnings other than the documented ones', () => {
  const names = bundledNames()
  assert.equal(names.length, 34)
  for (const name of names) {
    const expected = documented.find(([pattern]) => pattern.test(name))?.[1] ?? []
    const { workload, warnings } = bundled(name, name === 'llama_1t' ? ['workflow.train=false'] : [])
    assert.deepEqual(warnings.map(({ code }) => code).sort(), expected, name)
    assert.equal(workload.source.name, name)
    assert.equal(workload.source.path, bundledConfig(name))
  }
})

test("upstream's llama_1t says that it cannot train as it stands", () => {
  assert.match(
    rendered(() => bundled('llama_1t')),
    /dataset\.format = \(not given\)\n {2}rule: tfrecord, DLIO's default, cannot be read by the pytorch data loader/,
  )
})

test('the workloads of MLPerf Storage have its parameters', () => {
  const facts = (name: string) => {
    const { framework, dataset, reader, train, metric } = bundled(name).workload
    return [
      framework,
      dataset.format,
      dataset.numFilesTrain,
      dataset.numSamplesPerFile,
      dataset.recordLengthBytes,
      reader.batchSize,
      reader.readThreads,
      train.epochs,
      train.computationTime,
      metric.au,
    ]
  }
  const time = (mean: number) => ({ type: 'constant', mean })
  assert.deepEqual(facts('unet3d_a100'), ['pytorch', 'npz', 168, 1, 146600628, 7, 4, 5, time(0.636), 0.9])
  assert.deepEqual(facts('unet3d_h100'), ['pytorch', 'npz', 168, 1, 146600628, 7, 4, 5, time(0.323), 0.9])
  assert.deepEqual(facts('resnet50_a100'), ['tensorflow', 'tfrecord', 1024, 1251, 114660.07, 400, 8, 5, time(0.435), 0.9])
  assert.deepEqual(facts('resnet50_h100'), ['tensorflow', 'tfrecord', 1024, 1251, 114660.07, 400, 8, 5, time(0.224), 0.9])
  assert.deepEqual(facts('cosmoflow_a100'), ['tensorflow', 'tfrecord', 524288, 1, 2828486, 1, 4, 5, time(0.00551), 0.7])
  assert.deepEqual(facts('cosmoflow_h100'), ['tensorflow', 'tfrecord', 524288, 1, 2828486, 1, 4, 5, time(0.0035), 0.7])
})

test('a datagen workload makes the very data set of the runs that share its name', () => {
  for (const name of ['unet3d', 'resnet50', 'cosmoflow']) {
    const datagen = bundled(`${name}_datagen`).workload
    assert.deepEqual([datagen.workflow.generateData, datagen.workflow.train], [true, false])
    for (const accelerator of ['a100', 'h100']) assert.deepEqual(bundled(`${name}_${accelerator}`).workload.dataset, datagen.dataset)
  }
})

interface Run {
  readonly workload: string
  readonly arguments: readonly string[]
}

const runs = golden('runs')!
for (const id of readdirSync(runs).filter((name) =>
  ['run.json', 'out/.hydra/config.yaml'].every((file) => existsSync(join(runs, name, file))),
)) {
  const run = JSON.parse(readFileSync(join(runs, id, 'run.json'), 'utf8')) as Run
  const recorded = join(runs, id, 'out/.hydra/config.yaml')
  const overrides = run.arguments.filter((argument) => !/^(?:workload=|\+*hydra\.)/.test(argument))
  // The two that DLIO refuses for their configuration; the other failing ones fail on their data.
  const refused = {
    '93-fail-bad-format': /format = "zarr"\n.*must be one of/s,
    '94-fail-tfrecord-with-pytorch': /tfrecord cannot be read by the pytorch/,
  }[id]

  test(`recorded run ${id}: the bundled workload with its overrides is the configuration that DLIO recorded`, () => {
    if (refused) {
      assert.match(
        rendered(() => bundled(run.workload, overrides)),
        refused,
      )
      assert.match(
        rendered(() => loadWorkload({ config: recorded, overrides: [] })),
        refused,
      )
      return
    }
    const ours = bundled(run.workload, overrides).workload
    const theirs = loadWorkload({ config: recorded, overrides: [] }).workload
    assert.deepEqual(ours.raw, theirs.raw)
    assert.equal(ours.source.configDigest, theirs.source.configDigest)
  })
}

for (const [part, file] of [
  ['order', 'order.json'],
  ['datasets', 'expected.json'],
] as const) {
  const folder = golden(part)
  const files = folder ? readdirSync(folder).map((id) => join(folder, id, file)) : []
  test(`every recorded workload of ${part} loads, unknown keys in none`, { skip: files.length === 0 && 'no recordings here' }, () => {
    for (const path of files.filter((name) => existsSync(name))) {
      const { workload, tree } = JSON.parse(readFileSync(path, 'utf8')) as { workload?: object; tree?: string }
      if (!workload) continue
      const { warnings } = loadRecorded(workload, tree === 'upstream' ? 'upstream' : 'mlcommons')
      assert.ok(!warnings.some(({ code }) => code === 'unknown-key'), path)
    }
  })
}

function loadRecorded(workload: object, semantics: 'upstream' | 'mlcommons') {
  return load(JSON.stringify(workload), { semantics })
}
