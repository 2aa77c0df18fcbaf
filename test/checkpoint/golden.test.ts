// Which files DLIO writes, of which sizes, and the bytes around the tensors, against what real DLIO wrote.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { rankFiles } from '#src/checkpoint/layout.js'
import { archiveEnd, memberHeader, memberTrailer, torchArchive } from '#src/checkpoint/torch-zip.js'
import { type StateFile, stateBytes } from '#src/checkpoint/types.js'
import { crc32 } from '#src/formats/checksums.js'
import { recordings } from './recordings.js'

const anyId = '0'.repeat(40)

test('there are recorded checkpoints of both trees', () => {
  assert.deepEqual(new Set(recordings().map(({ semantics }) => semantics)), new Set(['upstream', 'mlcommons']))
})

for (const { id, ranks, semantics, workload, folder, files } of recordings()) {
  const own = Array.from({ length: ranks }, (_, rank) => rankFiles(workload, ranks, rank)).flat()
  const steps = [...new Set(Object.keys(files).map((path) => path.split('/')[1]!))]
  const sizeBytes = ({ state }: StateFile) => (semantics === 'upstream' ? torchArchive(state, anyId).byteLength : stateBytes(state))

  test(`${id}: the ranks write the files that DLIO wrote, of its sizes`, () => {
    for (const step of steps) {
      const recorded = Object.entries(files).filter(([path]) => path.includes(`/${step}/`))
      assert.deepEqual(
        Object.fromEntries(own.map((file) => [`checkpoints/${step}/${file.name}.pt`, sizeBytes(file)]).sort()),
        Object.fromEntries(recorded.map(([path, { size }]) => [path, size]).sort()),
      )
    }
  })

  if (semantics === 'upstream')
    test(`${id}: around the tensors every byte is torch.save's`, () => {
      for (const step of steps)
        for (const { name, state } of own) {
          const recorded = readFileSync(join(folder, 'checkpoints', step, `${name}.pt`))
          const digits = /archive\/\.data\/serialization_id.*?(\d{40})/s.exec(recorded.toString('latin1'))![1]!
          const archive = torchArchive(state, digits)
          const crcs: number[] = []
          const parts = archive.members.flatMap((member) => {
            const content = member.content ?? recorded.subarray(member.dataOffset, member.dataOffset + member.byteLength)
            crcs.push(crc32(content))
            return [memberHeader(member), content, memberTrailer(member, crcs.at(-1)!)]
          })
          assert.deepEqual(Buffer.concat([...parts, archiveEnd(archive, crcs)]), recorded, name)
        }
    })
}
