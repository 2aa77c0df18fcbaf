import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyOverrides } from '#src/config/override.js'
import { toPlain } from '#src/config/tree.js'
import { parseYaml } from '#src/config/yaml-file.js'
import { load, problemsOf } from './helpers.js'

const aliases = new Map([['data_reader', 'reader']])

/** What a tree becomes under overrides that are all right. */
function applied(yaml: string, ...overrides: string[]): unknown {
  const { root, problems } = applyOverrides(parseYaml(yaml, 'w.yaml'), overrides, aliases)
  assert.deepEqual(problems, [])
  return toPlain(root)
}

const parsed = (text: string) => (applied('a: 1', `k=${text}`) as { k: unknown }).k

test("values follow Hydra's grammar, not YAML's", () => {
  const cases: [string, unknown][] = [
    ['1', 1],
    ['-1', -1],
    ['+1', 1],
    ['1_000', 1000],
    ['0010', '0010'],
    ['0x10', '0x10'],
    ['1.5', 1.5],
    ['.5', 0.5],
    ['5.', 5],
    ['1e-3', 0.001],
    ['1e3', 1000],
    ['inf', Number.POSITIVE_INFINITY],
    ['-INF', Number.NEGATIVE_INFINITY],
    ['NaN', Number.NaN],
    ['true', true],
    ['FALSE', false],
    ['off', 'off'],
    ['yes', 'yes'],
    ['None', 'None'],
    ['null', null],
    ['Null', null],
    ['', ''],
    ["''", ''],
    ["'1'", '1'],
    ['"x, y = {z}"', 'x, y = {z}'],
    ["'it\\'s'", "it's"],
    ["'a\\\\'", 'a\\'],
    ["'a\\b'", 'a\\b'],
    ['/a/b', '/a/b'],
    ['s3://b/p', 's3://b/p'],
    ['http://h:9000/', 'http://h:9000/'],
    ['two words ', 'two words'],
    ['a\\,b', 'a,b'],
    ['1\\=', '1='],
    ['\\ x', ' x'],
    ['[1,2]', [1, 2]],
    ['[ 1 , "2" , [] ]', [1, '2', []]],
    ['{a:1, b:[x]}', { a: 1, b: ['x'] }],
    ['{u:http://h:1/}', { u: 'http://h:1/' }],
    ['{}', {}],
  ]
  for (const [text, value] of cases) assert.deepEqual(parsed(text), value, text)
})

test('all spellings of a key set it, and the last one wins', () => {
  for (const prefix of ['', '+', '++', 'workload.', '++workload.', '+workload.'])
    assert.deepEqual(applied('reader: {batch_size: 1}', 'reader.batch_size=2', `${prefix}reader.batch_size=4`), {
      reader: { batch_size: 4 },
    })
})

test('missing sections appear, lists replace, mappings merge into mappings and replace all else', () => {
  assert.deepEqual(applied('a: 1', 'train.epochs=2'), { a: 1, train: { epochs: 2 } })
  assert.deepEqual(applied('d: [1, 2, 3]', 'd=[4]'), { d: [4] })
  assert.deepEqual(applied('t: {c: {mean: 1, stdev: 2}}', 't.c={mean:3}'), { t: { c: { mean: 3, stdev: 2 } } })
  assert.deepEqual(applied('t: {c: 4}', 't.c={mean:3}'), { t: { c: { mean: 3 } } })
  assert.deepEqual(applied('t: {c: 4}', 't.c.mean=3'), { t: { c: { mean: 3 } } })
})

test('an override of one place leaves other uses of the same anchor alone', () => {
  assert.deepEqual(applied('a: &x {k: 1}\nb: *x\n', 'b.k=2'), { a: { k: 1 }, b: { k: 2 } })
})

test('the tilde deletes what is there, with a value only when it is that value', () => {
  assert.deepEqual(applied('a: {k: 1, l: 2}', '~a.k'), { a: { l: 2 } })
  assert.deepEqual(applied('a: {k: 1, l: 2}', '~a.k=1'), { a: { l: 2 } })
  assert.deepEqual(applied('a: {k: 1}\nb: 2', '~workload.a'), { b: 2 })
  assert.match(
    problemsOf('reader: {batch_size: 1}', { overrides: ['~reader.batchsize'] }),
    /only a key that the configuration gives.*did you mean ~reader\.batch_size\?/s,
  )
  assert.match(
    problemsOf('reader: {batch_size: 1}', { overrides: ['~reader.batch_size=2'] }),
    /deleted only when its value is the one given/,
  )
})

test('a section may be overridden by either of its names', () => {
  assert.equal(load('data_reader: {batch_size: 2}', { overrides: ['reader.batch_size=4'] }).workload.reader.batchSize, 4)
  assert.equal(load('reader: {batch_size: 2}', { overrides: ['data_reader.batch_size=4'] }).workload.reader.batchSize, 4)
})

test('every override that cannot be read is shown with its text, and all at once', () => {
  const bad: [string, RegExp][] = [
    ['nonsense', /rule: an override needs a value\n {2}remedy: write nonsense=VALUE/],
    ['=4', /rule: an override is written key=value/],
    ['a..b=4', /rule: an override is written key=value/],
    ['reader.batch_size=4,8', /rule: one value, not several: a comma outside brackets asks Hydra for a sweep/],
    ['dataset.data_folder=/a=b', /rule: unquoted text cannot hold "="\n {2}remedy: quote the text/],
    ['dataset.data_folder=/a(b)', /rule: functions of Hydra are not evaluated/],
    ['dataset.data_folder=/dät', /rule: unquoted text cannot hold "ä"/],
    ['dataset.data_folder=~', /rule: unquoted text cannot hold "~"/],
    ['dataset.record_dims=[1,2', /rule: the bracket \[ is never closed/],
    ['dataset.record_dims=[1,2]x', /rule: nothing may follow the value; found "x"/],
    ['dataset.record_dims=[1,,2]', /rule: a value is missing here/],
    ['dataset.record_dims=[1}', /rule: unquoted text cannot hold "}"/],
    ['train.computation_time={mean}', /rule: a mapping is written \{key:value,…\}/],
    ["model.name='x", /rule: the quoted text is never closed/],
    [`model.name=$${'{x}'}`, /rule: interpolations, written with \$ and braces, are not resolved/],
    ['hydra.run.dir=out', /rule: Hydra's own settings do not apply here\n {2}remedy: .*--output DIR/],
    ['workload=unet3d', /rule: the workload is named by the argument CONFIG/],
    [`${'a.'.repeat(20_000)}b=1`, /rule: a key has at most 16 parts/],
    [`a=${'['.repeat(20_000)}`, /rule: brackets are nested at most 32 levels deep/],
  ]
  for (const [override, expected] of bad)
    assert.match(problemsOf('train: {epochs: 1}', { overrides: [override] }), expected, override.slice(0, 40))
  const all = problemsOf('train: {epochs: -1}', { overrides: bad.map(([override]) => override) })
  assert.equal(all.split('rule:').length - 1, bad.length + 1)
})

test('a bad value of an override names the override', () => {
  assert.equal(
    problemsOf('reader: {batch_size: 4}', { overrides: ['++workload.reader.batch_size=0'] }),
    [
      'command line  reader.batch_size = 0',
      '   | ++workload.reader.batch_size=0',
      '  rule: must be an integer of at least 1 and at most 16777216',
      '  remedy: give such a value, or delete the key for the default, 1',
    ].join('\n'),
  )
})
