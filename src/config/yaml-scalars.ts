// What an unquoted YAML scalar means to DLIO's loader: PyYAML's YAML 1.1 resolvers (yaml/resolver.py) with OmegaConf's float rule
// (omegaconf/_utils.py get_yaml_loader), by which `1e-3` is a number and dates are strings.
import type { Scalar } from './tree.js'

const nulls = new Set(['', '~', 'null', 'Null', 'NULL'])
const booleans = new Map<string, boolean>()
for (const word of ['yes', 'true', 'on']) for (const spelling of spellings(word)) booleans.set(spelling, true)
for (const word of ['no', 'false', 'off']) for (const spelling of spellings(word)) booleans.set(spelling, false)

const integer = /^[-+]?(?:0b[01_]+|0[0-7_]*|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(?::[0-5]?[0-9])+)$/
const float =
  /^(?:[-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+(?:_[0-9]+)*[eE][-+]?[0-9]+|\.[0-9_]+(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*)$/
const infinity = /^[-+]?\.(?:inf|Inf|INF)$/
const notANumber = /^\.(?:nan|NaN|NAN)$/

function spellings(word: string): string[] {
  return [word, word[0]!.toUpperCase() + word.slice(1), word.toUpperCase()]
}

/** Resolves an unquoted, untagged scalar. Integers beyond 2^53 come out rounded; no key of DLIO allows them. */
export function resolvePlainScalar(text: string): Scalar {
  if (nulls.has(text)) return null
  const boolean = booleans.get(text)
  if (boolean !== undefined) return boolean
  if (integer.test(text)) return parseNumber(text, parseDigits)
  if (float.test(text)) return parseNumber(text, Number)
  if (infinity.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  if (notANumber.test(text)) return Number.NaN
  return text
}

/** Whether an unquoted scalar is a number that PyYAML reads as a float. */
export function isPlainFloat(text: string): boolean {
  return !integer.test(text) && (float.test(text) || infinity.test(text) || notANumber.test(text))
}

/** Takes sign, underscores and base 60 (`1:30` is 90) off a number and gives the rest to `parse`. */
function parseNumber(text: string, parse: (digits: string) => number): number {
  const negative = text.startsWith('-')
  const parts = text.replace(/^[-+]/, '').replace(/_/g, '').split(':')
  let magnitude = 0
  for (const part of parts) magnitude = magnitude * 60 + (parts.length > 1 ? Number(part) : parse(part))
  return negative ? -magnitude : magnitude
}

/** Digits in the base that their prefix names: `0b` 2, `0x` 16, a leading `0` 8. */
function parseDigits(digits: string): number {
  if (/^0[bx]/.test(digits)) return Number(digits)
  return digits.length > 1 && digits.startsWith('0') ? Number(`0o${digits}`) : Number(digits)
}
