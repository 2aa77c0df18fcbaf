// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are references of OmegaConf's
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyOverride } from '#src/cli/hydra/apply.js'
import { parseArguments } from '#src/cli/hydra/arguments.js'
import { HydraError } from '#src/cli/hydra/errors.js'
import { interpolateAll } from '#src/cli/hydra/interpolate.js'
import { parseOverrideLine } from '#src/cli/hydra/override-line.js'
import { dumpYaml } from '#src/cli/hydra/pyyaml.js'
import { type MapNode, toPlain } from '#src/config/tree.js'
import { parseYaml } from '#src/config/yaml-file.js'

const base = 'workload:\n  train:\n    epochs: 5\n    dims: [1, 2]\n    nothing: null\n  model:\n    name: a\n'

function apply(...overrides: string[]): MapNode {
  return overrides.reduce((root, text) => applyOverride(root, parseOverrideLine(text)), parseYaml(base, 'base.yaml'))
}

function result(...overrides: string[]): unknown {
  return (toPlain(apply(...overrides)) as { workload: unknown }).workload
}

function refusal(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    assert.ok(error instanceof HydraError, String(error))
    return error.message
  }
  return assert.fail('nothing was refused')
}

test('values mean what they mean in Hydra: numbers, words, text, quotes, lists, mappings', () => {
  const values: Record<string, unknown> = {
    '1': 1,
    '+1': 1,
    '1_000': 1000,
    '0010': '0010',
    '0x10': '0x10',
    '1e3': 1000,
    '.5': 0.5,
    True: true,
    false: false,
    off: 'off',
    None: 'None',
    null: null,
    '': '',
    "''": '',
    "'1'": '1',
    '"x y"': 'x y',
    '/a/b': '/a/b',
    's3://b/p': 's3://b/p',
    'a\\,b': 'a,b',
    '[1,2]': [1, 2],
    '[]': [],
    '{a:1,b:[x]}': { a: 1, b: ['x'] },
    '${a.b}/c': '${a.b}/c',
    $HOME: '$HOME',
  }
  for (const [text, value] of Object.entries(values)) assert.deepEqual(toPlain(parseOverrideLine(`++k=${text}`).value!), value, text)
})

test('floats stay floats in the composed file, also where they are whole numbers', () => {
  assert.match(
    dumpYaml(apply('++workload.train.epochs=1e3', '++workload.x=2.', '++workload.z=1_0')),
    /epochs: 1000\.0\n[\s\S]*x: 2\.0\n {2}z: 10\n/,
  )
})

test('a key without plus must be there, wherever its path breaks off', () => {
  assert.deepEqual(result('workload.train.epochs=7'), { train: { epochs: 7, dims: [1, 2], nothing: null }, model: { name: 'a' } })
  assert.equal(
    refusal(() => apply('workload.train.foo=1')),
    "Could not override 'workload.train.foo'.\nTo append to your config use +workload.train.foo=1\n" +
      "Key 'foo' is not in struct\n    full_key: workload.train.foo\n    object_type=dict",
  )
  assert.match(
    refusal(() => apply('workload.reader.batch_size=1')),
    /Key 'reader' is not in struct\n {4}full_key: workload\.reader\n/,
  )
  assert.match(
    refusal(() => apply('workload.train={epochs:1,foo:2}')),
    /Key 'foo' is not in struct/,
  )
})

test('+ adds, and refuses what is there unless it is null or the value merges', () => {
  assert.match(dumpYaml(apply('+workload.train.new=1')), /new: 1\n/)
  assert.match(dumpYaml(apply('+workload.train.nothing=1')), /nothing: 1\n/)
  assert.match(dumpYaml(apply('+workload.train={x:1}')), /epochs: 5\n[\s\S]*x: 1\n/)
  assert.equal(
    refusal(() => apply('+workload.train.epochs=6')),
    "Could not append to config. An item is already at 'workload.train.epochs'.\n" +
      "Either remove + prefix: 'workload.train.epochs=6'\n" +
      "Or add a second + to add or override 'workload.train.epochs': '++workload.train.epochs=6'",
  )
})

test('++ does either: mappings merge, lists and everything else are replaced, keys keep their place', () => {
  const text = dumpYaml(
    apply('++workload.train.epochs={a:1}', '++workload.train.dims=[3]', '++workload.new.deep.x=1', '++workload.train.epochs.b=2'),
  )
  assert.equal(
    text,
    'workload:\n  train:\n    epochs:\n      a: 1\n      b: 2\n    dims:\n    - 3\n    nothing: null\n  model:\n    name: a\n' +
      '  new:\n    deep:\n      x: 1\n',
  )
})

test('a number in a path is a place in a list', () => {
  assert.match(dumpYaml(apply('workload.train.dims.1=9')), /- 1\n {4}- 9\n/)
  assert.match(
    refusal(() => apply('++workload.train.dims.2=9')),
    /Error merging override \+\+workload\.train\.dims\.2=9\n.*no place in a list of 2[\s\S]*workload\.train\.dims=\[1,2\]/,
  )
})

