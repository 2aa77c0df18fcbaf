// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are references of OmegaConf's
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dumpYaml, plainNode } from '#src/cli/hydra/pyyaml.js'
import { type ConfigNode, listNode, mapNode, scalarNode } from '#src/config/tree.js'
import { parseYaml } from '#src/config/yaml-file.js'
import { goldenJson } from '../golden.js'

/** Floats are `{__f}` and mappings `{__m: [[key, value], …]}`, since JSON would lose what is a float and move keys. */
type Recorded = null | boolean | number | string | Recorded[] | { __f: number } | { __m: [string, Recorded][] }

const origin = { source: { name: 'recording', lines: [] } }

function node(value: Recorded): ConfigNode {
  if (value === null || typeof value !== 'object') return scalarNode(value, origin)
  if (Array.isArray(value)) return listNode(value.map(node), origin)
  if ('__f' in value) return scalarNode(value.__f, origin, true)
  return mapNode(new Map(value.__m.map(([key, item]) => [key, { key: origin, value: node(item) }])), origin)
}

test('any configuration is written as PyYAML writes it: quoting, folding, escapes, floats, nesting, odd keys', () => {
  const { cases } = goldenJson<{ cases: [Recorded, string][] }>('pyyaml', 'cases.json')
  assert.ok(cases.length >= 50)
  for (const [value, text] of cases) assert.equal(dumpYaml(node(value)), text)
})

test('text that Python could read as a number, a boolean, null or a date is quoted, other text is not', () => {
  const quoted = [
    'off',
    'yes',
    'n',
    '1',
    '1_000',
    '0010',
    '1e3',
    'nan',
    'Infinity',
    '',
    '~',
    'null',
    '2020-01-01',
    '=',
    'a: b',
    '# x',
    '[a',
    '-',
  ]
  const plain = ['a', 'x#y', '++workload.train.epochs=2', './a/b', '???', 's3://b/p', '0x', '${a.b}', 'http://h:9000/', '-a']
  for (const text of quoted) assert.equal(dumpYaml(plainNode(text)), `'${text}'\n`)
  for (const text of plain) assert.equal(dumpYaml(plainNode(text)), `${text}\n`)
})

test('numbers of a file keep their type: floats have a point, integers none', () => {
  const file = parseYaml('a: 1e3\nb: 1000\nc: 1e-5\nd: .inf\ne: 0x10\nf: 114660.07\ng: 1e20\nh: -0.0\ni: .nan\nj: 1_000\n', 'test')
  assert.equal(dumpYaml(file), 'a: 1000.0\nb: 1000\nc: 1.0e-05\nd: .inf\ne: 16\nf: 114660.07\ng: 1.0e+20\nh: -0.0\ni: .nan\nj: 1000\n')
})
