// The JSON Schema for editors, judged by a program that reads it and not by the schema it was made from.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { fromJSONSchema } from 'zod'
import { sections } from '#src/config/schema/index.js'
import type { Section } from '#src/config/schema/key.js'
import { driver } from '../cli/driver.js'

const text = readFileSync('configs/dlio.schema.json', 'utf8')
type Schema = Parameters<typeof fromJSONSchema>[0]
const json = JSON.parse(text) as Schema
const schema = fromJSONSchema(json)

/** Places of what the schema objects to. */
function objections(yaml: string): string[] {
  const result = schema.safeParse(parse(yaml, { version: '1.1' }))
  return result.success ? [] : result.error.issues.flatMap((issue) => placesOf(issue as Issue, []))
}

interface Issue {
  readonly path: readonly PropertyKey[]
  readonly keys?: readonly string[]
  /** Of a choice between types: what each objects to. */
  readonly errors?: readonly (readonly Issue[])[]
}

function placesOf({ path, keys = [], errors }: Issue, before: readonly PropertyKey[]): string[] {
  const here = [...before, ...path]
  if (errors?.[0]) return errors[0].flatMap((issue) => placesOf(issue, here))
  return [[...here, ...keys].join('.')]
}

test('every bundled workload is valid, but for keys that DLIO does not know', () => {
  for (const name of readdirSync('configs').filter((file) => file.endsWith('.yaml'))) {
    const yaml = readFileSync(join('configs', name), 'utf8')
    const unknown = objections(yaml)
    for (const path of unknown)
      assert.match(path, /^(workflow\.debug|logging|data_loader|dataset\.(?!num_files|format)\w+)$/, `${name}: ${path}`)
  }
})

test('slips are marked where they stand: unknown keys, wrong types, words that no key takes', () => {
  assert.deepEqual(objections('reader: {batchsize: 4}'), ['reader.batchsize'])
  assert.deepEqual(objections('workload: {reader: {batch_size: "4"}}'), ['workload.reader.batch_size'])
  assert.deepEqual(objections('dataset: {format: npx, hdf5: {chunk_dim: [1]}}'), ['dataset.format', 'dataset.hdf5.chunk_dim'])
  assert.deepEqual(objections('pytorch_config: {num_worker: 3}'), ['pytorch_config.num_worker'])
  assert.deepEqual(objections('reeder: {}'), ['reeder'])
})

test('what DLIO takes is accepted: bare off, one device, drawn times, an empty section, an alias', () => {
  for (const yaml of [
    'reader: {sample_shuffle: off, file_shuffle: seed}',
    'profiling: {iostat_devices: sda}\nworkload: {profiling: {iostat_devices: [sda, sdb]}}',
    'train: {computation_time: {type: normal, mean: 0.1, stdev: 0.01}}',
    'train: {computation_time: {mean: 0.1}}\nreader: {preprocess_time: 0.5}',
    'dataset:\ndata_reader: {read_threads: 2}',
    'model: {model_size: 3}',
  ])
    assert.deepEqual(objections(yaml), [], yaml)
})

test('every key of every section is offered with its words', () => {
  const { definitions } = JSON.parse(text) as { definitions: Record<string, { properties: Record<string, { description: string }> }> }
  for (const { name, keys } of Object.values<Section>(sections))
    for (const [key, { doc }] of Object.entries(keys)) {
      const [outer = '', inner] = key.split('.')
      const found = definitions[name]!.properties[outer] as { description: string; properties?: Record<string, { description: string }> }
      assert.ok((inner === undefined ? found : found.properties![inner]!).description.startsWith(doc), `${name}.${key}`)
    }
})

test('validate --schema prints the file that ships, and takes no configuration', async () => {
  const { code, stdout, stderr } = await driver(['validate', '--schema'])
  assert.deepEqual([code, stderr], [0, ''])
  assert.equal(stdout, text)
  assert.ok(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { encoding: 'utf8' }).includes('configs/dlio.schema.json'),
  )
  for (const [args, message] of [
    [['validate', '--schema', 'quickstart'], /leave CONFIG out/],
    [['validate'], /missing required argument 'config'/],
  ] as const) {
    const wrong = await driver(args)
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, message)
  }
})
