// JSON as Python writes it, read without trust: NaN and Infinity are literals there, and every value is checked before it is used.
import { DataError } from '../errors.js'

/** Parses JSON in which Python may have written `NaN` (becomes null) and `Infinity`. Errors: DataError with the parser's reason. */
export function parsePythonJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw new DataError(path, `is not JSON: ${(error as Error).message}`)
  }
  // Strings are matched too, so that their contents stay. 1e999 is how JSON spells a number beyond all doubles.
  const strict = text.replace(/"(?:[^"\\]|\\.)*"|NaN|Infinity/g, (token) =>
    token === 'NaN' ? 'null' : token === 'Infinity' ? '1e999' : token,
  )
  try {
    return JSON.parse(strict)
  } catch (error) {
    throw new DataError(path, `is not JSON: ${(error as Error).message}`)
  }
}

export function fail(path: string, key: string, problem: string): DataError {
  return new DataError(path, `${key} ${problem}`)
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

/** A JSON object. Errors: DataError naming file and key. */
export function mapping(value: unknown, path: string, key: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fail(path, key, `must be an object, not ${shown(value)}`)
  return value as Record<string, unknown>
}

/** A finite number. Errors: DataError naming file and key. */
export function number(value: unknown, path: string, key: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw fail(path, key, `must be a finite number, not ${shown(value)}`)
  return value
}

export function optionalText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** A list of seconds, as milliseconds. Errors: DataError naming file, key and position. */
export function listMs(value: unknown, path: string, key: string): Float64Array {
  if (!Array.isArray(value)) throw fail(path, key, `must be a list, not ${shown(value)}`)
  return Float64Array.from(value as unknown[], (item, i) => number(item, path, `${key}[${i}]`) * 1000)
}

/** A time stamp of DLIO, `2026-11-22T12:17:04.659713`, as milliseconds if it were UTC. Errors: DataError naming file and key. */
export function stampMs(value: unknown, path: string, key: string): number {
  const text = optionalText(value)
  const [, whole, fraction = ''] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?$/.exec(text ?? '') ?? []
  const wholeMs = whole === undefined ? Number.NaN : Date.parse(`${whole}Z`)
  if (Number.isNaN(wholeMs)) throw fail(path, key, `must be a time stamp such as 2026-11-22T12:17:04.659713, not ${shown(value)}`)
  return wholeMs + Number(fraction.padEnd(6, '0')) / 1000
}
