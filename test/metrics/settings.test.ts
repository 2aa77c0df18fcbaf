import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '#src/errors.js'
import { recordBytes } from '#src/metrics/settings.js'

test('without dimensions a sample is as long as configured', () => {
  assert.equal(recordBytes({ recordDims: [], recordElementType: 'float32', recordLengthBytes: 114_660.07 }), 114_660.07)
})

test('with dimensions a sample is their product times the width of an element', () => {
  const bytesOf = (recordElementType: string) => recordBytes({ recordDims: [3, 5], recordElementType, recordLengthBytes: 1 }) / 15
  const widths = {
    uint8: 1,
    int8: 1,
    bool: 1,
    float16: 2,
    bfloat16: 2,
    uint16: 2,
    float32: 4,
    int64: 8,
    float64: 8,
    double: 8,
    complex64: 8,
    complex128: 16,
  }
  for (const [dtype, width] of Object.entries(widths)) assert.equal(bytesOf(dtype), width, dtype)
})

test('an element type of unknown width is refused by name', () => {
  assert.throws(
    () => recordBytes({ recordDims: [1], recordElementType: 'object', recordLengthBytes: 1 }),
    (error) => error instanceof ConfigError && /record_element_type: the width of "object" is not known/.test(error.message),
  )
})
