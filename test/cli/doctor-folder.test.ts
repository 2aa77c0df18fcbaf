// `dl-driver doctor` of a folder: each way in which it does not serve is a failed check that says why.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Check } from '#src/cli/doctor-checks.js'
import { mountAt } from '#src/cli/doctor-folder.js'
import { bin, driver, scratchFolder, workloadFile } from './driver.js'

const folder = scratchFolder('doctor-folder')
fs.chmodSync(folder, 0o755)
const place = (name: string, mode = 0o755) => {
  const path = join(folder, name)
  fs.mkdirSync(path)
  fs.chmodSync(path, mode)
  return path
}

interface Seen {
  readonly code: number | null
  readonly target: string
  readonly ok: boolean
  of(name: string): Check | undefined
}

function seen({ code, stdout, stderr }: { code: number | null; stdout: string; stderr: string }): Seen {
  assert.notEqual(stdout, '', stderr)
  const { checks, target, ok } = JSON.parse(stdout) as { checks: Check[]; target: string; ok: boolean }
  return { code, target, ok, of: (name) => checks.find((check) => check.name === name) }
}
const doctor = async (...args: string[]) => seen(await driver(['doctor', ...args, '--json']))

/** By a shell, before the doctor: what a test's own process cannot do. Undefined where it cannot be done here. */
function doctorIn(command: readonly string[], args: readonly string[]): Seen | undefined {
  const { status, stdout, stderr, error } = spawnSync(
    command[0]!,
    [...command.slice(1), process.execPath, bin, 'doctor', ...args, '--json'],
    {
      encoding: 'utf8',
    },
  )
  return error !== undefined || stdout === '' ? undefined : seen({ code: status, stdout, stderr })
}

