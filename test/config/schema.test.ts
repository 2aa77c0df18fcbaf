import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { toJSONSchema } from 'zod/v4/core'
import { sections, topLevel } from '#src/config/schema/index.js'
import type { KeySpec, Section } from '#src/config/schema/key.js'

const all = [topLevel, ...Object.values<Section>(sections)].flatMap(({ name, keys }) =>
  Object.entries<KeySpec<unknown>>(keys).map(([key, spec]) => ({ path: name ? `${name}.${key}` : key, spec })),
)

test('every section stands under its own name', () => {
  for (const [name, section] of Object.entries<Section>(sections)) assert.equal(section.name, name)
})

test('the default of every key obeys the rule of the key', () => {
  for (const { path, spec } of all) {
    if (spec.default === undefined) continue
    // A time is given as a number; as a value of the table it is already a distribution.
    const given = spec.kind.type === 'seconds or distribution' ? 0 : spec.default
    assert.deepEqual(spec.kind.check(given), { ok: true, value: spec.default }, path)
  }
})

test('every key says in one line what it does, and a unit is short', () => {
  for (const { path, spec } of all) {
    assert.match(spec.doc, /^[A-Z0-9`][^\n]{3,150}[.]$/, path)
    assert.ok((spec.unit ?? '').length <= 8, path)
  }
})

test('every key can be described as JSON Schema', () => {
  for (const { path, spec } of all) assert.equal(typeof toJSONSchema(spec.kind.schema()), 'object', path)
})

test('names that DLIO never reads point to keys that it does', () => {
  for (const { name, keys, notRead = {} } of Object.values<Section>(sections))
    for (const [old, meant] of Object.entries(notRead)) {
      assert.ok(Object.hasOwn(keys, meant), `${name}.${old}`)
      assert.ok(!Object.hasOwn(keys, old), `${name}.${old}`)
    }
})

test('docs/config.md and configs/dlio.schema.json are what the schema makes of them', () => {
  execFileSync(process.execPath, ['scripts/config-docs.mjs', '--check'])
})
