// Kinds of values: for each a zod schema, the rule in words, and what to answer when a value breaks it.

import * as z from 'zod/v4/core'
import { nearest } from '../suggest.js'

/** One broken rule of a value; `path` leads into the value where it is a list or a mapping. */
export interface Issue {
  readonly path: readonly (string | number)[]
  readonly rule: string
  readonly remedy?: string | undefined
}

/** `unknown`: keys inside an accepted mapping that mean nothing, with the known ones that were perhaps meant. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T; readonly unknown?: readonly { readonly key: string; readonly near: string | undefined }[] }
  | { readonly ok: false; readonly issues: readonly Issue[] }

export interface Kind<T> {
  /** Its name in documents: `integer`, `number`, `text`, … */
  readonly type: string
  /** The rule in words, beginning with `must be`. */
  readonly rule: string
  /** The zod schema of the canonical spelling; made when first needed. */
  readonly schema: () => z.$ZodType<T>
  /** For editors, where they should offer or accept something else than the canonical spelling. */
  readonly json?: Readonly<Record<string, unknown>>
  /** Checks a plain value and brings it to its canonical spelling. */
  readonly check: (value: unknown) => Checked<T>
}

interface Parts<T> {
  type: string
  rule: string
  make: () => z.$ZodType<T>
  /** Other spellings that DLIO takes, to the canonical one. */
  respell?: (value: unknown) => unknown
  /** What to do about a value that breaks the rule, where something better than the rule itself can be said. */
  remedy?: (value: unknown) => string | undefined
  /** The rule for what lies inside a list or mapping. */
  innerRule?: string
}

/** Makes a kind of which every zod issue is told by the one rule in words. */
export function kind<T>(parts: Parts<T>): Kind<T> {
  let made: z.$ZodType<T> | undefined
  const schema = () => {
    made ??= parts.make()
    return made
  }
  const check = (given: unknown): Checked<T> => {
    const value = parts.respell ? parts.respell(given) : given
    const result = z.safeParse(schema(), value)
    if (result.success) return { ok: true, value: result.data }
    const seen = new Set<string>()
    const issues: Issue[] = []
    for (const { path } of result.error.issues) {
      const inside = path.map((part) => (typeof part === 'number' ? part : String(part)))
      if (seen.has(inside.join('.'))) continue
      seen.add(inside.join('.'))
      issues.push({ path: inside, rule: inside.length > 0 ? (parts.innerRule ?? parts.rule) : parts.rule, remedy: parts.remedy?.(given) })
    }
    return { ok: false, issues }
  }
  return { type: parts.type, rule: parts.rule, schema, check }
}

export interface Bounds {
  readonly min?: number
  readonly max?: number
  /** For numbers: the bound that the value must exceed. */
  readonly above?: number
}

function boundsInWords({ min, max, above }: Bounds): string {
  const low = above !== undefined ? ` above ${above}` : min !== undefined ? ` of at least ${min}` : ''
  return `${low}${max !== undefined ? `${low ? ' and' : ' of'} at most ${max}` : ''}`
}

function boundChecks({ min, max, above }: Bounds): z.$ZodCheck<number>[] {
  const checks: z.$ZodCheck<number>[] = []
  if (min !== undefined) checks.push(z._gte(min))
  if (above !== undefined) checks.push(z._gt(above))
  if (max !== undefined) checks.push(z._lte(max))
  return checks
}

/** Numbers in quotes and booleans are what people write by mistake. */
function numberRemedy(value: unknown): string | undefined {
  if (typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value))) return `write ${value.trim()} without quotes`
  return undefined
}

export function int(bounds: Bounds = {}): Kind<number> {
  const make = () => new z.$ZodNumberFormat({ type: 'number', check: 'number_format', format: 'safeint', checks: boundChecks(bounds) })
  return kind({ type: 'integer', rule: `must be an integer${boundsInWords(bounds)}`, make, remedy: numberRemedy })
}

/** A finite number. */
export function number(bounds: Bounds = {}): Kind<number> {
  const make = () => z._number(z.$ZodNumber, { checks: boundChecks(bounds) })
  return kind({ type: 'number', rule: `must be a finite number${boundsInWords(bounds)}`, make, remedy: numberRemedy })
}

const booleanWords = new Map<unknown, boolean>([
  [1, true],
  [0, false],
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
])

