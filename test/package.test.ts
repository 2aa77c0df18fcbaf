// The package as it is published: what is in it, and that it works where there is nothing else.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { scratchFolder } from './cli/driver.js'

interface Packed {
  readonly filename: string
  readonly size: number
  readonly unpackedSize: number
  readonly files: { readonly path: string; readonly size: number; readonly mode: number }[]
}

const folder = scratchFolder('package')
const prefix = join(folder, 'prefix')
const empty = join(folder, 'empty')
const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=5']
let packed: Packed

/** Runs an installed command in the empty folder. */
function installed(name: string, ...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(join(prefix, 'bin', name), args, { cwd: empty, timeout: 120_000 }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    )
  })
}

before(() => {
  fs.mkdirSync(empty)
  const json = execFileSync('npm', ['pack', '--json', '--pack-destination', folder, ...quiet], { encoding: 'utf8' })
  packed = (JSON.parse(json) as [Packed])[0]
})

test('the package holds what runs and what explains it, and nothing of the workshop', () => {
  const paths = packed.files.map(({ path }) => path).sort()
  const wanted = [
    /^(package\.json|README\.md|CHANGELOG\.md|LICENSE)$/,
    /^bin\/(dl-driver\.js|dlio_benchmark|dlio_benchmark_query|dlio_postprocessor|package\.json)$/,
    /^configs\/([a-z0-9_]+\.yaml|dlio\.schema\.json)$/i,
    /^docs\/[a-z-]+\.md$/,
    /^dist\/([a-z0-9-]+\/)*[a-z0-9-]+\.js$/i,
    /^dist\/THIRD-PARTY-LICENSES\.txt$/,
  ]
  assert.deepEqual(
    paths.filter((path) => !wanted.some((pattern) => pattern.test(path))),
    [],
  )
  for (const pattern of wanted)
    assert.ok(
      paths.some((path) => pattern.test(path)),
      String(pattern),
    )
  for (const path of [
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'bin/dl-driver.js',
    'bin/dlio_benchmark',
    'bin/package.json',
    'dist/cli/main.js',
  ])
    assert.ok(paths.includes(path), path)
  assert.deepEqual(
    paths.filter((path) => path.startsWith('configs/')).map((path) => path.slice('configs/'.length)),
    fs.readdirSync('configs').sort(),
  )
  for (const { path, mode } of packed.files) if (/^bin\/dl/.test(path)) assert.equal(mode & 0o111, 0o111, `${path} can be executed`)
})

test('the package is small, and no file of it is large', () => {
  assert.ok(packed.size < 3e6, `${packed.size} bytes packed`)
  assert.ok(packed.unpackedSize < 12e6, `${packed.unpackedSize} bytes unpacked`)
  for (const { path, size } of packed.files) assert.ok(size < 2e6, `${path}: ${size} bytes`)
})

test('installed globally from its file, without install scripts, it works in an empty folder', async (t) => {
  const file = join(folder, packed.filename)
  execFileSync('npm', ['install', '--global', '--prefix', prefix, '--ignore-scripts', '--prefer-offline', ...quiet, file], {
    cwd: empty,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const modules = join(prefix, 'lib', 'node_modules')
  assert.deepEqual(fs.readdirSync(modules), ['dl-driver'])
  const version = await installed('dl-driver', '--version')
  const { version: expected } = JSON.parse(fs.readFileSync('package.json', 'utf8')) as { version: string }
  assert.deepEqual(version, { code: 0, stdout: `${expected}\n`, stderr: '' })
  const help = await installed('dl-driver', '--help')
  assert.equal(help.code, 0)
  assert.match(help.stdout, /^Usage: dl-driver /)

  const generated = await installed('dl-driver', 'generate', 'quickstart', '--quiet')
  assert.deepEqual(generated, { code: 0, stdout: '', stderr: '' })
  const run = await installed('dl-driver', 'run', 'quickstart', '--output', 'results', '--verify', '--quiet')
  assert.deepEqual(run, { code: 0, stdout: '', stderr: '' })
  assert.ok(fs.existsSync(join(empty, 'results', 'summary.json')))
  assert.deepEqual(fs.readdirSync(empty).sort(), ['quickstart', 'results'])

  const bytes = folderBytes(modules)
  t.diagnostic(`installed with its dependencies: ${(bytes / 1e6).toFixed(1)} MB`)
  assert.ok(bytes < 50e6, `${bytes} bytes installed`)
})

function folderBytes(path: string): number {
  let total = 0
  for (const entry of fs.readdirSync(path, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) total += fs.statSync(join(entry.parentPath, entry.name)).size
  return total
}
