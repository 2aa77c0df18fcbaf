import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, test } from 'node:test'
import { temporaryPath } from '#src/dataset/complete-file.js'
import { removeLeftovers } from '#src/dataset/leftovers.js'

const scratch = mkdtempSync(join(tmpdir(), 'leftovers-'))
after(() => rmSync(scratch, { recursive: true }))

/** A process that is certainly gone. */
const gone = spawnSync(process.execPath, ['-e', '']).pid

function folderWith(names: readonly string[], ageSeconds: number): string {
  const folder = mkdtempSync(join(scratch, 'folder-'))
  const then = Date.now() / 1000 - ageSeconds
  for (const name of names) {
    writeFileSync(join(folder, name), 'x')
    utimesSync(join(folder, name), then, then)
  }
  return folder
}

/** The temporary name that a process of this host, or another's, gives `name`. */
const temporary = (name: string, processId: number): string => basename(temporaryPath(name)).replace(/\d+$/, String(processId))
const foreign = `.a.npz.tmp-${'0'.repeat(8)}-${gone}`

test('only temporary files whose process is gone are removed, at once', () => {
  const stay = [
    'img_0_of_2.npz',
    temporary('img_1_of_2.npz', process.pid),
    '.hidden',
    temporary('x', gone).slice(1),
    `${temporary('x', gone)}.bak`,
  ]
  const folder = folderWith([...stay, temporary('img_1_of_2.npz', gone)], 0)
  mkdirSync(join(folder, temporary('folder', gone)))
  assert.equal(
    removeLeftovers(folder, () => false),
    1,
  )
  assert.deepEqual(readdirSync(folder).sort(), [...stay, temporary('folder', gone)].sort())
})

test('a temporary file of another host goes only when nobody wrote to it for ten minutes', () => {
  assert.equal(
    removeLeftovers(folderWith([foreign], 500), () => false),
    0,
  )
  assert.equal(
    removeLeftovers(folderWith([foreign], 700), () => false),
    1,
  )
})

test('removing stops when it is told to, and a folder that is missing is an error that names it', () => {
  const folder = folderWith([foreign], 700)
  assert.equal(
    removeLeftovers(folder, () => true),
    0,
  )
  assert.throws(() => removeLeftovers(join(folder, 'absent'), () => false), /absent: cannot list: no such file or directory \(ENOENT\)/)
})
