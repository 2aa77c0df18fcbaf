import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
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

test('only temporary files of processes that are gone are removed', () => {
  const stay = ['img_0_of_2.npz', `.img_1_of_2.npz.tmp-${process.pid}`, '.hidden', `visible.tmp-${gone}`, `.x.tmp-${gone}.bak`]
  const folder = folderWith([...stay, `.img_1_of_2.npz.tmp-${gone}`], 120)
  mkdirSync(join(folder, `.folder.tmp-${gone}`))
  assert.equal(
    removeLeftovers(folder, () => false),
    1,
  )
  assert.deepEqual(readdirSync(folder).sort(), [...stay, `.folder.tmp-${gone}`].sort())
})

test('a temporary file that was written to within the last minute stays: its process may run on another host', () => {
  const folder = folderWith([`.a.npz.tmp-${gone}`], 30)
  assert.equal(
    removeLeftovers(folder, () => false),
    0,
  )
  assert.equal(readdirSync(folder).length, 1)
})

test('removing stops when it is told to, and a folder that is missing is an error that names it', () => {
  const folder = folderWith([`.a.npz.tmp-${gone}`], 120)
  assert.equal(
    removeLeftovers(folder, () => true),
    0,
  )
  assert.throws(() => removeLeftovers(join(folder, 'absent'), () => false), /absent: cannot list: no such file or directory \(ENOENT\)/)
})