for (const scheme of ['', 'file://', 'direct://'])
  test(`a good folder as ${scheme === '' ? 'a path' : scheme} passes, with mount, blocks and room told, and is left as it was`, async () => {
    const path = place(`good-${scheme.replace('://', '')}`)
    const run = await doctor(`${scheme}${path}`)
    assert.deepEqual([run.target, run.of('folder')!.outcome, run.of('write')!.outcome], [path, 'ok', 'ok'])
    assert.match(run.of('mount')!.detail, /^\S+ at \/\S* \(/)
    assert.match(run.of('space')!.detail, /^[\d.]+ \w+ of [\d.]+ \w+ free(, [\d,]+ of [\d,]+ inodes free)?, blocks of [\d,]+ bytes$/)
    const refuses = run.of('O_DIRECT')!.outcome !== 'ok'
    assert.deepEqual([run.ok, run.code], refuses && scheme === 'direct://' ? [false, 1] : [true, 0])
    assert.deepEqual(fs.readdirSync(path), [])
  })

test('with --read-only nothing is written', async () => {
  const path = place('untouched')
  const { mtimeNs } = fs.statSync(path, { bigint: true })
  const run = await doctor(path, '--read-only')
  assert.deepEqual([run.code, run.of('write')], [0, undefined])
  assert.equal(fs.statSync(path, { bigint: true }).mtimeNs, mtimeNs)
})

test('a folder that is missing, or is a file, fails, and what needs it is skipped', async () => {
  const file = join(folder, 'file')
  fs.writeFileSync(file, '')
  for (const [target, says] of [
    [join(folder, 'missing'), /missing does not exist; generate the data set, or mount the storage/],
    [`file://${folder}/missing`, /does not exist/],
    [`file://${file}`, /file is a file; give the folder of a data set/],
    [`${file}/below`, /cannot be read: a part of the path is a file \(ENOTDIR\)|does not exist/],
  ] as const) {
    const run = await doctor(target)
    assert.deepEqual([run.code, run.of('folder')!.outcome], [1, 'failed'], target)
    assert.match(run.of('folder')!.detail, says)
    for (const name of ['mount', 'write', 'space', 'O_DIRECT']) assert.equal(run.of(name)!.outcome, 'skipped')
  }
})

test('a user without permission to read or to write is told so; a configuration that only reads needs no writing', (t) => {
  const asNobody = process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : ['env']
  const closed = place('closed', 0o700)
  if (process.getuid?.() !== 0) fs.chmodSync(closed, 0)
  const readable = place('readable', 0o555)
  const refused = doctorIn(asNobody, [closed])
  if (refused === undefined) return t.skip('nobody cannot run this program here')
  assert.equal(refused.code, 1)
  assert.match(refused.of('folder')!.detail, /closed cannot be read: this user may not \(EACCES\)/)
  const run = doctorIn(asNobody, [readable])!
  assert.deepEqual([run.code, run.of('folder')!.outcome, run.of('write')!.outcome], [1, 'ok', 'failed'])
  assert.match(run.of('write')!.detail, /cannot be written: this user may not \(EACCES\); --read-only asks for reading alone/)
  assert.equal(doctorIn(asNobody, [readable, '--read-only'])!.code, 0)
  const config = workloadFile(folder, { framework: 'pytorch', dataset: { data_folder: readable, format: 'npz' } })
  const reads = doctorIn(asNobody, [config])!
  assert.deepEqual([reads.code, reads.of('write')!.outcome], [0, 'note'])
  assert.equal(doctorIn(asNobody, [config, 'workflow.generate_data=True'])!.code, 1)
})

test('a limit of the size of files is named, and no scratch file stays', () => {
  const path = place('limited')
  const run = doctorIn(['bash', '-c', 'ulimit -f 10; exec "$@"', 'bash'], [path])!
  assert.equal(run.code, 1)
  assert.match(run.of('write')!.detail, /files may not be that large \(ulimit -f\) \(EFBIG\)/)
  assert.deepEqual(fs.readdirSync(path), [])
})

for (const [what, options, says] of [
  ['a full file system', 'size=64k', /no space is left, or no inodes \(ENOSPC\)/],
  ['one without inodes', 'nr_inodes=1', /no space is left, or no inodes \(ENOSPC\)/],
  ['one that is mounted read-only', 'ro', /the file system is mounted read-only \(EROFS\)/],
] as const)
  test(`${what} fails at writing, with the reason`, (t) => {
    const path = place(options)
    const mounted = ['unshare', '--mount', 'bash', '-c', `mount -t tmpfs -o ${options} none "${path}" && exec "$@"`, 'bash']
    const run = doctorIn(mounted, [path])
    if (run === undefined) return t.skip('nothing can be mounted here')
    assert.equal(run.code, 1)
    assert.match(run.of('write')!.detail, says)
    assert.match(run.of('mount')!.detail, new RegExp(`^tmpfs at ${path} .*lies in memory, which is then what is measured`))
    assert.equal(run.of('mount')!.outcome, 'warning')
  })

test('more files to generate than there are inodes are a warning', (t) => {
  const path = place('inodes')
  const config = workloadFile(
    folder,
    { workflow: { generate_data: true }, dataset: { data_folder: path, format: 'npz', num_files_train: 5000, record_length_bytes: 16 } },
    'inodes.yaml',
  )
  const run = doctorIn(
    ['unshare', '--mount', 'bash', '-c', `mount -t tmpfs -o nr_inodes=1000 none "${path}" && exec "$@"`, 'bash'],
    [config],
  )
  if (run === undefined) return t.skip('nothing can be mounted here')
  assert.equal(run.of('space')!.outcome, 'warning')
  assert.match(run.of('space')!.detail, /fewer inodes than the 5,000 files to generate/)
})

test('the mount of a path is the last of the deepest that hold it', () => {
  const text = [
    '22 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
    '30 22 0:26 / /mnt/a\\040b rw - nfs4 server:/export rw',
    '31 22 0:27 / /mnt/data ro - xfs /dev/vdb rw',
    '32 22 0:28 / /mnt/data rw - tmpfs none rw',
    'broken',
  ].join('\n')
  const typeAt = (path: string) => mountAt(path, text)?.type
  assert.deepEqual(['/', '/mnt/database', '/mnt/data', '/mnt/data/x', '/mnt/a b/c'].map(typeAt), ['ext4', 'ext4', 'tmpfs', 'tmpfs', 'nfs4'])
  assert.equal(mountAt('/mnt/a b', text)!.source, 'server:/export')
  assert.equal(mountAt('/x', ''), undefined)
})
