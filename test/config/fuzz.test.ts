import { test } from 'node:test'
import fc from 'fast-check'
import { formatProblems } from '#src/config/problems.js'
import { sections } from '#src/config/schema/index.js'
import type { Section } from '#src/config/schema/key.js'
import { ConfigError } from '#src/errors.js'
import { load } from './helpers.js'

const keys = Object.values<Section>(sections).flatMap(({ name, keys }) => Object.keys(keys).map((key) => `${name}.${key}`))
const paths = [
  ...keys,
  ...Object.keys(sections),
  'framework',
  'workload',
  'data_reader.batch_size',
  'dataset.parquet',
  'model.transformer',
  'x.y.z',
]

/** Whatever comes of it, it is a workload or a ConfigError that can be rendered. */
function loadsOrExplains(yaml: string | Uint8Array, overrides: readonly string[] = []): void {
  try {
    load(yaml, { overrides })
  } catch (error) {
    if (!(error instanceof ConfigError) || error.problems.length === 0) throw error
    const text = formatProblems(error.problems)
    if (!text.includes('rule: ')) throw new Error(`a problem without a rule: ${text}`)
  }
}

/** `{a: {b: value}}` for `a.b`. */
function nest(path: string, value: unknown): unknown {
  return path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value)
}

const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.constantFrom(
    'off',
    'NaN',
    `$${'{x}'}`,
    '',
    ' ',
    '__proto__',
    'constructor',
    -0,
    1e308,
    -1,
    2 ** 53,
    [[]],
    [null],
    { type: 'normal' },
    { type: null },
    { mean: [] },
  ),
  fc.record(
    { type: fc.constantFrom('normal', 'uniform', 'gamma', 'poisson', 5), mean: fc.jsonValue(), stdev: fc.jsonValue() },
    { requiredKeys: [] },
  ),
)

test('any JSON value at any key loads or is explained', () => {
  fc.assert(
    fc.property(fc.constantFrom(...paths), odd, (path, value) => loadsOrExplains(JSON.stringify(nest(path, value)))),
    { numRuns: 1500 },
  )
})

test('any JSON document loads or is explained', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => loadsOrExplains(JSON.stringify(value))),
    { numRuns: 300 },
  )
})

const yamlish = fc.array(
  fc.constantFrom(
    'reader',
    'a',
    ':',
    ': ',
    '\n',
    '  ',
    '- ',
    '[',
    ']',
    '{',
    '}',
    ',',
    '&x ',
    '*x',
    '<<',
    '? ',
    '|',
    '>',
    "'",
    '"',
    '#',
    '!',
    '%',
    '---',
    '\t',
    '1',
    'off',
    '\r',
    '\0',
    '…',
  ),
)

test('any text, any bytes load or are explained', () => {
  fc.assert(
    fc.property(yamlish, (parts) => loadsOrExplains(parts.join(''))),
    { numRuns: 1500 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => loadsOrExplains(bytes)),
    { numRuns: 500 },
  )
})

const overrideish = fc.array(
  fc.constantFrom('=', '[', ']', '{', '}', ',', ':', "'", '"', '\\', '$', '(', ' ', '1', 'x', '.5', '~', '+', 'ä', 'null', 'a:'),
)

test('any override of any key loads or is explained', () => {
  fc.assert(
    fc.property(fc.constantFrom('', '+', '++', '~'), fc.constantFrom(...paths), overrideish, (operator, path, parts) =>
      loadsOrExplains('reader: {batch_size: 4}', [`${operator}${path}=${parts.join('')}`]),
    ),
    { numRuns: 1500 },
  )
  fc.assert(
    fc.property(fc.string(), (text) => loadsOrExplains('reader: {batch_size: 4}', [text])),
    { numRuns: 300 },
  )
})
