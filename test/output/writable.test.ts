import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { ConfigError, StorageError } from '#src/errors.js'
import { isLeftover, writeAtomically } from '#src/output/atomic.js'
import { parseProc, readHost } from '#src/output/host.js'
import { prepareOutputFolder } from '#src/output/writable.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'writable-'))
})
afterEach(() => {
  chmodSync(folder, 0o700)
  rmSync(folder, { recursive: true })
})

test('an output folder is made with its parents and left empty', () => {
  prepareOutputFolder(join(folder, 'a', 'b'))
  assert.deepEqual(readdirSync(join(folder, 'a', 'b')), [])
})

test('results of a former run are removed, everything else stays', () => {
  const stale = ['summary.json', 'result.json', 'result.partial.json', '0_output.json', '12_per_epoch_stats.json', 'per_epoch_stats.json']
  const kept = ['dlio.log', 'my_summary.json', 'x_output.json', 'notes.txt']
  const leftover = '.dl-driver-summary.json.1.tmp'
  assert.ok(isLeftover(leftover))
  for (const name of [...stale, ...kept, leftover]) writeFileSync(join(folder, name), '')
  mkdirSync(join(folder, '.hydra'))
  prepareOutputFolder(folder)
  assert.deepEqual(readdirSync(folder).sort(), [...kept, '.hydra'].sort())
})

const refused = (path: string, message: RegExp) =>
  assert.throws(
    () => prepareOutputFolder(path),
    (error) => error instanceof ConfigError && error.exitCode === 2 && message.test(error.message) && error.message.includes('--output'),
  )

test('a path that is a file, or lies below one, is refused before the run', () => {
  writeFileSync(join(folder, 'file'), '')
  refused(join(folder, 'file'), /cannot be created: EEXIST/)
  refused(join(folder, 'file', 'below'), /cannot be created: ENOTDIR/)
})

test('a result that cannot be removed is refused, since it would pass for this run’s', () => {
  mkdirSync(join(folder, 'summary.json'))
  refused(folder, /summary\.json is a result of a former run and cannot be removed/)
})

test('a folder without write permission is refused', () => {
  chmodSync(folder, 0o555)
  // Root may write anywhere, so it becomes somebody else (by convention, 65534 is nobody) for the moment.
  const isRoot = process.geteuid!() === 0
  if (isRoot) process.seteuid!(65534)
  try {
    refused(folder, /cannot be written to: EACCES/)
  } finally {
    if (isRoot) process.seteuid!(0)
  }
})

test('a file appears whole under its name, replacing the one before', () => {
  const path = join(folder, 'x.json')
  writeAtomically(path, 'old')
  writeAtomically(path, 'new é', true)
  assert.equal(readFileSync(path, 'utf8'), 'new é')
  assert.deepEqual(readdirSync(folder), ['x.json'])
})

test('a file that cannot take its name is a storage error and leaves nothing behind', () => {
  mkdirSync(join(folder, 'x.json', 'y'), { recursive: true })
  assert.throws(() => writeAtomically(join(folder, 'x.json'), 'text'), StorageError)
  assert.deepEqual(readdirSync(folder), ['x.json'])
  assert.throws(
    () => writeAtomically(join(folder, 'missing', 'x'), ''),
    (error) => error instanceof StorageError && error.code === 'ENOENT',
  )
})

test('of /proc files the last processor’s lines with exactly one colon are kept, without its number', () => {
  const text = 'processor\t: 0\ncpu MHz\t\t: 1\naddress\t: 48:57\n\nprocessor\t: 1\ncpu MHz\t\t: 2\npower management:\n'
  assert.deepEqual(parseProc(text), { 'cpu MHz': '2', 'power management': '' })
})

test('host facts are those of this system', () => {
  const host = readHost()
  assert.ok(host.cpuCount > 0 && host.memoryBytes > 0 && host.hostname !== '')
  if (existsSync('/proc/meminfo')) assert.equal(host.meminfo.MemTotal, `${host.memoryBytes / 1024} kB`)
})
