import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadWorkload } from '#src/config/load.js'
import { toPlain } from '#src/config/tree.js'
import { parseYaml } from '#src/config/yaml-file.js'
import { load, problemsOf, rendered, scratchFolder } from './helpers.js'

const read = (text: string) => toPlain(parseYaml(text, 'w.yaml'))

test('unquoted scalars mean what they mean to PyYAML with the float rule of OmegaConf', () => {
  const cases: [string, unknown][] = [
    ['off', false],
    ['On', true],
    ['yes', true],
    ['NO', false],
    ['y', 'y'],
    ['1e-3', 0.001],
    ['1.5E+2', 150],
    ['.5', 0.5],
    ['5.', 5],
    ['1_000', 1000],
    ['0x1F', 31],
    ['0b11', 3],
    ['010', 8],
    ['08', '08'],
    ['0o10', '0o10'],
    ['1:30', 90],
    ['-7', -7],
    ['+7', 7],
    ['.inf', Number.POSITIVE_INFINITY],
    ['-.INF', Number.NEGATIVE_INFINITY],
    ['.nan', Number.NaN],
    ['~', null],
    ['null', null],
    ['', null],
    ['2026-01-01', '2026-01-01'],
    ['e5', 'e5'],
    ['1e', '1e'],
    ['"4"', '4'],
    ["'off'", 'off'],
    ['!!str 4', '4'],
  ]
  for (const [text, value] of cases) assert.deepEqual(read(`k: ${text}`), { k: value }, text)
})

test('JSON is YAML, and a byte order mark is no part of it', () => {
  assert.equal(load('\uFEFF{"reader": {"batch_size": 4}}').workload.reader.batchSize, 4)
})

test('aliases and merge keys stand for what they name, own keys going before merged ones', () => {
  assert.deepEqual(read('a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}\nc: [*x]\n'), { a: { k: 1, l: 2 }, b: { k: 1, l: 3 }, c: [{ k: 1, l: 2 }] })
  // Of several merged mappings the first goes before the others.
  assert.deepEqual(read('a: &x {k: 1}\nb: &y {k: 2, l: 3}\nc: {<<: [*x, *y]}\n'), { a: { k: 1 }, b: { k: 2, l: 3 }, c: { k: 1, l: 3 } })
})

test('a key named __proto__ is an ordinary key', () => {
  const plain = read('__proto__: {polluted: 1}')
  assert.deepEqual(Object.keys(plain), ['__proto__'])
  assert.equal(({} as Record<string, unknown>).polluted, undefined)
})

test('every defect of the text is shown with its line, a caret and a remedy', () => {
  assert.equal(
    problemsOf('reader:\n  batch_size: 2\n  batch_size: 4\n'),
    [
      './w.yaml:3:3  reader.batch_size',
      '  3 |   batch_size: 4',
      '    |   ^',
      '  rule: a key stands once in its mapping; this one is at line 2 already',
      '  remedy: delete one of the two',
    ].join('\n'),
  )
  const cases: [string, RegExp][] = [
    ['', /w\.yaml:1:1\n.*rule: a workload is a mapping of sections .*this file is empty/s],
    ['# only words\n', /this file is empty/],
    ['- a\n- b\n', /this file holds a list/],
    ['just words', /this file holds a single value/],
    ['reader:\n\tbatch_size: 4\n', /w\.yaml:2:1\n.*rule: YAML is indented with spaces, never with tabs\n {2}remedy: replace the tab/s],
    ['reader: {a: 1\ntrain: 2\n', /w\.yaml:2:1\n.*valid YAML/s],
    ['reader:\n  a: 1\n b: 2\n', /w\.yaml:3:1\n.*valid YAML: All mapping items must start at the same column/s],
    ['a: 1\n---\nb: 2\n', /w\.yaml:2:1\n.*rule: a file holds one YAML document\n {2}remedy: delete what follows/s],
    ['reader: !!python/object/apply:os.system ["id"]', /w\.yaml:1:9\n.*rule: values carry no tags/s],
    ['a: &a [*a]', /w\.yaml:1:8 {2}a\[0\]\n.*the alias \*a needs an anchor &a that ends before it/s],
    ['? [a, b]\n: 1\n', /w\.yaml:1:3\n.*rule: a key is a plain word/s],
    ['b:\n  <<: 4\n', /w\.yaml:2:7 {2}b\.<<\n.*<< takes a mapping/s],
    ['workload: unet3d', /w\.yaml:1:11 {2}workload = "unet3d"\n.*rule: must be a mapping of sections/s],
    ['workload:', /workload = null\n.*rule: must be a mapping of sections/s],
    [
      'reader: 4',
      /w\.yaml:1:9 {2}reader = 4\n.*rule: must be a mapping of keys to values\n {2}remedy: write keys below reader:, indented/s,
    ],
    ['dataset: {hdf5: [1]}', /dataset\.hdf5 = \[1\]\n.*rule: must be a mapping of keys/s],
    ['defaults: [unet3d_h100, _self_]', /defaults = .*\n.*rule: files are not composed from others/s],
    [
      `storage: {storage_root: "$${'{oc.env:HOME}'}"}`,
      /storage\.storage_root = .*\n.*rule: interpolations, written with \$ and braces, are not resolved/s,
    ],
  ]
  for (const [yaml, expected] of cases) assert.match(problemsOf(yaml), expected, JSON.stringify(yaml))
})

