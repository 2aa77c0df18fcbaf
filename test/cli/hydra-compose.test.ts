// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are references of OmegaConf's
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { parseArguments } from '#src/cli/hydra/arguments.js'
import { type Composition, compose, resolvedJob, runFolders } from '#src/cli/hydra/compose.js'
import { logLevelFrom, semanticsFrom } from '#src/cli/hydra/environment.js'
import { HydraError } from '#src/cli/hydra/errors.js'
import { configText } from '#src/cli/hydra/info.js'
import { toPlain } from '#src/config/tree.js'
import { scratchFolder } from './driver.js'

const surroundings = { cwd: '/somewhere', env: {}, now: new Date(2026, 10, 22, 12, 53, 26) }

function composed(...argv: string[]): Composition {
  return compose(parseArguments(argv), surroundings)
}

/** A folder with the given files. */
function folder(files: Record<string, string>): string {
  const root = scratchFolder('hydra')
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return root
}

function workload(composition: Composition): Record<string, unknown> {
  return (toPlain(composition.job) as { workload: Record<string, unknown> }).workload
}

function refusal(...argv: string[]): string {
  try {
    composed(...argv)
  } catch (error) {
    assert.ok(error instanceof HydraError, String(error))
    return error.message
  }
  return assert.fail('nothing was refused')
}

test('without workload=NAME the workload is default, and the run folder is named after its model and the time', () => {
  const composition = composed()
  assert.equal(composition.workload?.name, 'default')
  assert.equal(runFolders(composition, surroundings).outputDir, '/somewhere/hydra_log/default/2026-11-22-12-53-26')
  assert.equal(runFolders(composition, surroundings).subdir, '.hydra')
})

test('the run folder follows hydra.run.dir with its references, and null leaves out the subfolder', () => {
  const composition = composed('workload=unet3d_h100', 'hydra.run.dir=res/${workload.model.name}-${now:%Y}', 'hydra.output_subdir=null')
  assert.deepEqual(runFolders(composition, surroundings), { outputDir: '/somewhere/res/unet3d-2026', subdir: undefined })
  assert.equal(runFolders(composed('++hydra.output_subdir=dlio_config'), surroundings).subdir, 'dlio_config')
})

test('a bundled workload goes before one of --config-dir, with a warning where they differ; other names come from there', () => {
  const dir = folder({ 'workload/mine.yaml': 'model: {name: mine}\n', 'workload/unet3d_h100.yaml': 'model: {name: changed}\n' })
  assert.equal((workload(composed('workload=mine', `--config-dir=${dir}`)).model as { name: string }).name, 'mine')
  const shadowed = composed('workload=unet3d_h100', '-cd', dir)
  assert.equal((workload(shadowed).model as { name: string }).name, 'unet3d')
  assert.equal(shadowed.warnings.length, 1)
  assert.match(shadowed.warnings[0]!, /workload\/unet3d_h100\.yaml differs and is not read: give it another name/)
})

test('workloads that ship here but not with DLIO come from --config-dir where it has them', () => {
  const dir = folder({ 'workload/unet3d_datagen.yaml': 'model: {name: theirs}\n' })
  assert.equal((workload(composed('workload=unet3d_datagen', '-cd', dir)).model as { name: string }).name, 'theirs')
  assert.equal((workload(composed('workload=unet3d_datagen')).model as { name: string }).name, 'unet3d')
})

test('an unknown workload is refused in words of Hydra, with the names of all sources and the search path', () => {
  const dir = folder({ 'workload/aaa.yaml': 'model: {name: a}\n' })
  const message = refusal('workload=nosuch', '-cd', dir)
  assert.ok(
    message.startsWith("In 'config': Could not find 'workload/nosuch'\n\nAvailable options in 'workload':\n\taaa\n\tbert_v100\n"),
    message,
  )
  assert.ok(message.includes(`\tprovider=command-line, path=file://${dir}\n\tprovider=schema, path=structured://`), message)
  assert.match(refusal('workload='), /Could not find 'workload\/'/)
  assert.match(refusal('workload=../../etc/passwd'), /Could not find/)
})