test('~ deletes what is there, and with a value only that value', () => {
  assert.deepEqual(result('~workload.train.dims', '~workload.model.name=a'), {
    train: { epochs: 5, nothing: null },
    model: {},
  })
})

test('~ refuses what is not there and what has another value', () => {
  assert.equal(
    refusal(() => apply('~workload.train.foo')),
    "Could not delete from config. 'workload.train.foo' does not exist.",
  )
  assert.equal(
    refusal(() => apply('~workload.train.epochs=6')),
    "Could not delete from config. The value of 'workload.train.epochs' is 5 and not 6.",
  )
})

test('several values ask for a sweep, which is refused with all ways out', () => {
  const message = refusal(() => parseOverrideLine('workload.train.epochs=1,2'))
  assert.match(
    message,
    /^Ambiguous value for argument 'workload\.train\.epochs=1,2'\n1\. To use it as a list, use key=\[value1,value2\]\n2\./,
  )
})

test('what the grammar does not know is refused with the place, a remedy and the manual', () => {
  for (const [text, rule] of [
    ['++a.b=x#y', /cannot hold "#"\n\+\+a\.b=x#y\n {7}\^/],
    ['++a=b=c', /cannot hold "="/],
    ['++a=~/d', /cannot hold "~"/],
    ['++a=[1', /never closed/],
    ['++a=${b', /never closed/],
    ['++a=int(3.2)', /functions of Hydra/],
    ['++a', /missing '='/],
    ['=1', /an override is key=value/],
    ['workload@x=a', /packages/],
    [`${'a.'.repeat(40)}b=1`, /at most 32 parts/],
  ] as const) {
    const message = refusal(() => parseOverrideLine(text))
    assert.match(message, rule)
    assert.ok(message.startsWith(`Error parsing override '${text}'\n`), message)
    assert.match(message, /\nremedy: .*\nSee https:\/\/hydra\.cc\/docs/)
  }
})

test('options and overrides stand in any order, options with their value behind = or a space', () => {
  const args = parseArguments([
    '-cd',
    'a',
    'workload=x',
    '--config-name=c',
    '++k=1',
    '--cfg',
    'job',
    '~z',
    '--ranks=4',
    '--resolve',
    '--info',
    'searchpath',
    '-r',
  ])
  assert.deepEqual(args.overrides, ['workload=x', '++k=1', '~z'])
  assert.deepEqual([args.configDir, args.configName, args.cfg, args.ranks, args.resolve, args.info], ['a', 'c', 'job', '4', true, true])
})

test('options that do not exist end with 2, those that are not supported with 1', () => {
  const code = (argv: string[]) => {
    try {
      parseArguments(argv)
    } catch (error) {
      return (error as HydraError).exitCode
    }
    return 0
  }
  assert.equal(code(['--frobnicate']), 2)
  assert.equal(code(['--cfg', 'everything']), 2)
  assert.equal(code(['--config-dir']), 2)
  assert.equal(code(['--multirun']), 1)
  assert.equal(code(['-m']), 1)
})

const root = parseYaml(
  'a:\n  n: 5\n  s: x${.n}\n  t: ${..b.list[1]}\n  m: ${b}\nb:\n  list: [1, two]\n  e: ${oc.env:NAME}-${oc.env:NONE,d}\n  now: ${now:%Y-%m-%d_%H}\n',
  'i',
)

test('references are resolved: absolute, relative, into lists, environment, time; one alone keeps its type', () => {
  const context = { root, env: { NAME: 'N' }, now: new Date(2026, 10, 2, 3, 4, 5) }
  assert.deepEqual(toPlain(interpolateAll(root, context)), {
    a: { n: 5, s: 'x5', t: 'two', m: { list: [1, 'two'], e: 'N-d', now: '2026-11-02_03' } },
    b: { list: [1, 'two'], e: 'N-d', now: '2026-11-02_03' },
  })
})

test('references that lead nowhere or to themselves are refused, and never expand without bound', () => {
  const resolve = (text: string) => () => {
    const tree = parseYaml(text, 'i')
    interpolateAll(tree, { root: tree, env: {}, now: new Date(0) })
  }
  assert.match(refusal(resolve('a: ${b.c}')), /Interpolation key 'b\.c' not found\n {4}full_key: a/)
  assert.match(refusal(resolve('a: ${b}\nb: ${a}')), /refer to themselves/)
  assert.match(refusal(resolve('a: ${eval:1}')), /Unsupported interpolation type eval/)
  assert.match(refusal(resolve('a: ${oc.env:NONE}')), /Environment variable 'NONE' not found/)
  const doubling = ['a0: xxxxxxxxxxxxxxxx', ...Array.from({ length: 15 }, (_, i) => `a${i + 1}: ${`\${a${i}}`.repeat(8)}`)].join('\n')
  assert.match(refusal(resolve(doubling)), /refer to themselves, or to too many others/)
})
