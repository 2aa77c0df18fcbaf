// The oldest Node that is supported and the current long-term one run everything alike, and silently: an ExperimentalWarning on standard
// error would be in every log.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { lacking } from '../requirements.js'
import { driver, scratchFolder, workloadFile } from './driver.js'

const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } }
const oldest = /^>=(\d+\.\d+)$/.exec(engines.node)![1]!
const versions = [oldest, '24']

/** Node of a version, from npm's packages of its binaries, kept under .cache. No install script is run. Undefined where there is none. */
function nodeOf(version: string, t: TestContext): string | undefined {
  const folder = resolve('.cache', `node-${version}`)
  const name = `node-${process.platform}-${process.arch}`
  const binary = join(folder, 'node_modules', name, 'bin', 'node')
  const works = () => {
    try {
      return execFileSync(binary, ['--version'], { encoding: 'utf8' }).startsWith(`v${version}.`)
    } catch {
      return false
    }
  }
  if (existsSync(binary) && works()) return binary
  try {
    const quiet = ['--ignore-scripts', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']
    execFileSync('npm', ['install', '--prefix', folder, ...quiet, `${name}@${version}`], { stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (error) {
    lacking(t, `${name}@${version} cannot be installed: ${(error as Error).message.split('\n').slice(0, 3).join(' ')}`)
    return undefined
  }
  assert.ok(works(), `${binary} is not Node ${version}`)
  return binary
}

const formats = {
  npz: { framework: 'pytorch', dataset: { num_samples_per_file: 2 } },
  'hdf5, contiguous': { framework: 'pytorch', dataset: { num_samples_per_file: 2 }, semantics: 'upstream' },
  'hdf5, gzip': { framework: 'pytorch', dataset: { compression: 'gzip' } },
  tfrecord: { framework: 'tensorflow', dataset: { num_samples_per_file: 4 } },
} as const

for (const version of versions) {
  test(`Node ${version}: version, quickstart and inspect work without a word of warning`, async (t) => {
    const node = nodeOf(version, t)
    if (node === undefined) return
    const folder = scratchFolder('node')
    const shown = await driver(['--version'], { node })
    assert.match(shown.stdout, /^\d+\.\d+\.\d+\n$/)
    assert.deepEqual([shown.code, shown.stderr], [0, ''])

    const run = await driver(['run', 'quickstart', '--generate', '--output', 'out', '--json'], { node, cwd: folder })
    assert.equal(run.code, 0, run.stderr)
    assert.doesNotMatch(run.stderr, /\(node:\d+\)|ExperimentalWarning|DeprecationWarning/)
    const result = JSON.parse(run.stdout) as Result
    assert.ok(result.tool.node.startsWith(`${version}.`), result.tool.node)
    assert.equal(result.train!.steps, 24)
    assert.ok(existsSync(join(folder, 'out', 'summary.json')))

    // A layout that only the HDF5 library reads, through WebAssembly.
    const library = await driver(['inspect', '--json', 'test/golden/hdf5-layouts/library-scale-offset.hdf5'], { node })
    assert.deepEqual([library.code, library.stderr], [0, ''])
    const expected = JSON.parse(readFileSync('test/golden/hdf5-layouts/expected.json', 'utf8')) as Record<string, { samples: unknown }>
    assert.deepEqual((JSON.parse(library.stdout) as { samples: unknown }).samples, expected['library-scale-offset.hdf5']!.samples)
  })

  for (const [name, { framework, dataset, ...rest }] of Object.entries(formats))
    test(`Node ${version}: ${name} is generated, and read with --verify, without a word`, async (t) => {
      const node = nodeOf(version, t)
      if (node === undefined) return
      const folder = scratchFolder('node')
      const config = workloadFile(folder, {
        framework,
        workflow: { train: true },
        dataset: {
          format: name.split(',')[0],
          data_folder: join(folder, 'data'),
          num_files_train: 8,
          record_length_bytes: 20_000,
          ...dataset,
        },
        reader: { data_loader: framework, batch_size: 2, read_threads: 2 },
        train: { epochs: 2, computation_time: 0.001 },
      })
      const common = ['-q', '--semantics', 'semantics' in rest ? rest.semantics : 'mlcommons']
      for (const args of [
        ['generate', config],
        ['run', config, '--verify', '--output', join(folder, 'out')],
      ]) {
        const { code, stdout, stderr } = await driver([...args, ...common], { node })
        assert.deepEqual([code, stdout, stderr], [0, '', ''], args[0])
      }
    })
}
