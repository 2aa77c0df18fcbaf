import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { retryCauses } from '#src/storage/object/http/faults.js'
import { options } from '#src/storage/object/options.js'

const page = readFileSync('docs/object-storage.md', 'utf8')

test('docs/object-storage.md has a row for each option, with the words of the table in the sources, and for no other', () => {
  const section = page.slice(page.indexOf('## Options'), page.indexOf('## Credentials'))
  const rows = [...section.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, name, doc]) => [name, doc])
  assert.deepEqual(
    rows,
    Object.entries(options).map(([name, { doc }]) => [name, doc]),
  )
})

test('docs/object-storage.md names each cause of a retry', () => {
  const section = page.slice(page.indexOf('## When a request fails'), page.indexOf('## What is recorded'))
  for (const cause of retryCauses) assert.ok(section.includes(`\`${cause}\``), cause)
})