/** True or false; 1 and 0 too, as Python takes them. */
export function bool({ words = false } = {}): Kind<boolean> {
  return kind({
    type: 'boolean',
    rule: 'must be true or false',
    make: () => z._boolean(z.$ZodBoolean),
    respell: (value) => (words || typeof value === 'number' ? (booleanWords.get(value) ?? value) : value),
    remedy: (value) => (typeof value === 'string' ? 'write true or false, without quotes' : undefined),
  })
}

/** Text that is not empty, and that a system call takes: without zero characters. */
export function text(): Kind<string> {
  return textLike('must be text that is not empty', /^[^\0]+$/)
}

/** Text that a system call takes, and that may be empty. */
export function textOrNone(): Kind<string> {
  return textLike('must be text without zero characters', /^[^\0]*$/)
}

/** The name of a file, or a part of one: it must not lead out of its folder. */
export function fileName(): Kind<string> {
  return textLike('must be a file name, without slashes', /^(?!\.{1,2}$)[^\0/\\]+$/)
}

/** The name of a block device: it must not look like an option. */
export function deviceName(): Kind<string> {
  return textLike('must be the name of a block device', /^[A-Za-z0-9_/][\w./:-]*$/)
}

function textLike(rule: string, form: RegExp): Kind<string> {
  return kind({
    type: 'text',
    rule,
    make: () => z._string(z.$ZodString, { checks: [z._regex(form)] }),
    remedy: (value) => (typeof value === 'number' || typeof value === 'boolean' ? 'put the value in quotes' : undefined),
  })
}

/** One of some words, spelled exactly. `respell` takes other spellings to them. */
export function choice<const T extends string>(values: readonly T[], respell?: (value: unknown) => unknown): Kind<T> {
  return kind<T>({
    type: values.map((value) => `\`${value}\``).join(' \\| '),
    rule: `must be one of ${values.join(', ')}`,
    make: () => z._enum(z.$ZodEnum, [...values]) as unknown as z.$ZodType<T>,
    ...(respell ? { respell } : {}),
    remedy: (value) => {
      const near = typeof value === 'string' ? nearest(value, values) : undefined
      return near && `did you mean ${near}?`
    },
  })
}

export function list<T>(element: Kind<T>): Kind<readonly T[]> {
  return kind<readonly T[]>({
    type: `list of ${element.type}`,
    rule: `must be a list whose elements each ${element.rule}`,
    innerRule: element.rule,
    make: () => z._array(z.$ZodArray, element.schema()),
  })
}

/** A mapping whose keys are not DLIO's own. */
export function openMap(): Kind<Readonly<Record<string, unknown>>> {
  return kind<Readonly<Record<string, unknown>>>({
    type: 'mapping',
    rule: 'must be a mapping of keys to values',
    make: () =>
      new z.$ZodRecord({ type: 'record', keyType: z._string(z.$ZodString), valueType: z._unknown(z.$ZodUnknown) }) as z.$ZodType<
        Record<string, unknown>
      >,
  })
}

/** Anything at all, since DLIO asks only whether the key is given; editors offer the words that it means to take. */
export function anything(words: readonly string[]): Kind<unknown> {
  const type = words.map((word) => `\`${word}\``).join(' | ')
  return {
    ...kind<unknown>({ type, rule: 'may be anything', make: () => z._unknown(z.$ZodUnknown) }),
    json: { enum: [...words, false, null] },
  }
}

export function nullable<T>(inner: Kind<T>): Kind<T | null> {
  return {
    type: `${inner.type} or null`,
    rule: `${inner.rule}, or null`,
    schema: () => new z.$ZodNullable({ type: 'nullable', innerType: inner.schema() }) as z.$ZodType<T | null>,
    check: (value) => (value === null ? { ok: true, value: null } : inner.check(value)),
  }
}

/** A mapping with known keys, of which `optional` ones may be absent; further keys are kept. */
export function shape(
  members: Readonly<Record<string, Kind<unknown>>>,
  optional: readonly string[],
  what: string,
): Kind<Readonly<Record<string, unknown>>> {
  const make = () => {
    const shape = Object.entries(members).map(([name, { schema }]) => [
      name,
      optional.includes(name) ? new z.$ZodOptional({ type: 'optional', innerType: schema() }) : schema(),
    ])
    const object = new z.$ZodObject({ type: 'object', shape: Object.fromEntries(shape), catchall: z._unknown(z.$ZodUnknown) })
    return object as unknown as z.$ZodType<Record<string, unknown>>
  }
  return kind({ type: `{${Object.keys(members).join(', ')}}`, rule: `must be ${what}`, make })
}