test('aliases that would expand without bound end in one problem, at once', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
  for (let i = 1; i < 20; i++) lines.push(`a${i}: &a${i} [${`*a${i - 1}, `.repeat(10)}]`)
  const text = problemsOf(lines.join('\n'))
  assert.match(text, /w\.yaml:5:9 {2}a4\n.*rule: a file expands to at most 100000 values, aliases \(\*name\) written out/s)
  assert.equal(text.split('rule:').length, 2)
})

test('nesting without bound ends in a problem, whatever makes it', () => {
  for (const yaml of [`reader: ${'['.repeat(50_000)}`, `${'- '.repeat(50_000)}1`, `a: ${'{a: '.repeat(50)}1${'}'.repeat(50)}`])
    assert.match(problemsOf(yaml), /rule: values are nested at most 32 levels deep/)
})

test('what is no text file is refused by name before anything is parsed', () => {
  assert.match(
    problemsOf(Buffer.from('a: 1\0')),
    /w\.yaml\n {2}rule: a configuration is text; this is a binary file \(zero byte at offset 4\)/,
  )
  assert.match(
    problemsOf(Buffer.from([0x61, 0x3a, 0x20, 0xc3, 0xa9, 0xff])),
    /rule: a configuration is UTF-8 text; bytes at offset 5 are not/,
  )
  assert.match(problemsOf('#'.repeat(262_145)), /rule: a configuration has at most 262144 bytes; this file has 262145/)
  const open = (config: string) => rendered(() => loadWorkload({ config, overrides: [], cwd: scratchFolder }))
  assert.match(open('./absent.yaml'), /absent\.yaml\n {2}rule: the file must be readable \(ENOENT\)\n {2}remedy: check the path/)
  mkdirSync(join(scratchFolder, 'folder.yaml'))
  assert.match(open('./folder.yaml'), /rule: a configuration is a file; this is a directory/)
  execFileSync('mkfifo', [join(scratchFolder, 'pipe.yaml')])
  assert.match(open('./pipe.yaml'), /rule: a configuration is a regular file/)
})

test('control characters of a file never reach the terminal, and long lines are cut around the caret', () => {
  const text = problemsOf(`# x\nreader: {a: "${'x'.repeat(300)}", batch_size: "\\e[31m"}  # \u001b[2J\u009b\n`)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  assert.match(text, /reader\.batch_size = "\\u001b\[31m"/)
  const [, frame, caret] = text.split('\n')
  assert.equal(frame![caret!.indexOf('^')], '"')
  assert.ok(frame!.length < 130)
})
