// Recorded runs of several ranks, one process each: the same files and log as one process that carries all ranks, which other tests
// compare with the recordings themselves.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isFormatName } from '#src/formats/index.js'
import { scratchFolder } from '../cli/driver.js'
import { dropIn, dropInBin } from '../cli/drop-in.js'
import { hasProgram } from '../requirements.js'
import { launchers, runUnder } from './mpirun.js'

const runsFolder = existsSync('../shared/golden/runs') ? '../shared/golden/runs' : 'test/golden/drop-in'

interface Case {
  readonly id: string
  readonly tree: 'upstream' | 'fork'
  readonly ranks: number
  readonly fails: boolean
}

interface Recording {
  readonly arguments: readonly string[]
  /** Path and size in bytes of each. */
  readonly files_after_run?: readonly (readonly [string, number])[]
}

const { cases } = JSON.parse(readFileSync(join(runsFolder, 'index.json'), 'utf8')) as { cases: Case[] }

function isSupported({ id, ranks, fails }: Case): boolean {
  const config = readFileSync(join(runsFolder, id, 'out', '.hydra', 'config.yaml'), 'utf8')
  const format = /^ {4}format: (\w+)$/m.exec(config)?.[1] ?? 'tfrecord'
  return ranks > 1 && !fails && isFormatName(format)
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()
}

/** A log without times and figures. */
function shape(log: string): string {
  return log
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+/g, 'TIME')
    .replace(/\d+\.\d+/g, 'F')
    .replace(/(meet_expectation:) \w+/g, '$1')
    .replace(/(Saved outputs in) .*/g, '$1')
}

/** Keys of an object in their order, and of the objects within. */
function keysOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.entries(value).map(([key, inner]) => [key, keysOf(inner)])
}

function json(...path: string[]): unknown {
  return JSON.parse(readFileSync(join(...path), 'utf8'))
}

for (const { id, tree, ranks } of cases.filter((entry) => entry.ranks > 1 && !entry.fails).filter(isSupported))
  for (const launcher of launchers)
    test(`${id} under mpirun of ${launcher.name}: ${ranks} processes leave what one process of ${ranks} ranks leaves`, async (t) => {
      if (!hasProgram(t, launcher.program, '--version')) return
      const { arguments: args, files_after_run: recordedFiles = [] } = json(runsFolder, id, 'run.json') as Recording
      const env = { DL_DRIVER_SEMANTICS: tree === 'fork' ? 'mlcommons' : 'upstream' }
      const alone = scratchFolder('mpi-alone', true)
      const single = await dropIn(alone, [...args, `--ranks=${ranks}`], env)
      assert.equal(single.code, 0, single.stderr)
      const cwd = scratchFolder('mpi', true)
      const { code, stdout, stderr } = await runUnder(launcher, ranks, [process.execPath, dropInBin, ...args], { cwd, env })
      assert.equal(code, 0, stderr)
      assert.equal(stdout, '')
      assert.deepEqual(filesBelow(cwd), filesBelow(alone))
      const isCheckpoint = (path: string) => path.startsWith('checkpoints/')
      const checkpoints = filesBelow(cwd).filter(isCheckpoint)
      assert.deepEqual(
        checkpoints.map((path) => [path, statSync(join(cwd, path)).size]),
        recordedFiles.filter(([path]) => isCheckpoint(path)).sort(),
      )
      for (const name of ['config.yaml', 'overrides.yaml'])
        assert.equal(readFileSync(join(cwd, 'out/.hydra', name), 'utf8'), readFileSync(join(alone, 'out/.hydra', name), 'utf8'))
      const log = readFileSync(join(cwd, 'out/dlio.log'), 'utf8')
      assert.equal(shape(log), shape(readFileSync(join(alone, 'out/dlio.log'), 'utf8')))
      assert.ok(stderr.includes(log), 'the log stands on stderr once, in one piece')
      for (const name of filesBelow(join(cwd, 'out')).filter((path) => path.endsWith('.json')))
        assert.deepEqual(keysOf(json(cwd, 'out', name)), keysOf(json(alone, 'out', name)), name)
    })
