// Times that are slept: a number of seconds, or a distribution to draw them from (DLIO utils/utility.py sleep, utils/config.py LoadConfig).

import * as z from 'zod/v4/core'
import { nearest } from '../suggest.js'
import type { Duration } from '../workload.js'
import { type Checked, type Issue, type Kind, number } from './kinds.js'

/** The parameters of each distribution, which are NumPy's. */
const distributions = {
  normal: ['mean', 'stdev'],
  uniform: ['min', 'max'],
  gamma: ['shape', 'scale'],
  exponential: ['scale'],
  poisson: ['lam'],
} as const
type DistributionName = keyof typeof distributions
const names = Object.keys(distributions) as DistributionName[]

/** NumPy refuses negative scales, and nobody computes for a negative time. */
const parameter = number({ min: 0 })

const rule = `must be a number of seconds of at least 0, {mean, stdev}, or {type, …} with type ${names.join(', ')}`

/** A time in seconds, constant or drawn. A number n is {mean: n}; {mean, stdev} is normal. */
export const duration: Kind<Duration> = { type: 'seconds or distribution', rule, schema, check }

function schema(): z.$ZodType<Duration> {
  const seconds = parameter.schema()
  const object = (keys: readonly string[], extra: Record<string, z.$ZodType>) =>
    new z.$ZodObject({ type: 'object', shape: { ...extra, ...Object.fromEntries(keys.map((key) => [key, seconds])) } })
  const plain = object(['mean'], { stdev: new z.$ZodOptional({ type: 'optional', innerType: seconds }) })
  const typed = names.map((name) => object(distributions[name], { type: new z.$ZodLiteral({ type: 'literal', values: [name] }) }))
  return new z.$ZodUnion({ type: 'union', options: [seconds, plain, ...typed] }) as unknown as z.$ZodType<Duration>
}

function check(value: unknown): Checked<Duration> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    const checked = parameter.check(value)
    if (checked.ok) return { ok: true, value: { type: 'constant', mean: checked.value } }
    return { ok: false, issues: checked.issues.map((issue) => ({ ...issue, rule })) }
  }
  const given = value as Record<string, unknown>
  if (Object.keys(given).length === 0) return { ok: true, value: { type: 'constant', mean: 0 } }
  const named = Object.hasOwn(given, 'type')
  if (named && !names.includes(given.type as DistributionName)) {
    const near = typeof given.type === 'string' ? nearest(given.type, names) : undefined
    const remedy = near ? `did you mean ${near}?` : 'DLIO would sleep 0 s without a word'
    return { ok: false, issues: [{ path: ['type'], rule: `must be one of ${names.join(', ')}`, remedy }] }
  }
  const type = named ? (given.type as DistributionName) : Object.hasOwn(given, 'stdev') ? 'normal' : 'constant'
  const keys: readonly string[] = type === 'constant' ? ['mean'] : distributions[type]
  const { numbers, issues } = readParameters(given, keys, type)
  if (type === 'uniform' && issues.length === 0 && numbers.max! < numbers.min!)
    issues.push({ path: ['max'], rule: `must be at least min, which is ${numbers.min}` })
  if (issues.length > 0) return { ok: false, issues }
  const unknown = Object.keys(given)
    .filter((key) => key !== 'type' && !keys.includes(key))
    .map((key) => ({
      key,
      near: nearest(
        key,
        ['type', 'stdev', ...keys].filter((known) => !Object.hasOwn(given, known)),
      ),
    }))
  return { ok: true, value: { type, ...numbers } as Duration, unknown }
}

function readParameters(given: Record<string, unknown>, keys: readonly string[], type: string) {
  const numbers: Record<string, number> = {}
  const issues: Issue[] = []
  for (const key of keys) {
    if (!Object.hasOwn(given, key)) {
      const what = type === 'constant' ? 'a time without type' : type
      issues.push({ path: [], rule: `${what} needs ${keys.join(' and ')}; ${key} is missing`, remedy: `add ${key}` })
      continue
    }
    const checked = parameter.check(given[key])
    if (checked.ok) numbers[key] = checked.value
    else for (const issue of checked.issues) issues.push({ ...issue, path: [key] })
  }
  return { numbers, issues }
}

/** `base` with the spread of a separate `…_stdev` key, which DLIO puts into the same mapping. */
export function withStdev(base: Duration, stdev: number | null): Duration {
  if (stdev === null || (base.type !== 'constant' && base.type !== 'normal')) return base
  return { type: 'normal', mean: base.mean, stdev }
}
