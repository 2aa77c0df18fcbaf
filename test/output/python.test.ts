import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { dlioTimestamp, float, type PythonValue, pythonFixed, pythonFloat, pythonJson, pythonLiteral } from '#src/output/python.js'
import { recordedJsonFiles } from '../metrics/recorded-runs.js'

// Python 3: [repr(x) for x in (...)]
const reprs: [number, string][] = [
  [0, '0.0'],
  [-0, '-0.0'],
  [1, '1.0'],
  [-1.5, '-1.5'],
  [100, '100.0'],
  [0.1, '0.1'],
  [1e-4, '0.0001'],
  [0.00012345, '0.00012345'],
  [1e-5, '1e-05'],
  [8.1e-5, '8.1e-05'],
  [1.5e-7, '1.5e-07'],
  [5e-324, '5e-324'],
  [123456789012345680, '1.2345678901234568e+17'],
  [1e15, '1000000000000000.0'],
  [9007199254740992, '9007199254740992.0'],
  [1e16, '1e+16'],
  [1e22, '1e+22'],
  [1.7976931348623157e308, '1.7976931348623157e+308'],
]
for (const [value, text] of reprs)
  test(`the float ${text} is written as Python writes it`, () => {
    assert.equal(pythonFloat(value), text)
  })

test('floats read back as themselves', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      assert.ok(Object.is(Number(pythonFloat(value)), value))
      assert.match(pythonFloat(value), /[.e]/)
    }),
  )
})

// Python 3: '{:.2f}'.format(x), '{:.4f}'.format(x)
const formats: [number, number, string][] = [
  [0.125, 2, '0.12'],
  [0.375, 2, '0.38'],
  [2.5, 0, '2'],
  [-0.125, 2, '-0.12'],
  [2.675, 2, '2.67'],
  [1.005, 2, '1.00'],
  [0.4349, 2, '0.43'],
  [69.86195, 4, '69.8619'],
  [0.03125, 4, '0.0312'],
  [0.09375, 4, '0.0938'],
  [1234.5, 2, '1234.50'],
]
for (const [value, digits, text] of formats)
  test(`${value} with ${digits} decimals is ${text}, ties go to the even digit`, () => {
    assert.equal(pythonFixed(value, digits), text)
  })

test('text is escaped to ASCII, controls and all that is beyond it', () => {
  assert.equal(pythonJson('a"\\\n\t\b\f\r\u0001\u007fé😀/'), '"a\\"\\\\\\n\\t\\b\\f\\r\\u0001\\u007f\\u00e9\\ud83d\\ude00/"')
})

test('empty lists and objects stay on their line, what is undefined is left out, a Map keeps the order of its keys', () => {
  assert.equal(
    pythonJson({ a: [], b: {}, c: undefined, d: null, e: true }),
    '{\n    "a": [],\n    "b": {},\n    "d": null,\n    "e": true\n}',
  )
  assert.equal(
    pythonJson(
      new Map([
        ['b', 1],
        ['1', 2],
      ]),
    ),
    '{\n    "b": 1,\n    "1": 2\n}',
  )
})

test('numbers that JSON cannot hold, and fractions that are not marked as floats, are refused', () => {
  assert.throws(() => pythonJson(float(Number.NaN)), TypeError)
  assert.throws(() => pythonJson([float(Number.POSITIVE_INFINITY)]), TypeError)
  assert.throws(() => pythonJson(1.5), TypeError)
})

test('plain data has Python’s notation', () => {
  assert.equal(pythonLiteral({ type: 'normal', mean: 0.01, stdev: 1e-5 }), "{'type': 'normal', 'mean': 0.01, 'stdev': 1e-05}")
  assert.equal(pythonLiteral({ mean: 1, on: true, list: [null, "it's"] }), "{'mean': 1, 'on': True, 'list': [None, 'it\\'s']}")
})

test('stamps are local time with six decimals', () => {
  const local = new Date(2026, 10, 22, 7, 3, 4, 5)
  assert.equal(dlioTimestamp(local.getTime() + 0.25), '2026-11-22T07:03:04.005250')
  assert.equal(dlioTimestamp(new Date(2026, 0, 1).getTime()), '2026-01-01T00:00:00.000000')
})

/** Parses DLIO's JSON so that floats stay floats and keys keep their order. */
function parseKeepingTypes(text: string): PythonValue {
  const marked = text.replace(/"(?:[^"\\]|\\.)*"(: )?|-?\d+(?:\.\d+)?(?:e[-+]\d+)?/g, (token, isKey?: string) => {
    if (isKey) return `"#${token.slice(1)}`
    if (token.startsWith('"')) return token
    return /[.e]/.test(token) ? `{"float": ${token}}` : token
  })
  const convert = (value: unknown): PythonValue => {
    if (Array.isArray(value)) return value.map(convert)
    if (typeof value !== 'object' || value === null) return value as PythonValue
    if ('float' in value) return float(value.float as number)
    return new Map(Object.entries(value).map(([key, item]) => [key.slice(1), convert(item)]))
  }
  return convert(JSON.parse(marked))
}

test('every JSON file of the recorded runs comes out as the same bytes when read and written again', () => {
  const files = recordedJsonFiles()
  assert.ok(files.length > 5)
  for (const file of files) {
    const text = readFileSync(file, 'utf8')
    assert.equal(pythonJson(parseKeepingTypes(text)), text, file)
  }
})