test('missing folders and primary configurations are refused by name', () => {
  assert.match(refusal('--config-dir=/nowhere'), /Additional config directory '\/nowhere' not found/)
  assert.match(refusal('--config-path=/nowhere'), /Primary config directory not found\.\n.*'\/nowhere'/)
  assert.match(refusal('--config-name=other'), /Cannot find primary config 'other'\. Check that it's in your config search path\./)
})

test('groups are picked with =, dropped with ~ and never forced or picked twice', () => {
  assert.equal(refusal('++workload=default'), "force-add of config groups is not supported: '++workload=default'")
  assert.equal(refusal('+workload=default'), 'workload appears more than once in the final defaults list')
  assert.equal(refusal('~workload=dlrm'), "Could not delete 'workload=dlrm'. No match in the defaults list.")
  assert.equal(refusal('db/x=1'), "Could not override 'db/x'. No match in the defaults list.")
  assert.equal(composed('~workload', '++hydra.run.dir=x').workload, undefined)
  assert.equal(composed('~workload', '+workload=dlrm').workload?.name, 'dlrm')
})

test('--config-path brings its own primary configuration with defaults, Hydra settings and keys of its own', () => {
  const dir = folder({
    'config.yaml':
      'defaults:\n  - _self_\n  - workload: b\n  - override hydra/job_logging: disabled\nhydra:\n  run:\n    dir: ./out\nextra: 1\nworkload: {train: {epochs: 1, seed: 2}}\n',
    'workload/b.yaml': 'defaults: [a, _self_]\ntrain: {epochs: 3}\n',
    'workload/a.yaml': 'model: {name: base}\ntrain: {epochs: 9, computation_time: 0.5}\n',
  })
  const composition = composed('--config-path', dir)
  assert.deepEqual(toPlain(composition.job), {
    extra: 1,
    workload: { train: { epochs: 3, seed: 2, computation_time: 0.5 }, model: { name: 'base' } },
  })
  assert.equal(runFolders(composition, surroundings).outputDir, '/somewhere/out')
  assert.match(refusal('--config-path', dir, 'workload=unet3d_h100'), /Could not find/)
})

test('workloads whose defaults lists go round in circles are refused', () => {
  const dir = folder({ 'workload/x.yaml': 'defaults: [y]\n', 'workload/y.yaml': 'defaults: [x]\n' })
  assert.match(refusal('workload=x', '-cd', dir), /refer to each other without end/)
})

test('references in a workload stay in config.yaml and are resolved for the job', () => {
  const composition = composed('workload=unet3d_h100', '++workload.dataset.data_folder=data/${workload.model.name}')
  assert.equal((workload(composition).dataset as { data_folder: string }).data_folder, 'data/${workload.model.name}')
  const job = toPlain(resolvedJob(composition, surroundings)) as { workload: { dataset: { data_folder: string } } }
  assert.equal(job.workload.dataset.data_folder, 'data/unet3d')
})

test('--cfg shows the job, Hydra or both, a part of it, with or without references', () => {
  const show = (kind: 'job' | 'hydra' | 'all', ...argv: string[]) => {
    const args = parseArguments(argv)
    return configText(kind, args, compose(args, surroundings), surroundings)
  }
  assert.match(show('job', 'workload=unet3d_h100'), /^workload:\n {2}model:\n {4}name: unet3d\n/)
  assert.match(show('hydra'), /^hydra:\n {2}run:\n {4}dir: \.\/hydra_log\/\$\{workload\.model\.name\}/)
  assert.match(show('all'), /^hydra:\n[\s\S]*\nworkload:\n/)
  assert.equal(show('job', 'workload=unet3d_h100', '--package', 'workload.model.name'), '# @package workload.model.name\nunet3d\n')
  assert.match(show('job', '++workload.x=${workload.model.name}', '--resolve'), /x: default/)
  assert.throws(() => show('job', '--package', 'nope'), /Key 'nope' not found/)
})

test('jobs of several runs are refused', () => {
  assert.match(refusal('hydra.mode=MULTIRUN'), /runs one job at a time/)
})

test('the environment names the DLIO and the level, and unknown words never end a run', () => {
  assert.equal(semanticsFrom({}), 'mlcommons')
  assert.equal(semanticsFrom({ DL_DRIVER_SEMANTICS: 'upstream' }), 'upstream')
  assert.throws(() => semanticsFrom({ DL_DRIVER_SEMANTICS: 'x' }), HydraError)
  assert.deepEqual(logLevelFrom({ DLIO_LOG_LEVEL: 'INFO' }), { level: 'info' })
  assert.deepEqual(logLevelFrom({ DLIO_LOG_LEVEL: 'warn' }), { level: 'warning' })
  assert.deepEqual(logLevelFrom({ DLIO_LOG_LEVEL: 'loud' }), { level: 'warning', unknown: 'loud' })
  assert.deepEqual(logLevelFrom({}), { level: 'warning' })
})
